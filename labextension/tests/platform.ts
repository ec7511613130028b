/** A platform in memory, answering over `fetch` as the real one does: the panels' models run against it unchanged. */
import { ServerConnection } from '@jupyterlab/services';
import { Api } from '../src/api';
import type { JsonObject, Kind, Resource, ResourceEvent } from '../src/api-types';
import { ActivityModel } from '../src/models/activity';
import { Dashboards } from '../src/models/dashboards';
import { EventStream } from '../src/models/events';
import { Kinds } from '../src/models/kinds';
import { PlatformModel } from '../src/models/platform';
import type { IOrrery } from '../src/tokens';

const BASE = 'http://localhost/';

export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  body: JsonObject | null;
  headers: Headers;
}

type Answer = { status?: number; body?: unknown; stream?: ReadableStream<Uint8Array> };
type Handler = (call: Call) => Answer | undefined;

export class MemoryPlatform {
  readonly calls: Call[] = [];
  private readonly handlers: Handler[] = [];
  readonly api: Api;

  constructor() {
    this.on('GET', '/orrery/readyz', () => ({ body: { status: 'ready' } }));
    this.api = new Api(
      ServerConnection.makeSettings({
        baseUrl: BASE,
        token: '',
        fetch: (input, init) => this.fetch(input, init),
        Request: Request,
        Headers: Headers
      })
    );
  }

  /** The newest rule is asked first. */
  on(method: string, path: string, answer: (call: Call) => Answer): void {
    this.handlers.unshift(call => (call.method === method && call.path === path ? answer(call) : undefined));
  }

  make(kinds: Kind[] = [TRAINING, DATASET, ALGORITHM]): IOrrery {
    const platform = new PlatformModel(this.api);
    const all = new Kinds(this.api, platform);
    all.set(kinds, { name: 'alice', groups: [], admin: false, mode: 'local' });
    const events = new EventStream(this.api, platform);
    return {
      api: this.api,
      platform,
      kinds: all,
      events,
      activity: new ActivityModel(this.api, all, events),
      dashboards: new Dashboards(this.api, platform)
    };
  }

  private async fetch(input: RequestInfo, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const text = await request.text();
    const call: Call = {
      method: request.method,
      path: url.pathname.replace('/orrery/api/v1', ''),
      query: url.searchParams,
      body: text ? (JSON.parse(text) as JsonObject) : null,
      headers: request.headers
    };
    this.calls.push(call);
    for (const handler of this.handlers) {
      const answer = handler(call);
      if (answer) {
        const body = answer.stream ?? (answer.body === undefined ? null : JSON.stringify(answer.body));
        return new Response(body, { status: answer.status ?? 200 });
      }
    }
    return new Response(JSON.stringify({ error: { code: 'not_found', message: call.path } }), {
      status: 404
    });
  }
}

export function makeResource(change: Partial<Resource> = {}): Resource {
  return {
    id: 'trn_1',
    kind: 'training',
    name: 'breast',
    version: null,
    owner: 'alice',
    visibility: 'private',
    group: null,
    description: '',
    tags: [],
    spec: {},
    target: 'running',
    status: {
      phase: 'RUNNING',
      state: 'Running',
      settled: false,
      reason: '',
      message: '',
      progress: null,
      started_at: '2026-01-01T00:00:00Z',
      ended_at: null,
      duration_seconds: null,
      earlier_seconds: 0,
      outputs: {}
    },
    references: [],
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    deleted_at: null,
    etag: '1',
    ...change
  };
}

export function event(type: 'created' | 'updated' | 'deleted', resource: Resource): ResourceEvent {
  return { type, resource };
}

function makeKind(change: Partial<Kind>): Kind {
  return {
    kind: 'training',
    plural: 'trainings',
    title: 'Training',
    title_plural: 'Trainings',
    section: 'training',
    order: 1,
    versioned: false,
    creatable: true,
    columns: [],
    spec_schema: { type: 'object', properties: {} },
    mutable: ['name', 'description', 'tags', 'visibility'],
    actions: [],
    phases: [
      { name: 'RUNNING', title: 'Running', state: 'Running', settled: false },
      { name: 'COMPLETE', title: 'Complete', state: 'Completed', settled: true }
    ],
    tabs: ['overview'],
    ...change
  };
}

export const TRAINING = makeKind({
  spec_schema: {
    type: 'object',
    required: ['algorithm'],
    properties: {
      algorithm: { type: 'string', title: 'Algorithm', 'x-orrery-ref': 'algorithm' },
      datasets: {
        type: 'object',
        title: 'Datasets',
        'x-orrery-datasets-of': 'algorithm',
        additionalProperties: { type: 'string', 'x-orrery-ref': 'dataset' }
      },
      parameters: {
        type: 'object',
        title: 'Parameters',
        additionalProperties: true,
        'x-orrery-parameters-of': 'algorithm'
      },
      max_seconds: {
        anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }],
        default: null,
        title: 'Max Seconds'
      }
    }
  }
});

export const DATASET = makeKind({
  kind: 'dataset',
  plural: 'datasets',
  title: 'Dataset',
  title_plural: 'Datasets',
  section: 'data',
  mutable: ['name', 'description', 'spec.files'],
  spec_schema: {
    type: 'object',
    required: ['files'],
    properties: {
      files: {
        type: 'array',
        title: 'Files',
        minItems: 1,
        'x-orrery-upload': true,
        items: {
          type: 'object',
          properties: { path: { type: 'string' }, oid: { type: 'string' }, size: { type: 'integer' } }
        }
      },
      publish: { type: 'boolean', title: 'Publish', default: false }
    }
  }
});

export const ALGORITHM = makeKind({
  kind: 'algorithm',
  plural: 'algorithms',
  title: 'Algorithm',
  title_plural: 'Algorithms',
  creatable: false
});

export const XGBOOST = makeResource({
  id: 'alg_1',
  kind: 'algorithm',
  name: 'xgboost',
  owner: 'orrery',
  spec: {
    datasets: [
      { name: 'train', title: 'Training data', required: true },
      { name: 'validation', title: 'Validation data', required: false }
    ],
    parameters_schema: {
      type: 'object',
      properties: {
        target: { type: 'string', title: 'Target', 'x-orrery-column': true },
        rounds: { type: 'integer', title: 'Rounds', default: 300, minimum: 1, maximum: 10000 }
      }
    }
  }
});

/** Wait until it is so; fail with what was waited for. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) {
      throw new Error(`never came: ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
