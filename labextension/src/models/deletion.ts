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

  /** All that would go with several resources, each named once. */
  async previewAll(kind: Kind, resources: Resource[]): Promise<Summary[]> {
    const shown = new Map<string, Summary>();
    for (const resource of resources) {
      const { items } = await this.preview(kind, resource);
      items.forEach(item => shown.set(item.id, item));
    }
    return [...shown.values()];
  }

  /** Remove several with all that needs them, of which nothing may be new since it was shown. */
  async removeShown(kind: Kind, resources: Resource[], shown: Summary[]): Promise<Summary[]> {
    const agreed = new Set(shown.map(item => item.id));
    const removed: Summary[] = [];
    for (const resource of resources) {
      if (removed.some(item => item.id === resource.id)) {
        continue;
      }
      const { items, digest } = await this.preview(kind, resource);
      const added = items.find(item => !agreed.has(item.id));
      if (added) {
        throw new Error(
          `${added.kind} '${added.name}' has come to need ${resource.name} meanwhile; look at the list again.`
        );
      }
      removed.push(...(await this.removeAll(kind, resource, digest)));
    }
    return removed;
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
