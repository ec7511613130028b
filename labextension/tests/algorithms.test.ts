import { describe, expect, it } from 'vitest';
import type { Action } from '../src/api-types';
import { offeredActions } from '../src/models/kinds';
import { ALGORITHM, makeResource } from './platform';

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
