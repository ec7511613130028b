/**
 * Kernels on instances, as the Jupyter server tells of them: which wait and why, which have begun, which were lost.
 *
 * Asked only while there are some. What had been lost before the page was opened is not told again.
 */
import { Signal } from '@lumino/signaling';
import type { Api } from '../api';
import type { InstanceKernel } from '../api-types';
import { formatStart } from '../format';
import { Model } from './model';

const PERIOD = 2000;
/** What the name of every kernel spec on an instance has in it. */
const ON = '.on.';

export function isOnInstance(kernelSpec: string): boolean {
  return kernelSpec.includes(ON);
}

export class InstanceKernels extends Model {
  /** One waits; emitted again with each change of what is told. */
  readonly waiting = new Signal<this, InstanceKernel>(this);
  /** One that waited has begun. */
  readonly began = new Signal<this, InstanceKernel>(this);
  /** One that waited is gone: somebody gave it up. */
  readonly gone = new Signal<this, InstanceKernel>(this);
  readonly lost = new Signal<this, InstanceKernel>(this);
  private seen = new Map<string, InstanceKernel>();
  private isLoaded = false;
  private timer: number | null = null;
  private isWanted = false;

  constructor(private readonly api: Api) {
    super();
  }

  /** Ask from now on, or no more. */
  watch(isWanted: boolean): void {
    this.isWanted = isWanted;
    if (isWanted && this.timer === null) {
      void this.turn();
    }
  }

  override dispose(): void {
    this.isWanted = false;
    if (this.timer !== null) {
      window.clearTimeout(this.timer);
    }
    super.dispose();
  }

  private async turn(): Promise<void> {
    this.timer = window.setTimeout(() => undefined, 0);
    try {
      this.take(await this.api.instanceKernels());
    } catch {
      // The server is away; what was told stays, and it is asked again.
    }
    const hasMore = this.isWanted || [...this.seen.values()].some(kernel => kernel.state === 'waiting');
    this.timer = hasMore && !this.isDisposed ? window.setTimeout(() => void this.turn(), PERIOD) : null;
  }

  /** What is there now, in the place of what was. */
  take(kernels: InstanceKernel[]): void {
    const before = this.seen;
    this.seen = new Map(kernels.map(kernel => [kernel.kernel_id, kernel]));
    for (const kernel of this.seen.values()) {
      const known = before.get(kernel.kernel_id);
      if (kernel.state === 'waiting' && describeWaiting(kernel) !== (known && describeWaiting(known))) {
        this.waiting.emit(kernel);
      } else if (kernel.state === 'ready' && known?.state === 'waiting') {
        this.began.emit(kernel);
      } else if (kernel.state === 'lost' && known?.state !== 'lost' && this.isLoaded) {
        this.lost.emit(kernel);
      }
    }
    for (const known of before.values()) {
      if (known.state === 'waiting' && !this.seen.has(known.kernel_id)) {
        this.gone.emit(known);
      }
    }
    this.isLoaded = true;
    this.notify();
  }
}

/** `analysis.ipynb: 3rd in the queue for gpu-small, starts in about 4 min (needs 1 GPU; ...)`. */
export function describeWaiting(kernel: InstanceKernel): string {
  const { queue, instance_type: type } = kernel;
  const subject = fileName(kernel) || 'The kernel';
  if (!queue) {
    return `${subject}: ${kernel.message}`;
  }
  const start = formatStart(queue.starts_in_seconds);
  const place = `${ordinal(queue.place)} in the queue for ${type}`;
  return `${subject}: ${[place, start].filter(Boolean).join(', ')} (${queue.reason})`;
}

export function describeLost(kernel: InstanceKernel): string {
  return `The kernel of ${fileName(kernel) || 'a notebook'} on ${kernel.instance_type} has ended: ${kernel.message}`;
}

function fileName(kernel: InstanceKernel): string {
  return kernel.path.split('/').pop() ?? '';
}

export function ordinal(place: number): string {
  const teens = place % 100 >= 11 && place % 100 <= 13;
  const ending = teens ? undefined : ({ 1: 'st', 2: 'nd', 3: 'rd' } as Record<number, string>)[place % 10];
  return `${place}${ending ?? 'th'}`;
}
