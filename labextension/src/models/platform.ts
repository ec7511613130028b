/**
 * Whether the platform answers. Asked only while it does not: once it runs, a failing request or a broken event
 * stream is what starts the asking again.
 */
import { Signal } from '@lumino/signaling';
import type { Api } from '../api';
import { ApiError, errorMessage } from '../api';
import type { PlatformStatus } from '../api-types';
import { Model, delay } from './model';

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;

export class PlatformModel extends Model {
  status: PlatformStatus = { state: 'unknown', message: '', mode: 'local' };
  /** The platform answers again after it did not. */
  readonly recovered = new Signal<this, void>(this);
  private checking: Promise<void> | null = null;

  constructor(private readonly api: Api) {
    super();
  }

  get isRunning(): boolean {
    return this.status.state === 'running';
  }

  /** Ask until the platform runs; callers share one loop. */
  check(): Promise<void> {
    this.checking ??= this.checkUntilRunning().finally(() => {
      this.checking = null;
    });
    return this.checking;
  }

  private async checkUntilRunning(): Promise<void> {
    let wait = FIRST_WAIT;
    while (!this.isDisposed) {
      const status = await this.ask();
      const recovered = status.state === 'running' && !this.isRunning;
      if (status.state !== this.status.state || status.message !== this.status.message) {
        this.status = status;
        this.notify();
      }
      if (recovered) {
        this.recovered.emit();
      }
      if (status.state === 'running') {
        return;
      }
      await delay(wait, this.signal);
      wait = Math.min(wait * 1.6, LONGEST_WAIT);
    }
  }

  private async ask(): Promise<PlatformStatus> {
    try {
      const status = await this.api.status();
      const isAway = status.state === 'running' && !(await this.api.isReady());
      return isAway ? { ...status, state: 'unavailable', message: '' } : status;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        return {
          state: 'unavailable',
          mode: 'local',
          message:
            'The Orrery server extension is not loaded. Run "jupyter server extension enable orrery" and restart JupyterLab.'
        };
      }
      return { state: 'unavailable', mode: 'local', message: errorMessage(error) };
    }
  }
}
