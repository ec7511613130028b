import { describe, expect, it } from 'vitest';
import type { Resource, Schema } from '../src/api-types';
import { CompareModel } from '../src/models/compare';
import { bestOf, compareRuns, makeAxis, plotsOf } from '../src/models/comparison';
import { Goals } from '../src/models/goals';
import { MemoryPlatform, event, makeResource, until } from './platform';

function run(
  id: string,
  parameters: Record<string, number | string>,
  metrics: Record<string, number | string>
): Resource {
  const made = makeResource({ id, name: id, spec: { parameters, instance_type: 'cpu-small' } });
  made.status.outputs = {
    metrics,
    parameters: { logged: 1, ...parameters },
    artifacts: [
      { path: `roc.png`, title: 'ROC' },
      ...(id === 'a' ? [{ path: 'matrix.png', title: 'Matrix' }] : [])
    ]
  };
  return made;
}

const RUNS = [
  run('a', { depth: 3, booster: 'tree' }, { accuracy: 0.9, log_loss: 0.3 }),
  run('b', { depth: 6, booster: 'tree' }, { accuracy: 0.95, log_loss: 'NaN' })
];

/** As the platform says them, and fewer. */
const GOALS = new Goals({ minimize: '(^|_)(loss)($|_)', maximize: '(^|_)(accuracy)($|_)' });

describe('a comparison', () => {
  const rows = compareRuns(RUNS, metric => GOALS.directionOf(metric));
  const row = (key: string): (typeof rows)[number] | undefined => rows.find(found => found.key === key);

  it('tells what differs, of what was asked and what was logged', () => {
    expect(row('depth')).toMatchObject({ values: [3, 6], differs: true, section: 'Parameters' });
    expect(row('booster')?.differs).toBe(false);
    expect(row('logged')?.values).toEqual([1, 1]);
    expect(row('instance_type')?.differs).toBe(false);
  });

  it('tells a value that was given from one that was logged and from a default, and what is no hyperparameter', () => {
    const schemas: Schema[] = [
      { properties: { depth: { default: 3 }, logged: { default: 1 }, rate: { default: 0.3 } } },
      { properties: { depth: { default: 3 }, penalty: { default: null } } }
    ];
    const runs = [run('a', {}, {}), run('b', { depth: 3 }, {})];
    const rows = compareRuns(runs, () => 0, schemas);
    const row = (key: string): (typeof rows)[number] | undefined => rows.find(found => found.key === key);
    expect(row('depth')).toMatchObject({ values: [3, 3], origins: ['default', 'given'], differs: false });
    expect(row('logged')).toMatchObject({ values: [1, 1], origins: ['default', 'logged'], differs: false });
    expect(row('rate')).toMatchObject({ values: [0.3, undefined], origins: ['default', undefined] });
    expect(row('rate')?.differs).toBe(true);
    // a default that is none is a value too; a row of nothing else is left out
    expect(row('penalty')).toBeUndefined();
    const parameters = rows.filter(({ section }) => section === 'Parameters').map(({ key }) => key);
    expect(parameters).toEqual(['rate', 'depth', 'logged']);
  });

  it('marks the best where it is known what is better', () => {
    expect(row('accuracy')?.best).toEqual([1]);
    expect(row('log_loss')?.best).toEqual([]);
    expect(bestOf(-1, [3, 2, 2])).toEqual([1, 2]);
    expect(bestOf(1, [1, 1])).toEqual([]);
    expect(bestOf(0, [1, 2])).toEqual([]);
  });

  it('knows what is better by what is declared, then by the words of the platform', () => {
    const known = (metric: string, ...goals: ('minimize' | 'maximize')[]): number =>
      GOALS.directionOf(
        metric,
        goals.map(goal => ({ name: metric, goal }))
      );
    expect(['Accuracy', 'log_loss', 'bananas'].map(name => known(name))).toEqual([1, -1, 0]);
    expect([known('bananas', 'minimize'), known('log_loss', 'maximize')]).toEqual([-1, 1]);
    expect(known('log_loss', 'maximize', 'minimize')).toBe(0);
    expect(GOALS.directionOf('bananas', [{ name: 'apples', goal: 'minimize' }])).toBe(0);
    expect(new Goals(null).directionOf('log_loss')).toBe(0);
  });

  it('keeps NaN as it is', () => {
    expect(row('log_loss')?.values).toEqual([0.3, 'NaN']);
  });

  it('puts the same plots of all runs side by side', () => {
    expect(plotsOf(RUNS)).toEqual([
      { path: 'roc.png', title: 'ROC', has: [true, true] },
      { path: 'matrix.png', title: 'Matrix', has: [true, false] }
    ]);
  });

  it('makes an axis of numbers, or of the different values', () => {
    const format = String;
    expect(makeAxis(row('depth')!, format)?.places).toEqual([0, 1]);
    expect(makeAxis(row('booster')!, format)).toMatchObject({
      places: [0.5, 0.5],
      ticks: [{ label: 'tree' }]
    });
    expect(makeAxis(row('log_loss')!, format)?.ticks.map(tick => tick.label)).toEqual(['0.3', 'NaN']);
  });
});

it('follows its runs, and goes on without one that is gone', async () => {
  const platform = new MemoryPlatform();
  for (const resource of RUNS) {
    platform.on('GET', `/trainings/${resource.id}`, () => ({ body: resource }));
    platform.on('GET', `/trainings/${resource.id}/metrics`, () => ({ body: { series: [] } }));
  }
  const orrery = platform.make();
  orrery.kinds.goals = GOALS;
  const model = new CompareModel(orrery, 'training', ['a', 'b', 'a', 'lost']);
  model.setVisible(true);
  await until(() => model.isLoaded, 'the runs');
  expect(model.runs.map(found => found.id)).toEqual(['a', 'b']);
  expect(model.gone).toEqual(['lost']);
  const changed = structuredClone(RUNS[0]!);
  changed.status.outputs.metrics = { accuracy: 0.99 };
  orrery.events.publish(event('updated', changed));
  expect(model.rows.find(row => row.key === 'accuracy')?.best).toEqual([0]);
  model.remove('a');
  expect(model.ids).toEqual(['b', 'lost']);
  model.dispose();
});
