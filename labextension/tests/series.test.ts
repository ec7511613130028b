import { expect, it } from 'vitest';
import { makeCharts, singleValues, splitKey } from '../src/models/series';
import type { MetricPoint } from '../src/api-types';
import { coresUsed } from '../src/widgets/tabs/usage';

const at = '2026-01-01T00:00:00Z';
const points = (...values: (number | string)[]): MetricPoint[] =>
  values.map((value, step) => [step, value, at]);

it('splits the part of the data from the metric', () => {
  expect(splitKey('validation_logloss')).toEqual({ part: 'validation', metric: 'logloss' });
  expect(splitKey('learning_rate')).toEqual({ part: '', metric: 'learning_rate' });
});

it('draws what belongs together in one chart, on the steps of all', () => {
  const charts = makeCharts([
    { key: 'train_logloss', points: points(3, 2, 1) },
    { key: 'validation_logloss', points: [[1, 2.5, at]] }
  ]);
  expect(charts).toEqual([
    {
      title: 'Logloss',
      x: [0, 1, 2],
      curves: [
        { label: 'train', values: [3, 2, 1] },
        { label: 'validation', values: [null, 2.5, null] }
      ],
      unavailable: 0
    }
  ]);
});

it('leaves a gap where a value is not a number, and counts it', () => {
  const [chart] = makeCharts([{ key: 'loss', points: points(1, 'NaN', 'Infinity', 2) }]);
  expect(chart?.curves[0]?.values).toEqual([1, null, null, 2]);
  expect(chart?.unavailable).toBe(2);
});

it('shows a metric that was reported once as a value, not as a chart', () => {
  const series = [
    { key: 'test_accuracy', points: points(0.9) },
    { key: 'train_loss', points: points(2, 1) }
  ];
  expect(singleValues(series)).toEqual({ test_accuracy: 0.9 });
  expect(makeCharts(series).map(chart => chart.title)).toEqual(['Loss']);
});

it('derives the cores in use from processor time', () => {
  const samples = [0, 1, 3].map((cpu_seconds, index) => ({
    at: new Date(index * 1000).toISOString(),
    cpu_seconds,
    memory_bytes: 0
  }));
  expect(coresUsed(samples)).toEqual([null, 1, 2]);
});
