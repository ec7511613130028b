/** A notebook of the user's, registered as an algorithm with the modules beside it, so that it can be run as a job. */
import type { Contents } from '@jupyterlab/services';
import { ApiError } from '../api';
import type { Json, JsonObject, Resource, UploadedFile } from '../api-types';
import type { IOrrery } from '../tokens';
import { readContents } from './contents';

/** What goes with a notebook, besides modules. */
const COMPANIONS = new Set(['requirements.txt', 'parameters.schema.json']);
const MOST_FILES = 1000;
/** Code is smaller. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Send it as it lies among the user's files. The algorithm is made, or its files are replaced. */
export async function sendNotebook(
  orrery: IOrrery,
  contents: Contents.IManager,
  path: string
): Promise<Resource> {
  const { api, kinds } = orrery;
  const kind = kinds.get('algorithm');
  const user = kinds.user?.name;
  if (!kind || !user) {
    throw new Error('The platform is not there yet; try again in a moment.');
  }
  const places = [path, ...(await companionsOf(contents, path))];
  const files = await readContents(contents, places);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (size > MOST_BYTES) {
    throw new Error(
      `The notebook and the code beside it have ${Math.round(size / 1024 / 1024)} MiB. ` +
        'Clear its outputs, or bring data as a dataset.'
    );
  }
  const folder = path.split('/').slice(0, -1).join('/');
  const uploaded: UploadedFile[] = [];
  for (const [index, file] of files.entries()) {
    const place = (places[index] ?? file.name).slice(folder === '' ? 0 : folder.length + 1);
    uploaded.push({ ...(await api.putObject(file)), path: place, purpose: null });
  }
  const fileName = path.split('/').pop() ?? path;
  const name = resourceName(fileName.replace(/\.ipynb$/, ''));
  const spec: JsonObject = { files: uploaded as unknown as Json, entry_point: fileName };
  try {
    const known = await api.get(kind.plural, `${user}/${name}`);
    return await api.patch(kind.plural, known.id, { spec });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) {
      throw error;
    }
    return api.create(kind.plural, { name, spec }, crypto.randomUUID());
  }
}

/** Modules, packages and requirements in the notebook's folder. */
export async function companionsOf(contents: Contents.IManager, path: string): Promise<string[]> {
  const beside = await listFolder(contents, path.split('/').slice(0, -1).join('/'));
  const found = beside
    .filter(item => item.type === 'file' && (item.name.endsWith('.py') || COMPANIONS.has(item.name)))
    .map(item => item.path);
  for (const folder of beside.filter(item => item.type === 'directory')) {
    const inside = await listFolder(contents, folder.path);
    if (inside.some(item => item.name === '__init__.py')) {
      found.push(...(await filesBelow(contents, inside)));
    }
    if (found.length > MOST_FILES) {
      throw new Error(
        `There are more than ${MOST_FILES} files of code beside the notebook. Move it into a folder of its own.`
      );
    }
  }
  return found;
}

/** All of a package's files, those of its folders as well. */
async function filesBelow(contents: Contents.IManager, items: Contents.IModel[]): Promise<string[]> {
  const found = items.filter(item => item.type !== 'directory').map(item => item.path);
  for (const folder of items) {
    if (folder.type === 'directory' && folder.name !== '__pycache__' && found.length <= MOST_FILES) {
      found.push(...(await filesBelow(contents, await listFolder(contents, folder.path))));
    }
  }
  return found;
}

async function listFolder(contents: Contents.IManager, path: string): Promise<Contents.IModel[]> {
  const folder = await contents.get(path, { content: true });
  return folder.content as Contents.IModel[];
}

/** A resource's name made of a file's: what may not be in one becomes '-'. */
export function resourceName(stem: string): string {
  const name = stem.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[._-]+/, '');
  return name.slice(0, 63).replace(/[._-]+$/, '') || 'notebook';
}
