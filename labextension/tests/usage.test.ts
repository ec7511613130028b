import { expect, it } from 'vitest';
import type { TrialUsage, UsageAnswer, UsageSample } from '../src/api-types';
import { meanOf, together, usageCharts, usageSummary, usageTable, usageTexts } from '../src/models/usage';

const MEBIBYTE = 1 << 20;

function sample(second: number, cores: number | null, mebibytes: number, gpus?: number): UsageSample {
  return {
    at: new Date(second * 1000).toISOString(),
    cpu_seconds: 0,
    cores,
    memory_bytes: mebibytes * MEBIBYTE,
    gpus: gpus ?? null,
    gpu_memory_bytes: gpus === undefined ? null : 8 * mebibytes * MEBIBYTE
  };
}

const ALONE: UsageAnswer = {
  samples: [sample(0, null, 1), sample(2, 2, 3), sample(8, 0.4, 2)],
  ranks: []
};
const TWO: UsageAnswer = {
  samples: [sample(0, null, 1), sample(2, 2, 30), sample(4, 3, 20)],
  ranks: [
    { rank: 0, samples: [sample(0, null, 1), sample(2, 1, 10), sample(4, 1, 10)] },
    { rank: 1, samples: [sample(2, null, 20), sample(4, 2, 10)] }
  ]
};

it('draws a run of one process as one curve, and nothing of GPUs that it has not', () => {
  const { x, charts } = usageCharts(ALONE);
  expect(x).toEqual([0, 2, 8]);
  expect(charts.map(chart => chart.title)).toEqual(['Cores in use', 'Memory']);
  expect(charts[0]?.curves).toEqual([{ label: 'run', values: [null, 2, 0.4], dash: 0 }]);
});

it('draws a curve for each rank over the same moments, in all charts', () => {
  const { x, charts } = usageCharts(TWO);
  expect(x).toEqual([0, 2, 4]);
  expect(charts[0]?.curves.map(curve => [curve.label, curve.values])).toEqual([
    ['rank 0', [null, 1, 1]],
    ['rank 1', [null, null, 2]]
  ]);
  expect(charts[1]?.curves[1]?.values).toEqual([null, 20 * MEBIBYTE, 10 * MEBIBYTE]);
});

it('puts moments in the order of their time, however they are written', () => {
  const samples = ['2026-01-01T12:00:00.500000Z', '2026-01-01T12:00:00Z'].map(at => ({
    ...sample(0, 1, 1),
    at
  }));
  const { x } = usageCharts({ samples, ranks: [] });
  expect(x[1]! - x[0]!).toBeCloseTo(0.5);
});

it('tells more ranks apart than there are colours by their dashes', () => {
  const ranks = Array.from({ length: 8 }, (_, rank) => ({ rank, samples: [sample(0, 1, 1)] }));
  const { charts } = usageCharts({ samples: [sample(0, 8, 8)], ranks });
  expect(charts[0]?.curves.map(curve => curve.dash)).toEqual([0, 0, 0, 0, 0, 0, 1, 1]);
});

it('shows use of GPUs where there are some', () => {
  const { charts } = usageCharts({ samples: [sample(0, 1, 1, 0.5)], ranks: [] });
  expect(charts.map(chart => chart.title)).toEqual(['Cores in use', 'Memory', 'GPUs in use', 'GPU memory']);
});

it('weighs the mean by time, as samples lie ever further apart', () => {
  expect(meanOf(ALONE.samples, 'cores')).toBeCloseTo((2 * 2 + 6 * 0.4) / 8);
  expect(meanOf(ALONE.samples.slice(0, 1), 'cores')).toBeNull();
});

it('says in figures what all together and each rank used', () => {
  const { titles, rows } = usageSummary(TWO);
  expect(titles).toEqual(['Cores in use, last', 'mean', 'most', 'Memory, last', 'most']);
  expect(rows.map(row => [row.label, row.cells])).toEqual([
    ['all', ['3', '2.5', '3', '20 MiB', '30 MiB']],
    ['rank 0', ['1', '1', '1', '10 MiB', '10 MiB']],
    ['rank 1', ['2', '2', '2', '10 MiB', '20 MiB']]
  ]);
  expect(usageSummary(ALONE).rows.map(row => row.label)).toEqual(['run']);
});

it('has all that is drawn as a table, for files and for those who do not see it', () => {
  const drawn = usageCharts(TWO);
  expect(usageTable(drawn)).toEqual({
    titles: ['Time', 'Cores in use, rank 0', 'Cores in use, rank 1', 'Memory, rank 0', 'Memory, rank 1'],
    rows: [
      [0, null, null, MEBIBYTE, null],
      [2, 1, null, 10 * MEBIBYTE, 20 * MEBIBYTE],
      [4, 1, 2, 10 * MEBIBYTE, 10 * MEBIBYTE]
    ]
  });
  expect(usageTexts(drawn).rows[1]?.slice(1)).toEqual(['1', '–', '10 MiB', '20 MiB']);
  expect(usageTexts(usageCharts(ALONE)).titles).toEqual(['Time', 'Cores in use', 'Memory']);
});

it('leaves out a last sample that is of nobody any more', () => {
  const answer = { samples: [sample(0, null, 5), sample(2, 1, 0)], ranks: [] };
  expect(usageCharts(answer).x).toEqual([0]);
});

it('draws a tuning as the sum of its trials, or the newest of them in the order of their numbers', () => {
  const trial = (number: number): TrialUsage => ({
    number,
    status: 'SUCCEEDED',
    training: `trn_${number}`,
    name: `hill-${number}`,
    samples: [sample(0, null, 1), sample(2, number, 3)]
  });
  const tuning: UsageAnswer = {
    samples: [sample(0, null, 2), sample(2, 3, 6)],
    ranks: [],
    trials: [trial(2), trial(1)],
    counted: 3,
    total: 3
  };
  expect(usageCharts(together(tuning)).charts[0]?.curves).toEqual([
    { label: 'all trials', values: [null, 3], dash: 0 }
  ]);
  expect(usageCharts(tuning).charts[0]?.curves.map(({ label, values }) => [label, values])).toEqual([
    ['trial 1', [null, 1]],
    ['trial 2', [null, 2]]
  ]);
  expect(usageSummary(together(tuning)).rows.map(({ label }) => label)).toEqual(['all trials']);
  expect(usageSummary(tuning).rows.map(({ label }) => label)).toEqual(['all trials', 'trial 1', 'trial 2']);
});
