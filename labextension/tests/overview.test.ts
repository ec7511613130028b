import { expect, it } from 'vitest';
import type { History } from '../src/models/overview';
import { OverviewModel, joinHistory } from '../src/models/overview';
import { MemoryPlatform, event, makeResource, until } from './platform';

function history(at: number[], gpu: number[] | null = null): History {
  return {
    period_seconds: 5,
    at,
    cpu: at.map(() => 0.5),
    memory_bytes: at,
    disk_bytes: at,
    machine: {
      at: 0,
      cores: 2,
      cpu: 0.5,
      memory_bytes: 1,
      memory_total_bytes: 2,
      disk_bytes: 1,
      disk_total_bytes: 2,
      gpus: gpu
        ? [
            {
              name: 'A',
              used: 0,
              memory_bytes: 0,
              memory_total_bytes: 1,
              history: { used: gpu, memory_bytes: gpu }
            }
          ]
        : []
    }
  };
}

it('joins the samples that follow, and lets go of those that are older than an hour', () => {
  const joined = joinHistory(history([0, 10, 3000], [1, 2, 3]), history([3605], [4]));
  expect(joined.at).toEqual([10, 3000, 3605]);
  expect(joined.cpu).toHaveLength(3);
  expect(joined.machine.gpus[0]?.history?.used).toEqual([2, 3, 4]);
});

it('keeps what it has while nothing new was sampled', () => {
  expect(joinHistory(history([1, 2]), history([])).at).toEqual([1, 2]);
});

it('loads while it is looked at, and again after what happened', async () => {
  const platform = new MemoryPlatform();
  const body = {
    counts: {},
    running: [],
    queue: { waiting: 0, items: [], later: [], pause: null },
    holders: [],
    endpoints: []
  };
  platform.on('GET', '/overview', () => ({ body }));
  platform.on('GET', '/overview/activity', call => ({ body: { range: call.query.get('range') } }));
  platform.on('GET', '/system/history', () => ({ body: history([1]) }));
  const orrery = platform.make();
  const model = new OverviewModel(orrery);
  const loads = (): number => platform.calls.filter(call => call.path === '/overview').length;
  orrery.events.publish(event('updated', makeResource()));
  expect(loads()).toBe(0);
  model.setVisible(true);
  await until(
    () => model.document !== null && model.activity !== null && model.history !== null,
    'the overview'
  );
  expect(loads()).toBe(1);
  model.setRange('24h');
  await until(() => model.activity?.range === '24h', 'the other range');
  for (let count = 0; count < 50; count += 1) {
    orrery.events.publish(event('updated', makeResource()));
  }
  await until(() => loads() >= 2, 'what follows the events');
  expect(loads()).toBe(2);
  model.dispose();
});
