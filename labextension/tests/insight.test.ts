import { expect, it } from 'vitest';
import type { ColumnProfile, Profile } from '../src/models/insight';
import { formatShare, missingReport, sortColumns, toggleSorting } from '../src/models/insight';
import type { Choice } from '../src/models/plots';
import { firstChoice, makeBox, makePlot, quantile, tableOf, ticks } from '../src/models/plots';
import { InsightTab } from '../src/widgets/tabs/insight';
import { tabsOf } from '../src/widgets/tabs/registry';
import { DATASET, MemoryPlatform } from './platform';

const column = (
  name: string,
  kind: ColumnProfile['kind'],
  facts: Partial<ColumnProfile> = {}
): ColumnProfile => ({
  name,
  kind,
  dtype: kind,
  missing: 0,
  distinct: 2,
  ...facts
});

const PROFILE: Profile = {
  type: 'tabular',
  rows: 8,
  measured_rows: 8,
  duplicate_rows: 0,
  memory_bytes: 100,
  missing_cells: 3,
  target: 'kind',
  columns: [
    column('size', 'number', { mean: 4, minimum: 1, maximum: 8, missing: 1 }),
    column('weight', 'number', { mean: 9, minimum: 2, maximum: 16 }),
    column('day', 'datetime', { minimum: '2026-01-01T00:00:00' }),
    column('kind', 'category', { missing: 2 })
  ],
  correlations: null,
  associations: null,
  findings: [],
  finding_counts: {},
  sample: {
    rows: 8,
    of: 8,
    values: [
      [1, 2, 3, 4, 5, 6, 7, null],
      [2, 4, 6, 8, 10, 12, 14, 16],
      [0, 86400, 172800, 259200, 345600, 432000, 518400, 604800],
      ['a', 'b', 'a', 'b', 'a', 'b', null, null]
    ]
  }
};

const draw = (choice: Partial<Choice>): ReturnType<typeof makePlot> =>
  makePlot(PROFILE, { x: 'size', y: 'weight', colour: '', chart: 'scatter', ...choice });

it('sorts columns either way and leaves what has no value at the end', () => {
  const names = (key: 'mean' | 'name', isDescending: boolean): string[] =>
    sortColumns(PROFILE.columns, { key, isDescending }).map(({ name }) => name);
  expect(names('mean', true)).toEqual(['weight', 'size', 'day', 'kind']);
  expect(names('mean', false)).toEqual(['size', 'weight', 'day', 'kind']);
  expect(names('name', false)).toEqual(['day', 'kind', 'size', 'weight']);
  expect(sortColumns(PROFILE.columns, { key: 'place', isDescending: false }, ' SI ')).toHaveLength(1);
  expect(toggleSorting({ key: 'mean', isDescending: true }, 'mean')).toEqual({
    key: 'mean',
    isDescending: false
  });
});

it('lists what is missing, the emptiest column first', () => {
  expect(missingReport(PROFILE)).toEqual([
    { name: 'kind', missing: 2, share: 0.25 },
    { name: 'size', missing: 1, share: 0.125 }
  ]);
  expect([formatShare(0.00001), formatShare(0.055), formatShare(0.5)]).toEqual(['< 0.1 %', '5.5 %', '50 %']);
});

it('draws the rows that have both values, in a group for each colour', () => {
  const plot = draw({ colour: 'kind' });
  expect(plot).toMatchObject({ kind: 'points', rows: 7 });
  expect(typeof plot !== 'string' && plot.kind === 'points' && plot.groups).toEqual([
    {
      label: 'a',
      points: [
        [1, 2],
        [3, 6],
        [5, 10]
      ]
    },
    {
      label: 'b',
      points: [
        [2, 4],
        [4, 8],
        [6, 12]
      ]
    },
    { label: 'missing', points: [[7, 14]] }
  ]);
});

it('counts rows, and means of Y, for each value of X', () => {
  expect(draw({ x: 'kind', chart: 'count' })).toMatchObject({
    labels: ['a', 'b'],
    groups: [
      {
        label: '',
        points: [
          [0, 3],
          [1, 3]
        ]
      }
    ]
  });
  expect(draw({ x: 'kind', chart: 'mean' })).toMatchObject({
    yTitle: 'mean of weight',
    groups: [
      {
        label: '',
        points: [
          [0, 6],
          [1, 8]
        ]
      }
    ]
  });
});

it('cuts a quantity into bins, whose counts are those of the rows', () => {
  const plot = draw({ chart: 'histogram' });
  const groups = typeof plot !== 'string' && plot.kind === 'bins' ? plot.groups : [];
  expect(groups[0]?.points.reduce((sum, [, count]) => sum + count, 0)).toBe(7);
});

it('begins with two quantities that are no identifiers', () => {
  expect(firstChoice(PROFILE)).toEqual({ x: 'size', y: 'weight', colour: 'kind', chart: 'scatter' });
  const finding = { code: 'identifier', severity: 'info', column: 'size', message: '', remedy: '' } as const;
  expect(firstChoice({ ...PROFILE, findings: [finding] })).toMatchObject({ x: 'weight', y: 'day' });
});

it('says in words why a choice cannot be drawn', () => {
  expect(draw({ y: 'kind' })).toMatch('kind holds category values; choose numbers for Y');
  expect(draw({ x: 'kind' })).toMatch('choose numbers or times for X');
  expect(draw({ x: '' })).toBe('Choose a column for X.');
});

it('boxes have whiskers to the last value within the fences', () => {
  expect(makeBox('all', [1, 2, 3, 4, 100])).toEqual({
    label: 'all',
    rows: 5,
    low: 1,
    q1: 2,
    median: 3,
    q3: 4,
    high: 4,
    outliers: [100]
  });
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
});

it('round ticks span the axis, also of one value', () => {
  expect(ticks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(-0.02, 0.02, 4)).toEqual([-0.02, -0.01, 0, 0.01, 0.02]);
  expect(ticks(3, 3)).toEqual([3]);
});

it('the table says the same as the plot', () => {
  const plot = draw({ x: 'day', chart: 'line' });
  expect(typeof plot === 'string' ? plot : tableOf(plot, 2)).toEqual({
    titles: ['day', 'weight'],
    rows: [
      ['1970-01-01', '2'],
      ['1970-01-02', '4']
    ],
    left: 6
  });
});

it('is a tab of the kinds that declare it, and asks for the profile', async () => {
  const tabs = tabsOf({ ...DATASET, tabs: ['overview', 'insight'] }, {} as never);
  expect(tabs[1]?.Body).toBe(InsightTab);
  const platform = new MemoryPlatform();
  platform.on('GET', '/datasets/dst_1/profile', () => ({ body: PROFILE }));
  expect(await platform.api.profile('datasets', 'dst_1')).toEqual(PROFILE);
});
