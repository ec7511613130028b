/** From a tuning's trials to what is drawn of them: axes, points, a surface, lines over axes. Pure. */
import type { Json, Objective, Trial } from '../api-types';
import { formatNumber, plainText } from '../format';
import { extent, ticks } from './plots';
import type { Dimension } from './search-space';
import { bestSoFar, lastOf, paretoFront, shown, targetOf } from './trials';

export interface Axis {
  title: string;
  /** Where a value lies, from 0 to 1; null for one that has no place here. */
  place: (value: Json | undefined) => number | null;
  ticks: { place: number; text: string }[];
  /** The value at a place, in words. */
  textAt: (place: number) => string;
}

/** Numbers from the least to the greatest with a little room around them; on a logarithmic axis all are above 0. */
export function numberAxis(title: string, values: number[], isLog = false): Axis {
  const finite = values.filter(value => Number.isFinite(value) && (!isLog || value > 0));
  const scale = (value: number): number => (isLog ? Math.log10(value) : value);
  const [least, most] = finite.length > 0 ? extent(finite.map(scale)) : [0, 1];
  const room = (most - least) * 0.04 || Math.abs(most) * 0.05 || 1;
  const [low, high] = [least - room, most + room];
  const place = (value: Json | undefined): number | null =>
    typeof value === 'number' && Number.isFinite(value) && (!isLog || value > 0)
      ? (scale(value) - low) / (high - low)
      : null;
  const marks = isLog ? logTicks(10 ** low, 10 ** high) : ticks(low, high, 5);
  return {
    title,
    place,
    ticks: marks.map(value => ({ place: place(value) ?? 0, text: short(value) })),
    textAt: at => short(isLog ? 10 ** (low + at * (high - low)) : low + at * (high - low))
  };
}

function short(value: number): string {
  return formatNumber(+value.toPrecision(4));
}

/** Powers of ten; where there are fewer than three, 2 and 5 between them as well. */
function logTicks(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const factors = to - from < 4 ? [1, 2, 5] : [1];
  const found: number[] = [];
  for (let power = from; power <= to; power += 1) {
    found.push(...factors.map(factor => factor * 10 ** power));
  }
  return found.filter(value => value >= low && value <= high);
}

export function categoryAxis(title: string, labels: string[]): Axis {
  const at = (index: number): number => (index + 0.5) / labels.length;
  return {
    title,
    place: value => {
      const index = value === undefined || value === null ? -1 : labels.indexOf(shown(value));
      return index < 0 ? null : at(index);
    },
    ticks: labels.map((text, index) => ({ place: at(index), text })),
    textAt: place => labels[Math.min(labels.length - 1, Math.max(0, Math.floor(place * labels.length)))] ?? ''
  };
}

/** A searched parameter: a range as the space has it, else its different values in the space's order. */
export function parameterAxis(
  name: string,
  trials: readonly Trial[],
  dimension: Dimension | undefined
): Axis {
  const values = trials.flatMap(trial => trial.parameters[name] ?? []);
  const numbers = values.filter((value): value is number => typeof value === 'number');
  if (!dimension?.values && numbers.length === values.length && numbers.length > 0) {
    return numberAxis(name, numbers, dimension?.log === true && numbers.every(value => value > 0));
  }
  return categoryAxis(name, [...new Set([...(dimension?.values ?? []), ...values].map(shown))]);
}

export function targetAxis(objective: Objective, place: number, trials: readonly Trial[]): Axis {
  return numberAxis(
    objective.metric,
    trials.flatMap(trial => targetOf(trial, place) ?? [])
  );
}

export interface Point {
  x: number;
  y: number;
  trial: Trial;
}

export interface PointGroup {
  label: string;
  /** A number of the theme's curve colours; with `strength`, mixed with so much of the background. */
  color: number;
  strength?: number;
  points: Point[];
}

export interface Line {
  label: string;
  color: number;
  points: { x: number; y: number }[];
  isStep?: boolean;
}

export interface ScatterPlot {
  title: string;
  x: Axis;
  y: Axis;
  groups: PointGroup[];
  lines: Line[];
}

function pointsOf(
  trials: readonly Trial[],
  x: (trial: Trial) => number | null,
  y: (trial: Trial) => number | null
): Point[] {
  return trials.flatMap(trial => {
    const [left, top] = [x(trial), y(trial)];
    return left === null || top === null ? [] : [{ x: left, y: top, trial }];
  });
}

/** How the metric went from trial to trial, and the best so far. */
export function historyPlot(trials: readonly Trial[], objective: Objective, place: number): ScatterPlot {
  const x = numberAxis(
    'trial',
    trials.map(trial => trial.number)
  );
  const y = numberAxis(
    objective.metric,
    trials.flatMap(trial => targetOf(trial, place) ?? lastOf(trial, place) ?? [])
  );
  const points = pointsOf(
    trials,
    trial => x.place(trial.number),
    trial => y.place(targetOf(trial, place))
  );
  const stopped = pointsOf(
    trials,
    trial => x.place(trial.number),
    trial => y.place(lastOf(trial, place))
  );
  const best = bestSoFar(trials, objective, place).map(([number, value]) => ({
    x: x.place(number) ?? 0,
    y: y.place(value) ?? 0
  }));
  return {
    title: `${objective.metric} by trial`,
    x,
    y,
    groups: [
      { label: 'Trials', color: 1, points },
      ...(stopped.length > 0 ? [{ label: 'Stopped before their end', color: 3, points: stopped }] : [])
    ],
    lines: [{ label: 'Best so far', color: 2, points: best, isStep: true }]
  };
}

/** Later trials are drawn stronger. */
const AGES = 4;
const WEAKEST = 35;

/** How the metric depends on one parameter. */
export function slicePlot(
  trials: readonly Trial[],
  name: string,
  dimension: Dimension | undefined,
  objective: Objective,
  place: number
): ScatterPlot {
  const x = parameterAxis(name, trials, dimension);
  const y = targetAxis(objective, place, trials);
  const points = pointsOf(
    trials,
    trial => x.place(trial.parameters[name]),
    trial => y.place(targetOf(trial, place))
  );
  const size = Math.max(1, Math.ceil(points.length / AGES));
  const groups: PointGroup[] = [];
  for (let age = 0; age * size < points.length; age += 1) {
    const part = points.slice(age * size, (age + 1) * size);
    const [first, last] = [part[0]?.trial.number, part.at(-1)?.trial.number];
    const strength = WEAKEST + ((100 - WEAKEST) * age) / (AGES - 1);
    groups.push({
      label: first === last ? `Trial ${first}` : `Trials ${first} to ${last}`,
      color: 1,
      strength,
      points: part
    });
  }
  return { title: `${objective.metric} by ${name}`, x, y, groups, lines: [] };
}

/** Two objectives against each other, with the trials that no other beats in both. */
export function paretoPlot(
  trials: readonly Trial[],
  objectives: readonly Objective[],
  [first, second]: [number, number]
): ScatterPlot | null {
  const [a, b] = [objectives[first], objectives[second]];
  if (!a || !b) {
    return null;
  }
  const [x, y] = [targetAxis(a, first, trials), targetAxis(b, second, trials)];
  const front = new Set(paretoFront(trials, objectives).map(trial => trial.number));
  const points = pointsOf(
    trials,
    trial => x.place(targetOf(trial, first)),
    trial => y.place(targetOf(trial, second))
  );
  const best = points.filter(({ trial }) => front.has(trial.number));
  const line = [...best].sort((one, other) => one.x - other.x).map(point => ({ x: point.x, y: point.y }));
  return {
    title: `${b.metric} by ${a.metric}`,
    x,
    y,
    groups: [
      {
        label: 'Beaten',
        color: 1,
        strength: 60,
        points: points.filter(({ trial }) => !front.has(trial.number))
      },
      { label: 'Not beaten by any', color: 2, points: best }
    ],
    // With more than two objectives the front is a surface: a line through it would mean nothing.
    lines: objectives.length === 2 ? [{ label: 'Front', color: 2, points: line }] : []
  };
}

export interface Surface {
  title: string;
  x: Axis;
  y: Axis;
  points: Point[];
  /** Of each cell, row by row from below, the band of its value: 0 for the lowest. */
  bands: number[][];
  /** The lowest value of each band. */
  levels: number[];
}

const COLUMNS = 60;
const ROWS = 40;
export const BANDS = 8;

/** The metric over two parameters; between the trials by the inverse squares of their distances (Shepard). */
export function contourPlot(
  trials: readonly Trial[],
  [first, second]: [string, string],
  space: Record<string, Dimension>,
  objective: Objective,
  place: number
): Surface | null {
  const known = trials.filter(trial => targetOf(trial, place) !== null);
  const x = parameterAxis(first, known, space[first]);
  const y = parameterAxis(second, known, space[second]);
  const points = pointsOf(
    known,
    trial => x.place(trial.parameters[first]),
    trial => y.place(trial.parameters[second])
  );
  const values = points.map(({ trial }) => targetOf(trial, place) ?? 0);
  if (points.length < 3) {
    return null;
  }
  const [least, most] = extent(values);
  const bandOf = (value: number): number =>
    most === least ? 0 : Math.min(BANDS - 1, Math.floor(((value - least) / (most - least)) * BANDS));
  const bands = Array.from({ length: ROWS }, (_row, row) =>
    Array.from({ length: COLUMNS }, (_column, column) =>
      bandOf(shepard(points, values, (column + 0.5) / COLUMNS, (row + 0.5) / ROWS))
    )
  );
  const levels = Array.from({ length: BANDS }, (_, band) => least + ((most - least) * band) / BANDS);
  return { title: `${objective.metric} over ${first} and ${second}`, x, y, points, bands, levels };
}

function shepard(points: Point[], values: number[], x: number, y: number): number {
  let [sum, weights] = [0, 0];
  for (let at = 0; at < points.length; at += 1) {
    const point = points[at];
    if (point) {
      const weight = 1 / ((point.x - x) ** 2 + (point.y - y) ** 2 + 1e-4) ** 2;
      sum += weight * (values[at] ?? 0);
      weights += weight;
    }
  }
  return sum / weights;
}

/** Where a trial crosses the axes, and how good it is: 0 for the worst fifth, 4 for the best. */
export interface ParallelLine {
  trial: Trial;
  places: (number | null)[];
  rank: number;
}

export interface ParallelPlot {
  axes: (Axis & { key: string })[];
  lines: ParallelLine[];
}

const RANKS = 5;

/** The objectives, then the parameters. */
export function parallelPlot(
  trials: readonly Trial[],
  objectives: readonly Objective[],
  names: readonly string[],
  space: Record<string, Dimension>,
  place: number
): ParallelPlot {
  const known = trials.filter(trial => targetOf(trial, place) !== null);
  const axes = [
    ...objectives.map((objective, at) => ({
      ...targetAxis(objective, at, known),
      key: `target ${at}`,
      read: (trial: Trial): Json | undefined => targetOf(trial, at)
    })),
    ...names.map(name => ({
      ...parameterAxis(name, known, space[name]),
      key: `parameter ${name}`,
      read: (trial: Trial): Json | undefined => trial.parameters[name]
    }))
  ];
  const sign = objectives[place]?.goal === 'minimize' ? -1 : 1;
  const ordered = [...known].sort((a, b) => sign * ((targetOf(a, place) ?? 0) - (targetOf(b, place) ?? 0)));
  const ranks = new Map(
    ordered.map((trial, at) => [trial.number, Math.floor((at / ordered.length) * RANKS)])
  );
  return {
    axes,
    lines: known.map(trial => ({
      trial,
      places: axes.map(axis => axis.place(axis.read(trial))),
      rank: ranks.get(trial.number) ?? 0
    }))
  };
}

/** From which place to which an axis is chosen, by its key. */
export type Brushes = Readonly<Record<string, [low: number, high: number]>>;

/** The lines within every brush; one that does not cross a brushed axis is outside. */
export function brushed(plot: ParallelPlot, brushes: Brushes): Set<number> {
  const wanted = plot.axes.flatMap((axis, at) => {
    const brush = brushes[axis.key];
    return brush ? [{ at, brush }] : [];
  });
  const inside = plot.lines.filter(({ places }) =>
    wanted.every(({ at, brush: [low, high] }) => {
      const place = places[at];
      return place !== null && place !== undefined && place >= low && place <= high;
    })
  );
  return new Set(inside.map(({ trial }) => trial.number));
}

/** Trials as a table, for those who do not see what is drawn. */
export interface Table {
  titles: string[];
  rows: string[][];
}

export function trialTable(
  trials: readonly Trial[],
  objectives: readonly Objective[],
  names: readonly string[]
): Table {
  return {
    titles: ['Trial', ...objectives.map(({ metric }) => metric), ...names],
    rows: trials.map(trial => [
      String(trial.number),
      ...objectives.map((_, at) => shown(trial.targets?.[at])),
      ...names.map(name => shown(trial.parameters[name]))
    ])
  };
}

/** What is told of a point beside the pointer. */
export function describeTrial(trial: Trial, objectives: readonly Objective[]): string {
  const targets = objectives.map(({ metric }, at) => {
    const value = shown(trial.targets?.[at]);
    return lastOf(trial, at) === null ? `${metric} ${value}` : `last ${metric} ${value}, not final`;
  });
  const parameters = Object.entries(trial.parameters).map(([name, value]) => `${name} ${plainText(value)}`);
  return `Trial ${trial.number}: ${[...targets, ...parameters].join(', ')}`;
}
