/** The runs of one comparison, followed live, with their metric curves. */
import { Signal } from '@lumino/signaling';
import { ApiError, errorMessage } from '../api';
import type { Kind, Resource, ResourceEvent, Schema, Series } from '../api-types';
import { displayName } from '../format';
import type { DeclaredMetric } from '../forms/make-form';
import type { IOrrery } from '../tokens';
import type { ComparisonRow } from './comparison';
import { compareRuns } from './comparison';
import { withKnownDetails } from './events';
import { foundIn } from './form-sources';
import { parameterPlace } from './hyperparameters';
import { Model, throttle } from './model';
import type { RunSeries } from './series';

/** More are no longer told apart. */
export const MOST_RUNS = 20;
const RELOAD_AT_MOST_EVERY = 2000;

export class CompareModel extends Model {
  runs: Resource[] = [];
  rows: ComparisonRow[] = [];
  curves: RunSeries[] = [];
  isLoaded = false;
  error: string | null = null;
  /** Of those asked for, the ones that are no longer there. */
  gone: string[] = [];
  onlyDifferences = false;
  readonly chosenChanged = new Signal<this, void>(this);
  private isVisible = false;
  private readonly stale = new Set<string>();
  private readonly series = new Map<string, Series[]>();
  /** By the id of what the runs are of: the hyperparameters that it declares; null where that cannot be read. */
  private readonly declared = new Map<string, Schema | null>();
  private readonly metrics = new Map<string, DeclaredMetric[]>();
  private readonly reloadSoon = throttle(() => void this.loadStale(), RELOAD_AT_MOST_EVERY);

  constructor(
    private readonly orrery: IOrrery,
    readonly kindName: string,
    public ids: string[]
  ) {
    super();
    this.ids = [...new Set(ids)].slice(0, MOST_RUNS);
    this.ids.forEach(id => this.stale.add(id));
    orrery.events.received.connect(this.onEvent, this);
    orrery.events.reset.connect(this.onReset, this);
    orrery.platform.recovered.connect(this.onReset, this);
  }

  setVisible(isVisible: boolean): void {
    this.isVisible = isVisible;
    void this.loadStale();
  }

  setOnlyDifferences(onlyDifferences: boolean): void {
    this.onlyDifferences = onlyDifferences;
    this.notify();
  }

  remove(id: string): void {
    this.ids = this.ids.filter(other => other !== id);
    this.runs = this.runs.filter(run => run.id !== id);
    this.derive();
    this.chosenChanged.emit();
    this.notify();
  }

  refresh(): void {
    this.onReset();
  }

  private async loadStale(): Promise<void> {
    if (!this.isVisible || this.isDisposed) {
      return;
    }
    await this.orrery.kinds.ready();
    const kind = this.orrery.kinds.get(this.kindName);
    if (!kind) {
      this.error = `The platform serves no kind ${JSON.stringify(this.kindName)}.`;
      this.notify();
      return;
    }
    const wanted = this.ids.filter(id => this.stale.has(id));
    wanted.forEach(id => this.stale.delete(id));
    const answers = await Promise.all(
      wanted.map(async id => {
        try {
          const [run, series] = await Promise.all([
            this.orrery.api.get(kind.plural, id),
            this.orrery.api.metrics(kind.plural, id)
          ]);
          return { id, run, series };
        } catch (error) {
          return { id, failure: error };
        }
      })
    );
    this.error = null;
    for (const answer of answers) {
      if ('run' in answer && answer.run) {
        this.put(this.orrery.events.newest(answer.run));
        this.series.set(answer.id, answer.series);
      } else if (answer.failure instanceof ApiError && answer.failure.status === 404) {
        this.gone = [...new Set([...this.gone, answer.id])];
        this.runs = this.runs.filter(run => run.id !== answer.id);
      } else {
        this.error = errorMessage(answer.failure);
        this.stale.add(answer.id);
      }
    }
    await this.readDeclared(kind);
    this.isLoaded = true;
    this.derive();
    this.notify();
  }

  /** Once for each algorithm: what is left to its defaults is compared as well. */
  private async readDeclared(kind: Kind): Promise<void> {
    const source = this.orrery.kinds.get(parameterPlace(kind)?.sourceKind ?? '');
    const missing = new Set(this.runs.map(run => this.sourceOf(run)).filter(id => !this.declared.has(id)));
    missing.delete('');
    if (!source) {
      return;
    }
    await Promise.all(
      [...missing].map(async id => {
        try {
          const found = await this.orrery.api.get(source.plural, id);
          const schema = found.spec.parameters_schema ?? found.status.outputs.parameters_schema;
          this.declared.set(id, (schema ?? {}) as Schema);
          this.metrics.set(id, foundIn(found, 'parameters', undefined).metrics);
        } catch (error) {
          if (error instanceof ApiError && (error.status === 404 || error.status === 403)) {
            // A run of what one may not see: its defaults stay unknown.
            this.declared.set(id, null);
          } else {
            this.error = errorMessage(error);
          }
        }
      })
    );
  }

  private sourceOf(run: Resource): string {
    const kind = this.orrery.kinds.get(this.kindName);
    const path = kind ? parameterPlace(kind)?.sourcePath : undefined;
    return run.references.find(reference => reference.path === path)?.id ?? '';
  }

  private put(run: Resource): void {
    const others = new Map(this.runs.map(other => [other.id, other]));
    others.set(run.id, run);
    this.runs = this.ids.flatMap(id => others.get(id) ?? []);
  }

  private derive(): void {
    const sources = this.runs.map(run => this.sourceOf(run));
    const metrics = [...new Set(sources)].flatMap(id => this.metrics.get(id) ?? []);
    const { goals } = this.orrery.kinds;
    this.rows = compareRuns(
      this.runs,
      metric => goals.directionOf(metric, metrics),
      sources.map(id => this.declared.get(id))
    );
    this.curves = this.runs.map(run => ({ label: displayName(run), series: this.series.get(run.id) ?? [] }));
  }

  private onReset(): void {
    this.ids.forEach(id => this.stale.add(id));
    this.reloadSoon();
  }

  private onEvent(_: unknown, event: ResourceEvent): void {
    const { id } = event.resource;
    if (!this.ids.includes(id)) {
      return;
    }
    const known = this.runs.find(run => run.id === id);
    if (known && event.type !== 'purged') {
      this.put(withKnownDetails(event.resource, known));
      this.derive();
      this.notify();
    }
    this.stale.add(id);
    this.reloadSoon();
  }
}
