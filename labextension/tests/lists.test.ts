import { describe, expect, it } from 'vitest';
import type { Kind, Resource, WhoAmI } from '../src/api-types';
import { ListModel, firstFilter } from '../src/models/list';
import { DATASET, MemoryPlatform, TRAINING, makeResource, until } from './platform';

describe('what a list shows at first', () => {
  const RUNS: Kind = {
    ...TRAINING,
    parts: { path: 'trial.tuning', title: 'Trials of tunings' },
    phases: [
      { name: 'RUNNING', title: 'Running', state: 'Running', settled: false },
      { name: 'COMPLETE', title: 'Complete', state: 'Completed', settled: true }
    ]
  };
  const trial = (id: string): Resource =>
    makeResource({ id, name: id, spec: { trial: { tuning: 'tun_1', number: 1 } } });

  it('is of runs one’s own where several people work, and no trials', () => {
    const user: WhoAmI = { name: 'alice', groups: [], admin: false, mode: 'hub' };
    expect(firstFilter(RUNS, user)).toMatchObject({ owner: 'alice', parts: false });
    expect(firstFilter(RUNS, { ...user, mode: 'local' })).toMatchObject({ owner: '', parts: false });
    expect(firstFilter({ ...DATASET, phases: [] }, user)).toMatchObject({ owner: '', parts: true });
  });

  it('is asked of the server, which counts all only where nothing is left', async () => {
    const platform = new MemoryPlatform();
    platform.on('GET', '/trainings', ({ query }) => ({
      body:
        query.get('parts') === '0' ? { items: [], next: null, total: 0 } : { items: [], next: null, total: 7 }
    }));
    const list = new ListModel(platform.make(), RUNS, 10);
    await until(() => list.isLoaded, 'the list');
    expect(list.isFiltered).toBe(false);
    expect(list.totalUnfiltered).toBe(7);
    list.showEverything();
    await until(() => list.isLoaded, 'the list');
    expect(list.isFiltered).toBe(true);
    list.clearFilter();
    expect(list.query.parts).toBe(false);
  });

  it('keeps trials away that begin while it is looked at', async () => {
    const platform = new MemoryPlatform();
    platform.on('GET', '/trainings', () => ({ body: { items: [], next: null, total: 0 } }));
    const orrery = platform.make();
    const list = new ListModel(orrery, RUNS, 10);
    await until(() => list.isLoaded, 'the list');
    orrery.events.publish({ type: 'created', resource: trial('trn_7') });
    expect(list.items).toEqual([]);
    list.setQuery({ parts: true });
    await until(() => list.isLoaded, 'the list');
    orrery.events.publish({ type: 'created', resource: trial('trn_8') });
    expect(list.items.map(({ id }) => id)).toEqual(['trn_8']);
  });
});
