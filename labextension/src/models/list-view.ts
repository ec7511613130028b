/** How somebody likes to see the list of one kind: its columns, its order, its filter. Kept between reloads. */
import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { Column, Kind, Resource } from '../api-types';
import type { ListQuery } from './list';
import { NO_FILTER } from './list';
import { Model } from './model';

interface Saved {
  columns?: Record<string, boolean>;
  query?: Partial<ListQuery>;
}

const NAME: Column = { key: 'name', title: 'Name', type: 'text' };

/** Said in the cell of the name, so not shown unless asked for. */
const IN_NAME = new Set(['version', 'owner']);

export class ListView extends Model {
  private saved: Saved = {};

  private constructor(
    private readonly kind: Kind,
    private readonly state: IStateDB | null
  ) {
    super();
  }

  static async open(kind: Kind, state: IStateDB | null): Promise<ListView> {
    const view = new ListView(kind, state);
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

  /** Tags take room by themselves only where something has one. */
  isShown(column: Column, items: readonly Resource[]): boolean {
    const chosen = this.saved.columns?.[column.key];
    if (chosen !== undefined) {
      return chosen;
    }
    return !IN_NAME.has(column.key) && (column.type !== 'tags' || items.some(item => item.tags.length > 0));
  }

  columns(items: readonly Resource[]): Column[] {
    return [NAME, ...this.choices.filter(column => this.isShown(column, items))];
  }

  setColumn(key: string, isShown: boolean): void {
    this.save({ ...this.saved, columns: { ...this.saved.columns, [key]: isShown } });
  }

  resetColumns(): void {
    this.save(this.saved.query ? { query: this.saved.query } : {});
  }

  /** The filter and the order as they are now; the trash is no way to see a list. */
  keep(query: ListQuery): void {
    const { q, state, owner, tag, order } = query;
    const next = { q, state, owner, tag, order };
    if (JSON.stringify(next) !== JSON.stringify(this.saved.query)) {
      this.save({ ...this.saved, query: next });
    }
  }

  /** The list was closed: it opens again with everything in it. */
  forgetFilter(): void {
    this.save({ ...this.saved, query: { ...this.saved.query, ...NO_FILTER } });
  }

  private get key(): string {
    return `orrery:list:${this.kind.kind}`;
  }

  private save(saved: Saved): void {
    this.saved = saved;
    void this.state?.save(this.key, saved as ReadonlyPartialJSONValue);
    this.notify();
  }
}
