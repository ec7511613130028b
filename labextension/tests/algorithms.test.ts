import { CommandRegistry } from '@lumino/commands';
import { describe, expect, it } from 'vitest';
import type { Action, Json, Kind, Resource } from '../src/api-types';
import { declaredBy, emitted, rangeOf } from '../src/models/algorithms';
import { offeredActions } from '../src/models/kinds';
import { CommandIDs } from '../src/tokens';
import { nextSteps } from '../src/widgets/acts';
import { Navigator } from '../src/widgets/context';
import { ALGORITHM, MemoryPlatform, TRAINING, XGBOOST, makeResource } from './platform';

const FETCH: Action = {
  name: 'fetch',
  title: 'Fetch again',
  confirm: null,
  destructive: false,
  phases: ['ACTIVE'],
  schema: null
};

describe('the code of an algorithm', () => {
  const kind = { ...ALGORITHM, actions: [FETCH] };
  const offered = (source: { type: string } | null): string[] => {
    const algorithm = makeResource({ kind: 'algorithm', spec: { source } });
    algorithm.status = { ...algorithm.status, phase: 'ACTIVE' };
    return offeredActions(kind, algorithm).map(action => action.name);
  };

  it('is fetched again only where it came from somewhere', () => {
    expect(offered({ type: 'git' })).toEqual(['fetch']);
    expect(offered(null)).toEqual([]);
  });
});

describe('what is done next with an algorithm', () => {
  const TUNING: Kind = { ...TRAINING, kind: 'tuning', plural: 'tunings', title: 'Tuning' };
  const inPhase = (state: string): Resource => ({ ...XGBOOST, status: { ...XGBOOST.status, state } });

  function stepsOf(algorithm: Resource, kinds: Kind[]): { labels: string[]; opened: unknown[] } {
    const opened: unknown[] = [];
    const commands = new CommandRegistry();
    commands.addCommand(CommandIDs.create, {
      execute: args => opened.push(args),
      describedBy: { args: { type: 'object' } }
    });
    const context = {
      ...new MemoryPlatform().make(kinds),
      go: new Navigator(commands),
      state: null,
      themeChanged: null
    };
    const steps = nextSteps(context, algorithm);
    steps.forEach(({ run }) => run());
    return { labels: steps.map(({ label }) => label), opened };
  }

  it('is to train and to tune with it chosen', () => {
    const prefill = { spec: { algorithm: 'orrery/xgboost' } };
    expect(stepsOf(inPhase('Active'), [TRAINING, TUNING, ALGORITHM])).toEqual({
      labels: ['Train', 'Tune'],
      opened: [
        { kind: 'training', prefill },
        { kind: 'tuning', prefill }
      ]
    });
  });

  it('is only what the platform serves, and nothing while its code is not there', () => {
    expect(stepsOf(inPhase('Active'), [TRAINING, ALGORITHM]).labels).toEqual(['Train']);
    expect(stepsOf(inPhase('Pending'), [TRAINING, TUNING, ALGORITHM]).labels).toEqual([]);
    expect(stepsOf(inPhase('Failed'), [TRAINING, TUNING, ALGORITHM]).labels).toEqual([]);
  });
});

describe('what an algorithm declares', () => {
  it('is its hyperparameters, with type, default and range', () => {
    const { parameters } = declaredBy(XGBOOST);
    expect(parameters.map(({ name, type, default: usual, range }) => [name, type, usual, range])).toEqual([
      ['target', 'string', '', ''],
      ['rounds', 'integer', '300', '1 to 10000']
    ]);
  });

  it('is read from its code where its spec says nothing', () => {
    const algorithm = makeResource({ kind: 'algorithm' });
    algorithm.status.outputs = {
      parameters_schema: {
        type: 'object',
        required: ['mode'],
        properties: { mode: { enum: ['fast', 'exact'], description: 'How' } }
      }
    };
    expect(declaredBy(algorithm).parameters).toEqual([
      {
        name: 'mode',
        title: 'Mode',
        type: 'string',
        default: '',
        range: 'one of fast, exact',
        help: 'How',
        isRequired: true
      }
    ]);
  });

  it('is the metrics that it emits', () => {
    const metrics: Json = [{ name: 'roc_auc', title: 'ROC AUC', goal: 'maximize' }, { name: 'accuracy' }];
    expect(emitted(declaredBy(makeResource({ kind: 'algorithm', spec: { metrics } })).metrics)).toBe(
      'roc_auc, accuracy'
    );
  });

  it('says bounds that are open', () => {
    expect(rangeOf({ exclusiveMinimum: 0 }, String)).toBe('more than 0');
    expect(rangeOf({ exclusiveMinimum: 0, exclusiveMaximum: 1 }, String)).toBe('more than 0, less than 1');
    expect(rangeOf({ exclusiveMinimum: 0, maximum: 1 }, String)).toBe('more than 0, at most 1');
    expect(rangeOf({ minimum: 0, exclusiveMaximum: 1 }, String)).toBe('at least 0, less than 1');
    expect(rangeOf({ maximum: 1 }, String)).toBe('at most 1');
    expect(rangeOf({}, String)).toBe('');
  });
});
