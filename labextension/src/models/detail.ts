/** One resource, followed live, with what its tabs load when they are looked at. */
import { ApiError, errorMessage } from '../api';
import type { Dependents, FileEntry, JsonObject, Kind, Resource, ResourceEvent, Series } from '../api-types';
import type { IOrrery } from '../tokens';
import type { Profile } from './insight';
import { LogModel } from './log';
import { Loader } from './loader';
import { Model, throttle } from './model';

/** What one tab loads, by the name of the tab. */
interface Parts {
  metrics: Loader<Series[]>;
  files: Loader<FileEntry[]>;
  usage: Loader<JsonObject>;
  profile: Loader<Profile>;
  references: Loader<Dependents>;
  dependents: Loader<Dependents>;
}

export class DetailModel extends Model {
  resource: Resource | null = null;
  error: string | null = null;
  isGone = false;
  tab: string;
  private isVisible = false;
  private log: LogModel | null = null;
  private parts: Parts | null = null;
  private readonly reloadSoon = throttle(() => void this.load(), 1500);

  constructor(
    private readonly orrery: IOrrery,
    readonly kind: Kind,
    readonly ref: string,
    tab = 'overview'
  ) {
    super();
    this.tab = tab;
    orrery.events.received.connect(this.onEvent, this);
    orrery.events.reset.connect(this.onReset, this);
    orrery.platform.recovered.connect(this.onReset, this);
    void this.load();
  }

  override dispose(): void {
    this.log?.dispose();
    Object.values(this.parts ?? {}).forEach((part: Model) => part.dispose());
    super.dispose();
  }

  async load(): Promise<void> {
    try {
      this.set(await this.orrery.api.get(this.kind.plural, this.resource?.id ?? this.ref));
      this.error = null;
      this.isGone = false;
    } catch (error) {
      this.isGone = error instanceof ApiError && error.status === 404;
      this.error = errorMessage(error);
      if (error instanceof ApiError && error.isUnavailable) {
        void this.orrery.platform.check();
      }
    }
    this.notify();
  }

  /** Take in what an answer said, and tell the other panels. */
  accept(resource: Resource): void {
    if (resource.id === this.resource?.id) {
      this.orrery.events.publish({ type: 'updated', resource });
    }
  }

  setTab(tab: string): void {
    this.tab = tab;
    this.notify();
  }

  get logs(): LogModel {
    this.log ??= new LogModel(this.orrery.api, `/${this.kind.plural}/${this.id}/logs`);
    return this.log;
  }

  get part(): Parts {
    const { api } = this.orrery;
    const { plural } = this.kind;
    this.parts ??= {
      metrics: new Loader(() => api.metrics(plural, this.id), 1500),
      files: new Loader(() => api.files(plural, this.id), 3000),
      usage: new Loader(() => api.usage(plural, this.id) as Promise<JsonObject>, 3000),
      profile: new Loader(() => api.profile(plural, this.id), 3000),
      references: new Loader(() => api.references(plural, this.id)),
      dependents: new Loader(() => api.dependents(plural, this.id))
    };
    return this.parts;
  }

  /** The panel came to the front or went behind: a log is followed only while it can be seen. */
  setVisible(isVisible: boolean): void {
    this.isVisible = isVisible;
    if (!isVisible) {
      this.log?.pause();
    }
    this.notify();
  }

  get isShown(): boolean {
    return this.isVisible;
  }

  private get id(): string {
    return this.resource?.id ?? this.ref;
  }

  private set(resource: Resource): void {
    const wasSettled = this.resource?.status.settled === true;
    this.resource = resource;
    this.orrery.events.remember(resource);
    if (wasSettled && !resource.status.settled) {
      this.log?.resume();
    }
    for (const part of Object.values(this.parts ?? {}) as Loader<unknown>[]) {
      part.invalidate();
    }
  }

  private onReset(): void {
    void this.load();
  }

  private onEvent(_: unknown, event: ResourceEvent): void {
    if (event.resource.id === this.resource?.id) {
      this.isGone = event.type === 'purged';
      if (event.type !== 'purged') {
        this.set(withKnownDetails(event.resource, this.resource));
        this.reloadSoon();
      }
      this.notify();
    } else if (this.parts && this.resource) {
      // Something else came or went: it may be what uses this one.
      if (event.type !== 'updated') {
        this.parts.dependents.invalidate();
      }
    }
  }
}

/** Events leave out what is large; until the whole is read again, what was known of it stays. */
export function withKnownDetails(next: Resource, known: Resource): Resource {
  return {
    ...next,
    spec: { ...known.spec, ...next.spec },
    status: { ...next.status, outputs: { ...known.status.outputs, ...next.status.outputs } }
  };
}
