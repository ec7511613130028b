import { describe, expect, it } from 'vitest';
import type { Kind, Resource, WhoAmI } from '../src/api-types';
import { DetailModel } from '../src/models/detail';
import { ListModel, firstFilter } from '../src/models/list';
import { ListView } from '../src/models/list-view';
import { tabsOf } from '../src/widgets/tabs/registry';
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

describe('a list of what refers to one resource', () => {
  const RUNS: Kind = { ...TRAINING, parts: { path: 'trial.tuning', title: 'Trials of tunings' } };
  const EXPERIMENT: Kind = {
    ...DATASET,
    kind: 'experiment',
    plural: 'experiments',
    tabs: ['overview', 'trainings', 'tunings', 'lineage']
  };
  const run = (id: string, experiment: string): Resource =>
    makeResource({
      id,
      name: id,
      references: [
        {
          path: 'experiment',
          kind: 'experiment',
          id: experiment,
          name: 'x',
          owner: 'alice',
          version: null,
          deleted: false
        }
      ]
    });
  const experiment = makeResource({ id: 'exp_1', kind: 'experiment', name: 'x' });

  it('asks for these alone, whatever the filters are, and takes in no others', async () => {
    const platform = new MemoryPlatform();
    platform.on('GET', '/experiments/exp_1', () => ({ body: experiment }));
    platform.on('GET', '/trainings', () => ({ body: { items: [], next: null, total: 0 } }));
    const orrery = platform.make([RUNS, EXPERIMENT]);
    const page = new DetailModel(orrery, EXPERIMENT, 'exp_1');
    await until(() => page.resource !== null, 'the page');
    const list = page.listOf(RUNS);
    expect(page.listOf(RUNS)).toBe(list);
    await until(() => list.isLoaded, 'the list');
    expect(list.isFiltered).toBe(false);
    list.showEverything();
    await until(() => list.isLoaded, 'the list');
    list.clearFilter();
    await until(() => list.isLoaded, 'the list');
    const asked = platform.calls.filter(({ path }) => path === '/trainings');
    expect(asked.length).toBeGreaterThan(2);
    expect(asked.map(({ query }) => query.get('refers_to'))).toEqual(asked.map(() => 'exp_1'));
    orrery.events.publish({ type: 'created', resource: run('trn_7', 'exp_2') });
    orrery.events.publish({ type: 'created', resource: run('trn_8', 'exp_1') });
    expect(list.items.map(({ id }) => id)).toEqual(['trn_8']);
    page.dispose();
    expect(list.isDisposed).toBe(true);
  });

  it('is a tab of the page, without the column that says the same in each row', async () => {
    expect(tabsOf(EXPERIMENT, experiment).map(({ title }) => title)).toEqual([
      'Overview',
      'Trainings',
      'Tunings',
      'Lineage'
    ]);
    const columns: Kind['columns'] = [
      { key: 'spec.experiment', title: 'Experiment', type: 'ref' },
      { key: 'spec.algorithm', title: 'Algorithm', type: 'ref' }
    ];
    const shown = async (within?: string): Promise<string[]> =>
      (await ListView.open({ ...RUNS, columns }, null, within)).columns([]).map(({ title }) => title);
    expect(await shown()).toEqual(['Name', 'Experiment', 'Algorithm']);
    expect(await shown('experiment')).toEqual(['Name', 'Algorithm']);
  });
});
