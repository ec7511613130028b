/** The result of a notebook that was sent to run: written beside it, cell by cell, while it runs. */
import type { Contents } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { ApiError } from '../api';
import type { Resource, ResourceEvent } from '../api-types';
import type { IOrrery } from '../tokens';
import { writeNotebook } from './contents';
import { Model } from './model';

const KEY = 'orrery:result-notebooks';
/** Of runs that have ended: one that is resumed has another result, for the same file. */
const ENDED_KEY = 'orrery:result-notebooks:ended';
const MOST_ENDED = 200;
/** Between two looks at a run whose cells end quickly. */
const PAUSE = 1000;

/** Follows runs by their ids, also after the page has been loaded again. */
export class ResultNotebooks extends Model {
  /** A result was written: its path. */
  readonly written = new Signal<this, string>(this);
  /** A result could not be written: why. */
  readonly failed = new Signal<this, unknown>(this);
  private readonly targets: Map<string, string>;
  private readonly ended: Map<string, string>;
  private readonly busy = new Set<string>();
  private readonly again = new Set<string>();

  constructor(
    private readonly orrery: IOrrery,
    private readonly contents: Contents.IManager,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'>
  ) {
    super();
    const read = (key: string): Map<string, string> =>
      new Map(Object.entries(JSON.parse(storage.getItem(key) ?? '{}') as Record<string, string>));
    this.targets = read(KEY);
    this.ended = read(ENDED_KEY);
    orrery.events.received.connect(this.onEvent, this);
    orrery.events.reset.connect(this.lookAtAll, this);
  }

  override dispose(): void {
    this.orrery.events.received.disconnect(this.onEvent, this);
    this.orrery.events.reset.disconnect(this.lookAtAll, this);
    super.dispose();
  }

  /** Where the result of this run goes, if it is followed. */
  targetOf(id: string): string | undefined {
    return this.targets.get(id);
  }

  /** A run of the notebook `source` was begun: the server says where its result goes, and brings it without us too. */
  async follow(run: Resource, source: string): Promise<void> {
    try {
      const { path } = await this.orrery.api.extension<{ path: string }>('POST', 'results', {
        run: run.id,
        name: `${run.owner}/${run.name}`,
        source
      });
      this.targets.set(run.id, path);
      this.keep();
    } catch (error) {
      this.failed.emit(error);
      return;
    }
    void this.write(run.id);
  }

  private onEvent(_: unknown, event: ResourceEvent): void {
    const { id } = event.resource;
    if (event.type === 'deleted' || event.type === 'purged') {
      if (this.targets.has(id) || this.ended.has(id)) {
        this.forget(id);
      }
      return;
    }
    const path = this.ended.get(id);
    if (path !== undefined && !event.resource.status.settled) {
      this.ended.delete(id);
      this.targets.set(id, path);
      this.keep();
    }
    if (this.targets.has(id)) {
      void this.write(id);
    }
  }

  private lookAtAll(): void {
    this.targets.forEach((_, id) => void this.write(id));
  }

  /** One write at a time for each run; what comes meanwhile is looked at once more afterwards. */
  private async write(id: string): Promise<void> {
    if (this.busy.has(id)) {
      this.again.add(id);
      return;
    }
    this.busy.add(id);
    try {
      await this.writeOnce(id);
    } catch (error) {
      if (!(error instanceof ApiError && error.isUnavailable)) {
        this.forget(id);
        this.failed.emit(error);
      }
    }
    await new Promise(resolve => setTimeout(resolve, PAUSE));
    this.busy.delete(id);
    if (this.again.delete(id) && this.targets.has(id) && !this.isDisposed) {
      void this.write(id);
    }
  }

  private async writeOnce(id: string): Promise<void> {
    const path = this.targets.get(id);
    if (path === undefined) {
      return;
    }
    // read before the notebook: what it says of the end is then true of the notebook as well
    const run = await this.orrery.api.get('trainings', id);
    try {
      await writeNotebook(this.contents, path, await this.orrery.api.notebook('trainings', id));
      this.written.emit(path);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) {
        throw error;
      }
      // it has not begun
    }
    if (run.status.settled) {
      this.forget(id);
      this.ended.set(id, path);
      [...this.ended.keys()].slice(0, -MOST_ENDED).forEach(old => this.ended.delete(old));
      this.keep();
    }
  }

  private forget(id: string): void {
    this.targets.delete(id);
    this.ended.delete(id);
    this.keep();
  }

  private keep(): void {
    this.storage.setItem(KEY, JSON.stringify(Object.fromEntries(this.targets)));
    this.storage.setItem(ENDED_KEY, JSON.stringify(Object.fromEntries(this.ended)));
  }
}
