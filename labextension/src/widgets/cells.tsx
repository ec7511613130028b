/** How one value of a list's column, or of a page's key/value list, is shown. */
import type { Column, Json, Kind, Resource } from '../api-types';
import { displayName, formatAgo, formatBytes, formatDuration, formatNumber, formatTime, valueAt } from '../format';
import { phaseOf } from '../models/kinds';
import { usePanel } from './context';
import { PhaseBadge, ProgressBar, ReferenceLink, Tags } from './parts';

export function Cell(props: { kind: Kind; column: Column; resource: Resource }): JSX.Element | null {
  const { kind, column, resource } = props;
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
      return <>{durationOf(resource, value)}</>;
    case 'bytes':
      return typeof value === 'number' ? <span className="orr-Number">{formatBytes(value)}</span> : null;
    case 'number':
      return typeof value === 'number' ? <span className="orr-Number">{formatNumber(value)}</span> : null;
    case 'tags':
      return Array.isArray(value) ? <Tags tags={value.map(String)} /> : null;
    case 'ref':
      return <References kind={kind} column={column} value={value} />;
    default:
      return <span className="orr-Ellipsis">{plainText(value)}</span>;
  }
}

function References(props: { kind: Kind; column: Column; value: Json | undefined }): JSX.Element {
  const { kinds } = usePanel();
  const { value } = props;
  const path = props.column.key.replace(/^spec\./, '').split('.');
  let schema = props.kind.spec_schema;
  for (const key of path) {
    schema = schema.properties?.[key] ?? schema;
  }
  const target = findReferenceKind(schema) ?? '';
  if (value && typeof value === 'object' && !Array.isArray(value) && typeof value.name === 'string') {
    return <span className="orr-Ellipsis">{displayName({ name: value.name, version: (value.version as number) ?? null })}</span>;
  }
  const references = (Array.isArray(value) ? value : typeof value === 'object' && value ? Object.values(value) : [value]).filter(
    (item): item is string => typeof item === 'string'
  );
  return (
    <span className="orr-Ellipsis">
      {references.map((reference, index) => (
        <span key={reference}>
          {index > 0 && ', '}
          {kinds.get(target) ? <ReferenceLink kind={target} reference={reference} /> : reference}
        </span>
      ))}
    </span>
  );
}

function findReferenceKind(schema: Kind['spec_schema']): string | undefined {
  const nested = schema.anyOf ?? [];
  return (
    schema['x-orrery-ref'] ??
    nested.map(findReferenceKind).find(kind => kind !== undefined) ??
    Object.values(schema.properties ?? {})
      .map(findReferenceKind)
      .find(kind => kind !== undefined)
  );
}

function durationOf(resource: Resource, value: Json | undefined): string {
  if (typeof value === 'number') {
    return formatDuration(value);
  }
  const { started_at, ended_at } = resource.status;
  if (!started_at) {
    return '';
  }
  return formatDuration(((ended_at ? Date.parse(ended_at) : Date.now()) - Date.parse(started_at)) / 1000);
}

export function plainText(value: Json | undefined): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value === 'number') {
    return formatNumber(value);
  }
  if (typeof value === 'boolean') {
    return value ? 'Yes' : 'No';
  }
  if (Array.isArray(value)) {
    return value.map(plainText).join(', ');
  }
  return typeof value === 'object' ? JSON.stringify(value) : value;
}
