/** What was created and what ended over time, and the sizes that were used for it. */
import { useId } from 'react';
import { formatDuration, formatNumber, plural } from '../format';
import type { Activity, ActivityRange, OverviewModel } from '../models/overview';
import { Card } from './cards';
import { Busy } from './parts';

const RANGES: Record<ActivityRange, string> = {
  '24h': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days'
};
const PARTS = ['created', 'completed', 'failed', 'cancelled'] as const;
type Part = (typeof PARTS)[number];
const WIDTH = 560;
const HEIGHT = 150;
const BOTTOM = 18;
const LEFT = 26;

export function ActivityCard(props: { model: OverviewModel }): JSX.Element {
  const { model } = props;
  const { activity } = model;
  return (
    <Card
      title="Training activity"
      testId="orrery-overview-activity"
      action={
        <select
          className="orr-Select"
          aria-label="Range of the activity"
          value={model.range}
          onChange={event => model.setRange(event.target.value as ActivityRange)}
        >
          {Object.entries(RANGES).map(([range, title]) => (
            <option key={range} value={range}>
              {title}
            </option>
          ))}
        </select>
      }
    >
      {activity ? <Bars activity={activity} /> : <Busy />}
    </Card>
  );
}

function total(counts: number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** `Mon 24`, or `14:00` where a bucket is an hour. */
export function bucketLabel(start: string, seconds: number): string {
  const at = new Date(start);
  if (seconds < 86_400) {
    const time = at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
    return seconds <= 3600 ? time : `${at.toLocaleDateString(undefined, { weekday: 'short' })} ${time}`;
  }
  return at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

function Bars(props: { activity: Activity }): JSX.Element {
  const { activity } = props;
  const tableId = useId();
  const most = Math.max(1, ...PARTS.flatMap(part => activity[part]));
  const shown = PARTS.filter(part => part !== 'cancelled' || total(activity.cancelled) > 0);
  const slot = (WIDTH - LEFT) / Math.max(1, activity.starts.length);
  const bar = Math.max(1, (slot - 2) / shown.length);
  const y = (count: number): number => (HEIGHT - BOTTOM - 8) * (count / most);
  const every = Math.ceil(activity.starts.length / 7);
  const summary = shown.map(part => `${total(activity[part])} ${part}`).join(', ');
  const label = (start: string): string => bucketLabel(start, activity.bucket_seconds);
  return (
    <>
      <div className="orr-Legend">
        {shown.map(part => (
          <span key={part}>
            <span className="orr-Swatch" data-part={part} aria-hidden="true" /> {total(activity[part])} {part}
          </span>
        ))}
      </div>
      <svg
        className="orr-Bars"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`Training activity, ${RANGES[activity.range].toLowerCase()}: ${summary}`}
      >
        <line x1={LEFT} x2={WIDTH} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM} />
        <line className="orr-mod-faint" x1={LEFT} x2={WIDTH} y1={8} y2={8} />
        <text x={LEFT - 4} y={12} textAnchor="end">
          {most}
        </text>
        <text x={LEFT - 4} y={HEIGHT - BOTTOM} textAnchor="end">
          0
        </text>
        {activity.starts.map((start, index) => (
          <g key={start} transform={`translate(${LEFT + index * slot + 1}, 0)`}>
            <title>{tooltip(activity, index, shown, label(start))}</title>
            <rect className="orr-Bars-hit" x={0} y={0} width={slot - 1} height={HEIGHT - BOTTOM} />
            {shown.map((part, place) => (
              <rect
                key={part}
                data-part={part}
                x={place * bar}
                y={HEIGHT - BOTTOM - y(activity[part][index] ?? 0)}
                width={Math.max(1, bar - 0.5)}
                height={y(activity[part][index] ?? 0)}
              />
            ))}
            {index % every === 0 && (
              <text x={0} y={HEIGHT - 4}>
                {label(start)}
              </text>
            )}
          </g>
        ))}
      </svg>
      <details className="orr-Details">
        <summary>As a table</summary>
        <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Training activity as a table">
          <table className="orr-Table orr-mod-data" id={tableId}>
            <thead>
              <tr>
                <th scope="col">From</th>
                {shown.map(part => (
                  <th key={part} scope="col" className="orr-Number">
                    {part}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {activity.starts.map((start, index) => (
                <tr key={start}>
                  <th scope="row">{new Date(start).toLocaleString()}</th>
                  {shown.map(part => (
                    <td key={part} className="orr-Number">
                      {activity[part][index]}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}

function tooltip(activity: Activity, index: number, shown: Part[], from: string): string {
  return `${from}: ${shown.map(part => `${activity[part][index] ?? 0} ${part}`).join(', ')}`;
}

/** The sizes by how much of the machine was reserved with them. */
export function InstanceTypesCard(props: { model: OverviewModel }): JSX.Element {
  const { activity } = props.model;
  const types = activity?.instance_types ?? [];
  const most = Math.max(1e-9, ...types.map(type => type.core_hours));
  return (
    <Card title="Instance types used most" testId="orrery-overview-instances">
      {!activity ? (
        <Busy />
      ) : types.length === 0 ? (
        <p className="orr-Muted">No training in this time. {RANGES[activity.range]} are looked at.</p>
      ) : (
        <ol className="orr-PlainList orr-Home-bars">
          {types.map(type => (
            <li key={type.name} title={`${type.name}: ${type.title}`}>
              <span className="orr-Ellipsis">
                {type.name} <span className="orr-Muted">{type.title}</span>
              </span>
              <span className="orr-Muted orr-Nowrap">
                {plural(type.count, 'training')} · {hours(type.core_hours, 'core')}
                {type.gpus > 0 && <> · {hours(type.gpu_hours, 'GPU')}</>}
              </span>
              <span className="orr-SplitBar" aria-hidden="true">
                <span data-part="use" style={{ width: `${(type.core_hours / most) * 100}%` }} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

/** `3.2 core hours`; of what took less, the time itself. */
function hours(amount: number, unit: string): string {
  return amount < 0.1
    ? `${formatDuration(amount * 3600)} of a ${unit}`
    : `${formatNumber(Number(amount.toPrecision(3)))} ${unit} hours`;
}
