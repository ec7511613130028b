/** How one value of a list's column, or of a page's key/value list, is shown. */
import type { Column, Json, Kind, Resource } from '../api-types';
import {
  asTyped,
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatTime,
  plainText,
  plural,
  valueAt
} from '../format';
import { secondsRun } from '../models/durations';
import { phaseOf } from '../models/kinds';
import { insideValue, isInside } from '../models/list-columns';
import { countTrials, foundBest, objectivesOf, shown } from '../models/trials';
import { usePanel } from './context';
import { PhaseBadge, ProgressBar, ReferenceLink, Tags } from './parts';

export function Cell(props: { kind: Kind; column: Column; resource: Resource }): JSX.Element | null {
  const { kind, column, resource } = props;
  if (isInside(column.key)) {
    return <Inside column={column} value={insideValue(resource, column.key)} />;
  }
  const value = valueAt(resource, column.key);
  switch (column.type) {
    case 'phase':
      return <PhaseBadge kind={kind} resource={resource} />;
    case 'progress': {
      const { progress } = resource.status;
      return progress && !phaseOf(kind, resource).settled ? (
        <ProgressBar progress={progress} label={`${resource.name}: progress`} />
      ) : null;
    }
    case 'date':
      return typeof value === 'string' ? <time title={formatTime(value)}>{formatAgo(value)}</time> : null;
    case 'duration':
      return <>{durationOf(resource)}</>;
    case 'bytes':
      return typeof value === 'number' ? <span className="orr-Number">{formatBytes(value)}</span> : null;
    case 'number':
      return typeof value === 'number' ? <span className="orr-Number">{formatNumber(value)}</span> : null;
    case 'tags':
      return Array.isArray(value) ? <Tags tags={value.map(String)} /> : null;
    case 'trials':
      return <Trials tuning={resource} />;
    case 'best-trial':
      return <BestTrial tuning={resource} />;
    case 'ref':
      return <References resource={resource} path={column.key.replace(/^spec\./, '')} value={value} />;
    default:
      return <span className="orr-Ellipsis">{plainText(value)}</span>;
  }
}

/** A metric, or a hyperparameter that was given; empty where there is none. */
function Inside(props: { column: Column; value: Json | undefined }): JSX.Element {
  const { column, value } = props;
  const isLong = typeof value === 'number' && !Number.isInteger(value);
  const text = column.type === 'number' || isLong ? plainText(value) : asTyped(value);
  return (
    <span className={column.type === 'number' ? 'orr-Number' : 'orr-Ellipsis'} title={asTyped(value)}>
      {text}
    </span>
  );
}

function Trials(props: { tuning: Resource }): JSX.Element | null {
  const counts = countTrials(props.tuning);
  return (
    counts && (
      <span className="orr-Ellipsis" title={[counts.done, counts.others].filter(Boolean).join(', ')}>
        {counts.done}
        {counts.others && <span className="orr-Muted"> · {counts.others}</span>}
      </span>
    )
  );
}

/** The training that did best, and what it reached; of several objectives how many none beats. */
function BestTrial(props: { tuning: Resource }): JSX.Element | null {
  const { tuning } = props;
  const { go } = usePanel();
  const found = foundBest(tuning);
  const objectives = objectivesOf(tuning);
  const [best] = found;
  const [objective] = objectives;
  if (!best || !objective) {
    return null;
  }
  if (objectives.length > 1) {
    return (
      <span className="orr-Ellipsis" title="No other trial beats one of these in every objective">
        {plural(found.length, 'best trial')}
      </span>
    );
  }
  const reached = `${objective.metric} ${shown(best.values[0])}`;
  return (
    <>
      <button
        type="button"
        className="orr-Link"
        onClick={() => go.open('training', best.training)}
        title={`Open ${best.name}`}
      >
        {best.name}
      </button>
      <span className="orr-Muted orr-Ellipsis" title={reached}>
        {reached}
      </span>
    </>
  );
}

function References(props: { resource: Resource; path: string; value: Json | undefined }): JSX.Element {
  const { resource, path, value } = props;
  const found = resource.references.filter(
    reference => reference.path === path || reference.path.startsWith(`${path}.`)
  );
  if (found.length === 0) {
    return <span className="orr-Ellipsis">{plainText(value)}</span>;
  }
  return (
    <span className="orr-Ellipsis">
      {found.map((reference, index) => (
        <span key={reference.path}>
          {index > 0 && ', '}
          <ReferenceLink kind={reference.kind} reference={reference} />
        </span>
      ))}
    </span>
  );
}

function durationOf(resource: Resource): string {
  const seconds = secondsRun(resource.status);
  return seconds === null ? '' : formatDuration(seconds);
}
