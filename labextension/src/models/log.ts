/** A log followed live: lines as they come, resumed by offset after a broken connection. */
import type { EventSourceMessage } from 'eventsource-parser';
import { createParser } from 'eventsource-parser';
import type { Api } from '../api';
import { ApiError, errorMessage } from '../api';
import { LogSearch } from './log-search';
import { Model, delay, throttle } from './model';

const MOST_LINES = 50000;
const ANSI = /\u001b\[[0-9;?]*[A-Za-z]/g;

export class LogModel extends Model {
  lines: string[] = [];
  hasEnded = false;
  error: string | null = null;
  /** Lines of the beginning that are held no longer. */
  dropped = 0;
  /** The same log, looked through at the platform. */
  readonly found: LogSearch;
  private offset = 0;
  private rest = '';
  private connection: AbortController | null = null;
  private readonly notifySoon = throttle(() => this.notify(), 60);

  /** `attempt`: of a run that may be started again, this one; null: whatever there is. */
  constructor(
    private readonly api: Api,
    private readonly path: string,
    private readonly attempt: number | null = null
  ) {
    super();
    this.found = new LogSearch(api, path, attempt);
  }

  override dispose(): void {
    this.pause();
    this.found.dispose();
    super.dispose();
  }

  /** Follow while someone looks; `pause` lets go of the connection. */
  async follow(): Promise<void> {
    if (this.connection || this.hasEnded || this.isDisposed) {
      return;
    }
    const connection = new AbortController();
    this.connection = connection;
    let wait = 500;
    while (!connection.signal.aborted && !this.hasEnded) {
      try {
        await this.readOnce(connection.signal);
        wait = 500;
        this.error = null;
      } catch (error) {
        if (connection.signal.aborted) {
          return;
        }
        this.error = errorMessage(error);
        this.notify();
        if (error instanceof ApiError && !error.isUnavailable) {
          break;
        }
      }
      if (!this.hasEnded) {
        await delay(wait, connection.signal);
        wait = Math.min(wait * 2, 8000);
      }
    }
    if (this.connection === connection) {
      this.connection = null;
    }
  }

  pause(): void {
    this.connection?.abort();
    this.connection = null;
  }

  /** The run was started again: what ended may go on. */
  resume(): void {
    this.hasEnded = false;
  }

  get text(): string {
    return this.lines.join('\n');
  }

  private async readOnce(signal: AbortSignal): Promise<void> {
    const query = { follow: 1, offset: this.offset, attempt: this.attempt };
    const response = await this.api.stream(this.path, query, signal);
    const parser = createParser({ onEvent: message => this.handle(message) });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    while (reader) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      parser.feed(value);
    }
  }

  private handle(message: EventSourceMessage): void {
    if (message.event === 'end') {
      this.hasEnded = true;
    } else if (message.event === 'log') {
      const data = JSON.parse(message.data) as { text: string; offset: number };
      this.offset = data.offset;
      this.append(data.text);
    }
    this.notifySoon();
  }

  append(text: string): void {
    const parts = (this.rest + text).replace(ANSI, '').split('\n');
    if (this.rest !== '') {
      this.lines.pop();
    }
    this.rest = parts.pop() ?? '';
    const shown = this.rest === '' ? parts : [...parts, this.rest];
    this.lines = [...this.lines, ...shown.map(lastOverwrite)];
    if (this.lines.length > MOST_LINES) {
      this.dropped += this.lines.length - MOST_LINES;
      this.lines = this.lines.slice(-MOST_LINES);
    }
  }
}

/** A progress bar writes over its line with carriage returns: only the last writing is shown. */
function lastOverwrite(line: string): string {
  const writings = line.split('\r').filter(part => part !== '');
  return writings[writings.length - 1] ?? '';
}
