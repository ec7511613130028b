import { expect, it } from 'vitest';
import type { ChartData } from '../src/models/series';
import { chartRows, makeCharts, singleValues, smooth, splitKey } from '../src/models/series';
import type { MetricPoint, Series } from '../src/api-types';

const at = '2026-01-01T00:00:00Z';
const points = (...values: (number | string)[]): MetricPoint[] =>
  values.map((value, step) => [step, value, at]);

it('splits the part of the data from the metric', () => {
  expect(splitKey('validation_logloss')).toEqual({ part: 'validation', metric: 'logloss' });
  expect(splitKey('learning_rate')).toEqual({ part: '', metric: 'learning_rate' });
});

const alone = (series: Series[]): ChartData[] => makeCharts([{ label: 'run', series }]);

it('draws what belongs together in one chart, on the steps of all', () => {
  const charts = alone([
    { key: 'train_logloss', points: points(3, 2, 1) },
    { key: 'validation_logloss', points: [[1, 2.5, at]] }
  ]);
  expect(charts).toEqual([
    {
      title: 'Logloss',
      metric: 'logloss',
      x: [0, 1, 2],
      curves: [
        { label: 'train', values: [3, 2, 1], special: [], color: 0 },
        { label: 'validation', values: [null, 2.5, null], special: [], color: 1 }
      ]
    }
  ]);
});

it('leaves a gap where a value is not a number, and names it there', () => {
  const [chart] = alone([{ key: 'loss', points: points(1, 'NaN', 'Infinity', 2) }]);
  expect(chart?.curves[0]?.values).toEqual([1, null, null, 2]);
  expect(chart?.curves[0]?.special).toEqual([
    { x: 1, value: 'NaN' },
    { x: 2, value: 'Infinity' }
  ]);
  expect(chartRows(chart!, 'step')).toEqual([
    ['step', 'loss'],
    [0, 1],
    [1, 'NaN'],
    [2, 'Infinity'],
    [3, 2]
  ]);
});

it('lays the curves of several runs over each other, each run in one colour', () => {
  const [chart] = makeCharts([
    { label: 'a', series: [{ key: 'train_loss', points: points(3, 2) }] },
    {
      label: 'b',
      series: [
        { key: 'train_loss', points: points(5) },
        { key: 'validation_loss', points: points(6, 5, 4) }
      ]
    }
  ]);
  expect(chart?.x).toEqual([0, 1, 2]);
  expect(chart?.curves.map(curve => [curve.label, curve.color])).toEqual([
    ['a train', 0],
    ['b train', 1],
    ['b validation', 1]
  ]);
});

it('draws against the time since the first report of each run', () => {
  const late: MetricPoint[] = [
    [0, 1, '2026-01-02T00:00:00Z'],
    [1, 2, '2026-01-02T00:00:30Z']
  ];
  const runs = [{ label: 'a', series: [{ key: 'loss', points: late }] }];
  expect(makeCharts(runs, { axis: 'time', smoothing: 0 })[0]?.x).toEqual([0, 30]);
});

it('smooths without drawing the first values towards zero, and shows what was reported behind it', () => {
  expect(smooth([4, 4, null, 4], 0.9).map(value => value && Math.round(value * 1e9) / 1e9)).toEqual([
    4,
    4,
    null,
    4
  ]);
  const [chart] = makeCharts([{ label: 'a', series: [{ key: 'loss', points: points(0, 10) }] }], {
    axis: 'step',
    smoothing: 0.5
  });
  expect(chart?.curves.map(curve => curve.isFaint ?? false)).toEqual([true, false]);
  expect(chart?.curves[1]?.values[1]).toBeCloseTo(6.667, 3);
});

it('shows a metric that was reported once as a value, not as a chart', () => {
  const series = [
    { key: 'test_accuracy', points: points(0.9) },
    { key: 'train_loss', points: points(2, 1) }
  ];
  expect(singleValues(series)).toEqual({ test_accuracy: 0.9 });
  expect(alone(series).map(chart => chart.title)).toEqual(['Loss']);
});
