/** From a profile's sample and the chosen columns to what is drawn. Pure. */
import { formatNumber } from '../format';
import type { ColumnProfile, Profile } from './insight';

export type ChartType = 'scatter' | 'line' | 'count' | 'mean' | 'histogram' | 'box';

export const CHARTS: { type: ChartType; title: string; needsY: boolean }[] = [
  { type: 'scatter', title: 'Scatter', needsY: true },
  { type: 'line', title: 'Line', needsY: true },
  { type: 'count', title: 'Bars: count', needsY: false },
  { type: 'mean', title: 'Bars: mean', needsY: true },
  { type: 'histogram', title: 'Histogram', needsY: false },
  { type: 'box', title: 'Box', needsY: true }
];

export interface Choice {
  x: string;
  y: string;
  colour: string;
  chart: ChartType;
}

export interface Group {
  label: string;
  /** [x, y], or [bar, height]. */
  points: [number, number][];
}

export interface Box {
  label: string;
  low: number;
  q1: number;
  median: number;
  q3: number;
  high: number;
  outliers: number[];
  rows: number;
}

interface Framed {
  xTitle: string;
  yTitle: string;
  /** Rows of the sample that are drawn. */
  rows: number;
  isTime: boolean;
  isTimeY: boolean;
}

export type Plot = Framed &
  (
    | { kind: 'points' | 'lines'; groups: Group[] }
    | { kind: 'bars'; labels: string[]; groups: Group[] }
    | { kind: 'bins'; edges: number[]; groups: Group[] }
    | { kind: 'boxes'; boxes: Box[] }
  );

const COLOURS = 6;
const MOST_BARS = 20;
const BINS = 20;
const RANGES = 10;
export const OTHERS = 'others';

type Value = number | string | null;
type Row = { x: Value; y: Value; group: string };

/** The plot, or in words why there is none. */
export function makePlot(profile: Profile, choice: Choice): Plot | string {
  const x = columnNamed(profile, choice.x);
  if (!x) {
    return 'Choose a column for X.';
  }
  const needsY = CHARTS.some(({ type, needsY }) => type === choice.chart && needsY);
  const y = needsY ? columnNamed(profile, choice.y) : null;
  if (needsY && !y) {
    return 'Choose a column for Y.';
  }
  if (y && !isQuantity(y)) {
    return `${y.name} holds ${y.kind} values; choose numbers for Y, or count the rows with “Bars: count”.`;
  }
  const rows = rowsOf(profile, choice, y);
  if (rows.length === 0) {
    return `No row of the sample has a value of ${x.name}${y ? ` and of ${y.name}` : ''}.`;
  }
  const frame: Framed = {
    xTitle: x.name,
    yTitle: y?.name ?? 'rows',
    rows: rows.length,
    isTime: x.kind === 'datetime',
    isTimeY: y?.kind === 'datetime'
  };
  switch (choice.chart) {
    case 'scatter':
    case 'line':
      if (!isQuantity(x)) {
        return `${x.name} holds ${x.kind} values; choose numbers or times for X, or draw bars or boxes.`;
      }
      return {
        ...frame,
        kind: choice.chart === 'scatter' ? 'points' : 'lines',
        groups: points(rows, choice.chart === 'line')
      };
    case 'histogram':
      return isQuantity(x)
        ? { ...frame, kind: 'bins', ...bins(rows) }
        : { ...frame, ...bars(rows, x, false) };
    case 'count':
      return { ...frame, ...bars(rows, x, false) };
    case 'mean':
      return { ...frame, yTitle: `mean of ${y?.name ?? ''}`, ...bars(rows, x, true) };
    case 'box':
      return { ...frame, kind: 'boxes', boxes: boxes(rows, x) };
  }
}

/** Something worth looking at first: two quantities that are no identifiers, coloured by what is to be predicted. */
export function firstChoice(profile: Profile): Choice {
  const identifiers = new Set(
    profile.findings.filter(({ code }) => code === 'identifier').map(({ column }) => column)
  );
  const [first, second] = profile.columns
    .filter(column => isQuantity(column) && column.distinct > 1 && column.name !== profile.target)
    .sort((a, b) => Number(identifiers.has(a.name)) - Number(identifiers.has(b.name)));
  const other = profile.columns[0];
  return {
    x: (first ?? other)?.name ?? '',
    y: (second ?? first ?? other)?.name ?? '',
    colour: profile.target ?? '',
    chart: second ? 'scatter' : first ? 'histogram' : 'count'
  };
}

export function isQuantity(column: ColumnProfile): boolean {
  return column.kind === 'number' || column.kind === 'datetime';
}

function columnNamed(profile: Profile, name: string): ColumnProfile | undefined {
  return profile.columns.find(column => column.name === name);
}

function valuesOf(profile: Profile, name: string): Value[] {
  return profile.sample.values[profile.columns.findIndex(column => column.name === name)] ?? [];
}

/** The sample's rows that have what is drawn, each with the group that colours it. */
function rowsOf(profile: Profile, choice: Choice, y: ColumnProfile | null | undefined): Row[] {
  const xs = valuesOf(profile, choice.x);
  const ys = y ? valuesOf(profile, y.name) : [];
  const groups = choice.colour ? grouping(profile, choice.colour) : () => '';
  return xs.flatMap((value, row) =>
    value === null || (y && ys[row] == null) ? [] : [{ x: value, y: ys[row] ?? null, group: groups(row) }]
  );
}

/** Names of up to six groups: the most frequent values, or quarters of a quantity. */
function grouping(profile: Profile, name: string): (row: number) => string {
  const values = valuesOf(profile, name);
  const column = columnNamed(profile, name);
  const counts = new Map<Value, number>();
  values.forEach(value => counts.set(value, (counts.get(value) ?? 0) + 1));
  if (column && isQuantity(column) && counts.size > COLOURS) {
    const sorted = values.filter((value): value is number => typeof value === 'number').sort((a, b) => a - b);
    const cuts = [0.25, 0.5, 0.75].map(share => quantile(sorted, share));
    const text = cuts.map(cut => formatValue(cut, column.kind === 'datetime'));
    const labels = [`≤ ${text[0]}`, `≤ ${text[1]}`, `≤ ${text[2]}`, `> ${text[2]}`];
    return row => {
      const value = values[row];
      return typeof value === 'number' ? (labels[cuts.filter(cut => value > cut).length] ?? '') : 'missing';
    };
  }
  const kept = new Set(
    [...counts.entries()]
      .sort((a, b) => b[1] - a[1])
      .slice(0, counts.size > COLOURS ? COLOURS - 1 : COLOURS)
      .map(([value]) => value)
  );
  return row => {
    const value = values[row] ?? null;
    return kept.has(value) ? (value === null ? 'missing' : String(value)) : OTHERS;
  };
}

function byGroup(rows: Row[]): [string, Row[]][] {
  const groups = new Map<string, Row[]>();
  rows.forEach(row => {
    const members = groups.get(row.group);
    if (members) {
      members.push(row);
    } else {
      groups.set(row.group, [row]);
    }
  });
  return [...groups.entries()].sort(
    ([a], [b]) => Number(a === OTHERS) - Number(b === OTHERS) || compare(a, b)
  );
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function points(rows: Row[], isLine: boolean): Group[] {
  return byGroup(rows).map(([label, members]) => {
    const drawn = members.map(({ x, y }): [number, number] => [Number(x), Number(y)]);
    return { label, points: isLine ? meanAtEachX(drawn) : drawn };
  });
}

/** A line has one point at each X: the mean of those there. */
function meanAtEachX(drawn: [number, number][]): [number, number][] {
  const at = new Map<number, number[]>();
  drawn.forEach(([x, y]) => {
    const ys = at.get(x);
    if (ys) {
      ys.push(y);
    } else {
      at.set(x, [y]);
    }
  });
  return [...at.entries()].sort(([a], [b]) => a - b).map(([x, ys]): [number, number] => [x, mean(ys)]);
}

function bins(rows: Row[]): { edges: number[]; groups: Group[] } {
  const values = rows.map(row => Number(row.x));
  const [low, high] = extent(values);
  const width = (high - low) / BINS || 1;
  const count = high > low ? BINS : 1;
  const edges = Array.from({ length: count + 1 }, (_, index) => low + index * width);
  const groups = byGroup(rows).map(([label, members]) => {
    const heights = new Array<number>(count).fill(0);
    members.forEach(({ x }) => {
      const bin = Math.min(count - 1, Math.floor((Number(x) - low) / width));
      heights[bin] = (heights[bin] ?? 0) + 1;
    });
    return { label, points: heights.map((height, bin): [number, number] => [bin, height]) };
  });
  return { edges, groups };
}

/** Bars for each value of X; a quantity with many values is cut into ranges. */
function bars(
  rows: Row[],
  x: ColumnProfile,
  isMean: boolean
): { kind: 'bars'; labels: string[]; groups: Group[] } {
  const label = labelling(rows, x);
  const labels = label.labels;
  const groups = byGroup(rows).map(([name, members]) => {
    const at: number[][] = labels.map(() => []);
    members.forEach(row => at[label.place(row.x)]?.push(Number(row.y ?? 0)));
    return {
      label: name,
      points: at.flatMap((ys, place): [number, number][] =>
        isMean ? (ys.length > 0 ? [[place, mean(ys)]] : []) : [[place, ys.length]]
      )
    };
  });
  return { kind: 'bars', labels, groups };
}

function boxes(rows: Row[], x: ColumnProfile): Box[] {
  const label = labelling(rows, x);
  const at: number[][] = label.labels.map(() => []);
  rows.forEach(row => at[label.place(row.x)]?.push(Number(row.y)));
  return at.flatMap((values, place) =>
    values.length > 0 ? [makeBox(label.labels[place] ?? '', values)] : []
  );
}

/** Tukey's box: whiskers to the last value within 1.5 interquartile ranges. */
export function makeBox(label: string, values: number[]): Box {
  const sorted = [...values].sort((a, b) => a - b);
  const [q1, median, q3] = [0.25, 0.5, 0.75].map(share => quantile(sorted, share)) as [
    number,
    number,
    number
  ];
  const [from, to] = [q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)];
  const inside = sorted.filter(value => value >= from && value <= to);
  return {
    label,
    q1,
    median,
    q3,
    low: inside[0] ?? q1,
    high: inside.at(-1) ?? q3,
    outliers: sorted.filter(value => value < from || value > to),
    rows: sorted.length
  };
}

function labelling(rows: Row[], x: ColumnProfile): { labels: string[]; place: (value: Value) => number } {
  const counts = new Map<Value, number>();
  rows.forEach(row => counts.set(row.x, (counts.get(row.x) ?? 0) + 1));
  if (isQuantity(x) && counts.size > MOST_BARS) {
    const [low, high] = extent(rows.map(row => Number(row.x)));
    const width = (high - low) / RANGES;
    const isTime = x.kind === 'datetime';
    const labels = Array.from(
      { length: RANGES },
      (_, at) => `${formatValue(low + at * width, isTime)} to ${formatValue(low + (at + 1) * width, isTime)}`
    );
    return { labels, place: value => Math.min(RANGES - 1, Math.floor((Number(value) - low) / width)) };
  }
  const frequent = [...counts.entries()].sort((a, b) => b[1] - a[1]).map(([value]) => value);
  const kept = frequent.length > MOST_BARS ? frequent.slice(0, MOST_BARS - 1) : frequent;
  if (isQuantity(x)) {
    kept.sort((a, b) => Number(a) - Number(b));
  }
  const labels = kept.map(value =>
    typeof value === 'number' ? formatValue(value, x.kind === 'datetime') : String(value)
  );
  const places = new Map(kept.map((value, place) => [value, place]));
  return {
    labels: frequent.length > MOST_BARS ? [...labels, OTHERS] : labels,
    place: value => places.get(value) ?? kept.length
  };
}

export function quantile(sorted: number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? NaN;
  return below + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] ?? below) - below);
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function extent(values: number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  values.forEach(value => {
    low = Math.min(low, value);
    high = Math.max(high, value);
  });
  return [low, high];
}

/** Round numbers between which the axis runs, about `count` of them. */
export function ticks(low: number, high: number, count = 6): number[] {
  const raw = (high - low) / count;
  if (!(raw > 0) || !Number.isFinite(raw)) {
    return [low];
  }
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find(factor => factor * power >= raw) ?? 10) * power;
  const found: number[] = [];
  for (let place = Math.ceil(low / step); place * step <= high + step * 1e-9; place += 1) {
    found.push(+(place * step).toPrecision(12));
  }
  return found;
}

export function formatValue(value: number, isTime: boolean): string {
  return isTime ? new Date(value * 1000).toISOString().slice(0, 10) : formatNumber(+value.toPrecision(6));
}

/** The plot's numbers as a table, for those who do not see it. */
export function tableOf(plot: Plot, most = 200): { titles: string[]; rows: string[][]; left: number } {
  const hasGroups = plot.kind !== 'boxes' && plot.groups.some(group => group.label);
  const head = hasGroups ? ['group'] : [];
  let titles: string[];
  let rows: string[][];
  if (plot.kind === 'boxes') {
    titles = [plot.xTitle, 'rows', 'lowest', 'quartile 1', 'median', 'quartile 3', 'highest', 'outliers'];
    rows = plot.boxes.map(box => [
      box.label,
      String(box.rows),
      ...[box.low, box.q1, box.median, box.q3, box.high].map(value => formatValue(value, plot.isTimeY)),
      String(box.outliers.length)
    ]);
  } else {
    titles = [...head, plot.xTitle, plot.yTitle];
    rows = plot.groups.flatMap(group =>
      group.points.map(([x, y]) => [
        ...(hasGroups ? [group.label] : []),
        plot.kind === 'bars'
          ? (plot.labels[x] ?? '')
          : plot.kind === 'bins'
            ? `${formatValue(plot.edges[x] ?? 0, plot.isTime)} to ${formatValue(plot.edges[x + 1] ?? plot.edges[x] ?? 0, plot.isTime)}`
            : formatValue(x, plot.isTime),
        formatValue(y, plot.isTimeY)
      ])
    );
  }
  return { titles, rows: rows.slice(0, most), left: Math.max(0, rows.length - most) };
}
