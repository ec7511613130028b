/** Metric series made ready for charts: what belongs together shares one chart; what is not a number leaves a gap. */
import type { Json, MetricPoint, Series } from '../api-types';
import { humanize } from '../format';

const PARTS = ['train', 'training', 'val', 'valid', 'validation', 'eval', 'test', 'testing', 'holdout'];

export interface ChartData {
  title: string;
  x: number[];
  curves: { label: string; values: (number | null)[] }[];
  /** How many points were NaN or infinite, so that the gap can be explained. */
  unavailable: number;
}

/** `validation_logloss` and `train-logloss` are both curves of "Logloss". */
export function splitKey(key: string): { part: string; metric: string } {
  const match = /^([A-Za-z]+)[_\-./](.+)$/.exec(key);
  if (match?.[1] && match[2] && PARTS.includes(match[1].toLowerCase())) {
    return { part: match[1].toLowerCase(), metric: match[2] };
  }
  return { part: '', metric: key };
}

/** Metrics reported once: there is nothing to draw of them, only to read. */
export function singleValues(series: Series[]): Record<string, Json> {
  const singles = series.filter(one => one.points.length === 1 && !hasCurve(series, one.key));
  return Object.fromEntries(singles.map(one => [one.key, one.points[0]?.[1] ?? null]));
}

function hasCurve(series: Series[], key: string): boolean {
  const { metric } = splitKey(key);
  return series.some(one => splitKey(one.key).metric === metric && one.points.length > 1);
}

export function makeCharts(series: Series[]): ChartData[] {
  const groups = new Map<string, Series[]>();
  for (const one of series.filter(candidate => hasCurve(series, candidate.key))) {
    const { metric } = splitKey(one.key);
    groups.set(metric, [...(groups.get(metric) ?? []), one]);
  }
  return [...groups.entries()].map(([metric, members]) => {
    const x = [...new Set(members.flatMap(member => member.points.map(stepOf)))].sort((a, b) => a - b);
    const place = new Map(x.map((step, index) => [step, index]));
    let unavailable = 0;
    const curves = members.map(member => {
      const values: (number | null)[] = x.map(() => null);
      member.points.forEach((point, index) => {
        const value = typeof point[1] === 'number' ? point[1] : null;
        unavailable += value === null ? 1 : 0;
        values[place.get(stepOf(point, index)) ?? 0] = value;
      });
      return { label: splitKey(member.key).part || metric, values };
    });
    return { title: humanize(metric), x, curves, unavailable };
  });
}

function stepOf(point: MetricPoint, index: number): number {
  return point[0] ?? index;
}
