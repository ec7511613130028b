/** Trying an endpoint: what is to be sent, in which of three ways it is written, and what the last calls answered. */
import { ApiError, errorMessage } from '../api';
import type { Json, JsonObject, Resource } from '../api-types';
import { isObject, plainText } from '../format';
import type { IOrrery } from '../tokens';
import type { Answer } from './answers';
import { readAnswer } from './answers';
import type { Field, Problem, TableInput, Value } from './inputs';
import { cellText, exampleRow, fieldsOf, makeRow, readTable, typedValues } from './inputs';
import { Model } from './model';

export type Mode = 'form' | 'table' | 'json';

export interface Deployment {
  id: string;
  model: string;
  modelId: string;
  traffic: number;
}

export interface Call {
  number: number;
  at: Date;
  mode: Mode;
  rows: JsonObject[];
  body: Json;
  seconds: number;
  status: number;
  answeredBy: string | null;
  answer: Answer | null;
  error: { message: string; details: JsonObject } | null;
  problems: Problem[];
}

export const MOST_ROWS = 10_000;
const REMEMBERED = 20;

export function deploymentsOf(endpoint: Resource): Deployment[] {
  const { deployments } = endpoint.status.outputs;
  return (Array.isArray(deployments) ? deployments.filter(isObject) : []).map(item => ({
    id: plainText(item.id),
    model: plainText(item.model),
    modelId: plainText(item.model_id),
    traffic: typeof item.traffic === 'number' ? item.traffic : 0
  }));
}

export class PlaygroundModel extends Model {
  model: Resource | null = null;
  isLoaded = false;
  mode: Mode = 'form';
  values: Record<string, Value> = {};
  tableText = '';
  jsonText = '';
  problems: Problem[] = [];
  calls: Call[] = [];
  shown: Call | null = null;
  isBusy = false;
  /** The deployment that is asked, whatever its share of the traffic; '' as the gateway chooses. */
  deployment: string;
  private counted = 0;

  constructor(
    private readonly orrery: IOrrery,
    public endpoint: Resource,
    onlyModel: string | null = null
  ) {
    super();
    const deployments = deploymentsOf(endpoint);
    this.deployment = deployments.find(item => item.modelId === onlyModel)?.id ?? '';
    void this.load(onlyModel ?? deployments[0]?.modelId ?? firstModel(endpoint));
  }

  get fields(): Field[] {
    return fieldsOf(this.model);
  }

  get task(): string {
    return plainText(this.model?.status.outputs.task);
  }

  get path(): string {
    return `${plainText(this.endpoint.status.outputs.url)}/v1/models/${this.endpoint.name}:predict`;
  }

  get table(): TableInput {
    return readTable(this.fields, this.tableText);
  }

  private async load(modelId: string | null): Promise<void> {
    const kind = this.orrery.kinds.get('model');
    try {
      this.model = kind && modelId ? await this.orrery.api.get(kind.plural, modelId) : null;
    } catch {
      // It may not be readable for this user: then there is no form, and JSON is what can be sent.
      this.model = null;
    }
    this.isLoaded = true;
    if (this.fields.length === 0) {
      this.mode = 'json';
    }
    this.useExample();
  }

  setMode(mode: Mode): void {
    // What was written in the form is what JSON begins with.
    if (mode === 'json' && this.mode === 'form') {
      this.jsonText = pretty(this.bodyOf([makeRow(this.fields, this.values).row]));
    }
    this.mode = mode;
    this.problems = [];
    this.notify();
  }

  setValue(name: string, value: Value): void {
    this.values = { ...this.values, [name]: value };
    this.problems = this.problems.filter(problem => problem.field !== name);
    this.notify();
  }

  setText(text: string): void {
    if (this.mode === 'table') {
      this.tableText = text;
    } else {
      this.jsonText = text;
    }
    this.problems = [];
    this.notify();
  }

  chooseDeployment(id: string): void {
    this.deployment = id;
    const chosen = deploymentsOf(this.endpoint).find(item => item.id === id);
    this.notify();
    if (chosen && chosen.modelId !== this.model?.id) {
      void this.load(chosen.modelId);
    }
  }

  useExample(): void {
    const row = exampleRow(this.model);
    this.values = typedValues(this.fields, row);
    this.jsonText = pretty(this.bodyOf([row]));
    const names = this.fields.map(field => field.name);
    this.tableText =
      names.length > 0 ? [names, names.map(name => cellText(row[name]))].map(csvLine).join('\n') : '';
    this.problems = [];
    this.notify();
  }

  clear(): void {
    this.values = {};
    this.tableText = '';
    this.jsonText = '';
    this.problems = [];
    this.notify();
  }

  /** Show a call again, with what was sent in it. */
  show(call: Call): void {
    this.shown = call;
    this.mode = call.mode;
    if (call.mode === 'form') {
      this.values = { ...this.values, ...typedValues(this.fields, call.rows[0] ?? {}) };
    } else if (call.mode === 'json') {
      this.jsonText = pretty(call.body);
    }
    this.problems = call.problems;
    this.notify();
  }

  /** What would be sent now; null while it cannot be. */
  draft(): { body: Json; rows: JsonObject[] } | { problems: Problem[] } {
    if (this.mode === 'json') {
      try {
        const body = JSON.parse(this.jsonText) as Json;
        const instances = isObject(body) && Array.isArray(body.instances) ? body.instances : [];
        return { body, rows: instances.filter(isObject) };
      } catch (error) {
        return { problems: [{ field: '', message: `This is not JSON: ${errorMessage(error)}` }] };
      }
    }
    if (this.mode === 'form') {
      const { row, problems } = makeRow(this.fields, this.values);
      return problems.length > 0 ? { problems } : { body: this.bodyOf([row]), rows: [row] };
    }
    const { rows, problems } = this.table;
    if (rows.length > MOST_ROWS) {
      const message = `${rows.length} rows are more than one call should carry; take at most ${MOST_ROWS}`;
      return { problems: [{ field: '', message }] };
    }
    if (problems.length === 0 && rows.length === 0) {
      return { problems: [{ field: '', message: 'Paste a table, or choose a file.' }] };
    }
    return problems.length > 0 ? { problems } : { body: this.bodyOf(rows), rows };
  }

  async submit(): Promise<void> {
    const draft = this.draft();
    if ('problems' in draft) {
      this.problems = draft.problems;
      this.notify();
      return;
    }
    this.isBusy = true;
    this.problems = [];
    this.notify();
    const { mode, api } = { mode: this.mode, api: this.orrery.api };
    const startedAt = performance.now();
    const call: Call = {
      ...draft,
      mode,
      number: (this.counted += 1),
      at: new Date(),
      seconds: 0,
      status: 200,
      answeredBy: null,
      answer: null,
      error: null,
      problems: []
    };
    try {
      const headers: Record<string, string> = this.deployment
        ? { 'X-Orrery-Deployment': this.deployment }
        : {};
      const response = await api.fetch('POST', api.platformUrl(this.path), { body: draft.body, headers });
      const text = await response.text();
      call.seconds = (performance.now() - startedAt) / 1000;
      call.answeredBy = response.headers.get('X-Orrery-Deployment');
      const { classes } = this.model?.status.outputs ?? {};
      call.answer = readAnswer(parse(text), this.task, Array.isArray(classes) ? classes : []);
    } catch (error) {
      call.seconds = (performance.now() - startedAt) / 1000;
      call.status = error instanceof ApiError ? error.status : 0;
      const details = error instanceof ApiError ? error.details : {};
      call.error = { message: errorMessage(error), details };
      call.problems = problemsOf(details, call.error.message);
    }
    this.isBusy = false;
    this.problems = call.problems;
    this.calls = [call, ...this.calls].slice(0, REMEMBERED);
    this.shown = call;
    this.notify();
  }

  private bodyOf(rows: JsonObject[]): JsonObject {
    const { outputs } = this.model?.status.outputs ?? {};
    const gives =
      Array.isArray(outputs) && outputs.some(output => isObject(output) && output.name === 'probabilities');
    return { instances: rows, ...(gives ? { parameters: { probabilities: true } } : {}) };
  }
}

/** The server names the column, and the row where there are several. */
function problemsOf(details: JsonObject, message: string): Problem[] {
  const { column, row } = details;
  if (typeof column !== 'string') {
    return [];
  }
  return [{ field: column, message, ...(typeof row === 'number' ? { row } : {}) }];
}

function firstModel(endpoint: Resource): string | null {
  return endpoint.references.find(reference => reference.kind === 'model')?.id ?? null;
}

function pretty(body: Json): string {
  return JSON.stringify(body, null, 2);
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function csvLine(cells: string[]): string {
  return cells.map(cell => (/[",\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell)).join(',');
}
