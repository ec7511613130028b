import { describe, expect, it } from 'vitest';
import type { Json } from '../src/api-types';
import { withKnownDetails } from '../src/models/events';
import { Deletion } from '../src/models/deletion';
import { ListModel } from '../src/models/list';
import { forkedSpec, forkOf, isSameNotebook, withoutAdded } from '../src/models/notebooks';
import { rebase } from '../src/models/upload';
import { MemoryPlatform, TRAINING, event, makeResource, until } from './platform';

function makeList(
  count: number,
  query = {}
): { platform: MemoryPlatform; list: ListModel; orrery: ReturnType<MemoryPlatform['make']> } {
  const platform = new MemoryPlatform();
  const items = Array.from({ length: count }, (_, index) =>
    makeResource({ id: `trn_${index}`, name: `run-${index}` })
  );
  platform.on('GET', '/trainings', call => {
    const from = Number(call.query.get('cursor') ?? 0);
    const to = from + Number(call.query.get('limit'));
    return { body: { items: items.slice(from, to), next: to < count ? String(to) : null, total: count } };
  });
  const orrery = platform.make();
  return { platform, orrery, list: new ListModel(orrery, TRAINING, 10, query) };
}

describe('ListModel', () => {
  it('loads page after page', async () => {
    const { list } = makeList(25);
    await until(() => list.isLoaded, 'the first page');
    expect(list.items).toHaveLength(10);
    await list.loadMore();
    await list.loadMore();
    await list.loadMore();
    expect(list.items).toHaveLength(25);
    expect(list.next).toBeNull();
    expect(list.total).toBe(25);
  });

  it('follows what is created, changed and deleted', async () => {
    const { list, orrery } = makeList(2);
    await until(() => list.isLoaded, 'the list');
    orrery.events.publish(event('created', makeResource({ id: 'trn_new', name: 'new' })));
    expect(list.items.map(item => item.id)).toEqual(['trn_new', 'trn_0', 'trn_1']);
    expect(list.total).toBe(3);
    orrery.events.publish(event('updated', makeResource({ id: 'trn_0', name: 'renamed' })));
    expect(list.items[1]?.name).toBe('renamed');
    list.toggle('trn_0', true);
    orrery.events.publish(
      event('deleted', makeResource({ id: 'trn_0', deleted_at: '2026-01-02T00:00:00Z' }))
    );
    expect(list.items.map(item => item.id)).toEqual(['trn_new', 'trn_1']);
    expect(list.selection).toEqual([]);
    orrery.events.publish({ type: 'purged', resource: { id: 'trn_1', kind: 'training' } });
    expect(list.items.map(item => item.id)).toEqual(['trn_new']);
    list.dispose();
  });

  it('leaves out what its filter does not want', async () => {
    const { list, orrery } = makeList(1, { state: 'Failed' });
    await until(() => list.isLoaded, 'the list');
    orrery.events.publish(event('created', makeResource({ id: 'trn_2' })));
    expect(list.items.map(item => item.id)).toEqual(['trn_0']);
  });

  it('selects from the last chosen one to another', async () => {
    const { list } = makeList(8);
    await until(() => list.isLoaded, 'the list');
    list.toggle('trn_2', true);
    list.extendTo('trn_5');
    expect(list.selection.map(item => item.id)).toEqual(['trn_2', 'trn_3', 'trn_4', 'trn_5']);
    list.extendTo('trn_1');
    expect(list.selection.map(item => item.id)).toContain('trn_1');
    list.dispose();
  });

  it('keeps a long list whole when it loads again, page after page', async () => {
    const { list, platform } = makeList(1300);
    await until(() => list.isLoaded, 'the first page');
    while (list.items.length < 1200) {
      await list.loadMore();
    }
    const before = platform.calls.length;
    await list.load();
    expect(list.items).toHaveLength(1200);
    const limits = platform.calls.slice(before).map(call => call.query.get('limit'));
    expect(limits).toEqual(['500', '500', '200']);
    list.dispose();
  });

  it('counts what there is besides when the filter leaves nothing', async () => {
    const platform = new MemoryPlatform();
    platform.on('GET', '/trainings', call => ({
      body: { items: [], next: null, total: call.query.get('tag') === 'none' ? 0 : 12 }
    }));
    const list = new ListModel(platform.make(), TRAINING, 10, { tag: 'none' });
    await until(() => list.isLoaded, 'the list');
    expect([list.total, list.totalUnfiltered, list.isFiltered]).toEqual([0, 12, true]);
    list.dispose();
  });

  it('says why it could not be loaded', async () => {
    const platform = new MemoryPlatform();
    platform.on('GET', '/trainings', () => ({
      status: 422,
      body: { error: { code: 'invalid', message: "state 'X' is unknown" } }
    }));
    const list = new ListModel(platform.make(), TRAINING);
    await until(() => list.error !== null, 'the error');
    expect(list.error).toBe("state 'X' is unknown");
    list.dispose();
  });
});

describe('EventStream', () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('delivers events, and resumes from the last id', async () => {
    const platform = new MemoryPlatform();
    const { events } = platform.make();
    platform.on('GET', '/orrery-extension/status', () => ({
      body: { state: 'running', message: '', mode: 'local' }
    }));
    const data = JSON.stringify({ type: 'created', resource: makeResource() });
    platform.on('GET', '/events', () => ({
      stream: new ReadableStream({
        start: controller => {
          controller.enqueue(encode(`id: 41\n: connected\n\nid: 42\nevent: resource\nda`));
          controller.enqueue(encode(`ta: ${data}\n\n`));
          controller.close();
        }
      })
    }));
    const names: string[] = [];
    let resets = 0;
    events.received.connect((_, received) => names.push(received.resource.id));
    events.reset.connect(() => (resets += 1));
    void events.run();
    const follows = (): string[] =>
      platform.calls
        .filter(call => call.path === '/events')
        .map(call => call.headers.get('Last-Event-ID') ?? '');
    await until(() => follows().length >= 2, 'a second connection');
    events.dispose();
    expect(names[0]).toBe('trn_1');
    expect(follows().slice(0, 2)).toEqual(['', '42']);
    expect(resets).toBe(1);
    expect(events.peek('trn_1')?.name).toBe('breast');
  });
});

describe('PlatformModel', () => {
  it('asks the platform itself, as the status of its process may be some seconds old', async () => {
    const memory = new MemoryPlatform();
    const { platform } = memory.make();
    let isAway = true;
    memory.on('GET', '/orrery-extension/status', () => ({
      body: { state: 'running', message: '', mode: 'local' }
    }));
    memory.on('GET', '/orrery/readyz', () => ({ status: isAway ? 503 : 200, body: {} }));
    void platform.check();
    await until(() => platform.status.state === 'unavailable', 'word that it is away');
    isAway = false;
    await until(() => platform.isRunning, 'its return');
    platform.dispose();
  });
});

describe('Deletion', () => {
  it('names what needs the resource', async () => {
    const platform = new MemoryPlatform();
    const dependents = [{ id: 'mdl_1', kind: 'model', name: 'breast', owner: 'alice', version: 1 }];
    platform.on('DELETE', '/trainings/trn_1', () => ({
      status: 409,
      body: { error: { code: 'in_use', message: 'in use', details: { dependents } } }
    }));
    const answer = await new Deletion(platform.make()).remove(TRAINING, makeResource());
    expect(answer).toEqual({ result: 'in_use', message: 'in use', dependents });
  });

  it('removes all that was shown, by its digest', async () => {
    const platform = new MemoryPlatform();
    const model = { id: 'mdl_1', kind: 'model', name: 'breast', owner: 'alice', version: 1 };
    platform.on('GET', '/trainings/trn_1/dependents', () => ({ body: { items: [model], digest: 'abc' } }));
    platform.on('DELETE', '/trainings/trn_1', call => ({
      body: { items: call.query.get('preview') === 'abc' && call.query.get('cascade') ? [model] : [] }
    }));
    const deletion = new Deletion(platform.make());
    const { items, digest } = await deletion.preview(TRAINING, makeResource());
    expect(items.map(item => item.id)).toEqual(['trn_1', 'mdl_1']);
    expect(await deletion.removeAll(TRAINING, makeResource(), digest)).toEqual([model]);
  });
});

it('keeps the details that an event leaves out', () => {
  const known = makeResource({ spec: { content: { rows: 5 } } });
  known.status.outputs = { example: 1, replicas: 1 };
  const next = makeResource({ name: 'renamed' });
  next.status.outputs = { replicas: 2 };
  const merged = withKnownDetails(next, known);
  expect(merged.name).toBe('renamed');
  expect(merged.spec).toEqual({ content: { rows: 5 } });
  expect(merged.status.outputs).toEqual({ example: 1, replicas: 2 });
});

it('sends the chunks of an upload through the Jupyter server, whatever address the platform names', () => {
  expect(rebase('http://x/api/v1/uploads/u1', '/user/a/orrery/api/v1/uploads')).toBe(
    '/user/a/orrery/api/v1/uploads/u1'
  );
  expect(rebase('/api/v1/uploads/u1/', '/b/uploads')).toBe('/b/uploads/u1');
});

it('forks an executed notebook without its outputs, and remembers what it was run with', () => {
  const run = {
    of: 'a/b',
    datasets: { train: 'a/table@1' },
    parameters: { rounds: 3 },
    register_model: true
  };
  const executed = {
    cells: [
      {
        cell_type: 'code',
        source: 'a = 1',
        execution_count: 4,
        outputs: [{ output_type: 'stream', name: 'stdout', text: 'x' }],
        metadata: { tags: ['parameters'], papermill: { duration: 1 } }
      }
    ],
    metadata: { kernelspec: { name: 'python3' }, papermill: { version: '2' } }
  };
  const fork = forkOf(executed, run);
  expect(fork).toEqual({
    cells: [
      {
        cell_type: 'code',
        source: 'a = 1',
        execution_count: null,
        outputs: [],
        metadata: { tags: ['parameters'] }
      }
    ],
    metadata: { kernelspec: { name: 'python3' }, orrery_fork: run }
  });
  const { datasets, parameters, register_model } = run;
  expect(forkedSpec(fork)).toEqual({ datasets, parameters, register_model });
  expect(forkedSpec(executed)).toEqual({});
});

it('takes out of an executed notebook what running has added, so that cells count as in its source', () => {
  const own = [
    { cell_type: 'markdown', source: 'Title', metadata: {} },
    {
      cell_type: 'code',
      source: 'a = 1',
      metadata: { tags: ['injected-parameters'], papermill: { added: false } }
    }
  ];
  const added = [
    { cell_type: 'markdown', source: 'An exception', metadata: { tags: ['papermill-error-cell-tag'] } },
    {
      cell_type: 'code',
      source: 'a = 2',
      metadata: { tags: ['injected-parameters'], papermill: { added: true } }
    }
  ];
  expect(withoutAdded({ cells: [...added, ...own] as unknown as Json, nbformat: 4 })).toEqual({
    cells: own,
    nbformat: 4
  });
});

it('tells notebooks apart by their cells and outputs, not by metadata or how text is split', () => {
  const outputs = [{ output_type: 'stream', name: 'stdout', text: 'x\ny' }];
  const cell = { cell_type: 'code', source: 'a = 1', outputs };
  const split = { ...cell, id: 'x', source: ['a = ', '1'], outputs: [{ ...outputs[0], text: ['x\n', 'y'] }] };
  expect(isSameNotebook({ cells: [cell] }, { cells: [split], metadata: {} })).toBe(true);
  expect(isSameNotebook({ cells: [cell] }, { cells: [{ ...cell, source: 'a = 2' }] })).toBe(false);
});
