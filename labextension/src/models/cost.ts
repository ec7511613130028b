/** What a form asks of the machine, whether that can ever be had, and what stands before it. */
import type { Api } from '../api';
import { errorMessage } from '../api';
import type { InstanceType, Json, JsonObject, QueueState, Schema, Sizes } from '../api-types';
import { formatBytes, formatNumber, isObject, plural } from '../format';
import { walk } from '../forms/schema';
import { Model } from './model';

export interface Cost {
  size: Sizes;
  /** What has to be free for it to start: of a tuning, one of its trainings. */
  start: Sizes;
  /** "2 cores, 8 GiB" */
  text: string;
  /** Why it can never start here, and what to do; empty where it can. */
  refusal: string;
  /** Where in the form that is decided. */
  path: string;
}

/** A form whose kind has no instance type costs nothing. */
export function costOf(
  spec: JsonObject,
  schema: Schema,
  types: InstanceType[],
  total: Sizes | null
): Cost | null {
  const place = [...walk(schema)].find(({ schema: field }) => field['x-orrery-instance-type']);
  const name = place ? valueOf(spec, place.path) : undefined;
  const type = types.find(one => one.name === name);
  if (!place || !type) {
    return null;
  }
  const parallel = typeof spec.parallel === 'number' ? Math.max(1, spec.parallel) : 1;
  const { nodes } = spec;
  const [together, what] =
    typeof nodes === 'number' && nodes > 1 ? [nodes, 'nodes'] : [replicasIn(spec), 'replicas'];
  const copies = together * parallel;
  const size = times(type, copies);
  const start = times(type, together);
  const text = copies > 1 ? `${copies} × ${type.name}: ${describeSize(size)}` : describeSize(size);
  return {
    size,
    start,
    text,
    refusal: refusalOf(type, together, what, start, types, total),
    path: `spec.${place.path.join('.')}`
  };
}

function times(type: Sizes, copies: number): Sizes {
  return {
    cores: type.cores * copies,
    memory_bytes: type.memory_bytes * copies,
    gpus: type.gpus * copies
  };
}

function valueOf(spec: JsonObject, path: string[]): Json | undefined {
  return path.reduce<Json | undefined>((value, key) => (isObject(value) ? value[key] : undefined), spec);
}

/** An endpoint holds its instance type once for each replica. */
function replicasIn(spec: JsonObject): number {
  const replicas = Object.values(spec)
    .flatMap(value => (Array.isArray(value) ? value : []))
    .map(item => (isObject(item) ? item.replicas : undefined))
    .filter((count): count is number => typeof count === 'number');
  return replicas.length > 0
    ? Math.max(
        1,
        replicas.reduce((sum, count) => sum + count, 0)
      )
    : 1;
}

export function describeSize(size: Sizes): string {
  const parts = [
    `${formatNumber(size.cores)} ${size.cores === 1 ? 'core' : 'cores'}`,
    formatBytes(size.memory_bytes)
  ];
  return [...parts, ...(size.gpus > 0 ? [plural(size.gpus, 'GPU')] : [])].join(', ');
}

function fits(size: Sizes, free: Sizes): boolean {
  return size.cores <= free.cores + 1e-6 && size.memory_bytes <= free.memory_bytes && size.gpus <= free.gpus;
}

function refusalOf(
  type: InstanceType,
  copies: number,
  what: string,
  size: Sizes,
  types: InstanceType[],
  total: Sizes | null
): string {
  if (total === null ? type.fits : fits(size, total)) {
    return '';
  }
  const has = total === null ? 'This machine has less' : `This machine has ${describeSize(total)}`;
  const others = types.filter(one => one.fits && one.name !== type.name).map(one => one.name);
  if (copies > 1) {
    return `${copies} ${what} of ${type.name} need ${describeSize(size)}. ${has}, so they could never run together: choose fewer ${what} or a smaller instance type.`;
  }
  const remedy = others.length > 0 ? `choose ${others.slice(0, 3).join(' or ')}` : 'ask for a larger machine';
  return `${type.name} needs ${describeSize(size)}. ${has}, so it could never start: ${remedy}.`;
}

const RANKS: Record<string, number> = { LOW: 0, NORMAL: 1, HIGH: 2 };

/** "starts at once", or what it waits for. */
export function describePlace(size: Sizes, priority: string, queue: QueueState): string {
  const { total, held } = queue.capacity;
  const free = {
    cores: total.cores - held.cores,
    memory_bytes: total.memory_bytes - held.memory_bytes,
    gpus: total.gpus - held.gpus
  };
  if (queue.pause) {
    return `waits until the queue is resumed, which ${queue.pause.by} has paused`;
  }
  const rank = RANKS[priority] ?? 1;
  const before = queue.items.filter(item => (RANKS[item.priority] ?? 3) >= rank).length;
  if (before > 0) {
    return `${plural(before, 'job waits', 'jobs wait')} with this priority or a higher one; users take turns`;
  }
  return fits(size, free)
    ? 'starts at once'
    : `waits until ${describeSize(size)} are free (${describeSize(clamp(free))} are now)`;
}

function clamp(size: Sizes): Sizes {
  return {
    cores: Math.max(0, size.cores),
    memory_bytes: Math.max(0, size.memory_bytes),
    gpus: Math.max(0, size.gpus)
  };
}

/** The queue as it is while a form is looked at. */
export class QueueModel extends Model {
  state: QueueState | null = null;
  error: string | null = null;

  constructor(private readonly api: Api) {
    super();
  }

  async load(): Promise<void> {
    try {
      this.state = await this.api.queue();
      this.error = null;
    } catch (error) {
      this.error = errorMessage(error);
    }
    this.notify();
  }
}

/** How many of this size the machine holds together; 0 where that is not known. */
export function atOnce(size: Sizes, queue: QueueState | null): number {
  if (queue === null) {
    return 0;
  }
  const { total } = queue.capacity;
  const most = [
    size.cores > 0 ? total.cores / size.cores : Infinity,
    size.memory_bytes > 0 ? total.memory_bytes / size.memory_bytes : Infinity,
    size.gpus > 0 ? total.gpus / size.gpus : Infinity
  ];
  const least = Math.floor(Math.min(...most) + 1e-6);
  return Number.isFinite(least) ? least : 0;
}
