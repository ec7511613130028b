/** A text looked for in the whole log, at the platform: also in what the page does not hold. A page of hits at a time. */
import type { Api } from '../api';
import { errorMessage } from '../api';
import { Model } from './model';
import { rankOf } from './ranks';

/** The longest text that the platform looks for. */
export const LONGEST_SEARCH = 1000;

export interface LogHit {
  /** From 1, in the whole log; where one rank was asked for, among its lines. */
  line: number;
  /** Whose line it is; null where the log is of one process. */
  rank: number | null;
  text: string;
}

interface Matches {
  items: { line: number; text: string }[];
  more: boolean;
}

export class LogSearch extends Model {
  /** What was looked for; empty: nothing was. */
  wanted = '';
  /** Whose lines; null: everybody's. */
  rank: number | null = null;
  hits: LogHit[] = [];
  hasMore = false;
  isSearching = false;
  error: string | null = null;
  /** Behind which line each page up to this one begins. */
  private starts: number[] = [0];
  private request: AbortController | null = null;

  constructor(
    private readonly api: Api,
    private readonly path: string,
    private readonly attempt: number | null = null
  ) {
    super();
  }

  override dispose(): void {
    this.request?.abort();
    super.dispose();
  }

  get page(): number {
    return this.starts.length;
  }

  /** Look for it from the beginning of the log. */
  search(wanted: string, rank: number | null): Promise<void> {
    Object.assign(this, { wanted, rank });
    return this.read([0]);
  }

  next(): Promise<void> {
    const last = this.hits[this.hits.length - 1];
    return this.hasMore && last ? this.read([...this.starts, last.line]) : Promise.resolve();
  }

  previous(): Promise<void> {
    return this.page > 1 ? this.read(this.starts.slice(0, -1)) : Promise.resolve();
  }

  again(): Promise<void> {
    return this.read(this.starts);
  }

  /** Give up what is under way and forget what was found. */
  clear(): void {
    if (this.wanted !== '') {
      this.request?.abort();
      Object.assign(this, { wanted: '', hits: [], hasMore: false, isSearching: false, error: null });
      this.starts = [0];
      this.notify();
    }
  }

  private async read(starts: number[]): Promise<void> {
    this.request?.abort();
    const request = new AbortController();
    Object.assign(this, { request, starts, hits: [], hasMore: false, isSearching: true, error: null });
    this.notify();
    const { wanted: search, rank, attempt } = this;
    const query = { search, rank, attempt, after_line: starts[starts.length - 1] };
    try {
      const { items, more } = await this.api.request<Matches>('GET', this.path, {
        query,
        signal: request.signal
      });
      if (!request.signal.aborted) {
        this.hits = items.map(({ line, text }) => ({ line, ...rankOf(text, this.rank) }));
        this.hasMore = more;
      }
    } catch (error) {
      if (!request.signal.aborted) {
        this.error = errorMessage(error);
      }
    }
    if (!request.signal.aborted) {
      this.isSearching = false;
      this.notify();
    }
  }
}
