import { expect, it } from 'vitest';
import type { UsageSample } from '../src/api-types';
import { perMinute, replicaCurves } from '../src/models/service';

it('counts calls by the minute, with their mean latency, and shows a minute without calls as one', () => {
  const now = 600 * 60;
  const minutes = perMinute(
    {
      period_seconds: 15,
      at: [now - 61, now - 50, now - 2 * 3600, now],
      success: [2, 1, 9, 0],
      client_errors: [0, 1, 0, 0],
      server_errors: [0, 0, 0, 1],
      latency_seconds: [0.1, 0.4, 9, 0.5]
    },
    now
  );
  expect(minutes.x).toHaveLength(60);
  expect(minutes.x[59]).toBe(now);
  expect(minutes.success.slice(-3)).toEqual([2, 1, 0]);
  expect(minutes.failed.slice(-3)).toEqual([0, 1, 1]);
  expect(minutes.latency.slice(-4)).toEqual([null, 0.1, 0.4, 0.5]);
  expect(minutes.success.reduce((sum, count) => sum + count)).toBe(3);
});

it('puts the samples of all replicas on one axis', () => {
  const sample = (second: number, cores: number | null): UsageSample => ({
    at: new Date(second * 1000).toISOString(),
    cpu_seconds: 5,
    cores,
    memory_bytes: second,
    gpus: null,
    gpu_memory_bytes: null
  });
  const curves = replicaCurves([
    { id: 'aaaabbbb', service: 's', samples: [sample(1, null), sample(3, 0.5)] },
    { id: 'ccccdddd', service: 's', samples: [sample(2, null)] }
  ]);
  expect(curves.x).toEqual([1, 2, 3]);
  expect(curves.cores[0]).toEqual({ label: 'replica 1 (aaaa)', values: [null, null, 0.5] });
  expect(curves.memory[1]?.values).toEqual([null, 2, null]);
});
