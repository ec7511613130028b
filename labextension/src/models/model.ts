/** What every model of a panel shares: a change signal, a version for React, and one abort for what is under way. */
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { useSyncExternalStore } from 'react';

export abstract class Model implements IDisposable {
  readonly changed = new Signal<this, void>(this);
  version = 0;
  private readonly abort = new AbortController();

  /** Aborted when the model is disposed. */
  protected get signal(): AbortSignal {
    return this.abort.signal;
  }

  get isDisposed(): boolean {
    return this.abort.signal.aborted;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.abort.abort();
      Signal.clearData(this);
    }
  }

  protected notify(): void {
    if (!this.isDisposed) {
      this.version += 1;
      this.changed.emit();
    }
  }
}

/** Render again when the model changes. */
export function useModel(model: Model): void {
  useSyncExternalStore(
    listener => {
      const slot = (): void => listener();
      model.changed.connect(slot);
      return () => {
        model.changed.disconnect(slot);
      };
    },
    () => model.version
  );
}

/** Wait, or stop waiting at once when the signal aborts. */
export function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}

/** Call at most once per `milliseconds`; the last call is never lost. */
export function throttle(call: () => void, milliseconds: number): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      call();
    }, milliseconds);
  };
}
