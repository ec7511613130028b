/**
 * A page-wise list of one kind that follows the event stream. The side bar's sections are short lists of the same sort.
 */
import type { Api } from '../api';
import { errorMessage } from '../api';
import type { Kind, Page, Resource, ResourceEvent, WhoAmI } from '../api-types';
import { valueAt } from '../format';
import type { IOrrery } from '../tokens';
import { isRun } from './kinds';
import { insideValue } from './list-columns';
import { Model, throttle } from './model';

export interface ListQuery {
  q: string;
  state: string;
  owner: string;
  tag: string;
  /** Whether what is a part of something larger, a trial of a tuning, is listed too. */
  parts: boolean;
  /** The id of a resource: only what refers to it. Empty: all. No filter of the user's, and not cleared as one. */
  of: string;
  order: string;
  trashed: boolean;
}

export const NO_FILTER = { q: '', state: '', owner: '', tag: '' };
/** Everything that there is. */
const EVERYTHING = { ...NO_FILTER, parts: true };
type Filter = Omit<ListQuery, 'of' | 'order' | 'trashed'>;

/** What a list shows at first: no trials, and where several people work, of runs one's own. */
export function firstFilter(kind: Kind, user: WhoAmI | null): Filter {
  const isShared = user?.mode === 'hub' && isRun(kind);
  return { ...NO_FILTER, owner: isShared ? user.name : '', parts: !kind.parts };
}

function differs(query: ListQuery, filter: Filter): boolean {
  return (Object.keys(filter) as (keyof Filter)[]).some(name => query[name] !== filter[name]);
}
const RELOAD_AT_MOST_EVERY = 1500;
/** The longest page that the API gives, and how much of a long list is loaded again at once. */
const LONGEST_PAGE = 500;
const LONGEST_RELOAD = 2000;

export class ListModel extends Model {
  items: Resource[] = [];
  total: number | null = null;
  /** How many there are without the filter; known where the filter leaves nothing. */
  totalUnfiltered: number | null = null;
  next: string | null = null;
  isLoading = false;
  isLoaded = false;
  error: string | null = null;
  readonly selected = new Set<string>();
  query: ListQuery;
  private readonly api: Api;
  private anchor: string | null = null;
  private request: AbortController | null = null;
  /** Something came or went while a page was on its way: the page may not know of it. */
  private isOvertaken = false;
  private readonly reloadSoon = throttle(() => void this.load(), RELOAD_AT_MOST_EVERY);

  constructor(
    private readonly orrery: IOrrery,
    readonly kind: Kind,
    private readonly pageSize = 50,
    query: Partial<ListQuery> = {},
    /** What it shows at first, and again once its filters are cleared. */
    private readonly first: Filter = firstFilter(kind, null)
  ) {
    super();
    this.api = orrery.api;
    this.query = { ...first, of: '', order: '-created_at', trashed: false, ...query };
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
    this.anchor = null;
    this.isLoaded = false;
    void this.load();
  }

  /** Load the first page again, as long as what is shown now. */
  async load(): Promise<void> {
    if (this.isDisposed) {
      return;
    }
    const wanted = Math.max(this.pageSize, this.isLoaded ? this.items.length : 0);
    await this.fetch(Math.min(wanted, LONGEST_RELOAD), null);
  }

  async loadMore(): Promise<void> {
    if (this.next !== null && !this.isLoading) {
      await this.fetch(this.pageSize, this.next);
    }
  }

  toggle(id: string, isSelected: boolean): void {
    this.anchor = id;
    this.mark(id, isSelected);
    this.notify();
  }

  /** Select everything from the last one that was chosen to this one. */
  extendTo(id: string): void {
    const ids = this.items.map(item => item.id);
    const from = this.anchor === null ? -1 : ids.indexOf(this.anchor);
    const to = ids.indexOf(id);
    if (from < 0 || to < 0) {
      this.toggle(id, true);
      return;
    }
    ids.slice(Math.min(from, to), Math.max(from, to) + 1).forEach(one => this.selected.add(one));
    this.notify();
  }

  toggleAll(isSelected: boolean): void {
    this.selected.clear();
    this.anchor = null;
    if (isSelected) {
      this.items.forEach(item => this.selected.add(item.id));
    }
    this.notify();
  }

  get selection(): Resource[] {
    return this.items.filter(item => this.selected.has(item.id));
  }

  /** Otherwise than it is at first. */
  get isFiltered(): boolean {
    return differs(this.query, this.first);
  }

  clearFilter(): void {
    this.setQuery(this.first);
  }

  showEverything(): void {
    this.setQuery(EVERYTHING);
  }

  /** The tags and the owners of what is loaded, for the filters to offer. */
  get knownTags(): string[] {
    return [...new Set(this.items.flatMap(item => item.tags))].sort();
  }

  get knownOwners(): string[] {
    return [...new Set(this.items.map(item => item.owner))].sort();
  }

  private mark(id: string, isSelected: boolean): void {
    if (isSelected) {
      this.selected.add(id);
    } else {
      this.selected.delete(id);
    }
  }

  /** Read `wanted` items from the cursor on, in as many pages as that takes, and show them together. */
  private async fetch(wanted: number, cursor: string | null): Promise<void> {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    this.isLoading = true;
    this.isOvertaken = false;
    this.notify();
    try {
      const found: Resource[] = [];
      let next = cursor;
      let total: number | null = null;
      do {
        const limit = Math.min(wanted - found.length, LONGEST_PAGE);
        const page = await this.readPage(limit, next, request.signal);
        found.push(...page.items);
        next = page.next;
        total ??= page.total ?? null;
      } while (next !== null && found.length < wanted);
      this.totalUnfiltered =
        cursor === null && total === 0 && differs(this.query, EVERYTHING)
          ? await this.countAll(request.signal)
          : null;
      this.take(cursor === null ? [] : this.items, found, next);
      this.total = total ?? (cursor === null ? null : this.total);
      this.error = null;
      this.isLoaded = true;
    } catch (error) {
      if (request.signal.aborted) {
        return;
      }
      this.error = errorMessage(error);
      void this.orrery.platform.check();
    }
    this.isLoading = false;
    this.notify();
    if (this.isOvertaken) {
      this.reloadSoon();
    }
  }

  private take(before: Resource[], found: Resource[], next: string | null): void {
    const known = new Set(before.map(item => item.id));
    const newest = found.map(item => this.orrery.events.newest(item));
    this.items = [...before, ...newest.filter(item => !known.has(item.id))];
    this.next = next;
    this.keepSelectionKnown();
  }

  private readPage(limit: number, cursor: string | null, signal: AbortSignal): Promise<Page> {
    const { trashed, parts, of, ...filter } = this.query;
    const flags = {
      trashed: trashed ? 1 : null,
      parts: parts ? null : 0,
      refers_to: of || null,
      total: cursor === null ? 1 : null
    };
    return this.api.list(this.kind.plural, { ...filter, ...flags, limit, cursor }, signal);
  }

  private async countAll(signal: AbortSignal): Promise<number | null> {
    const { trashed, of } = this.query;
    const query = { limit: 1, total: 1, trashed: trashed ? 1 : null, refers_to: of || null };
    return (await this.api.list(this.kind.plural, query, signal)).total ?? null;
  }

  private onReset(): void {
    void this.load();
  }

  private onEvent(_: unknown, event: ResourceEvent): void {
    const { id, kind } = event.resource;
    if (kind !== this.kind.kind) {
      return;
    }
    this.isOvertaken ||= this.isLoading && event.type !== 'updated';
    if (!this.isLoaded) {
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
    const field = this.query.order.replace(/^-/, '');
    this.items = this.items.map(item => {
      if (item.id !== resource.id) {
        return item;
      }
      if (orderValue(item, field) !== orderValue(resource, field)) {
        this.reloadSoon();
      }
      return resource;
    });
    this.notify();
  }

  private drop(id: string): void {
    this.items = this.items.filter(item => item.id !== id);
    this.total = this.total === null ? null : Math.max(0, this.total - 1);
    this.selected.delete(id);
    this.reloadSoon();
    this.notify();
  }

  /** Whether the server would list it; `q` is looked for where the server looks. */
  private belongs(resource: Resource): boolean {
    const { q, state, owner, tag, parts, of, trashed } = this.query;
    const whole = this.kind.parts ? valueAt(resource.spec, this.kind.parts.path) : undefined;
    const text = `${resource.name}\n${resource.description}`.toLowerCase();
    return (
      (resource.deleted_at !== null) === trashed &&
      (parts || whole === undefined || whole === null) &&
      (of === '' || resource.references.some(({ id }) => id === of)) &&
      (state === '' || resource.status.state === state) &&
      (owner === '' || resource.owner === owner) &&
      (tag === '' || resource.tags.includes(tag)) &&
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

/** What the server orders by, read from a resource. */
function orderValue(resource: Resource, field: string): string {
  switch (field) {
    case 'phase':
      return resource.status.phase;
    case 'updated_at':
    case 'created_at':
    case 'name':
    case 'owner':
      return resource[field];
    default:
      return JSON.stringify(insideValue(resource, field) ?? null);
  }
}
