/** Bringing a run's executed notebook, or an algorithm's own, among the user's files. */
import type { Contents } from '@jupyterlab/services';
import { resourcePath } from '../api';
import type { JsonObject } from '../api-types';
import { safeFileName } from '../format';
import type { IOrrery } from '../tokens';
import { readNotebook, writeNotebook } from './contents';

export const NOTEBOOK_FOLDER = 'orrery';

export interface NotebookOf {
  kind: string;
  /** An id or `owner/name`. */
  id: string;
  name: string;
}

export type WhichNotebook = 'replace' | 'keep' | 'cancel';

/** Save it in `orrery/`; where another one has that name, ask. Answers with the path to open, or null. */
export async function openNotebook(
  orrery: IOrrery,
  contents: Contents.IManager,
  ask: (path: string) => Promise<WhichNotebook>,
  of: NotebookOf
): Promise<string | null> {
  const { api, kinds } = orrery;
  await kinds.ready();
  const kind = kinds.get(of.kind);
  if (!kind) {
    throw new Error(`There is no kind '${of.kind}'.`);
  }
  const id = of.id.includes('/') ? (await api.get(kind.plural, of.id)).id : of.id;
  const notebook = await api.request<JsonObject>('GET', `${resourcePath(kind.plural, id)}/notebook`);
  const path = `${NOTEBOOK_FOLDER}/${safeFileName(of.name)}.ipynb`;
  const present = await readNotebook(contents, path);
  if (present !== null && !isSameNotebook(present, notebook)) {
    const answer = await ask(path);
    if (answer === 'cancel') {
      return null;
    }
    if (answer === 'keep') {
      return path;
    }
  }
  await writeNotebook(contents, path, notebook);
  return path;
}

interface Cell {
  cell_type?: string;
  source?: unknown;
  outputs?: unknown;
}

/**
 * Lab rewrites metadata when it saves: two notebooks are the same when their cells and outputs are. Text may be
 * written as one string or as a list of lines.
 */
export function isSameNotebook(a: JsonObject, b: JsonObject): boolean {
  const joined = (_key: string, value: unknown): unknown =>
    Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'string')
      ? value.join('')
      : value;
  const essence = (notebook: JsonObject): string =>
    JSON.stringify(
      ((notebook.cells ?? []) as unknown as Cell[]).map(cell => [
        cell.cell_type,
        cell.source,
        cell.outputs ?? []
      ]),
      joined
    );
  return essence(a) === essence(b);
}
