import { expect, test } from 'vitest';
import type { Schema } from '../src/api-types';
import { describePlan, keepSweep, parseTried, planOf } from '../src/models/sweep';

const WHOLE: Schema = { type: 'integer' };
const NUMBER: Schema = { type: 'number' };
const PARAMETERS: Schema = {
  type: 'object',
  properties: { depth: WHOLE, rate: NUMBER, booster: { type: 'string', enum: ['gbtree', 'dart'] } }
};

test('values are listed or given as a range with a step', () => {
  expect(parseTried('2, 4,8', WHOLE)).toEqual([2, 4, 8]);
  expect(parseTried('2..5', WHOLE)).toEqual([2, 3, 4, 5]);
  expect(parseTried('2..10:4, 12', WHOLE)).toEqual([2, 6, 10, 12]);
  expect(parseTried('0.1..0.3 step 0.1', NUMBER)).toEqual([0.1, 0.2, 0.3]);
  expect(parseTried('-1..1:0.5', NUMBER)).toEqual([-1, -0.5, 0, 0.5, 1]);
  expect(parseTried('.1..0.2:.1', NUMBER)).toEqual([0.1, 0.2]);
  expect(parseTried('1e-3..3e-3:1e-3', NUMBER)).toEqual([0.001, 0.002, 0.003]);
  expect(parseTried('dart, gbtree', PARAMETERS.properties?.booster)).toEqual(['dart', 'gbtree']);
  expect(parseTried('true', { type: 'boolean' })).toEqual([true]);
});

test.each([
  ['', WHOLE, 'say what is tried'],
  ['2.5', WHOLE, "'2.5' is no whole number"],
  ['many', WHOLE, "'many' is no whole number"],
  ['x', NUMBER, "'x' is no number"],
  ['0.1..0.5', NUMBER, "'0.1..0.5' needs a step above 0"],
  ['1..5:0', WHOLE, 'needs a step above 0'],
  ['5..1', WHOLE, 'ends below its beginning'],
  ['1..x', WHOLE, 'is no range'],
  ['1..1000000000', WHOLE, '1,000,000,000 values; at most 200'],
  ['2,2', WHOLE, '2 stands twice'],
  ['tree', PARAMETERS.properties?.booster, "'tree' is none of gbtree, dart"]
] as const)('%s is refused in words', (text, declared, words) => {
  expect(() => parseTried(text, declared as Schema)).toThrow(words);
});

test('every combination is counted, with the datasets besides the own one', () => {
  const sweep = {
    parameters: [
      { name: 'depth', text: '2..4' },
      { name: 'booster', text: 'gbtree,dart' }
    ],
    datasets: [{ role: 'train', dataset: 'ann/b' }]
  };
  const plan = planOf(sweep, { datasets: { train: 'ann/a', test: 'ann/t' } }, PARAMETERS);
  expect(plan.runs).toBe(12);
  expect(plan.parameters).toEqual({ depth: [2, 3, 4], booster: ['gbtree', 'dart'] });
  expect(plan.datasets).toEqual([{ train: 'ann/a' }, { train: 'ann/b' }]);
  expect(plan.problems).toEqual([]);
  expect(describePlan(plan)).toBe('3 × depth, 2 × booster, 2 × train');
});

test('too many runs, a dataset twice and one that is not chosen are said', () => {
  const words = (sweep: Parameters<typeof planOf>[0]): string[] =>
    planOf(sweep, { datasets: { train: 'ann/a' } }, PARAMETERS).problems.map(({ message }) => message);
  const many = ['depth', 'rate'].map(name => ({ name, text: '1..20:1' }));
  expect(words({ parameters: many, datasets: [] })).toEqual([
    'This makes 400 runs; at most 200 are possible: try fewer values.'
  ]);
  expect(words({ parameters: [], datasets: [{ role: 'train', dataset: 'ann/a' }] })).toEqual([
    'train: ann/a stands twice.'
  ]);
  expect(words({ parameters: [], datasets: [{ role: 'train', dataset: '' }] })[0]).toContain(
    'choose the dataset'
  );
});

test('a line with no hyperparameter chosen varies nothing and is said', () => {
  const sweep = { parameters: [{ name: '', text: '1, 2' }], datasets: [] };
  const plan = planOf(sweep, {}, PARAMETERS);
  expect(plan.parameters).toEqual({});
  expect(plan.problems).toEqual([
    { path: 'sweep.0', message: 'Choose the hyperparameter that is varied, or remove the line.' }
  ]);
});

test('another algorithm keeps what it knows', () => {
  const sweep = {
    parameters: [
      { name: 'depth', text: '2' },
      { name: 'other', text: '3' }
    ],
    datasets: [{ role: 'extra', dataset: 'ann/a' }]
  };
  expect(keepSweep(sweep, PARAMETERS, ['train'])).toEqual({
    parameters: [{ name: 'depth', text: '2' }],
    datasets: []
  });
});
