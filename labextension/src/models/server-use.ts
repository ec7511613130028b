/**
 * What this very Jupyter server is used for: read from its own extension, which measures it. What is about to happen to
 * an idle notebook, what can be loaded back, how full memory and the volume are.
 */
import type { Api } from '../api';
import { ApiError, errorMessage } from '../api';
import { Model, delay } from './model';

export interface IdleWarning {
  /** `server`, or a kernel's id. */
  subject: string;
  title: string;
  idle_since: number;
  act_at: number;
}

export interface UseFigures {
  at: number;
  cores: number | null;
  cores_total: number;
  memory_bytes: number;
  memory_total_bytes: number;
  disk_bytes: number | null;
  disk_total_bytes: number | null;
  disk_free_bytes: number;
  gpus: { name: string; used: number | null; memory_bytes: number; memory_total_bytes: number }[];
}

export interface SavedKernel {
  path: string;
  kernel_id: string;
  saved_at: string;
  bytes: number;
  variables: string[];
  unsaved: { name: string; type: string; reason: string }[];
}

export interface ServerUse {
  notebook_id: string | null;
  now: number;
  use: { idle_since: number | null; because: string; since: number } | null;
  warnings: IdleWarning[];
  kept_until: number | null;
  figures: UseFigures | null;
  /** The highest level that was passed: 0.8, 0.9, 0.95; null below. */
  levels: { memory: number | null; disk: number | null };
  freed: { path: string; at: number; idle_since: number; saved: string }[];
  saved: SavedKernel[];
}

const LOOK_EVERY = 10_000;
const LOOK_EVERY_WHILE_WARNED = 4000;
const PERSON_EVERY = 60_000;

export class ServerUseModel extends Model {
  value: ServerUse | null = null;
  error: string | null = null;
  private readAt = 0;
  private personAt = 0;

  constructor(private readonly api: Api) {
    super();
  }

  /** Read until disposed. A server without this part of the extension is asked once. */
  async run(): Promise<void> {
    while (!this.isDisposed && (await this.load())) {
      await delay(this.value?.warnings.length ? LOOK_EVERY_WHILE_WARNED : LOOK_EVERY, this.signal);
    }
  }

  /** False where there is nothing to read. */
  async load(): Promise<boolean> {
    try {
      this.value = await this.api.extension<ServerUse>('GET', 'activity');
      this.readAt = Date.now();
      this.error = null;
    } catch (error) {
      this.error = errorMessage(error);
      if (error instanceof ApiError && error.status === 404) {
        return false;
      }
    }
    this.notify();
    return true;
  }

  /** What comes first. */
  get warning(): IdleWarning | null {
    return this.value?.warnings[0] ?? null;
  }

  /** By the server's clock, which is not the browser's. */
  secondsUntil(at: number): number {
    const now = (this.value?.now ?? 0) + (Date.now() - this.readAt) / 1000;
    return Math.max(0, at - now);
  }

  async keep(): Promise<void> {
    await this.api.extension('POST', 'activity/keep', {});
    await this.load();
  }

  async variables(path: string, act: 'load' | 'leave' | 'forget'): Promise<string[]> {
    const answer = await this.api.extension<{ loaded: string[] }>('POST', 'variables', { path, do: act });
    await this.load();
    return answer.loaded;
  }

  /** Somebody typed, clicked or scrolled: the server hears of it once a minute at most. */
  personActed(): void {
    const now = Date.now();
    if (now - this.personAt >= PERSON_EVERY) {
      this.personAt = now;
      // Where it does not arrive, the next one a minute later does.
      this.api.extension('POST', 'activity/person', {}).catch(() => {
        this.personAt = now - PERSON_EVERY + LOOK_EVERY;
      });
    }
  }
}

/** `9:05` */
export function countdown(seconds: number): string {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** `21:04`, in the reader's own time. */
export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

/** `Variables of train.ipynb from 21:04 can be loaded back (12 of 13; not: conn, a sqlite3.Connection).` */
export function offerOf(saved: SavedKernel): string {
  const name = saved.path.split('/').pop() ?? saved.path;
  const total = saved.variables.length + saved.unsaved.length;
  const not = saved.unsaved
    .slice(0, 3)
    .map(({ name, type }) => `${name}, a ${type}`)
    .join('; ');
  const more = saved.unsaved.length > 3 ? ` and ${saved.unsaved.length - 3} more` : '';
  const missing = saved.unsaved.length > 0 ? `; not: ${not}${more}` : '';
  const at = clock(Date.parse(saved.saved_at) / 1000);
  return `Variables of ${name} from ${at} can be loaded back (${saved.variables.length} of ${total}${missing}).`;
}

/** Which levels a person was told of, over reloads of the page: each once, and again after it has fallen below. */
export class ToldLevels {
  private readonly key: string;
  private levels: Record<string, number>;

  constructor(
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'>,
    server: string
  ) {
    this.key = `orrery:told-levels:${server}`;
    try {
      this.levels = JSON.parse(storage.getItem(this.key) ?? '{}') as Record<string, number>;
    } catch {
      this.levels = {};
    }
  }

  /** Whether `level` (0: below all) is higher than the last that was told; it is told from now on. */
  isNews(what: 'memory' | 'disk', level: number): boolean {
    const before = this.levels[what] ?? 0;
    if (level !== before) {
      this.levels = { ...this.levels, [what]: level };
      try {
        this.storage.setItem(this.key, JSON.stringify(this.levels));
      } catch {
        // a browser without room tells it again after a reload
      }
    }
    return level > before;
  }
}

/** What to say of a level that was passed, and how bad it is. */
export function quotaMessage(what: 'memory' | 'disk', level: number, figures: UseFigures): string {
  const part = `${Math.round(level * 100)} %`;
  return what === 'memory'
    ? `Memory is over ${part} full. A kernel that needs more is ended: shut down kernels that you do not need.`
    : `The data volume is over ${part} full${figures.disk_free_bytes < 1 << 30 ? ', and little is free' : ''}. ` +
        'Remove what you do not need before nothing can be saved any more.';
}
