/**
 * The user's own runs that have not ended: how many, how far, and which ones have just ended.
 *
 * Loaded once and then kept by the event stream. What had ended before it was loaded is never reported as ended.
 */
import { Signal } from '@lumino/signaling';
import type { Kind, Page, Resource, ResourceEvent } from '../api-types';
import type { EventStream } from './events';
import type { Api } from '../api';
import type { Kinds } from './kinds';
import { isRun } from './kinds';
import { Model, throttle } from './model';

const MOST = 200;

export class ActivityModel extends Model {
  /** Something that was seen to run has ended. */
  readonly ended = new Signal<this, Resource>(this);
  isLoaded = false;
  private readonly open = new Map<string, Resource>();
  private readonly loadSoon = throttle(() => void this.load(), 200);

  constructor(
    private readonly api: Api,
    private readonly kinds: Kinds,
    private readonly events: EventStream
  ) {
    super();
    kinds.changed.connect(this.loadSoon);
    events.reset.connect(this.loadSoon);
    events.received.connect(this.onEvent, this);
  }

  /** Those that run come first, then those that wait; the newest first. */
  get runs(): Resource[] {
    const rank = (run: Resource): number => (run.status.state === 'Pending' ? 1 : 0);
    return [...this.open.values()].sort(
      (a, b) => rank(a) - rank(b) || b.created_at.localeCompare(a.created_at)
    );
  }

  countRunning(kind?: string): number {
    return this.runs.filter(run => run.status.state !== 'Pending' && (!kind || run.kind === kind)).length;
  }

  countWaiting(): number {
    return this.runs.length - this.countRunning();
  }

  async load(): Promise<void> {
    const { user, all } = this.kinds;
    if (!user || this.isDisposed) {
      return;
    }
    const query = { owner: user.name, state: 'Pending,Running', limit: MOST };
    let pages: Page[];
    try {
      pages = await Promise.all(
        all.filter(isRun).map(kind => this.api.list(kind.plural, query, this.signal))
      );
    } catch {
      // Asked again when the event stream is connected anew, which is when the platform answers.
      return;
    }
    await this.take(pages.flatMap(page => page.items));
    this.isLoaded = true;
    this.notify();
  }

  /** What ran and is no longer among them may have ended while the stream was away. */
  private async take(found: Resource[]): Promise<void> {
    const gone = [...this.open.values()].filter(run => !found.some(other => other.id === run.id));
    for (const run of found.map(answer => this.events.newest(answer))) {
      if (!run.status.settled) {
        this.open.set(run.id, run);
      }
    }
    for (const run of gone) {
      const kind = this.kinds.get(run.kind);
      if (kind) {
        await this.lookAgain(kind, run.id);
      }
    }
  }

  /** It has ended, was deleted, or began when the answer without it was on its way already. */
  private async lookAgain(kind: Kind, id: string): Promise<void> {
    let run: Resource | null = null;
    try {
      run = this.events.newest(await this.api.get(kind.plural, id));
    } catch {
      // It was purged meanwhile: there is nothing left to tell of.
    }
    if (run && run.deleted_at === null && !run.status.settled) {
      return;
    }
    if (this.open.delete(id) && run?.deleted_at === null) {
      this.ended.emit(run);
    }
  }

  private onEvent(_: EventStream, event: ResourceEvent): void {
    if (event.type === 'purged' || event.type === 'deleted') {
      if (this.open.delete(event.resource.id)) {
        this.notify();
      }
      return;
    }
    const { resource } = event;
    const kind = this.kinds.get(resource.kind);
    if (!kind || !isRun(kind) || !this.kinds.isMine(resource)) {
      return;
    }
    if (!resource.status.settled) {
      this.open.set(resource.id, resource);
      this.notify();
    } else if (this.open.delete(resource.id)) {
      this.notify();
      this.ended.emit(resource);
    }
  }
}
