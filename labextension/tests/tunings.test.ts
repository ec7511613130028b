import { describe, expect, it } from 'vitest';
import type { IStateDB } from '@jupyterlab/statedb';
import type { InstanceType, JsonObject, Kind, Objective, Resource, Schema, Trial } from '../src/api-types';
import { FormModel } from '../src/models/form';
import { costOf, describePlace } from '../src/models/cost';
import type { Space } from '../src/models/search-space';
import { describeDimension, parseValues, rangeType, spaceProblems } from '../src/models/search-space';
import {
  brushed,
  categoryAxis,
  contourPlot,
  describeTrial,
  historyPlot,
  numberAxis,
  parallelPlot,
  paretoPlot,
  slicePlot
} from '../src/models/trial-plots';
import {
  TrialsModel,
  bestSoFar,
  bestTrials,
  countTrials,
  foundBest,
  paretoFront,
  sortTrials
} from '../src/models/trials';
import { MemoryPlatform, TRAINING, XGBOOST, event, makeResource, until } from './platform';

function trial(number: number, change: Partial<Trial> = {}): Trial {
  return {
    number,
    status: 'SUCCEEDED',
    parameters: {},
    targets: null,
    started_at: null,
    duration_seconds: 1,
    training: { id: `trn_${number}`, name: `t-${number}`, phase: 'COMPLETE', message: '', deleted: false },
    ...change
  };
}

const UP: Objective = { metric: 'height', goal: 'maximize' };
const DOWN: Objective = { metric: 'cost', goal: 'minimize' };

const PARAMETERS: Schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    rounds: { type: 'integer', minimum: 1, maximum: 100, default: 10 },
    rate: { type: 'number', exclusiveMinimum: 0, maximum: 1 },
    booster: { type: 'string', enum: ['tree', 'dart'] },
    verbose: { type: 'boolean' }
  }
};

describe('a search space', () => {
  const wrong = (space: Space, isGrid = false): string[] =>
    spaceProblems(space, PARAMETERS, isGrid).map(({ path, message }) => `${path}: ${message}`);

  it('is checked in the words of the server, at the parameter', () => {
    expect(wrong({})).toEqual(['spec.space: Add at least one hyperparameter to search.']);
    expect(wrong({ rate: { low: 0.5, high: 0.1 } })).toEqual([
      'spec.space.rate: low (0.5) is above high (0.1); exchange them'
    ]);
    expect(wrong({ rounds: { low: 1.5, high: 8 } })).toEqual([
      "spec.space.rounds: 'rounds' takes whole numbers; 1.5 is none"
    ]);
    expect(wrong({ rounds: { low: 0, high: 8 } })).toEqual([
      "spec.space.rounds: parameter 'rounds' is 0; it must be a whole number from 1 to 100"
    ]);
    expect(wrong({ rate: { low: 0, high: 1, log: true } })).toEqual([
      'spec.space.rate: low is 0; a logarithmic range begins above 0'
    ]);
    expect(wrong({ rate: { low: 0, high: 1 } })).toEqual([
      "spec.space.rate: parameter 'rate' is 0; it must be a number above 0 and at most 1"
    ]);
    expect(wrong({ rate: { low: '0.x', high: 1 } })).toEqual(['spec.space.rate: 0.x is no number']);
    expect(wrong({ rounds: { low: 1 } })).toEqual([
      'spec.space.rounds: say what may be tried: low and high, or a list of values'
    ]);
    expect(wrong({ booster: { values: ['tree', 'tree'] } })[0]).toContain('a value stands twice');
    expect(wrong({ rounds: { low: 1, high: 9 }, rate: { low: 0.1, high: 1, log: true } })).toEqual([]);
  });

  it('needs steps for a grid, and conditions on what is searched', () => {
    expect(wrong({ rate: { low: 0.1, high: 1 } }, true)[0]).toContain(
      'a grid needs a step between 0.1 and 1'
    );
    expect(wrong({ rate: { low: 0.1, high: 1, step: 0.1 }, rounds: { low: 1, high: 3 } }, true)).toEqual([]);
    expect(wrong({ rate: { low: 0.1, high: 1, when: { booster: ['dart'] } } })).toEqual([
      "spec.space.rate: 'rate' depends on 'booster', which is not searched; the space has rate"
    ]);
  });

  it('is written as the command line writes it', () => {
    expect(describeDimension({ low: 2, high: 8, step: 2 })).toBe('2..8:2');
    expect(describeDimension({ low: 0.001, high: 3, log: true, step: null })).toBe('log:0.001..3');
    expect(describeDimension({ values: ['tree', 'dart'], when: {} })).toBe('tree,dart');
    expect(describeDimension({ low: 1, high: 2, when: { booster: ['dart'] } })).toBe('1..2 if booster=dart');
  });

  it('takes values in the type that the parameter has', () => {
    expect(parseValues('1, 2,x', { type: 'integer' })).toEqual([1, 2, 'x']);
    expect(parseValues('sgd, adam,', { type: 'string' })).toEqual(['sgd', 'adam']);
    expect(parseValues('1, 2', undefined)).toEqual(['1', '2']);
    expect(rangeType(PARAMETERS.properties?.booster)).toBe('categorical');
    expect(rangeType(PARAMETERS.properties?.rate)).toBe('float');
  });
});

const TUNING: Kind = {
  ...TRAINING,
  kind: 'tuning',
  plural: 'tunings',
  title: 'Tuning',
  title_plural: 'Tunings',
  spec_schema: {
    ...TRAINING.spec_schema,
    required: ['algorithm', 'space', 'objectives'],
    properties: {
      ...TRAINING.spec_schema.properties,
      space: {
        type: 'object',
        title: 'Space',
        minProperties: 1,
        additionalProperties: { $ref: '#/$defs/Dimension' },
        'x-orrery-space-of': 'algorithm',
        'x-orrery-group': 'Search'
      },
      objectives: {
        type: 'array',
        minItems: 1,
        'x-orrery-metrics-of': 'algorithm',
        'x-orrery-group': 'Search',
        items: {
          type: 'object',
          required: ['metric'],
          properties: {
            metric: { type: 'string', minLength: 1 },
            goal: { type: 'string', enum: ['maximize', 'minimize'], default: 'maximize' }
          }
        }
      }
    },
    $defs: { Dimension: { type: 'object', properties: { log: { type: 'boolean', default: false } } } }
  }
};

describe('the form of a tuning', () => {
  async function openForm(spec: JsonObject): Promise<{ form: FormModel; platform: MemoryPlatform }> {
    const platform = new MemoryPlatform();
    platform.on('GET', '/instance-types', () => ({ body: { items: [] } }));
    const algorithm = { ...XGBOOST, spec: { ...XGBOOST.spec, metrics: [{ name: 'f1', goal: 'maximize' }] } };
    platform.on('GET', '/algorithms/by-name/orrery/xgboost', () => ({ body: algorithm }));
    const state = {
      fetch: () => Promise.resolve(undefined),
      save: () => Promise.resolve(),
      remove: () => Promise.resolve()
    } as unknown as IStateDB;
    const form = new FormModel(platform.make(), TUNING, state, { draft: 'd', prefill: { spec } });
    await until(() => form.isReady, 'the form');
    return { form, platform };
  }

  const fixedOf = (form: FormModel): string[] => {
    const spec = (form.schemas.schema as Schema).properties?.spec;
    return Object.keys(spec?.properties?.parameters?.properties ?? {});
  };
  const valuesOf = (form: FormModel): JsonObject => form.spec.parameters as JsonObject;

  it('takes what is searched out of the fixed hyperparameters, and back with its default', async () => {
    const { form } = await openForm({ algorithm: 'orrery/xgboost' });
    expect(fixedOf(form)).toEqual(['target', 'rounds']);
    expect(valuesOf(form).rounds).toBe(300);
    await form.setData({ ...form.data, spec: { ...form.spec, space: { rounds: { low: 1, high: 9 } } } });
    expect(fixedOf(form)).toEqual(['target']);
    expect('rounds' in valuesOf(form)).toBe(false);
    await form.setData({ ...form.data, spec: { ...form.spec, space: {} } });
    expect(fixedOf(form)).toEqual(['target', 'rounds']);
    expect(valuesOf(form).rounds).toBe(300);
  });

  it('offers the metrics that a built-in algorithm declares', async () => {
    const { form } = await openForm({ algorithm: 'orrery/xgboost' });
    expect(form.algorithm.metrics).toEqual([{ name: 'f1', goal: 'maximize' }]);
    expect(form.algorithm.takesOtherMetrics).toBe(false);
  });

  it('says what is wrong with the space at the parameter, and sends nothing', async () => {
    const { form, platform } = await openForm({
      algorithm: 'orrery/xgboost',
      datasets: { train: 'alice/breast' },
      space: { rounds: { low: 9, high: 1 } },
      objectives: [{ metric: 'f1', goal: 'maximize' }]
    });
    await form.setData({ ...form.data, name: 'search' });
    expect(await form.submit()).toBeNull();
    expect(form.problems.map(({ path, message }) => [path.join('.'), message])).toEqual([
      ['spec.space.rounds', 'low (9) is above high (1); exchange them']
    ]);
    expect(platform.calls.some(call => call.method === 'POST')).toBe(false);
  });

  it('takes of the machine so many instance types at a time, and starts with one', () => {
    const small: InstanceType = {
      name: 's',
      title: 's',
      cores: 2,
      memory_bytes: 2 ** 30,
      gpus: 0,
      fits: true
    };
    const schema: Schema = {
      properties: { instance_type: { type: 'string', 'x-orrery-instance-type': true } }
    };
    const total = { cores: 4, memory_bytes: 2 ** 32, gpus: 0 };
    const cost = costOf({ instance_type: 's', parallel: 3 }, schema, [small], total);
    expect(cost?.text).toContain('3 × s: 6 cores');
    // More than fit at once wait; one can start.
    expect(cost?.refusal).toBe('');
    const held = { cores: 0, memory_bytes: 0, gpus: 0 };
    expect(
      cost && describePlace(cost.start, 'NORMAL', { items: [], capacity: { total, held }, pause: null })
    ).toBe('starts at once');
  });
});

describe('trials', () => {
  it('are read again from the first that has not ended', async () => {
    const platform = new MemoryPlatform();
    const items = [trial(0, { targets: [1] }), trial(1, { status: 'RUNNING' })];
    platform.on('GET', '/tunings/tun_1/trials', call => {
      const offset = Number(call.query.get('offset'));
      return { body: { items: items.slice(offset), total: items.length, objectives: [UP] } };
    });
    const orrery = platform.make();
    const model = new TrialsModel(orrery, 'tun_1');
    model.watch(true);
    await until(() => model.isLoaded, 'the trials');
    expect(model.items.map(({ status }) => status)).toEqual(['SUCCEEDED', 'RUNNING']);
    items[1] = trial(1, { targets: [3] });
    items.push(trial(2, { status: 'CREATED' }));
    const stranger = makeResource({ id: 'trn_9', spec: { trial: { tuning: 'tun_2', number: 0 } } });
    orrery.events.publish(event('updated', stranger));
    const training = makeResource({ id: 'trn_1', spec: { trial: { tuning: 'tun_1', number: 1 } } });
    orrery.events.publish(event('updated', training));
    await until(() => model.items.length === 3, 'the third trial');
    expect(model.items[1]?.targets).toEqual([3]);
    const offsets = platform.calls
      .filter(call => call.path.endsWith('/trials'))
      .map(call => call.query.get('offset'));
    expect(offsets).toEqual(['0', '1']);
    model.dispose();
  });

  it('have one best, or those that no other beats', () => {
    const single = [trial(0, { targets: [1] }), trial(1, { targets: [3] }), trial(2, { targets: [2] })];
    expect([...bestTrials(single, [UP])]).toEqual([1]);
    expect([...bestTrials(single, [DOWN])]).toEqual([0]);
    expect([...bestTrials([trial(0, { targets: ['NaN'] })], [UP])]).toEqual([]);
    const several = [
      trial(0, { targets: [1, 1] }),
      trial(1, { targets: [3, 3] }),
      trial(2, { targets: [2, 4] }),
      trial(3, { targets: [3, 3] }),
      trial(4, { status: 'FAILED', targets: [9, 0] })
    ];
    expect(paretoFront(several, [UP, DOWN]).map(({ number }) => number)).toEqual([1, 3, 0]);
  });

  it('are sorted by any column, those without a value last', () => {
    const items = [
      trial(0, { targets: [1], parameters: { kind: 'steep' } }),
      trial(1, { status: 'FAILED' }),
      trial(2, { targets: [5], parameters: { kind: 'flat' } })
    ];
    const numbers = (key: 'target 0' | 'parameter kind', isDescending: boolean): number[] =>
      sortTrials(items, { key, isDescending }).map(({ number }) => number);
    expect(numbers('target 0', false)).toEqual([0, 2, 1]);
    expect(numbers('target 0', true)).toEqual([2, 0, 1]);
    expect(numbers('parameter kind', false)).toEqual([2, 0, 1]);
  });
});

describe('plots of trials', () => {
  const items = [
    trial(0, { targets: [1, 5], parameters: { x: 1, kind: 'flat' } }),
    trial(1, { targets: [4, 9], parameters: { x: 10, kind: 'steep', extra: 0.5 } }),
    trial(2, { targets: [2, 2], parameters: { x: 100, kind: 'flat' } }),
    trial(3, { status: 'FAILED', parameters: { x: 50, kind: 'flat' } })
  ];
  const space: Space = {
    x: { low: 1, high: 100, log: true },
    kind: { values: ['steep', 'flat'] },
    extra: { low: 0, high: 1, when: { kind: ['steep'] } }
  };

  it('have axes of numbers, of their logarithms and of categories', () => {
    const axis = numberAxis('x', [1, 10, 100], true);
    expect(axis.place(10)).toBeCloseTo(0.5);
    expect(axis.place(0)).toBeNull();
    expect(axis.textAt(0.5)).toBe('10');
    expect(axis.ticks.map(({ text }) => text)).toContain('100');
    const kinds = categoryAxis('kind', ['steep', 'flat']);
    expect([kinds.place('steep'), kinds.place('flat'), kinds.place('odd')]).toEqual([0.25, 0.75, null]);
    expect(kinds.textAt(0.9)).toBe('flat');
  });

  it('show how the best rose, and leave out what has no value', () => {
    expect(bestSoFar(items, UP, 0)).toEqual([
      [0, 1],
      [1, 4],
      [2, 4]
    ]);
    expect(bestSoFar(items, DOWN, 1).map(([, value]) => value)).toEqual([5, 5, 2]);
    const plot = historyPlot(items, UP, 0);
    expect(plot.groups[0]?.points.map(point => point.trial.number)).toEqual([0, 1, 2]);
    expect(plot.lines[0]?.points.at(-1)?.y).toBe(plot.y.place(4));
  });

  it('show where stopped trials stood, and never take them for the best', () => {
    const cut = trial(3, { status: 'EARLY_STOPPED', targets: [9, 0] });
    const killed = trial(4, { status: 'KILLED', targets: null });
    const plot = historyPlot([...items, cut, killed], UP, 0);
    expect(plot.groups.map(({ points }) => points.map(point => point.trial.number))).toEqual([
      [0, 1, 2],
      [3]
    ]);
    expect(plot.lines[0]?.points.at(-1)?.y).toBe(plot.y.place(4));
    expect([...bestTrials([...items, cut], [UP])]).not.toContain(3);
    expect(describeTrial(cut, [UP])).toBe('Trial 3: last height 9, not final');
  });

  it('draw slices stronger with time', () => {
    const plot = slicePlot(items, 'x', space.x, UP, 0);
    const strengths = plot.groups.map(({ strength }) => strength ?? 0);
    expect(strengths).toEqual([...strengths].sort((a, b) => a - b));
    expect(plot.groups.flatMap(({ points }) => points)[1]?.x).toBeCloseTo(0.5);
  });

  it('draw the front of two objectives', () => {
    const plot = paretoPlot(items, [UP, DOWN], [0, 1]);
    const front = plot?.groups.find(({ label }) => label === 'Not beaten by any');
    expect(front?.points.map(point => point.trial.number)).toEqual([1, 2]);
    expect(plot?.lines[0]?.points).toHaveLength(2);
    expect(paretoPlot(items, [UP], [0, 1])).toBeNull();
  });

  it('draw a surface that is near to the trials around', () => {
    const surface = contourPlot(items, ['x', 'kind'], space, UP, 0);
    expect(surface?.points).toHaveLength(3);
    const steep = surface?.bands.slice(0, surface.bands.length / 2).flat() ?? [];
    expect(Math.max(...steep)).toBe(Math.max(...(surface?.bands.flat() ?? [])));
    expect(contourPlot(items.slice(0, 2), ['x', 'kind'], space, UP, 0)).toBeNull();
  });

  it('choose by brushes; a line that does not cross a brushed axis is outside', () => {
    const plot = parallelPlot(items, [UP], ['x', 'kind', 'extra'], space, 0);
    expect(plot.axes.map(({ key }) => key)).toEqual([
      'target 0',
      'parameter x',
      'parameter kind',
      'parameter extra'
    ]);
    expect([...brushed(plot, {})]).toEqual([0, 1, 2]);
    expect([...brushed(plot, { 'parameter kind': [0.5, 1] })]).toEqual([0, 2]);
    expect([...brushed(plot, { 'parameter kind': [0.5, 1], 'parameter x': [0.6, 1] })]).toEqual([2]);
    expect([...brushed(plot, { 'parameter extra': [0, 1] })]).toEqual([1]);
    expect(plot.lines.map(({ rank }) => rank)).toEqual([0, 3, 1]);
  });
});

describe('a list of tunings', () => {
  const tuning = (outputs: JsonObject): Resource =>
    makeResource({
      kind: 'tuning',
      spec: { max_trials: 20 },
      status: { ...makeResource().status, outputs }
    });

  it('tells how many trials are done, and how the others stand', () => {
    const trials = { completed: 9, running: 2, failed: 1, early_stopped: 1, killed: 1, total: 14 };
    expect(countTrials(tuning({ trials }))).toEqual({
      done: '12 of 20',
      others: '2 in progress, 1 failed, 2 stopped'
    });
    expect(countTrials(tuning({ trials: { completed: 0, running: 0, waiting: 2, total: 2 } }))).toEqual({
      done: '0 of 20',
      others: '2 waiting'
    });
    expect(countTrials(tuning({}))).toBeNull();
  });

  it('names the best training, also where an older platform told only its number', () => {
    const best = { trial: 7, training: 'trn_7', value: 1, values: [1], parameters: {} };
    expect(foundBest(tuning({ best: { ...best, name: 'hill-7' } }))[0]?.name).toBe('hill-7');
    expect(foundBest(tuning({ best }))[0]?.name).toBe('trial 7');
  });
});
