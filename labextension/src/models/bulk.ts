/** One act on several resources, in one request, each answered for itself; and the sentence that says what came of it. */
import type { BatchAnswer, BatchOperation } from '../api';
import { errorMessage } from '../api';
import type { JsonObject, Kind, Resource, Summary } from '../api-types';
import { displayName, plural } from '../format';
import type { IOrrery } from '../tokens';

export interface Refusal {
  resource: Resource;
  message: string;
  /** What needs it, where that is why it was refused. */
  dependents: Summary[];
}

export interface BulkResult {
  done: Resource[];
  refused: Refusal[];
}

export class Bulk {
  constructor(
    private readonly orrery: IOrrery,
    readonly kind: Kind
  ) {}

  act(action: string, resources: Resource[]): Promise<BulkResult> {
    return this.run(resources, resource => ({ method: 'POST', path: this.path(resource, action), body: {} }));
  }

  async remove(resources: Resource[]): Promise<BulkResult> {
    return this.run(resources, resource => ({ method: 'DELETE', path: this.path(resource) }));
  }

  restore(resources: Resource[]): Promise<BulkResult> {
    return this.run(resources, resource => ({ method: 'POST', path: this.path(resource, 'restore') }));
  }

  tag(resources: Resource[], change: { add: string[]; remove: string[] }): Promise<BulkResult> {
    return this.run(resources, resource => ({
      method: 'PATCH',
      path: this.path(resource),
      body: { tags: changedTags(resource.tags, change) }
    }));
  }

  private path(resource: Resource, action?: string): string {
    return `/${this.kind.plural}/${resource.id}${action ? `/${action}` : ''}`;
  }

  private async run(
    resources: Resource[],
    operation: (resource: Resource) => BatchOperation
  ): Promise<BulkResult> {
    const answers = await this.orrery.api.batch(resources.map(operation));
    const result: BulkResult = { done: [], refused: [] };
    resources.forEach((resource, index) => {
      const answer: BatchAnswer | undefined = answers[index];
      if (answer?.error) {
        const { error } = answer;
        result.refused.push({ resource, message: errorMessage(error), dependents: error.dependents });
        return;
      }
      result.done.push(resource);
      const changed = answer?.body as JsonObject | null | undefined;
      if (changed?.id === resource.id) {
        this.orrery.events.publish({ type: 'updated', resource: changed as unknown as Resource });
      }
    });
    return result;
  }
}

export function changedTags(tags: string[], change: { add: string[]; remove: string[] }): string[] {
  const kept = tags.filter(tag => !change.remove.includes(tag));
  return [...kept, ...change.add.filter(tag => !kept.includes(tag))];
}

const NAMED = 3;

/** "3 trainings stopped, 1 could not: breast-1 (it is COMPLETE)." */
export function describeResult(kind: Kind, done: string, result: BulkResult): string {
  const count = (number: number): string =>
    plural(number, kind.title.toLowerCase(), kind.title_plural.toLowerCase());
  const parts: string[] = [];
  if (result.done.length > 0) {
    parts.push(`${count(result.done.length)} ${done}`);
  }
  if (result.refused.length > 0) {
    const number = result.refused.length;
    const named = result.refused
      .slice(0, NAMED)
      .map(({ resource, message }) => `${displayName(resource)} (${message.replace(/\.$/, '')})`);
    const more = number > NAMED ? ` and ${number - NAMED} more` : '';
    const subject = parts.length > 0 ? String(number) : count(number);
    parts.push(`${subject} could not: ${named.join('; ')}${more}`);
  }
  return `${parts.join(', ')}.`;
}

const DONE: Record<string, string> = {
  stop: 'stopped',
  start: 'started',
  retry: 'started again',
  archive: 'archived',
  unarchive: 'restored from the archive',
  wake: 'woken',
  sleep: 'put to sleep'
};

export function doneWord(action: string, title: string): string {
  return DONE[action] ?? `done: ${title.toLowerCase()}`;
}
