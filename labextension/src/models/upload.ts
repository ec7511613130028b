/**
 * Files on their way to the object store, by the tus protocol: 8 MiB chunks (the Jupyter server holds one in memory),
 * resumable after a broken connection, a reload or a restart, cancelled on demand.
 */
import { Upload } from 'tus-js-client';
import type { Api } from '../api';
import type { UploadedFile } from '../api-types';
import type { FolderFile } from './folders';
import { Model, throttle } from './model';

export const CHUNK = 8 * 1024 * 1024;
const AT_ONCE = 2;
const RETRIES = [0, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];

export type UploadState = 'waiting' | 'sending' | 'failed' | 'done';

export interface UploadTask {
  key: number;
  path: string;
  size: number;
  sent: number;
  state: UploadState;
  error: string | null;
  /** Bytes per second, over the time it was sent. */
  rate: number;
}

interface Running extends UploadTask {
  file: File;
  upload: Upload | null;
  startedAt: number;
}

export class UploadModel extends Model {
  private running: Running[] = [];
  private nextKey = 1;
  private readonly notifySoon = throttle(() => this.notify(), 100);

  constructor(
    private readonly api: Api,
    private readonly onDone: (file: UploadedFile) => void
  ) {
    super();
  }

  get tasks(): readonly UploadTask[] {
    return this.running;
  }

  get isBusy(): boolean {
    return this.running.some(task => task.state === 'sending' || task.state === 'waiting');
  }

  override dispose(): void {
    // Kept on the server: choosing the same file again goes on where this stopped.
    this.running.forEach(task => void task.upload?.abort());
    super.dispose();
  }

  /** Files by the path that each is to lie at. */
  addAs(files: Iterable<FolderFile>): void {
    for (const { path, file } of files) {
      this.running = this.running.filter(task => task.path !== path || task.state !== 'failed');
      this.running.push({
        key: this.nextKey++,
        path,
        size: file.size,
        sent: 0,
        state: 'waiting',
        error: null,
        rate: 0,
        file,
        upload: null,
        startedAt: 0
      });
    }
    this.startNext();
    this.notify();
  }

  async cancel(key: number): Promise<void> {
    const task = this.running.find(candidate => candidate.key === key);
    this.running = this.running.filter(candidate => candidate.key !== key);
    this.notify();
    this.startNext();
    // An upload that is already gone on the server is as good as ended.
    await task?.upload?.abort(true).catch(() => undefined);
  }

  /** What is on its way or waits is no longer sent; what has arrived stays. */
  async cancelAll(): Promise<void> {
    const { running } = this;
    this.running = [];
    this.notify();
    await Promise.all(
      running.flatMap(({ upload }) => (upload ? [upload.abort(true).catch(() => undefined)] : []))
    );
  }

  retry(key: number): void {
    const task = this.running.find(candidate => candidate.key === key);
    if (task) {
      task.state = 'waiting';
      task.error = null;
      this.startNext();
      this.notify();
    }
  }

  private startNext(): void {
    const free = AT_ONCE - this.running.filter(task => task.state === 'sending').length;
    this.running
      .filter(task => task.state === 'waiting')
      .slice(0, Math.max(0, free))
      .forEach(task => void this.start(task));
  }

  private async start(task: Running): Promise<void> {
    task.state = 'sending';
    task.startedAt = performance.now();
    const endpoint = this.api.url('/uploads');
    const upload = new Upload(task.file, {
      endpoint,
      chunkSize: CHUNK,
      retryDelays: RETRIES,
      removeFingerprintOnSuccess: true,
      metadata: { filename: task.path, filetype: task.file.type || 'application/octet-stream' },
      onBeforeRequest: request => {
        for (const [name, value] of Object.entries(this.api.authHeaders())) {
          request.setHeader(name, value);
        }
      },
      onUploadUrlAvailable: () => {
        // The platform names its own path; ours goes through the Jupyter server.
        upload.url = rebase(upload.url, endpoint);
      },
      onProgress: sent => {
        task.sent = sent;
        task.rate = sent / Math.max(0.001, (performance.now() - task.startedAt) / 1000);
        this.notifySoon();
      },
      onError: error => {
        task.state = 'failed';
        task.error = uploadError(error);
        this.startNext();
        this.notify();
      },
      onSuccess: ({ lastResponse }) => {
        const oid = lastResponse.getHeader('Orrery-Oid');
        if (!oid) {
          task.state = 'failed';
          task.error = 'The server took the file but did not name it; try again.';
        } else {
          this.running = this.running.filter(candidate => candidate.key !== task.key);
          this.onDone({ path: task.path, oid, size: task.size, purpose: null });
        }
        this.startNext();
        this.notify();
      }
    });
    task.upload = upload;
    const previous = await upload.findPreviousUploads();
    if (previous[0]) {
      upload.resumeFromPreviousUpload(previous[0]);
    }
    if (this.running.includes(task) && !this.isDisposed) {
      upload.start();
    }
  }
}

export function rebase(url: string | null, endpoint: string): string | null {
  const id = url?.split(/[?#]/)[0]?.replace(/\/+$/, '').split('/').pop();
  return id ? `${endpoint}/${id}` : url;
}

function uploadError(error: Error): string {
  const response =
    'originalResponse' in error ? (error.originalResponse as { getBody(): string } | null) : null;
  try {
    const body = JSON.parse(response?.getBody() ?? '') as { error?: { message?: string } };
    if (body.error?.message) {
      return body.error.message;
    }
  } catch {
    // No answer, or not the platform's.
  }
  return response
    ? (error.message.split(', originated from')[0] ?? error.message)
    : 'The connection was lost.';
}
