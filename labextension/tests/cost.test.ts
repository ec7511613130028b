import { expect, it } from 'vitest';
import { costOf, describePlace } from '../src/models/cost';

const GIB = 1 << 30;
const SCHEMA = { properties: { instance_type: { 'x-orrery-instance-type': true } } };
const TYPES = [
  { name: 'serve', title: '', cores: 0.5, memory_bytes: GIB, gpus: 0, fits: true },
  { name: 'gpu', title: '', cores: 4, memory_bytes: 16 * GIB, gpus: 1, fits: false }
];
const TOTAL = { cores: 2, memory_bytes: 4 * GIB, gpus: 0 };
const spec = (...replicas: number[]): { instance_type: string; deployments: { replicas: number }[] } => ({
  instance_type: 'serve',
  deployments: replicas.map(count => ({ replicas: count }))
});

it('counts every replica of an endpoint', () => {
  expect(costOf(spec(1), SCHEMA, TYPES, TOTAL)?.text).toBe('0.5 cores, 1.0 GiB');
  expect(costOf(spec(2, 1), SCHEMA, TYPES, TOTAL)?.text).toBe('3 × serve: 1.5 cores, 3.0 GiB');
});

it('refuses more replicas than there could ever be, and a size that there is not', () => {
  expect(costOf(spec(5), SCHEMA, TYPES, TOTAL)?.refusal).toMatch(
    /^5 replicas of serve need 2.5 cores.*fewer/
  );
  const gpu = costOf({ instance_type: 'gpu' }, SCHEMA, TYPES, TOTAL);
  expect(gpu?.text).toBe('4 cores, 16 GiB, 1 GPU');
  expect(gpu?.refusal).toMatch(/could never start: choose serve/);
});

it('counts every node of a training', () => {
  const cost = costOf({ instance_type: 'serve', nodes: 5 }, SCHEMA, TYPES, TOTAL);
  expect(cost?.text).toBe('5 × serve: 2.5 cores, 5.0 GiB');
  expect(cost?.refusal).toMatch(/^5 nodes of serve need 2.5 cores.*fewer nodes/);
});

it('costs nothing where there is no instance type', () => {
  expect(costOf({}, { properties: {} }, TYPES, TOTAL)).toBeNull();
});

it('counts only what comes first', () => {
  const items = ['HIGH', 'NORMAL', 'LOW'].map(priority => ({
    resource: null,
    title: '',
    place: 1,
    priority,
    reason: ''
  }));
  const held = { cores: 1, memory_bytes: GIB, gpus: 0 };
  const size = { cores: 1, memory_bytes: GIB, gpus: 0 };
  const queue = { items, capacity: { total: TOTAL, held }, pause: null };
  expect(describePlace(size, 'LOW', queue)).toMatch(/^3 jobs wait with this priority/);
  expect(describePlace(size, 'HIGH', queue)).toMatch(/^1 job waits with this priority/);
  expect(describePlace(size, 'LOW', { ...queue, items: [] })).toBe('starts at once');
  const pause = { by: 'root', since: '', reason: '', draining: false, running: 0 };
  expect(describePlace(size, 'LOW', { ...queue, items: [], pause })).toMatch(/root has paused/);
});
