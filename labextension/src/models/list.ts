/**
 * A page-wise list of one kind that follows the event stream. The side bar's sections are short lists of the same sort.
 */
import type { Api } from '../api';
import { errorMessage } from '../api';
import type { Kind, Resource, ResourceEvent } from '../api-types';
import type { IOrrery } from '../tokens';
import { Model, throttle } from './model';

export interface ListQuery {
  q: string;
  state: string;
  owner: string;
  order: string;
  trashed: boolean;
}

const RELOAD_AT_MOST_EVERY = 1500;
const LONGEST_PAGE = 200;

export class ListModel extends Model {
  items: Resource[] = [];
  total: number | null = null;
  next: string | null = null;
  isLoading = false;
  isLoaded = false;
  error: string | null = null;
  readonly selected = new Set<string>();
  query: ListQuery;
  private readonly api: Api;
  private request: AbortController | null = null;
  private readonly reloadSoon = throttle(() => void this.load(), RELOAD_AT_MOST_EVERY);

  constructor(
    private readonly orrery: IOrrery,
    readonly kind: Kind,
    private readonly pageSize = 50,
    query: Partial<ListQuery> = {}
  ) {
    super();
    this.api = orrery.api;
    this.query = { q: '', state: '', owner: '', order: '-created_at', trashed: false, ...query };
    orrery.events.received.connect(this.onEvent, this);
    orrery.events.reset.connect(this.onReset, this);
    orrery.platform.recovered.connect(this.onReset, this);
    void this.load();
  }

  override dispose(): void {
    this.request?.abort();
    super.dispose();
  }

  setQuery(change: Partial<ListQuery>): void {
    this.query = { ...this.query, ...change };
    this.selected.clear();
    this.isLoaded = false;
    void this.load();
  }

  /** Load the first page again, as long as what is shown now. */
  async load(): Promise<void> {
    if (this.isDisposed) {
      return;
    }
    const limit = Math.min(Math.max(this.pageSize, this.isLoaded ? this.items.length : 0), LONGEST_PAGE);
    await this.fetchPage(limit, null);
  }

  async loadMore(): Promise<void> {
    if (this.next !== null && !this.isLoading) {
      await this.fetchPage(this.pageSize, this.next);
    }
  }

  toggle(id: string, isSelected: boolean): void {
    if (isSelected) {
      this.selected.add(id);
    } else {
      this.selected.delete(id);
    }
    this.notify();
  }

  toggleAll(isSelected: boolean): void {
    this.selected.clear();
    if (isSelected) {
      this.items.forEach(item => this.selected.add(item.id));
    }
    this.notify();
  }

  get selection(): Resource[] {
    return this.items.filter(item => this.selected.has(item.id));
  }

  get isFiltered(): boolean {
    return this.query.q !== '' || this.query.state !== '' || this.query.owner !== '';
  }

  private async fetchPage(limit: number, cursor: string | null): Promise<void> {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    this.isLoading = true;
    this.notify();
    const { q, state, owner, order, trashed } = this.query;
    try {
      const page = await this.api.list(
        this.kind.plural,
        {
          q,
          state,
          owner,
          order,
          limit,
          cursor,
          trashed: trashed ? 1 : null,
          total: cursor === null ? 1 : null
        },
        request.signal
      );
      const before = cursor === null ? [] : this.items;
      const known = new Set(before.map(item => item.id));
      this.items = [...before, ...page.items.filter(item => !known.has(item.id))];
      this.items.forEach(item => this.orrery.events.remember(item));
      this.next = page.next;
      this.total = page.total ?? (cursor === null ? null : this.total);
      this.error = null;
      this.isLoaded = true;
      this.keepSelectionKnown();
    } catch (error) {
      if (request.signal.aborted) {
        return;
      }
      this.error = errorMessage(error);
      void this.orrery.platform.check();
    }
    this.isLoading = false;
    this.notify();
  }

  private onReset(): void {
    void this.load();
  }

  private onEvent(_: unknown, event: ResourceEvent): void {
    const { id, kind } = event.resource;
    if (kind !== this.kind.kind || !this.isLoaded) {
      return;
    }
    const isListed = this.items.some(item => item.id === id);
    if (event.type === 'purged' || !this.belongs(event.resource)) {
      if (isListed) {
        this.drop(id);
      }
    } else if (isListed) {
      this.replace(event.resource);
    } else if (event.type === 'created' && this.query.order === '-created_at') {
      this.items = [event.resource, ...this.items];
      this.total = this.total === null ? null : this.total + 1;
      this.notify();
    } else {
      this.reloadSoon();
    }
  }

  private replace(resource: Resource): void {
    this.items = this.items.map(item => (item.id === resource.id ? resource : item));
    this.notify();
  }

  private drop(id: string): void {
    this.items = this.items.filter(item => item.id !== id);
    this.total = this.total === null ? null : Math.max(0, this.total - 1);
    this.selected.delete(id);
    this.reloadSoon();
    this.notify();
  }

  private belongs(resource: Resource): boolean {
    const { q, state, owner, trashed } = this.query;
    const text = `${resource.name} ${resource.description} ${resource.tags.join(' ')}`.toLowerCase();
    return (
      (resource.deleted_at !== null) === trashed &&
      (state === '' || resource.status.state === state) &&
      (owner === '' || resource.owner === owner) &&
      (q === '' || text.includes(q.toLowerCase()))
    );
  }

  private keepSelectionKnown(): void {
    const known = new Set(this.items.map(item => item.id));
    for (const id of this.selected) {
      if (!known.has(id)) {
        this.selected.delete(id);
      }
    }
  }
}
