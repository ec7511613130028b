/**
 * The platform at one look. Counts, runs and the queue follow the event stream, gathered over two seconds; the machine's
 * figures change without any event, so they alone are read every few seconds, only while somebody looks.
 */
import { ApiError, errorMessage } from '../api';
import type { Pause, Resource, ResourceEvent } from '../api-types';
import type { IOrrery } from '../tokens';
import { isRun } from './kinds';
import { Model, throttle } from './model';

export interface Sizes {
  cores: number;
  memory_bytes: number;
  gpus: number;
}

/** A job that waits for its moment, or in line. */
export interface WaitingJob extends Sizes {
  resource: string | null;
  kind: string | null;
  owner: string;
  title: string;
  priority: string;
  reason: string;
  /** Whether the reader may give it another priority. */
  priority_can_change: boolean;
  submitted_at: string;
}

export interface LaterItem extends WaitingJob {
  starts_at: string;
}

export interface QueueItem extends WaitingJob {
  place: number;
  /** null: not known */
  starts_in_seconds: number | null;
  /** The instance type that a copy would start on at once, where it waits for a GPU. */
  meanwhile: string | null;
}

export interface Holder extends Sizes {
  id: string;
  kind: string;
  owner: string;
  name: string;
  version: number | null;
  instance_type: string;
  copies: number;
}

export interface EndpointCalls {
  id: string;
  kind: string;
  owner: string;
  name: string;
  requests: number;
  success: number;
  client_errors: number;
  server_errors: number;
  latency_seconds: { p50: number | null; p90: number | null; p99: number | null };
}

export interface Gpu {
  name: string;
  used: number | null;
  memory_bytes: number;
  memory_total_bytes: number;
  history?: { used: (number | null)[]; memory_bytes: (number | null)[] };
}

export interface Machine {
  at: number;
  cores: number;
  cpu: number | null;
  memory_bytes: number;
  memory_total_bytes: number;
  disk_bytes: number;
  disk_total_bytes: number;
  gpus: Gpu[];
}

export interface OverviewDocument {
  counts: Record<string, Record<string, number>>;
  running: Resource[];
  queue: { waiting: number; items: QueueItem[]; later: LaterItem[]; pause: Pause | null };
  capacity: { total: Sizes; held: Sizes };
  holders: Holder[];
  endpoints: EndpointCalls[];
  machine: Machine;
}

export type ActivityRange = '24h' | '7d' | '30d';

export interface Activity {
  kind: string;
  range: ActivityRange;
  bucket_seconds: number;
  starts: string[];
  created: number[];
  completed: number[];
  failed: number[];
  cancelled: number[];
  instance_types: {
    name: string;
    title: string;
    cores: number;
    gpus: number;
    count: number;
    core_hours: number;
    gpu_hours: number;
  }[];
}

export interface History {
  period_seconds: number;
  machine: Machine;
  at: number[];
  cpu: (number | null)[];
  memory_bytes: number[];
  disk_bytes: number[];
}

const RELOAD_AT_MOST_EVERY = 2000;
const ACTIVITY_AT_MOST_EVERY = 10_000;
export const HOUR_SECONDS = 3600;

/** The columns of `next` behind those of `known`, without what is older than an hour. */
export function joinHistory(known: History | null, next: History): History {
  if (!known) {
    return next;
  }
  const last = next.at[next.at.length - 1] ?? known.at[known.at.length - 1] ?? 0;
  const from = known.at.findIndex(at => at > last - HOUR_SECONDS);
  const join = <T>(before: T[], after: T[]): T[] => [...(from < 0 ? [] : before.slice(from)), ...after];
  return {
    ...next,
    at: join(known.at, next.at),
    cpu: join(known.cpu, next.cpu),
    memory_bytes: join(known.memory_bytes, next.memory_bytes),
    disk_bytes: join(known.disk_bytes, next.disk_bytes),
    machine: {
      ...next.machine,
      gpus: next.machine.gpus.map((gpu, index) => {
        const before = known.machine.gpus[index]?.history ?? { used: [], memory_bytes: [] };
        const after = gpu.history ?? { used: [], memory_bytes: [] };
        return {
          ...gpu,
          history: {
            used: join(before.used, after.used),
            memory_bytes: join(before.memory_bytes, after.memory_bytes)
          }
        };
      })
    }
  };
}

export class OverviewModel extends Model {
  document: OverviewDocument | null = null;
  activity: Activity | null = null;
  history: History | null = null;
  error: string | null = null;
  range: ActivityRange = '7d';
  private isVisible = false;
  private isStale = true;
  private isActivityStale = true;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private readonly reloadSoon = throttle(() => this.loadIfSeen(), RELOAD_AT_MOST_EVERY);
  private readonly activitySoon = throttle(() => this.loadIfSeen(), ACTIVITY_AT_MOST_EVERY);

  constructor(private readonly orrery: IOrrery) {
    super();
    orrery.events.received.connect(this.onEvent, this);
    orrery.events.reset.connect(this.onReset, this);
    orrery.platform.recovered.connect(this.onReset, this);
  }

  override dispose(): void {
    this.setVisible(false);
    super.dispose();
  }

  setVisible(isVisible: boolean): void {
    if (this.isVisible !== isVisible) {
      this.isVisible = isVisible;
      clearTimeout(this.timer ?? undefined);
      this.loadIfSeen();
      if (isVisible) {
        void this.followMachine();
      }
    }
  }

  setRange(range: ActivityRange): void {
    this.range = range;
    this.isActivityStale = true;
    this.notify();
    this.loadIfSeen();
  }

  refresh(): void {
    this.isStale = this.isActivityStale = true;
    this.loadIfSeen();
  }

  private loadIfSeen(): void {
    if (!this.isVisible || this.isDisposed) {
      return;
    }
    if (this.isStale) {
      this.isStale = false;
      void this.load();
    }
    if (this.isActivityStale) {
      this.isActivityStale = false;
      void this.loadActivity();
    }
  }

  private async load(): Promise<void> {
    try {
      const document = await this.orrery.api.request<OverviewDocument>('GET', '/overview');
      const running = document.running.map(resource => this.orrery.events.newest(resource));
      this.document = { ...document, running };
      this.error = null;
    } catch (error) {
      this.fail(error);
      this.isStale = true;
    }
    this.notify();
  }

  private async loadActivity(): Promise<void> {
    const { range } = this;
    try {
      const activity = await this.orrery.api.request<Activity>('GET', '/overview/activity', {
        query: { range, offset_minutes: -new Date().getTimezoneOffset() }
      });
      if (range === this.range) {
        this.activity = activity;
      }
    } catch (error) {
      this.fail(error);
      this.isActivityStale = true;
    }
    this.notify();
  }

  private async followMachine(): Promise<void> {
    const after = this.history?.at[this.history.at.length - 1] ?? 0;
    try {
      const next = await this.orrery.api.request<History>('GET', '/system/history', { query: { after } });
      this.history = joinHistory(this.history, next);
    } catch (error) {
      this.fail(error);
    }
    this.notify();
    if (this.isVisible && !this.isDisposed) {
      const period = (this.history?.period_seconds ?? 5) * 1000;
      this.timer = setTimeout(() => void this.followMachine(), period);
    }
  }

  private fail(error: unknown): void {
    this.error = errorMessage(error);
    if (error instanceof ApiError && error.isUnavailable) {
      void this.orrery.platform.check();
    }
  }

  private onReset(): void {
    this.refresh();
  }

  private onEvent(_: unknown, event: ResourceEvent): void {
    this.isStale = true;
    this.reloadSoon();
    const kind = this.orrery.kinds.get(event.resource.kind);
    if (kind && isRun(kind) && (event.type !== 'updated' || event.resource.status.settled)) {
      this.isActivityStale = true;
      this.activitySoon();
    }
  }
}
