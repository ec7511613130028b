/**
 * Metric series made ready for charts: what belongs together shares one chart, of one run or of several. What is not a
 * number leaves a gap in its curve, and its name stands there.
 */
import type { Json, MetricPoint, Series } from '../api-types';
import { humanize } from '../format';

const PARTS = ['train', 'training', 'val', 'valid', 'validation', 'eval', 'test', 'testing', 'holdout'];

export type Axis = 'step' | 'time';

export interface CurveOptions {
  /** Against the steps, or the seconds since the run's first report. */
  axis: Axis;
  /** 0: as reported; towards 1: the mean of ever more values before. */
  smoothing: number;
}

export const PLAIN: CurveOptions = { axis: 'step', smoothing: 0 };

/** The curves of one run; several are laid over each other, each in one colour. */
export interface RunSeries {
  label: string;
  series: Series[];
}

export type SpecialNumber = 'NaN' | 'Infinity' | '-Infinity';

export interface ChartCurve {
  label: string;
  values: (number | null)[];
  special: { x: number; value: SpecialNumber }[];
  color: number;
  isFaint?: boolean;
  /** Of several runs, curves of one colour are told apart by how they are dashed. */
  dash?: number;
}

export interface ChartData {
  title: string;
  /** The metric's name, without the part of the data. */
  metric: string;
  x: number[];
  curves: ChartCurve[];
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

export function makeCharts(runs: RunSeries[], options: CurveOptions = PLAIN): ChartData[] {
  const all = runs.flatMap(run => run.series);
  const groups = new Map<string, { run: number; one: Series }[]>();
  runs.forEach((run, index) => {
    for (const one of run.series.filter(candidate => hasCurve(all, candidate.key))) {
      const { metric } = splitKey(one.key);
      groups.set(metric, [...(groups.get(metric) ?? []), { run: index, one }]);
    }
  });
  return [...groups.entries()].map(([metric, members]) => {
    const parts = [...new Set(members.map(({ one }) => splitKey(one.key).part))];
    const reported = members.map(({ run, one }) => ({
      label: labelOf(runs, run, one, metric),
      color: runs.length > 1 ? run : members.findIndex(member => member.one === one),
      dash: runs.length > 1 ? parts.indexOf(splitKey(one.key).part) : 0,
      points: placed(one.points, options.axis, startOf(runs[run]?.series ?? []))
    }));
    const x = [...new Set(reported.flatMap(curve => curve.points.map(point => point.x)))].sort(
      (a, b) => a - b
    );
    const place = new Map(x.map((at, index) => [at, index]));
    const curves = reported.flatMap(({ label, color, dash, points }): ChartCurve[] => {
      const values: (number | null)[] = x.map(() => null);
      const special: ChartCurve['special'] = [];
      for (const point of points) {
        if (typeof point.value === 'number') {
          values[place.get(point.x) ?? 0] = point.value;
        } else {
          special.push({ x: point.x, value: point.value });
        }
      }
      const plain = { label, color, values, special, ...(dash > 0 ? { dash } : {}) };
      return options.smoothing > 0
        ? [
            { ...plain, label: `${label} (reported)`, special: [], isFaint: true },
            { ...plain, values: smooth(values, options.smoothing) }
          ]
        : [plain];
    });
    return { title: humanize(metric), metric, x, curves };
  });
}

function labelOf(runs: RunSeries[], run: number, one: Series, metric: string): string {
  const { part } = splitKey(one.key);
  const name = runs[run]?.label ?? '';
  return runs.length > 1 ? [name, part].filter(Boolean).join(' ') : part || metric;
}

/** When the run reported first, in seconds since 1970. */
function startOf(series: Series[]): number {
  return Math.min(...series.flatMap(one => one.points.slice(0, 1).map(point => Date.parse(point[2]) / 1000)));
}

function placed(
  points: MetricPoint[],
  axis: Axis,
  start: number
): { x: number; value: number | SpecialNumber }[] {
  return points.map((point, index) => ({
    x: axis === 'step' ? (point[0] ?? index) : Date.parse(point[2]) / 1000 - start,
    value: typeof point[1] === 'number' ? point[1] : specialOf(point[1])
  }));
}

function specialOf(name: string): SpecialNumber {
  return name === 'Infinity' || name === '-Infinity' ? name : 'NaN';
}

/** An exponential mean, its first values not drawn towards zero; gaps stay gaps. */
export function smooth(values: (number | null)[], weight: number): (number | null)[] {
  let mean = 0;
  let share = 0;
  return values.map(value => {
    if (value === null) {
      return null;
    }
    mean = mean * weight + value * (1 - weight);
    share = share * weight + (1 - weight);
    return mean / share;
  });
}

/** The chart as a table: one line for each place on the x axis. */
export function chartRows(chart: ChartData, axis: Axis): (string | number | null)[][] {
  const curves = chart.curves.filter(curve => !curve.isFaint);
  const special = curves.map(curve => new Map(curve.special.map(point => [point.x, point.value])));
  return [
    [axis === 'step' ? 'step' : 'seconds', ...curves.map(curve => curve.label)],
    ...chart.x.map((x, index) => [
      x,
      ...curves.map((curve, place) => curve.values[index] ?? special[place]?.get(x) ?? null)
    ])
  ];
}
