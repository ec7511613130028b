/** What is said when runs end: each alone, or, where many end at about the same time, one word for all. */
import type { Json, Kind, Resource } from '../api-types';
import { displayName, formatNumber, humanize, isObject, plural } from '../format';
import { phaseOf } from './kinds';

export interface Ending {
  type: 'success' | 'error' | 'info';
  message: string;
  /** What "Open" leads to: one run, or the list of a kind. */
  kind: string;
  ref: string | null;
}

/** More than this many within a moment are told as one. */
const MOST_ALONE = 3;

/** Trials are not told: their tuning is, when it ends. */
export function endingsOf(all: { kind: Kind; resource: Resource }[]): Ending[] {
  const ended = all.filter(({ resource }) => !isObject(resource.spec.trial));
  const [first] = ended;
  if (!first || ended.length <= MOST_ALONE) {
    return ended.map(({ kind, resource }) => endingOf(kind, resource));
  }
  const isOneKind = ended.every(({ kind }) => kind === first.kind);
  const counts = new Map<string, number>();
  for (const { resource } of ended) {
    counts.set(resource.status.state, (counts.get(resource.status.state) ?? 0) + 1);
  }
  const parts = [...counts].map(([state, count]) => `${count} ${state.toLowerCase()}`);
  const what = isOneKind
    ? plural(ended.length, first.kind.title.toLowerCase(), first.kind.title_plural.toLowerCase())
    : plural(ended.length, 'run');
  return [
    {
      type: counts.has('Failed') ? 'error' : 'success',
      message: `${what} ended: ${parts.join(', ')}.`,
      kind: first.kind.kind,
      ref: null
    }
  ];
}

function endingOf(kind: Kind, resource: Resource): Ending {
  const name = `${kind.title} ${displayName(resource)}`;
  const where = { kind: kind.kind, ref: resource.id };
  const { state, message, reason, outputs } = resource.status;
  if (state === 'Completed') {
    return { type: 'success', message: `${name} is complete.${firstMetric(outputs.metrics)}`, ...where };
  }
  if (state === 'Failed') {
    return { type: 'error', message: `${name} failed. ${message || reason}`.slice(0, 300), ...where };
  }
  return { type: 'info', message: `${name}: ${phaseOf(kind, resource).title.toLowerCase()}.`, ...where };
}

function firstMetric(metrics: Json | undefined): string {
  const [first] = isObject(metrics) ? Object.entries(metrics) : [];
  return first && typeof first[1] === 'number' ? ` ${humanize(first[0])}: ${formatNumber(first[1])}.` : '';
}
