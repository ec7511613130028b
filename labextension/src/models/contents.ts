/** The user's own files, through Lab's contents manager: read for an upload, written for a notebook. */
import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import type { JsonObject } from '../api-types';

/** Files of the file browser, as the browser's own, so that they can be uploaded. */
export async function readContents(contents: Contents.IManager, paths: string[]): Promise<File[]> {
  return Promise.all(
    paths.map(async path => {
      const url = await contents.getDownloadUrl(path);
      const response = await ServerConnection.makeRequest(url, { method: 'GET' }, contents.serverSettings);
      if (!response.ok) {
        throw new Error(`'${path}' could not be read: ${response.status} ${response.statusText}.`);
      }
      return new File([await response.blob()], path.split('/').pop() ?? path);
    })
  );
}

/** The notebook at a path, or null where there is none. */
export async function readNotebook(contents: Contents.IManager, path: string): Promise<JsonObject | null> {
  try {
    const model = await contents.get(path, { type: 'notebook', content: true });
    return model.content as JsonObject;
  } catch (error) {
    if (error instanceof ServerConnection.ResponseError && error.response.status === 404) {
      return null;
    }
    throw error;
  }
}

export async function writeNotebook(
  contents: Contents.IManager,
  path: string,
  content: JsonObject
): Promise<void> {
  const folder = path.split('/').slice(0, -1).join('/');
  if (folder !== '') {
    await ensureFolder(contents, folder);
  }
  await contents.save(path, { type: 'notebook', format: 'json', content });
}

async function ensureFolder(contents: Contents.IManager, folder: string): Promise<void> {
  try {
    await contents.get(folder, { content: false });
  } catch (error) {
    if (!(error instanceof ServerConnection.ResponseError) || error.response.status !== 404) {
      throw error;
    }
    await contents.save(folder, { type: 'directory' });
  }
}
