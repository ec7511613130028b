/** A notebook of the user's, registered as an algorithm with the modules beside it, so that it can be run as a job. */
import type { Contents } from '@jupyterlab/services';
import { ApiError } from '../api';
import type { Json, JsonObject, Resource, UploadedFile } from '../api-types';
import type { IOrrery } from '../tokens';
import { readContents } from './contents';

/** What goes with a notebook, besides modules. */
const COMPANIONS = new Set(['requirements.txt', 'parameters.schema.json']);
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
  const files = await readContents(contents, [path, ...(await companionsOf(contents, path))]);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (size > MOST_BYTES) {
    throw new Error(
      `The notebook and the code beside it have ${Math.round(size / 1024 / 1024)} MiB. ` +
        'Clear its outputs, or bring data as a dataset.'
    );
  }
  const uploaded: UploadedFile[] = [];
  for (const file of files) {
    uploaded.push({ ...(await api.putObject(file)), path: file.name, purpose: null });
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

/** Modules and requirements in the notebook's folder. */
async function companionsOf(contents: Contents.IManager, path: string): Promise<string[]> {
  const folder = await contents.get(path.split('/').slice(0, -1).join('/'), { content: true });
  return (folder.content as Contents.IModel[])
    .filter(item => item.type === 'file' && (item.name.endsWith('.py') || COMPANIONS.has(item.name)))
    .map(item => item.path);
}

/** A resource's name made of a file's: what may not be in one becomes '-'. */
export function resourceName(stem: string): string {
  const name = stem.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[._-]+/, '');
  return name.slice(0, 63).replace(/[._-]+$/, '') || 'notebook';
}
