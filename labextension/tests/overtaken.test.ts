/** Answers and events come by different connections: an event may be here before an answer that is older than it. */
import { expect, it } from 'vitest';
import type { Resource } from '../src/api-types';
import { CompareModel } from '../src/models/compare';
import { DetailModel } from '../src/models/detail';
import { ListModel } from '../src/models/list';
import { MemoryPlatform, TRAINING, event, makeResource, until } from './platform';

const { status } = makeResource();
const begun = makeResource({ etag: '9', status: { ...status, outputs: { rows: 3 } } });
const ended = makeResource({
  etag: '10',
  status: { ...status, phase: 'COMPLETE', state: 'Completed', settled: true }
});
const page = (...items: Resource[]): { body: unknown } => ({
  body: { items, next: null, total: items.length }
});

it('shows the newer of an answer and the event that overtook it', async () => {
  const platform = new MemoryPlatform();
  const orrery = platform.make();
  platform.on('GET', '/trainings/trn_1', () => {
    orrery.events.publish(event('updated', ended));
    return { body: begun };
  });
  const detail = new DetailModel(orrery, TRAINING, 'trn_1');
  await until(() => detail.resource !== null, 'the answer');
  expect(detail.resource?.status.phase).toBe('COMPLETE');
  expect(detail.resource?.status.outputs).toEqual({ rows: 3 });
  detail.dispose();
});

it('does not go back to an older state that comes late', async () => {
  const platform = new MemoryPlatform();
  const orrery = platform.make();
  platform.on('GET', '/trainings/trn_1', () => ({ body: begun }));
  const detail = new DetailModel(orrery, TRAINING, 'trn_1');
  await until(() => detail.resource !== null, 'the answer');
  detail.accept(ended);
  orrery.events.publish(event('updated', begun));
  expect(detail.resource?.status.phase).toBe('COMPLETE');
  detail.dispose();
});

it('takes what the platform says after it has begun anew, though it counts from less', async () => {
  const platform = new MemoryPlatform();
  const orrery = platform.make();
  platform.on('GET', '/orrery-extension/status', () => ({
    body: { state: 'running', message: '', mode: 'local' }
  }));
  platform.on('GET', '/events', () => ({ stream: new ReadableStream() }));
  platform.on('GET', '/trainings/trn_1', () => ({ body: begun }));
  orrery.events.publish(event('updated', ended));
  void orrery.events.run();
  await until(() => orrery.events.isConnected, 'the stream');
  const detail = new DetailModel(orrery, TRAINING, 'trn_1');
  await until(() => detail.resource !== null, 'the answer');
  expect(detail.resource?.status.phase).toBe('RUNNING');
  detail.dispose();
  orrery.events.dispose();
});

it('lists what came while the first page was on its way', async () => {
  const platform = new MemoryPlatform();
  const orrery = platform.make();
  const created = makeResource({ id: 'trn_2', name: 'later' });
  let asked = 0;
  platform.on('GET', '/trainings', () => {
    asked += 1;
    if (asked > 1) {
      return page(created, ended);
    }
    orrery.events.publish(event('created', created));
    orrery.events.publish(event('updated', ended));
    return page(begun);
  });
  const list = new ListModel(orrery, TRAINING);
  await until(() => list.isLoaded, 'the first page');
  expect(list.items.map(item => item.status.phase)).toEqual(['COMPLETE']);
  await until(() => list.items.length === 2, 'what came meanwhile');
  list.dispose();
});

it('keeps a run that began while the list of those that run was on its way, and tells of one that ended', async () => {
  const platform = new MemoryPlatform();
  const orrery = platform.make([TRAINING]);
  const later = makeResource({ id: 'trn_2' });
  const told: string[] = [];
  orrery.activity.ended.connect((_, run) => told.push(run.id));
  orrery.events.publish(event('created', begun));
  platform.on('GET', '/trainings', () => {
    orrery.events.publish(event('created', later));
    return page();
  });
  platform.on('GET', '/trainings/trn_2', () => ({ body: later }));
  platform.on('GET', '/trainings/trn_1', () => ({ body: ended }));
  await orrery.activity.load();
  expect(orrery.activity.runs.map(run => run.id)).toEqual(['trn_2']);
  expect(told).toEqual(['trn_1']);
});

it('compares the newest state of a run', async () => {
  const platform = new MemoryPlatform();
  const orrery = platform.make();
  platform.on('GET', '/trainings/trn_1/metrics', () => ({ body: { series: [] } }));
  platform.on('GET', '/trainings/trn_1', () => {
    orrery.events.publish(event('updated', ended));
    return { body: begun };
  });
  const compare = new CompareModel(orrery, 'training', ['trn_1']);
  compare.setVisible(true);
  await until(() => compare.isLoaded, 'the runs');
  expect(compare.runs[0]?.status.phase).toBe('COMPLETE');
  compare.dispose();
});
