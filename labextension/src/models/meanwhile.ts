/** A training that waits for a GPU, and its copy that runs on CPU meanwhile. */
import type { Json, Resource } from '../api-types';
import { isObject } from '../format';

/** The action that starts the copy. The phase of the one that waits does not say by itself whether it can. */
export const START_ON_CPU = 'start-on-cpu';

export interface Meanwhile {
  /** The instance type that a copy would start on at once. */
  offer: string | null;
  /** The copy that was started, of one that waits. */
  copy: { id: string; name: string } | null;
  /** The one that waits, of its copy. */
  original: { id: string; name: string } | null;
}

export function meanwhileOf(resource: Resource): Meanwhile {
  const { queue, meanwhile } = resource.status.outputs;
  const offer = isObject(queue) && !resource.status.settled ? queue.meanwhile : null;
  return {
    offer: typeof offer === 'string' ? offer : null,
    copy: readLink(meanwhile),
    original: readLink(resource.spec.meanwhile_of)
  };
}

function readLink(value: Json | undefined): { id: string; name: string } | null {
  return isObject(value) && typeof value.training === 'string' && typeof value.name === 'string'
    ? { id: value.training, name: value.name }
    : null;
}
