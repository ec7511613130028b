/**
 * YAML of resources: written, looked at, and applied. What it means is known to the Jupyter server, which asks the same
 * code as `orrery export` and `orrery apply` do.
 */
import type { Api } from '../api';
import { ApiError, errorMessage } from '../api';
import type { JsonObject } from '../api-types';
import { Model } from './model';

/** The server reads no more. */
export const MAX_YAML_BYTES = 1 << 20;

export interface PlannedStep {
  label: string;
  kind: string;
  does: 'create' | 'change' | 'nothing';
  line: number | null;
  /** `spec.parameters.rounds: 4 -> 9` */
  differences: string[];
}

interface Plan {
  /** Names exactly these steps: others are not done. */
  plan: string;
  steps: PlannedStep[];
}

interface DoneStep {
  label: string;
  kind: string;
  does: PlannedStep['does'];
  id: string | null;
}

export interface ImportProblem {
  message: string;
  line: number | null;
}

/** The resources of a kind as the text that makes them anew. */
export async function exportYaml(api: Api, kind: string, ids: readonly string[]): Promise<string> {
  const items = ids.map(id => ({ kind, id }));
  return (await api.extension<{ text: string }>('POST', 'manifests/export', { items })).text;
}

/** What a form holds, as the text that makes it. */
export async function draftYaml(api: Api, kind: string, draft: JsonObject): Promise<string> {
  return (await api.extension<{ text: string }>('POST', 'manifests/draft', { ...draft, kind })).text;
}

export function isYamlFile(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name);
}

/** A file's text. Raises: Error for one that is too large to be read. */
export async function readYamlFile(file: File): Promise<string> {
  if (file.size > MAX_YAML_BYTES) {
    const size = file.size.toLocaleString('en-US');
    throw new Error(
      `${file.name} has ${size} bytes; at most ${MAX_YAML_BYTES.toLocaleString('en-US')} are read: split it into several files.`
    );
  }
  return file.text();
}

/** One import: a text, what it would do, and how far that has got. */
export class ImportModel extends Model {
  text = '';
  name = '';
  steps: PlannedStep[] | null = null;
  /** By the step's label. */
  readonly done = new Map<string, DoneStep>();
  problem: ImportProblem | null = null;
  isBusy = false;
  isApplying = false;
  isApplied = false;
  private plan = '';
  private request: AbortController | null = null;

  constructor(private readonly api: Api) {
    super();
  }

  override dispose(): void {
    this.stop();
    super.dispose();
  }

  setText(text: string, name = ''): void {
    this.text = text;
    this.name = name;
    this.steps = null;
    this.done.clear();
    this.problem = null;
    this.isApplied = false;
    this.notify();
  }

  async read(file: File): Promise<void> {
    try {
      this.setText(await readYamlFile(file), file.name);
      await this.look();
    } catch (error) {
      this.setText('', file.name);
      this.refused(error);
    }
  }

  /** Ask what it would do. */
  async look(): Promise<void> {
    if (this.isBusy) {
      return;
    }
    this.steps = null;
    this.done.clear();
    this.isApplied = false;
    await this.work(async () => {
      const body = { text: this.text, ...(this.name === '' ? {} : { name: this.name }) };
      const { text } = this;
      const { plan, steps } = await this.api.extension<Plan>('POST', 'manifests/plan', body);
      if (text === this.text) {
        this.plan = plan;
        this.steps = steps;
      }
    });
  }

  /** What has to be done: steps that leave nothing to do are not counted. */
  get changes(): PlannedStep[] {
    return (this.steps ?? []).filter(step => step.does !== 'nothing');
  }

  async apply(): Promise<void> {
    if (this.isBusy || this.steps === null) {
      return;
    }
    const request = new AbortController();
    this.request = request;
    this.isApplying = true;
    await this.work(async () => {
      const body = { text: this.text, plan: this.plan, ...(this.name === '' ? {} : { name: this.name }) };
      await this.api.extensionLines(
        'manifests/apply',
        body,
        line => {
          const step = line as unknown as DoneStep;
          this.done.set(step.label, step);
          this.notify();
        },
        request.signal
      );
      this.isApplied = true;
    });
    this.isApplying = false;
    this.notify();
  }

  /** What is being done is still done; nothing is begun after it. */
  stop(): void {
    this.request?.abort();
  }

  private async work(task: () => Promise<void>): Promise<void> {
    this.isBusy = true;
    this.problem = null;
    this.notify();
    try {
      await task();
    } catch (error) {
      this.refused(error);
    } finally {
      this.isBusy = false;
      this.notify();
    }
  }

  private refused(error: unknown): void {
    const line = error instanceof ApiError ? error.details.line : null;
    this.problem = this.request?.signal.aborted
      ? { message: 'Stopped: what was being done is done; nothing was begun after it.', line: null }
      : { message: errorMessage(error), line: typeof line === 'number' ? line : null };
    this.request = null;
    this.notify();
  }
}
