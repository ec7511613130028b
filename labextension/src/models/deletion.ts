/**
 * Deleting, as the deletion graph wants it: refused while something depends on the resource; on demand all that would
 * go is listed first, then moved to the trash as one, from which it can be taken back.
 */
import { ApiError } from '../api';
import type { Kind, Resource, Summary } from '../api-types';
import type { IOrrery } from '../tokens';

export type DeleteAnswer =
  { result: 'deleted'; removed: Summary[] } | { result: 'in_use'; message: string; dependents: Summary[] };

export class Deletion {
  constructor(private readonly orrery: IOrrery) {}

  async remove(kind: Kind, resource: Resource): Promise<DeleteAnswer> {
    try {
      return { result: 'deleted', removed: await this.orrery.api.remove(kind.plural, resource.id) };
    } catch (error) {
      if (error instanceof ApiError && error.code === 'in_use') {
        return { result: 'in_use', message: error.message, dependents: error.dependents };
      }
      throw error;
    }
  }

  /** All that would go, and the digest that says so. */
  async preview(kind: Kind, resource: Resource): Promise<{ items: Summary[]; digest: string }> {
    const { items, digest } = await this.orrery.api.dependents(kind.plural, resource.id, true);
    return { items: withItself(resource, items), digest: digest ?? '' };
  }

  removeAll(kind: Kind, resource: Resource, digest: string): Promise<Summary[]> {
    return this.orrery.api.remove(kind.plural, resource.id, digest);
  }

  /** Take back from the trash; what others need comes first. */
  async restore(removed: Summary[]): Promise<void> {
    for (const summary of removed) {
      const kind = this.orrery.kinds.get(summary.kind);
      if (kind) {
        const resource = await this.orrery.api.act(kind.plural, summary.id, 'restore');
        this.orrery.events.publish({ type: 'restored', resource });
      }
    }
  }
}

function withItself(resource: Resource, items: Summary[]): Summary[] {
  return [resource, ...items.filter(item => item.id !== resource.id)];
}
