/** Going on with a notebook that was cut off: what its run kept, and a changed notebook on its way to it. */
import { ApiError } from '../api';
import type { Api } from '../api';
import type { JsonObject, Resource } from '../api-types';
import { isObject, plainText } from '../format';

export interface Unsaved {
  name: string;
  type: string;
  reason: string;
}

/** What the run kept of its kernel. */
export interface SavedKernel {
  /** The cell to go on with, counted from 1. */
  cell: number;
  cells: number;
  unsaved: Unsaved[];
  filesLeftOut: string[];
}

/** Null where there is nothing to go on from. */
export function savedKernel(resource: Resource): SavedKernel | null {
  const state = resource.status.outputs.kernel_state;
  if (!isObject(state) || typeof state.cell !== 'number' || typeof state.cells !== 'number') {
    return null;
  }
  const unsaved = Array.isArray(state.unsaved) ? state.unsaved.filter(isObject) : [];
  const files = Array.isArray(state.files_left_out) ? state.files_left_out : [];
  return {
    cell: state.cell,
    cells: state.cells,
    unsaved: unsaved.map(one => ({
      name: plainText(one.name),
      type: plainText(one.type),
      reason: plainText(one.reason)
    })),
    filesLeftOut: files.map(plainText)
  };
}

/** The notebook without its outputs: only its code is sent. */
export function withoutOutputs(notebook: JsonObject): JsonObject {
  const cells = Array.isArray(notebook.cells) ? notebook.cells.filter(isObject) : [];
  return {
    ...notebook,
    cells: cells.map(cell =>
      cell.cell_type === 'code' ? { ...cell, outputs: [], execution_count: null } : cell
    )
  };
}

/** Resume the run with the changed notebook. Throws as the platform refuses; see `changedCell`. */
export async function resumeWith(
  api: Api,
  plural: string,
  id: string,
  notebook: JsonObject,
  startOver = false
): Promise<Resource> {
  const content = new Blob([JSON.stringify(withoutOutputs(notebook))]);
  const { oid, size } = await api.putObject(content);
  return api.act(plural, id, 'resume', { notebook: { oid, size }, start_over: startOver });
}

/** The number of the done cell that was changed, where that is why the platform refused. */
export function changedCell(error: unknown): number | null {
  const cell = error instanceof ApiError ? error.details.changed_cell : null;
  return typeof cell === 'number' ? cell : null;
}
