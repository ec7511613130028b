/** One answer of the platform, loaded when it is first looked at and again when its resource changes. */
import { errorMessage } from '../api';
import { Model, throttle } from './model';

export class Loader<T> extends Model {
  value: T | null = null;
  error: string | null = null;
  isLoading = false;
  private isStale = true;
  private isWatched = false;
  private readonly reloadSoon: () => void;

  constructor(
    private readonly fetch: () => Promise<T>,
    atMostEvery = 1000
  ) {
    super();
    this.reloadSoon = throttle(() => {
      if (this.isWatched) {
        void this.load();
      }
    }, atMostEvery);
  }

  /** Someone looks, or no longer does. */
  watch(isWatched: boolean): void {
    this.isWatched = isWatched;
    if (isWatched && this.isStale) {
      void this.load();
    }
  }

  /** What was loaded may be old. */
  invalidate(): void {
    this.isStale = true;
    if (this.isWatched) {
      this.reloadSoon();
    }
  }

  async load(): Promise<void> {
    if (this.isDisposed || this.isLoading) {
      return;
    }
    this.isLoading = true;
    this.isStale = false;
    this.notify();
    try {
      this.value = await this.fetch();
      this.error = null;
    } catch (error) {
      this.error = errorMessage(error);
      this.isStale = true;
    }
    this.isLoading = false;
    this.notify();
  }
}
