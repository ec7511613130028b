import { describe, expect, it } from 'vitest';
import type { Action, Json } from '../src/api-types';
import { declaredBy, emitted, rangeOf } from '../src/models/algorithms';
import { offeredActions } from '../src/models/kinds';
import { ALGORITHM, XGBOOST, makeResource } from './platform';

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
