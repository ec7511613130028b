/** An endpoint's last hour, minute by minute. */
import type { UsageSample } from '../api-types';

/** As the platform samples it, by column; a look at which nothing was called is left out. */
export interface Calls {
  period_seconds: number;
  at: number[];
  success: number[];
  client_errors: number[];
  server_errors: number[];
  latency_seconds: (number | null)[];
}

export interface ReplicaUsage {
  id: string;
  service: string;
  samples: UsageSample[];
}

export interface Minutes {
  /** Seconds since 1970, the beginning of each minute. */
  x: number[];
  success: number[];
  failed: number[];
  /** The mean of the calls in the minute; null in one without calls. */
  latency: (number | null)[];
}

const MINUTES = 60;

export function perMinute(calls: Calls, now: number): Minutes {
  const last = Math.floor(now / 60);
  const x = Array.from({ length: MINUTES }, (_, index) => (last - MINUTES + 1 + index) * 60);
  const success = x.map(() => 0);
  const failed = x.map(() => 0);
  const seconds = x.map(() => 0);
  calls.at.forEach((at, index) => {
    const place = Math.floor(at / 60) - (last - MINUTES + 1);
    if (place < 0 || place >= MINUTES) {
      return;
    }
    const good = calls.success[index] ?? 0;
    const bad = (calls.client_errors[index] ?? 0) + (calls.server_errors[index] ?? 0);
    success[place] = (success[place] ?? 0) + good;
    failed[place] = (failed[place] ?? 0) + bad;
    seconds[place] = (seconds[place] ?? 0) + (calls.latency_seconds[index] ?? 0) * (good + bad);
  });
  const latency = x.map((_, index) => {
    const count = (success[index] ?? 0) + (failed[index] ?? 0);
    return count > 0 ? (seconds[index] ?? 0) / count : null;
  });
  return { x, success, failed, latency };
}

export interface ReplicaCurves {
  x: number[];
  memory: { label: string; values: (number | null)[] }[];
  cores: { label: string; values: (number | null)[] }[];
}

/** The replicas' samples on one time axis; their curves begin and end when they do. */
export function replicaCurves(replicas: ReplicaUsage[]): ReplicaCurves {
  const at = (sample: UsageSample): number => Math.round(Date.parse(sample.at) / 1000);
  const x = [...new Set(replicas.flatMap(replica => replica.samples.map(at)))].sort((a, b) => a - b);
  const place = new Map(x.map((moment, index) => [moment, index]));
  const memory: ReplicaCurves['memory'] = [];
  const cores: ReplicaCurves['cores'] = [];
  replicas.forEach(({ id, samples }, index) => {
    const label = `replica ${index + 1} (${id.slice(0, 4)})`;
    const used: (number | null)[] = x.map(() => null);
    const busy: (number | null)[] = x.map(() => null);
    samples.forEach(sample => {
      const here = place.get(at(sample)) ?? 0;
      used[here] = sample.memory_bytes;
      busy[here] = sample.cores;
    });
    memory.push({ label, values: used });
    cores.push({ label, values: busy });
  });
  return { x, memory, cores };
}
