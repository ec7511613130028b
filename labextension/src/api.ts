/**
 * All HTTP of the extension. Requests go to the Jupyter server's own `/orrery/` prefix, which forwards them to the
 * platform as the current user; nothing here knows where the platform runs.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { ErrorBody } from './api-errors';
import { ApiError, makeApiError } from './api-errors';
import type {
  Dashboard,
  Dependents,
  Draft,
  FileEntry,
  Importances,
  InstanceKernel,
  InstanceType,
  Json,
  JsonObject,
  Kind,
  Limits,
  MemoryEstimate,
  Page,
  PlatformStatus,
  QueueState,
  Resource,
  Series,
  StartDocument,
  StartOutput,
  Summary,
  TrialPage,
  UsageSample,
  WhoAmI
} from './api-types';
import type { GoalWords } from './models/goals';
import type { LimitChanges } from './models/limits';
import type { Profile } from './models/insight';

export { ApiError, errorMessage } from './api-errors';

export type Query = Record<string, string | number | boolean | null | undefined>;

/** One request of a batch; `path` is below `/api/v1`. */
export interface BatchOperation {
  method: 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: JsonObject;
}

export interface BatchAnswer {
  body: Json;
  error: ApiError | null;
}

/** Short enough that its answer comes within seconds. */
const LARGEST_BATCH = 100;
const LARGEST_LOG_PIECE = 4 << 20;

export interface RequestOptions {
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Encode a reference (`trn_1`, `alice/breast`, `alice/breast@2`) as the path of one resource. */
export function resourcePath(plural: string, ref: string): string {
  const slash = ref.indexOf('/');
  if (slash < 0) {
    return `/${plural}/${encodeURIComponent(ref)}`;
  }
  const [name = '', version] = ref.slice(slash + 1).split('@');
  const path = `/${plural}/by-name/${encodeURIComponent(ref.slice(0, slash))}/${encodeURIComponent(name)}`;
  return version ? `${path}?version=${encodeURIComponent(version)}` : path;
}

export class Api {
  constructor(readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings()) {}

  /** The address of a platform path, for links and downloads. */
  platformUrl(path: string): string {
    return URLExt.join(this.settings.baseUrl, 'orrery', path);
  }

  url(path: string, query: Query = {}): string {
    const wanted = Object.entries(query).filter(([, value]) => value != null && value !== '');
    const search = new URLSearchParams(wanted.map(([key, value]) => [key, String(value)])).toString();
    const url = URLExt.join(this.settings.baseUrl, 'orrery/api/v1') + path;
    return search ? `${url}${url.includes('?') ? '&' : '?'}${search}` : url;
  }

  /** Headers for a client that makes its own requests (uploads). */
  authHeaders(): Record<string, string> {
    const headers: Record<string, string> = {};
    if (this.settings.token) {
      headers['Authorization'] = `token ${this.settings.token}`;
    }
    const xsrf = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie)?.[1];
    if (xsrf) {
      headers['X-XSRFToken'] = xsrf;
    }
    return headers;
  }

  async fetch(method: string, url: string, options: RequestOptions = {}): Promise<Response> {
    const init: RequestInit = {
      method,
      cache: 'no-cache',
      headers: { Accept: 'application/json', ...options.headers },
      signal: options.signal ?? null
    };
    if (options.body !== undefined) {
      init.body = JSON.stringify(options.body);
      init.headers = { 'Content-Type': 'application/json', ...init.headers };
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      if (options.signal?.aborted) {
        throw error;
      }
      throw new ApiError(0, 'unavailable', 'The Jupyter server does not answer; trying again.');
    }
    if (!response.ok) {
      throw await makeApiError(response);
    }
    return response;
  }

  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.fetch(method, this.url(path, options.query), options);
    const text = await response.text();
    return (text ? JSON.parse(text) : null) as T;
  }

  async text(path: string, options: RequestOptions = {}): Promise<string> {
    const response = await this.fetch('GET', this.url(path, options.query), {
      ...options,
      headers: { Accept: '*/*', ...options.headers }
    });
    return response.text();
  }

  /** Open a server-sent event stream; `Accept` must be exactly this for the proxies to stream it. */
  stream(path: string, query: Query, signal: AbortSignal, lastEventId = ''): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastEventId) {
      headers['Last-Event-ID'] = lastEventId;
    }
    return this.fetch('GET', this.url(path, query), { headers, signal });
  }

  async status(): Promise<PlatformStatus> {
    const url = URLExt.join(this.settings.baseUrl, 'orrery-extension/status');
    const response = await this.fetch('GET', url);
    return (await response.json()) as PlatformStatus;
  }

  /** What the Jupyter server's own extension answers. */
  async extension<T>(method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'orrery-extension', path);
    const response = await this.fetch(method, url, body === undefined ? {} : { body });
    const text = await response.text();
    return (text ? JSON.parse(text) : null) as T;
  }

  /** The same, where the answer comes as lines of JSON, each handed on as it comes. */
  async extensionLines(
    path: string,
    body: JsonObject,
    take: (line: JsonObject) => void,
    signal: AbortSignal
  ): Promise<void> {
    const url = URLExt.join(this.settings.baseUrl, 'orrery-extension', path);
    const response = await this.fetch('POST', url, { body, signal });
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      const lines = (rest + decoder.decode(part.value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const document = JSON.parse(line) as JsonObject & { error?: ErrorBody };
        if (document.error) {
          const { code, message, details } = document.error;
          throw new ApiError(response.status, code, message, details ?? {});
        }
        take(document);
      }
    }
  }

  /** Those that the Jupyter server renders itself. */
  async dashboards(): Promise<Dashboard[]> {
    const url = URLExt.join(this.settings.baseUrl, 'orrery-extension/dashboards');
    return ((await (await this.fetch('GET', url)).json()) as { items: Dashboard[] }).items;
  }

  /** What ran before the Jupyter server started. */
  async start(): Promise<StartDocument> {
    return (await (await this.fetch('GET', this.startUrl())).json()) as StartDocument;
  }

  async startOutput(name: string, isWhole: boolean): Promise<StartOutput> {
    const query = new URLSearchParams({ name, ...(isWhole ? { all: '1' } : {}) }).toString();
    const response = await this.fetch('GET', `${this.startUrl('output')}?${query}`);
    return (await response.json()) as StartOutput;
  }

  async makeStartScriptExecutable(name: string): Promise<void> {
    await this.fetch('POST', this.startUrl('executable'), { body: { name } });
  }

  /** Answers with the folder that it lies in, as the file browser names it; null where it lies outside. */
  async makeStartScript(name: string): Promise<string | null> {
    const response = await this.fetch('POST', this.startUrl(), { body: { name } });
    return ((await response.json()) as { path: string | null }).path;
  }

  private startUrl(part = ''): string {
    return URLExt.join(this.settings.baseUrl, 'orrery-extension/start', part);
  }

  /** The kernels on instances of this Jupyter server. */
  async instanceKernels(): Promise<InstanceKernel[]> {
    const url = URLExt.join(this.settings.baseUrl, 'orrery-extension/kernels');
    return ((await (await this.fetch('GET', url)).json()) as { items: InstanceKernel[] }).items;
  }

  /** Whether the platform itself answers; a status may be some seconds old. */
  async isReady(): Promise<boolean> {
    try {
      await this.fetch('GET', this.platformUrl('readyz'));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.isUnavailable) {
        return false;
      }
      throw error;
    }
  }

  whoami(): Promise<WhoAmI> {
    return this.request('GET', '/auth/whoami');
  }

  kinds(): Promise<{ items: Kind[]; goals: GoalWords }> {
    return this.request('GET', '/kinds');
  }

  async instanceTypes(): Promise<InstanceType[]> {
    return (await this.request<{ items: InstanceType[] }>('GET', '/instance-types')).items;
  }

  queue(): Promise<QueueState> {
    return this.request('GET', '/queue');
  }

  /** What a run of this spec, finished or not, would take of memory. */
  estimate(plural: string, spec: JsonObject): Promise<MemoryEstimate> {
    return this.request('POST', `/${plural}/estimate`, { body: { spec } });
  }

  pauseQueue(reason: string): Promise<QueueState> {
    return this.request('POST', '/queue/pause', { body: { reason } });
  }

  /** Pause it, to empty the machine. */
  drainQueue(reason: string): Promise<QueueState> {
    return this.request('POST', '/queue/drain', { body: { reason } });
  }

  resumeQueue(): Promise<QueueState> {
    return this.request('POST', '/queue/resume', { body: {} });
  }

  limits(): Promise<Limits> {
    return this.request('GET', '/queue/limits');
  }

  changeLimits(changes: LimitChanges): Promise<Limits> {
    return this.request('PATCH', '/queue/limits', { body: changes as unknown as JsonObject });
  }

  list(plural: string, query: Query = {}, signal?: AbortSignal): Promise<Page> {
    return this.request('GET', `/${plural}`, signal ? { query, signal } : { query });
  }

  get(plural: string, ref: string): Promise<Resource> {
    return this.request('GET', resourcePath(plural, ref));
  }

  create(plural: string, draft: Draft, idempotencyKey: string): Promise<Resource> {
    return this.request('POST', `/${plural}`, {
      body: draft,
      headers: { 'Idempotency-Key': idempotencyKey }
    });
  }

  /** Several trainings in one call: all are made, or none. */
  async sweep(
    body: Draft & { parameters: Record<string, Json[]>; datasets: Record<string, string>[] },
    idempotencyKey: string
  ): Promise<Resource[]> {
    const headers = { 'Idempotency-Key': idempotencyKey };
    return (await this.request<{ items: Resource[] }>('POST', '/trainings/sweep', { body, headers })).items;
  }

  /** Store a file that is small enough to be sent at once. */
  async putObject(content: Blob): Promise<{ oid: string; size: number }> {
    const init = {
      method: 'PUT',
      body: content,
      headers: { 'Content-Type': 'application/octet-stream', Accept: 'application/json' }
    };
    const response = await ServerConnection.makeRequest(this.url('/objects'), init, this.settings);
    if (!response.ok) {
      throw await makeApiError(response);
    }
    return (await response.json()) as { oid: string; size: number };
  }

  patch(plural: string, id: string, change: JsonObject, etag?: string): Promise<Resource> {
    const headers: Record<string, string> = etag ? { 'If-Match': etag } : {};
    return this.request('PATCH', `/${plural}/${id}`, { body: change, headers });
  }

  act(plural: string, id: string, action: string, body: JsonObject = {}): Promise<Resource> {
    return this.request('POST', `/${plural}/${id}/${action}`, { body });
  }

  /** Many requests in one, each answered separately and in order. */
  async batch(operations: BatchOperation[]): Promise<BatchAnswer[]> {
    const answers: BatchAnswer[] = [];
    for (let from = 0; from < operations.length; from += LARGEST_BATCH) {
      const part = operations.slice(from, from + LARGEST_BATCH);
      const { results } = await this.request<{ results: { status: number; body: Json }[] }>(
        'POST',
        '/batch',
        { body: { operations: part } }
      );
      answers.push(...results.map(batchAnswer));
    }
    return answers;
  }

  /** Answers with all that went to the trash. */
  async remove(plural: string, id: string, preview?: string): Promise<Summary[]> {
    const query: Query = preview === undefined ? {} : { cascade: 1, preview };
    return (await this.request<{ items: Summary[] }>('DELETE', `/${plural}/${id}`, { query })).items;
  }

  dependents(plural: string, id: string, deep = false): Promise<Dependents> {
    return this.request('GET', `/${plural}/${id}/dependents`, { query: deep ? { deep: 1 } : {} });
  }

  references(plural: string, id: string): Promise<Dependents> {
    return this.request('GET', `/${plural}/${id}/references`);
  }

  async metrics(plural: string, id: string): Promise<Series[]> {
    return (await this.request<{ series: Series[] }>('GET', `/${plural}/${id}/metrics`)).series;
  }

  profile(plural: string, id: string): Promise<Profile> {
    return this.request('GET', `/${plural}/${id}/profile`);
  }

  async files(plural: string, id: string): Promise<FileEntry[]> {
    return (await this.request<{ items: FileEntry[] }>('GET', `/${plural}/${id}/files`)).items;
  }

  fileUrl(plural: string, id: string, path: string): string {
    return this.url(`/${plural}/${id}/files/${path.split('/').map(encodeURIComponent).join('/')}`);
  }

  /** The first bytes of a file as text; the rest is not read. */
  async beginningOf(url: string, bytes: number, signal: AbortSignal): Promise<string> {
    const response = await this.fetch('GET', url, { headers: { Accept: '*/*' }, signal });
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let text = '';
    let read = 0;
    while (reader && read < bytes) {
      const { done, value } = await reader.read();
      if (done) {
        return text + decoder.decode();
      }
      text += decoder.decode(value.subarray(0, bytes - read), { stream: true });
      read += value.length;
    }
    await reader?.cancel();
    return text;
  }

  /** A whole log, piece after piece; of several ranks that of one, where `rank` says which, and of an `attempt` its. */
  async wholeLog(
    plural: string,
    id: string,
    rank: number | null = null,
    attempt: number | null = null
  ): Promise<Blob> {
    const pieces: Blob[] = [];
    let offset = 0;
    for (;;) {
      const url = this.url(`/${plural}/${id}/logs`, { offset, limit: LARGEST_LOG_PIECE, rank, attempt });
      const response = await this.fetch('GET', url, { headers: { Accept: '*/*' } });
      const piece = await response.blob();
      if (piece.size === 0) {
        return new Blob(pieces, { type: 'text/plain' });
      }
      pieces.push(piece);
      // of one rank's lines, what lies between them counts as well
      offset = Number(response.headers.get('Orrery-Next-Offset') ?? offset + piece.size);
    }
  }

  /** A tuning's trials by their number. */
  trials(tuning: string, offset: number, limit: number): Promise<TrialPage> {
    return this.request('GET', `/tunings/${tuning}/trials`, { query: { offset, limit } });
  }

  async importances(tuning: string): Promise<Importances[]> {
    return (await this.request<{ items: Importances[] }>('GET', `/tunings/${tuning}/importances`)).items;
  }

  notebook(plural: string, id: string): Promise<JsonObject> {
    return this.request('GET', `/${plural}/${id}/notebook`);
  }

  usage(
    plural: string,
    id: string
  ): Promise<{ samples?: UsageSample[]; [key: string]: Json | UsageSample[] | undefined }> {
    return this.request('GET', `/${plural}/${id}/usage`);
  }
}

function batchAnswer(result: { status: number; body: Json }): BatchAnswer {
  if (result.status < 400) {
    return { body: result.body, error: null };
  }
  const { error } = (result.body ?? {}) as { error?: ErrorBody };
  const { code, message, details } = error ?? {
    code: 'http',
    message: `The server answered ${result.status}`,
    details: {}
  };
  return { body: null, error: new ApiError(result.status, code, message, details ?? {}) };
}
