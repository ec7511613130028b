/** Bringing a run's executed notebook, or an algorithm's own, among the user's files. */
import type { Contents } from '@jupyterlab/services';
import { resourcePath } from '../api';
import type { Json, JsonObject, Resource } from '../api-types';
import { isObject, pythonLiteral, readableSpec, safeFileName } from '../format';
import type { IOrrery } from '../tokens';
import { readNotebook, writeNotebook } from './contents';

export const NOTEBOOK_FOLDER = 'orrery';

export interface NotebookOf {
  kind: string;
  /** An id or `owner/name`. */
  id: string;
  name: string;
  /** Written into a cell of their own, after the parameters cell, as a run does. */
  parameters?: JsonObject;
  /** To change and run again: without outputs, and with what it was run with in its metadata. */
  fork?: JsonObject;
  /**
   * To change and go on with: without the cells that the run has added, so that cells count as in its source, and
   * without what those left that are not done.
   */
  edited?: boolean;
}

/** Where a fork's metadata says what it was run with; the panels in notebooks write the same. */
const FORK = 'orrery_fork';
/** What running leaves in the metadata of a notebook and of its cells. */
const OF_A_RUN = new Set(['papermill', 'execution', 'widgets']);

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
  const fetched = await api.request<JsonObject>('GET', `${resourcePath(kind.plural, id)}/notebook`);
  const own = of.edited ? withoutUndone(withoutAdded(fetched)) : fetched;
  const forked = of.fork ? forkOf(own, of.fork) : own;
  const notebook = of.parameters ? withParameters(forked, of.parameters) : forked;
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
  id?: string;
  cell_type?: string;
  metadata?: JsonObject & { tags?: string[] };
  execution_count?: number | null;
  source?: unknown;
  outputs?: unknown;
}

/** The notebook with these values set after its parameters cell; at its top where it has none. */
export function withParameters(notebook: JsonObject, parameters: JsonObject): JsonObject {
  const names = Object.keys(parameters);
  if (names.length === 0) {
    return notebook;
  }
  const isTagged = (cell: Cell, tag: string): boolean => cell.metadata?.tags?.includes(tag) === true;
  const cells = ((notebook.cells ?? []) as unknown as Cell[]).filter(
    cell => !isTagged(cell, 'injected-parameters')
  );
  const injected: Cell = {
    id: 'injected-parameters',
    cell_type: 'code',
    metadata: { tags: ['injected-parameters'] },
    execution_count: null,
    outputs: [],
    source: [
      '# Parameters',
      ...names.map(name => `${name} = ${pythonLiteral(parameters[name] ?? null)}`)
    ].join('\n')
  };
  cells.splice(cells.findIndex(cell => isTagged(cell, 'parameters')) + 1, 0, injected);
  return { ...notebook, cells: cells as unknown as Json };
}

/** Without what running has added: its parameters, and the notes where it was cut off. */
export function withoutAdded(notebook: JsonObject): JsonObject {
  const isAdded = ({ metadata }: Cell): boolean =>
    metadata?.tags?.includes('papermill-error-cell-tag') === true ||
    (isObject(metadata?.papermill) && metadata.papermill.added === true);
  const cells = ((notebook.cells ?? []) as unknown as Cell[]).filter(cell => !isAdded(cell));
  return { ...notebook, cells: cells as unknown as Json };
}

/** Without the outputs of cells that were cut off or never begun: an error would stand under the cell that is mended. */
export function withoutUndone(notebook: JsonObject): JsonObject {
  const isUndone = ({ cell_type, metadata }: Cell): boolean =>
    cell_type === 'code' &&
    isObject(metadata?.papermill) &&
    metadata.papermill.status !== undefined &&
    metadata.papermill.status !== 'completed';
  const cells = ((notebook.cells ?? []) as unknown as Cell[]).map(cell =>
    isUndone(cell) ? { ...cell, outputs: [], execution_count: null } : cell
  );
  return { ...notebook, cells: cells as unknown as Json };
}

/** What `run_notebook` and *Run as job* take to run it again. */
export function runOptions(run: Resource): JsonObject {
  const { datasets, parameters, register_model } = readableSpec(run);
  return {
    of: `${run.owner}/${run.name}`,
    datasets: datasets ?? {},
    parameters: parameters ?? {},
    register_model: register_model === true
  };
}

export function forkOf(notebook: JsonObject, run: JsonObject): JsonObject {
  const bare = (metadata: Json | undefined): JsonObject =>
    Object.fromEntries(
      Object.entries(isObject(metadata) ? metadata : {}).filter(([key]) => !OF_A_RUN.has(key))
    );
  const cells = ((notebook.cells ?? []) as unknown as Cell[]).map(cell => ({
    ...cell,
    metadata: bare(cell.metadata),
    ...(cell.cell_type === 'code' ? { outputs: [], execution_count: null } : {})
  }));
  return {
    ...notebook,
    cells: cells as unknown as Json,
    metadata: { ...bare(notebook.metadata), [FORK]: run }
  };
}

/** The part of a training's spec that a fork was run with; empty for any other notebook. */
export function forkedSpec(notebook: JsonObject | null): JsonObject {
  const fork = isObject(notebook?.metadata) ? notebook.metadata[FORK] : null;
  if (!isObject(fork)) {
    return {};
  }
  const { datasets, parameters, register_model } = fork;
  return {
    ...(isObject(datasets) ? { datasets } : {}),
    ...(isObject(parameters) ? { parameters } : {}),
    ...(typeof register_model === 'boolean' ? { register_model } : {})
  };
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
