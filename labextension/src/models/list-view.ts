/** How somebody likes to see the list of one kind: its columns, its order, its filter. Kept between reloads. */
import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { Column, Kind, Resource } from '../api-types';
import type { ListQuery } from './list';
import { insideColumn, insideKeys, isInside } from './list-columns';
import { Model } from './model';

interface Saved {
  columns?: Record<string, boolean>;
  /** Keys of the metrics and hyperparameters that are shown, in the order in which they were chosen. */
  inside?: string[];
  query?: Partial<ListQuery>;
  /** Whether somebody wants to see parts of something larger, trials, as a rule; not where a command asked for them. */
  parts?: boolean;
}

const NAME: Column = { key: 'name', title: 'Name', type: 'text' };

/** Said in the cell of the name, so not shown unless asked for. */
const IN_NAME = new Set(['version', 'owner']);

export class ListView extends Model {
  private saved: Saved = {};

  private constructor(
    private readonly kind: Kind,
    private readonly state: IStateDB | null,
    private readonly within: string
  ) {
    super();
  }

  /** `within`: the kind on whose page it stands; empty: the list by itself. */
  static async open(kind: Kind, state: IStateDB | null, within = ''): Promise<ListView> {
    const view = new ListView(kind, state, within);
    view.saved = ((await state?.fetch(view.key)) ?? {}) as Saved;
    return view;
  }

  get query(): Partial<ListQuery> {
    return this.saved.query ?? {};
  }

  /** What may be shown besides the name. */
  get choices(): Column[] {
    return this.kind.columns.filter(column => column.key !== NAME.key);
  }

  /** The metrics and the hyperparameters that may be shown. */
  insideChoices(items: readonly Resource[]): { metrics: Column[]; parameters: Column[] } {
    const { metrics, parameters } = insideKeys(items, this.inside);
    return { metrics: metrics.map(insideColumn), parameters: parameters.map(insideColumn) };
  }

  private get inside(): string[] {
    return this.saved.inside ?? [];
  }

  /** Tags take room by themselves only where something has one. */
  isShown(column: Column, items: readonly Resource[]): boolean {
    if (isInside(column.key)) {
      return this.inside.includes(column.key);
    }
    const chosen = this.saved.columns?.[column.key];
    if (chosen !== undefined) {
      return chosen;
    }
    const isSaid = IN_NAME.has(column.key) || column.key === `spec.${this.within}`;
    return !isSaid && (column.type !== 'tags' || items.some(item => item.tags.length > 0));
  }

  columns(items: readonly Resource[]): Column[] {
    const declared = this.choices.filter(column => this.isShown(column, items));
    // What was asked for stands before the dates and the tags, where it is seen.
    const at = declared.findIndex(({ type, key }) => type === 'tags' || type === 'date' || key === 'owner');
    const before = at < 0 ? declared : declared.slice(0, at);
    return [NAME, ...before, ...this.inside.map(insideColumn), ...(at < 0 ? [] : declared.slice(at))];
  }

  setColumn(key: string, isShown: boolean): void {
    if (isInside(key)) {
      const others = this.inside.filter(other => other !== key);
      this.save({ ...this.saved, inside: isShown ? [...others, key] : others });
    } else {
      this.save({ ...this.saved, columns: { ...this.saved.columns, [key]: isShown } });
    }
  }

  resetColumns(): void {
    const { query, parts } = this.saved;
    this.save({ ...(query ? { query } : {}), ...(parts === undefined ? {} : { parts }) });
  }

  /** The filter and the order as they are now; the trash is no way to see a list. */
  keep(query: ListQuery): void {
    const { q, state, owner, tag, parts, order } = query;
    const next = { q, state, owner, tag, parts, order };
    if (JSON.stringify(next) !== JSON.stringify(this.saved.query)) {
      this.save({ ...this.saved, query: next });
    }
  }

  chooseParts(parts: boolean): void {
    this.save({ ...this.saved, parts });
  }

  /** The list was closed: it opens again unfiltered, in its order, with or without trials as was last chosen. */
  forgetFilter(): void {
    const { order } = this.saved.query ?? {};
    const { parts } = this.saved;
    const query = {
      ...(order === undefined ? {} : { order }),
      ...(parts === undefined ? {} : { parts })
    };
    this.save({ ...this.saved, query });
  }

  private get key(): string {
    return `orrery:list:${this.kind.kind}${this.within && `:in:${this.within}`}`;
  }

  private save(saved: Saved): void {
    this.saved = saved;
    void this.state?.save(this.key, saved as ReadonlyPartialJSONValue);
    this.notify();
  }
}
