/** One resource, followed live, with what its tabs load when they are looked at. */
import { Signal } from '@lumino/signaling';
import { ApiError, errorMessage } from '../api';
import type {
  Dependents,
  FileEntry,
  Importances,
  JsonObject,
  Kind,
  Resource,
  ResourceEvent,
  Schema,
  Series
} from '../api-types';
import { valueAt } from '../format';
import type { IOrrery } from '../tokens';
import { parameterPlace } from './hyperparameters';
import type { Profile } from './insight';
import type { Lineage } from './lineage';
import { withKnownDetails } from './events';
import { readLineage } from './lineage';
import { ListModel } from './list';
import { LogModel } from './log';
import { Loader } from './loader';
import { Model, throttle } from './model';
import { TrialsModel } from './trials';

const MOST_VERSIONS = 50;
const MOST_RUNS = 50;
/** What a change of the resource itself does not change. */
const LASTING = new Set(['lineage', 'parameters']);

/** What one tab loads, by the name of the tab. */
interface Parts {
  metrics: Loader<Series[]>;
  files: Loader<FileEntry[]>;
  usage: Loader<JsonObject>;
  profile: Loader<Profile>;
  references: Loader<Dependents>;
  dependents: Loader<Dependents>;
  lineage: Loader<Lineage>;
  /** What declares its hyperparameters; null where nothing does. */
  parameters: Loader<Schema>;
  versions: Loader<Resource[]>;
  importances: Loader<Importances[]>;
  /** The trainings of a workflow. */
  runs: Loader<Resource[]>;
}

export class DetailModel extends Model {
  resource: Resource | null = null;
  error: string | null = null;
  isGone = false;
  tab: string;
  readonly tabChanged = new Signal<this, string>(this);
  private isVisible = false;
  /** By their attempts; 0: of what has none. */
  private readonly logs = new Map<number, LogModel>();
  private studied: TrialsModel | null = null;
  private readonly lists = new Map<string, ListModel>();
  private parts: Parts | null = null;
  private readonly reloadSoon = throttle(() => void this.load(), 1500);

  constructor(
    private readonly orrery: IOrrery,
    readonly kind: Kind,
    readonly ref: string,
    tab?: string
  ) {
    super();
    // What a model is stands on its card; of other kinds the overview says it.
    this.tab = tab ?? (kind.tabs.includes('card') ? 'card' : 'overview');
    orrery.events.received.connect(this.onEvent, this);
    orrery.events.reset.connect(this.onReset, this);
    orrery.platform.recovered.connect(this.onReset, this);
    void this.load();
  }

  override dispose(): void {
    this.logs.forEach(log => log.dispose());
    this.studied?.dispose();
    this.lists.forEach(list => list.dispose());
    Object.values(this.parts ?? {}).forEach((part: Model) => part.dispose());
    super.dispose();
  }

  async load(): Promise<void> {
    try {
      const answer = await this.orrery.api.get(this.kind.plural, this.resource?.id ?? this.ref);
      this.set(this.orrery.events.newest(answer));
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
    this.tabChanged.emit(tab);
    this.notify();
  }

  /** How many times it was begun, so far; 0 for what has no attempts. */
  get attempts(): number {
    const attempt = this.resource?.status.outputs.attempt;
    return typeof attempt === 'number' ? attempt : 0;
  }

  /** Of an attempt from 1; of what has none, 0. */
  logOf(attempt: number): LogModel {
    const log =
      this.logs.get(attempt) ??
      new LogModel(this.orrery.api, `/${this.kind.plural}/${this.id}/logs`, attempt || null);
    this.logs.set(attempt, log);
    return log;
  }

  /** Of a tuning. */
  get trials(): TrialsModel {
    this.studied ??= new TrialsModel(this.orrery, this.id);
    return this.studied;
  }

  /** What of another kind refers to this one. */
  listOf(kind: Kind): ListModel {
    const list = this.lists.get(kind.kind) ?? new ListModel(this.orrery, kind, 50, { of: this.id });
    this.lists.set(kind.kind, list);
    return list;
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
      dependents: new Loader(() => api.dependents(plural, this.id)),
      lineage: new Loader(() => readLineage(this.orrery, this.resource ?? missing(this.ref)), 3000),
      parameters: new Loader(() => this.readParameters(), 60000),
      versions: new Loader(() => this.readVersions(), 3000),
      importances: new Loader(() => api.importances(this.id), 10000),
      runs: new Loader(() => this.readRuns(), 1500)
    };
    return this.parts;
  }

  /** The panel came to the front or went behind: a log is followed only while it can be seen. */
  setVisible(isVisible: boolean): void {
    this.isVisible = isVisible;
    if (!isVisible) {
      this.logs.forEach(log => log.pause());
    }
    this.notify();
  }

  get isShown(): boolean {
    return this.isVisible;
  }

  private async readParameters(): Promise<Schema> {
    const place = parameterPlace(this.kind);
    const source = this.resource?.references.find(reference => reference.path === place?.sourcePath);
    const kind = this.orrery.kinds.get(place?.sourceKind ?? '');
    if (!source || !kind) {
      return {};
    }
    const declared = await this.orrery.api.get(kind.plural, source.id);
    return (declared.spec.parameters_schema ?? declared.status.outputs.parameters_schema ?? {}) as Schema;
  }

  private async readVersions(): Promise<Resource[]> {
    const { name, owner } = this.resource ?? missing(this.ref);
    const query = { name, owner, order: '-created_at', limit: MOST_VERSIONS };
    return (await this.orrery.api.list(this.kind.plural, query)).items;
  }

  /** The newest of them; each dependent is told in short only. */
  private async readRuns(): Promise<Resource[]> {
    const { api } = this.orrery;
    const { items } = await api.dependents(this.kind.plural, this.id);
    const trainings = items.filter(({ kind }) => kind === 'training').slice(-MOST_RUNS);
    return Promise.all(trainings.reverse().map(({ id }) => api.get('trainings', id)));
  }

  private get id(): string {
    return this.resource?.id ?? this.ref;
  }

  private set(resource: Resource): void {
    const wasSettled = this.resource?.status.settled === true;
    this.resource = resource;
    if (wasSettled && !resource.status.settled) {
      this.logs.get(this.attempts)?.resume();
    }
    for (const [name, part] of Object.entries(this.parts ?? {}) as [string, Loader<unknown>][]) {
      if (!LASTING.has(name)) {
        part.invalidate();
      }
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
      if (valueAt(event.resource, 'spec.workflow.workflow') === this.resource.id) {
        this.parts.runs.invalidate();
      }
      // Something else came or went: it may be what uses this one.
      if (event.type !== 'updated') {
        this.parts.dependents.invalidate();
        this.parts.lineage.invalidate();
        if (event.resource.kind === this.kind.kind) {
          this.parts.versions.invalidate();
        }
      }
    }
  }
}

function missing(ref: string): never {
  throw new Error(`'${ref}' has not been read yet.`);
}
