/**
 * The one event stream that every panel lives on: `GET /events`, read by fetch (an EventSource gives up for good on
 * the first 5xx of a proxy), resumed with our own Last-Event-ID, reconnected with back-off.
 *
 * `reset` means "what you hold may be stale, load it again": the first connection, one that could not be resumed,
 * and an id that the server no longer remembers.
 *
 * Answers and events come by different connections, so an answer may be older than an event that is already here: who
 * shows what an answer said asks `newest` first.
 */
import { Signal } from '@lumino/signaling';
import type { EventSourceMessage } from 'eventsource-parser';
import { createParser } from 'eventsource-parser';
import type { Api } from '../api';
import type { Resource, ResourceEvent } from '../api-types';
import { Model, delay } from './model';
import type { PlatformModel } from './platform';

const FIRST_WAIT = 250;
const LONGEST_WAIT = 15000;
/** The server sends a comment every 15 s; three missing ones mean a dead connection. */
const SILENCE = 45000;
const REMEMBERED = 2000;

export class EventStream extends Model {
  readonly received = new Signal<this, ResourceEvent>(this);
  readonly reset = new Signal<this, void>(this);
  isConnected = false;
  private lastEventId = '';
  private wait = FIRST_WAIT;
  private readonly latest = new Map<string, Resource>();

  constructor(
    private readonly api: Api,
    private readonly platform: PlatformModel
  ) {
    super();
  }

  /** The newest state seen of a resource, if it was seen lately. */
  peek(id: string): Resource | undefined {
    return this.latest.get(id);
  }

  /** What is known of a resource after an answer described it: an event may have overtaken the answer. */
  newest(answer: Resource): Resource {
    const seen = this.latest.get(answer.id);
    const newest = seen && isNewer(seen, answer) ? withKnownDetails(seen, answer) : answer;
    this.remember(newest);
    return newest;
  }

  /** Tell every panel what one of them learned from an answer, ahead of the event that follows. */
  publish(event: ResourceEvent): void {
    if (event.type === 'purged') {
      this.latest.delete(event.resource.id);
      this.received.emit(event);
    } else {
      this.received.emit({ ...event, resource: this.newest(event.resource) });
    }
  }

  private remember(resource: Resource): void {
    this.latest.delete(resource.id);
    this.latest.set(resource.id, resource);
    if (this.latest.size > REMEMBERED) {
      const oldest = this.latest.keys().next().value;
      if (oldest !== undefined) {
        this.latest.delete(oldest);
      }
    }
  }

  async run(): Promise<void> {
    while (!this.isDisposed) {
      await this.platform.check();
      if (this.isDisposed) {
        return;
      }
      try {
        await this.followOnce();
      } catch {
        // The reason shows in the platform's status, which is asked at the next turn.
      }
      this.setConnected(false);
      await delay(this.wait * (0.75 + Math.random() / 2), this.signal);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    }
  }

  private async followOnce(): Promise<void> {
    const connection = new AbortController();
    const stop = (): void => connection.abort();
    this.signal.addEventListener('abort', stop);
    let watchdog = setTimeout(stop, SILENCE);
    try {
      const resumed = this.lastEventId !== '';
      const response = await this.api.stream('/events', {}, connection.signal, this.lastEventId);
      const parser = createParser({ onEvent: message => this.handle(message) });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      if (!reader) {
        return;
      }
      this.wait = FIRST_WAIT;
      this.setConnected(true);
      if (!resumed) {
        this.startAnew();
      }
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          return;
        }
        clearTimeout(watchdog);
        watchdog = setTimeout(stop, SILENCE);
        parser.feed(value);
      }
    } finally {
      clearTimeout(watchdog);
      connection.abort();
      this.signal.removeEventListener('abort', stop);
    }
  }

  private handle(message: EventSourceMessage): void {
    if (message.event === 'reset') {
      this.lastEventId = message.id ?? '';
      this.startAnew();
      return;
    }
    if (message.id) {
      this.lastEventId = message.id;
    }
    if (message.event === 'resource') {
      this.publish(JSON.parse(message.data) as ResourceEvent);
    }
  }

  private startAnew(): void {
    this.latest.clear();
    this.reset.emit();
  }

  private setConnected(isConnected: boolean): void {
    if (this.isConnected !== isConnected) {
      this.isConnected = isConnected;
      this.notify();
    }
  }
}

/** The server counts a resource's changes in its etag. */
function isNewer(one: Resource, other: Resource): boolean {
  return Number(one.etag) > Number(other.etag);
}

/** Events leave out what is large; until the whole is read again, what was known of it stays. */
export function withKnownDetails(next: Resource, known: Resource): Resource {
  return {
    ...next,
    spec: { ...known.spec, ...next.spec },
    status: { ...next.status, outputs: { ...known.status.outputs, ...next.status.outputs } }
  };
}
