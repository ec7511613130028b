import { describe, expect, it } from 'vitest';
import type { IStateDB } from '@jupyterlab/statedb';
import type { JsonObject } from '../src/api-types';
import { Bulk, changedTags, describeResult } from '../src/models/bulk';
import { Deletion } from '../src/models/deletion';
import { insideValue } from '../src/models/list-columns';
import { ListView } from '../src/models/list-view';
import { MemoryPlatform, TRAINING, makeResource } from './platform';

const named = (name: string): ReturnType<typeof makeResource> => makeResource({ id: `trn_${name}`, name });
const refusal = (code: string, message: string, details = {}): JsonObject => ({
  status: 409,
  body: { error: { code, message, details } }
});

describe('Bulk', () => {
  it('answers for each, and says so in one sentence', async () => {
    const platform = new MemoryPlatform();
    platform.on('POST', '/batch', call => ({
      body: {
        results: (call.body?.operations as JsonObject[]).map(operation =>
          operation.path === '/trainings/trn_b/stop'
            ? refusal('wrong_phase', 'it is COMPLETE')
            : { status: 200, body: { ...named('a'), target: 'stopped' } }
        )
      }
    }));
    const result = await new Bulk(platform.make(), TRAINING).act('stop', [named('a'), named('b')]);
    expect(result.done.map(one => one.name)).toEqual(['a']);
    expect(describeResult(TRAINING, 'stopped', result)).toBe(
      '1 training stopped, 1 could not: b (it is COMPLETE).'
    );
  });

  it('sends many in requests of a bounded size', async () => {
    const platform = new MemoryPlatform();
    platform.on('POST', '/batch', call => ({
      body: { results: (call.body?.operations as JsonObject[]).map(() => ({ status: 200, body: null })) }
    }));
    const resources = Array.from({ length: 250 }, (_, index) => named(String(index)));
    const result = await new Bulk(platform.make(), TRAINING).remove(resources);
    expect(result.done).toHaveLength(250);
    expect(platform.calls.map(call => (call.body?.operations as unknown[]).length)).toEqual([100, 100, 50]);
  });

  it('names what needs the ones that were not deleted', async () => {
    const platform = new MemoryPlatform();
    const dependents = [{ id: 'mdl_1', kind: 'model', name: 'm', owner: 'alice', version: 1 }];
    platform.on('POST', '/batch', () => ({
      body: { results: [refusal('in_use', 'in use', { dependents })] }
    }));
    const result = await new Bulk(platform.make(), TRAINING).remove([named('a')]);
    expect(result.refused[0]?.dependents).toEqual(dependents);
  });

  it('says how many more were refused than it names', () => {
    const refused = ['a', 'b', 'c', 'd', 'e'].map(name => ({
      resource: named(name),
      message: 'no.',
      dependents: []
    }));
    expect(describeResult(TRAINING, 'stopped', { done: [], refused })).toBe(
      '5 trainings could not: a (no); b (no); c (no) and 2 more.'
    );
  });
});

it('adds tags once and takes others away', () => {
  expect(changedTags(['a', 'b'], { add: ['b', 'c'], remove: ['a'] })).toEqual(['b', 'c']);
});

it('removes nothing that was not shown before', async () => {
  const platform = new MemoryPlatform();
  const late = { id: 'mdl_9', kind: 'model', name: 'late', owner: 'alice', version: 1 };
  let items: unknown[] = [];
  platform.on('GET', '/trainings/trn_a/dependents', () => ({ body: { items, digest: 'd' } }));
  const deletion = new Deletion(platform.make());
  const shown = await deletion.previewAll(TRAINING, [named('a')]);
  items = [late];
  await expect(deletion.removeShown(TRAINING, [named('a')], shown)).rejects.toThrow(/late/);
  expect(platform.calls.some(call => call.method === 'DELETE')).toBe(false);
});

describe('ListView', () => {
  const makeState = (saved: Map<string, unknown>): IStateDB =>
    ({
      fetch: (id: string) => Promise.resolve(saved.get(id)),
      save: (id: string, value: unknown) => Promise.resolve(void saved.set(id, value))
    }) as unknown as IStateDB;
  const kind = {
    ...TRAINING,
    columns: [
      { key: 'name', title: 'Name', type: 'text' as const },
      { key: 'owner', title: 'Owner', type: 'text' as const },
      { key: 'tags', title: 'Tags', type: 'tags' as const },
      { key: 'created_at', title: 'Created', type: 'date' as const }
    ]
  };

  it('shows tags where there are any, and what was chosen, also after a reload', async () => {
    const saved = new Map<string, unknown>();
    const view = await ListView.open(kind, makeState(saved));
    const keys = (of: ListView, items = [named('a')]): string[] => of.columns(items).map(({ key }) => key);
    expect(keys(view)).toEqual(['name', 'created_at']);
    expect(keys(view, [makeResource({ tags: ['x'] })])).toEqual(['name', 'tags', 'created_at']);
    view.setColumn('owner', true);
    view.setColumn('created_at', false);
    const again = await ListView.open(kind, makeState(saved));
    expect(keys(again)).toEqual(['name', 'owner']);
    again.resetColumns();
    expect(keys(again)).toEqual(['name', 'created_at']);
  });

  it('shows the metrics and hyperparameters that were chosen, before the dates', async () => {
    const saved = new Map<string, unknown>();
    const run = makeResource({
      spec: { parameters: { rounds: 20 } },
      status: { ...makeResource().status, outputs: { metrics: { 'val.loss': 0.25, roc: { a: 1 } } } }
    });
    const view = await ListView.open(kind, makeState(saved));
    const { metrics, parameters } = view.insideChoices([run]);
    expect(metrics.map(({ title }) => title)).toEqual(['val.loss']);
    expect(parameters.map(({ key }) => key)).toEqual(['parameter.rounds']);
    view.setColumn('parameter.rounds', true);
    view.setColumn('metric.val.loss', true);
    const again = await ListView.open(kind, makeState(saved));
    const shown = again.columns([run]).map(({ key }) => key);
    expect(shown).toEqual(['name', 'parameter.rounds', 'metric.val.loss', 'created_at']);
    expect(insideValue(run, 'metric.val.loss')).toBe(0.25);
    expect(again.insideChoices([]).metrics.map(({ title }) => title)).toEqual(['val.loss']);
    again.setColumn('parameter.rounds', false);
    expect(again.columns([run]).map(({ key }) => key)).not.toContain('parameter.rounds');
  });

  it('keeps the filter over a reload and drops it, not the order, when the list is closed', async () => {
    const saved = new Map<string, unknown>();
    const view = await ListView.open(kind, makeState(saved));
    view.keep({
      q: 'x',
      state: 'Failed',
      owner: '',
      tag: '',
      parts: true,
      of: '',
      order: 'name',
      trashed: true
    });
    expect((await ListView.open(kind, makeState(saved))).query).toMatchObject({ q: 'x', state: 'Failed' });
    view.forgetFilter();
    // that a command asked for trials is no wish for them
    expect((await ListView.open(kind, makeState(saved))).query).toEqual({ order: 'name' });
    view.chooseParts(true);
    view.forgetFilter();
    const { query } = await ListView.open(kind, makeState(saved));
    expect(query).toEqual({ order: 'name', parts: true });
  });
});
