/** A dataset's profile as the platform answers it, and what its tables show of it. Pure. */

export interface Histogram {
  /** One more than there are counts; numbers, or ISO times. */
  edges: (number | string | null)[];
  counts: number[];
}

export interface ColumnProfile {
  name: string;
  kind: 'number' | 'category' | 'boolean' | 'text' | 'datetime';
  dtype: string;
  missing: number;
  distinct: number;
  mean?: number | null;
  std?: number | null;
  minimum?: number | string | null;
  q1?: number | null;
  median?: number | null;
  q3?: number | null;
  maximum?: number | string | null;
  skewness?: number | null;
  zeros?: number;
  negative?: number;
  infinite?: number;
  outliers?: number;
  histogram?: Histogram | null;
  top?: { value: string; count: number }[];
}

export interface Finding {
  code: string;
  severity: 'warning' | 'info';
  column: string | null;
  message: string;
  remedy: string;
}

/** Findings that are alike, as one line. */
export interface FindingGroup {
  code: string;
  severity: 'warning' | 'info';
  message: string;
  remedy: string;
  count: number;
  /** Places in `findings`; fewer than `count` where there are too many to list. */
  findings: number[];
}

export type Matrix = (number | null)[][];

export interface Profile {
  type: string;
  rows: number;
  measured_rows: number;
  duplicate_rows: number | null;
  memory_bytes: number;
  missing_cells: number;
  target: string | null;
  columns: ColumnProfile[];
  correlations: {
    columns: string[];
    left_out: number;
    rows: number;
    pearson: Matrix;
    spearman: Matrix;
  } | null;
  associations: { columns: string[]; rows: number; cramers_v: Matrix } | null;
  findings: Finding[];
  finding_counts: Record<string, number>;
  /** Missing in profiles that were made before there were groups. */
  finding_groups?: FindingGroup[];
  /** By column, in the order of `columns`. Times are seconds since 1970. */
  sample: { rows: number; of: number; values: (number | string | null)[][] };
}

export type SortKey =
  'place' | 'name' | 'kind' | 'missing' | 'distinct' | 'mean' | 'std' | 'minimum' | 'maximum';

export interface Sorting {
  key: SortKey;
  isDescending: boolean;
}

/** The columns whose name holds `text`, sorted; what has no such value comes last, whichever way. */
export function sortColumns(columns: ColumnProfile[], sorting: Sorting, text = ''): ColumnProfile[] {
  const wanted = text.trim().toLowerCase();
  const found = columns.filter(column => column.name.toLowerCase().includes(wanted));
  if (sorting.key === 'place') {
    return sorting.isDescending ? found.reverse() : found;
  }
  const { key } = sorting;
  const direction = sorting.isDescending ? -1 : 1;
  return found.sort((a, b) => {
    const [left, right] = [a[key], b[key]];
    if (left == null || right == null) {
      return Number(left == null) - Number(right == null);
    }
    if (typeof left === 'number' && typeof right === 'number') {
      return direction * (left - right);
    }
    // Numbers before times and names.
    return typeof left !== typeof right
      ? typeof left === 'number'
        ? -1
        : 1
      : direction * String(left).localeCompare(String(right));
  });
}

/** A click on a heading: the other way round if it is sorted by already. */
export function toggleSorting(sorting: Sorting, key: SortKey): Sorting {
  return sorting.key === key
    ? { key, isDescending: !sorting.isDescending }
    : { key, isDescending: key !== 'name' && key !== 'kind' && key !== 'place' };
}

/** Columns that miss values, the emptiest first. */
export function missingReport(profile: Profile): { name: string; missing: number; share: number }[] {
  return profile.columns
    .filter(column => column.missing > 0)
    .map(column => ({
      name: column.name,
      missing: column.missing,
      share: column.missing / Math.max(1, profile.rows)
    }))
    .sort((a, b) => b.missing - a.missing);
}

export function formatShare(share: number): string {
  const percent = share * 100;
  return percent > 0 && percent < 0.1 ? '< 0.1 %' : `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/** What a screen reader hears of a small histogram. */
export function describeHistogram(column: ColumnProfile): string {
  const { histogram, top } = column;
  if (histogram && histogram.counts.length > 0) {
    const peak = histogram.counts.indexOf(Math.max(...histogram.counts));
    return `${histogram.counts.length} bins from ${histogram.edges[0]} to ${histogram.edges.at(-1)}; most in bin ${peak + 1}`;
  }
  return top && top.length > 0
    ? top
        .slice(0, 3)
        .map(({ value, count }) => `${value}: ${count}`)
        .join(', ')
    : 'nothing to draw';
}

/** Like findings together; of an older profile each by itself. */
export function findingGroups(profile: Profile): FindingGroup[] {
  return (
    profile.finding_groups ??
    profile.findings.map(({ code, severity, message, remedy }, place) => ({
      ...{ code, severity, message, remedy },
      count: 1,
      findings: [place]
    }))
  );
}
