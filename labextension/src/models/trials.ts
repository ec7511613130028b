/** A tuning's trials as they come, and what is told of them: which are best, in which order, how they compare. */
import { errorMessage } from '../api';
import type { Json, JsonObject, Objective, Resource, ResourceEvent, Trial } from '../api-types';
import { asTyped, formatNumber, isObject, plainText, valueAt } from '../format';
import type { IOrrery } from '../tokens';
import { Model, throttle } from './model';

const PAGE = 1000;
const RELOAD_AT_MOST_EVERY = 1500;

export class TrialsModel extends Model {
  /** By number. */
  items: Trial[] = [];
  objectives: Objective[] = [];
  error: string | null = null;
  isLoaded = false;
  /** When the durations of those under way were read. */
  loadedAt = 0;
  private isWatched = false;
  private isStale = true;
  /** What was read before may have changed as well: nothing of it is kept. */
  private isReset = false;
  private isLoading = false;
  private readonly loadSoon = throttle(() => void this.load(), RELOAD_AT_MOST_EVERY);

  constructor(
    private readonly orrery: IOrrery,
    private readonly tuning: string
  ) {
    super();
    orrery.events.received.connect(this.onEvent, this);
    orrery.events.reset.connect(this.onReset, this);
    orrery.platform.recovered.connect(this.onReset, this);
  }

  /** Someone looks, or no longer does. */
  watch(isWatched: boolean): void {
    this.isWatched = isWatched;
    if (isWatched && this.isStale) {
      void this.load();
    }
  }

  /** Reads what may have changed: a trial that has ended stays as it is, those before the first open one all have. */
  async load(): Promise<void> {
    if (this.isDisposed || this.isLoading || !this.isWatched) {
      return;
    }
    this.isLoading = true;
    this.isStale = false;
    const kept = this.isReset ? [] : settledBefore(this.items);
    this.isReset = false;
    try {
      this.items = await this.readAfter(kept);
      this.isLoaded = true;
      this.loadedAt = Date.now();
      this.error = null;
    } catch (error) {
      this.error = errorMessage(error);
      this.isStale = true;
    }
    this.isLoading = false;
    this.notify();
    if (this.isStale && this.error === null) {
      this.loadSoon();
    }
  }

  private async readAfter(kept: Trial[]): Promise<Trial[]> {
    const items = [...kept];
    for (;;) {
      const page = await this.orrery.api.trials(this.tuning, items.length, PAGE);
      this.objectives = page.objectives;
      items.push(...page.items);
      if (page.items.length === 0 || items.length >= page.total) {
        // Numbers rise; where they do not, one came between those that were kept.
        const isInOrder = items.every(
          (trial, at) => at === 0 || (items[at - 1]?.number ?? -1) < trial.number
        );
        return isInOrder || kept.length === 0 ? items : this.readAfter([]);
      }
    }
  }

  private invalidate(): void {
    this.isStale = true;
    if (this.isWatched) {
      this.loadSoon();
    }
  }

  private onReset(): void {
    this.isReset = true;
    this.invalidate();
  }

  private onEvent(_: unknown, event: ResourceEvent): void {
    const { resource } = event;
    if (event.type === 'purged') {
      if (this.items.some(trial => trial.training?.id === resource.id)) {
        this.onReset();
      }
    } else if (resource.id === this.tuning) {
      this.invalidate();
    } else if (resource.kind === 'training' && valueAt(event.resource.spec, 'trial.tuning') === this.tuning) {
      if (event.type === 'deleted' || event.type === 'restored') {
        this.isReset = true;
      }
      this.invalidate();
    }
  }
}

export function isOpen(trial: Trial): boolean {
  return trial.status === 'CREATED' || trial.status === 'RUNNING';
}

function settledBefore(items: Trial[]): Trial[] {
  const first = items.findIndex(isOpen);
  return first < 0 ? [...items] : items.slice(0, first);
}

/** What a trial reached by the objective at this place; null where it did not, or is no finite number. */
export function targetOf(trial: Trial, objective: number): number | null {
  const value = trial.status === 'SUCCEEDED' ? trial.targets?.[objective] : undefined;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** What one that was stopped before its end reported last: never taken for the best. Null for all others. */
export function lastOf(trial: Trial, objective: number): number | null {
  const isCutShort = trial.status === 'EARLY_STOPPED' || trial.status === 'KILLED';
  const value = isCutShort ? trial.targets?.[objective] : undefined;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Positive where `a` is better. */
function compareBy(objective: Objective, a: number, b: number): number {
  return objective.goal === 'maximize' ? a - b : b - a;
}

/** The numbers of the best: one of a single objective; of several, those that no other beats in all of them. */
export function bestTrials(trials: readonly Trial[], objectives: readonly Objective[]): Set<number> {
  const [only] = objectives;
  if (only && objectives.length === 1) {
    let best: Trial | null = null;
    for (const trial of trials) {
      const value = targetOf(trial, 0);
      const known = best ? targetOf(best, 0) : null;
      if (value !== null && (known === null || compareBy(only, value, known) > 0)) {
        best = trial;
      }
    }
    return new Set(best ? [best.number] : []);
  }
  return new Set(paretoFront(trials, objectives).map(trial => trial.number));
}

/** The trials that no other beats in one objective without being beaten in another, by the first objective. */
export function paretoFront(trials: readonly Trial[], objectives: readonly Objective[]): Trial[] {
  // Higher is better in all of them.
  const rows = trials.flatMap(trial => {
    const values = objectives.map(({ goal }, at) => {
      const value = targetOf(trial, at);
      return value === null ? NaN : goal === 'maximize' ? value : -value;
    });
    return values.some(Number.isNaN) ? [] : [{ trial, values }];
  });
  rows.sort((a, b) => firstDifference(b.values, a.values));
  const front: typeof rows = [];
  for (const row of rows) {
    // Whoever beats it comes before it in this order, or is beaten itself by one that does.
    if (!front.some(other => dominates(other.values, row.values))) {
      front.push(row);
    }
  }
  return front.map(({ trial }) => trial);
}

function firstDifference(a: number[], b: number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

function dominates(a: number[], b: number[]): boolean {
  return a.every((value, at) => value >= (b[at] ?? -Infinity)) && a.some((value, at) => value > (b[at] ?? 0));
}

/** After each trial that reached the metric, the best so far. */
export function bestSoFar(
  trials: readonly Trial[],
  objective: Objective,
  place: number
): [number: number, value: number][] {
  const found: [number, number][] = [];
  let best: number | null = null;
  for (const trial of trials) {
    const value = targetOf(trial, place);
    if (value !== null) {
      best = best === null || compareBy(objective, value, best) > 0 ? value : best;
      found.push([trial.number, best]);
    }
  }
  return found;
}

/** The searched parameters: those of the space in its order, then any that a trial has besides. */
export function searchedNames(space: Json | undefined, trials: readonly Trial[]): string[] {
  const names = new Set(isObject(space) ? Object.keys(space) : []);
  trials.forEach(trial => Object.keys(trial.parameters).forEach(name => names.add(name)));
  return [...names];
}

export type SortKey = 'number' | 'status' | 'duration' | `target ${number}` | `parameter ${string}`;
export interface Sorting {
  key: SortKey;
  isDescending: boolean;
}

/** Those without a value come last, either way up. */
export function sortTrials(trials: readonly Trial[], sorting: Sorting): Trial[] {
  const sign = sorting.isDescending ? -1 : 1;
  return [...trials].sort((a, b) => {
    const [x, y] = [sortValue(a, sorting.key), sortValue(b, sorting.key)];
    if (x === null || y === null) {
      return x === y ? a.number - b.number : x === null ? 1 : -1;
    }
    const order =
      typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en');
    return order === 0 ? a.number - b.number : sign * order;
  });
}

function sortValue(trial: Trial, key: SortKey): number | string | null {
  if (key === 'number') {
    return trial.number;
  }
  if (key === 'status') {
    return trial.status;
  }
  if (key === 'duration') {
    return trial.duration_seconds;
  }
  if (key.startsWith('target ')) {
    return targetOf(trial, Number(key.slice('target '.length)));
  }
  const value = trial.parameters[key.slice('parameter '.length)];
  return value === undefined || value === null ? null : typeof value === 'number' ? value : plainText(value);
}

/** A parameter or a metric of a trial as people read it; one that it does not have is a dash. */
export function shown(value: Json | undefined): string {
  return value === undefined || value === null
    ? '–'
    : typeof value === 'number' && !Number.isInteger(value)
      ? formatNumber(value)
      : asTyped(value);
}

/** "12 SUCCEEDED, 2 RUNNING", in the order in which they come. */
export function countByStatus(trials: readonly Trial[]): Map<Trial['status'], number> {
  const counts = new Map<Trial['status'], number>();
  trials.forEach(({ status }) => counts.set(status, (counts.get(status) ?? 0) + 1));
  return counts;
}

/** One of a tuning's best trials, as its outputs tell it. */
export interface Found {
  trial: number;
  training: string;
  /** Its training's name. */
  name: string;
  values: Json[];
  parameters: JsonObject;
}

export function foundBest(tuning: Resource): Found[] {
  const { best, front } = tuning.status.outputs;
  const given = Array.isArray(front) ? front : best ? [best] : [];
  return given.filter(isObject).flatMap(item => {
    const { trial, training, values, parameters } = item;
    return typeof trial === 'number' && typeof training === 'string'
      ? [
          {
            trial,
            training,
            // A platform that was older when the tuning ended told none.
            name: typeof item.name === 'string' ? item.name : `trial ${trial}`,
            values: Array.isArray(values) ? values : [],
            parameters: isObject(parameters) ? parameters : {}
          }
        ]
      : [];
  });
}

/** "12 of 20", and how the others stand; null before it has begun. */
export function countTrials(tuning: Resource): { done: string; others: string } | null {
  const { trials } = tuning.status.outputs;
  if (!isObject(trials)) {
    return null;
  }
  const count = (name: string): number => Number(trials[name] ?? 0);
  const most = plainText(tuning.spec.max_trials);
  const others = [
    [count('running'), 'in progress'],
    [count('waiting'), 'waiting'],
    [count('failed'), 'failed'],
    [count('early_stopped') + count('killed'), 'stopped']
  ].filter(([number]) => Number(number) > 0);
  return {
    done: `${count('total') - count('running') - count('waiting')} of ${most}`,
    others: others.map(([number, word]) => `${number} ${word}`).join(', ')
  };
}

export function objectivesOf(tuning: Resource): Objective[] {
  const { objectives } = tuning.spec;
  return (Array.isArray(objectives) ? objectives : []) as unknown as Objective[];
}
