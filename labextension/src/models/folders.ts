/** Folders that are chosen or dropped, as files with their paths in it; caches and hidden files are left out. */

export interface FolderFile {
  path: string;
  file: File;
}

export interface Gathered {
  files: FolderFile[];
  /** What was left out: a folder by its path with a '/', else a file. */
  left: string[];
  /** The name of the folder that all of them lie in; empty: they were named themselves. */
  folder: string;
}

/** The platform takes so many in one resource. */
export const MAX_FILES = 10_000;

/** Caches that many tools leave beside the code. */
const CACHES = new Set(['__pycache__', '__MACOSX', 'node_modules', 'Thumbs.db', 'desktop.ini']);

export function isLeftOut(name: string): boolean {
  return name.startsWith('.') || CACHES.has(name);
}

/** Of the files of a picker: of a folder, those that are wanted, by their path below it. */
export function gatherPicked(picked: Iterable<File>): Gathered {
  const gathered: Gathered = { files: [], left: [], folder: '' };
  const left = new Set<string>();
  for (const file of picked) {
    const parts = (file.webkitRelativePath || file.name).split('/');
    gathered.folder = parts.length > 1 ? (parts[0] ?? '') : '';
    const below = parts.length > 1 ? parts.slice(1) : parts;
    const hidden = parts.length > 1 ? below.findIndex(isLeftOut) : -1;
    if (hidden >= 0) {
      left.add(below.slice(0, hidden + 1).join('/') + (hidden < below.length - 1 ? '/' : ''));
    } else {
      gathered.files.push({ path: below.join('/'), file });
    }
  }
  gathered.left = [...left];
  return gathered;
}

/** What was dropped. A folder's files are named by their path below it; of several folders with its name before. */
export async function gatherDropped(items: DataTransferItemList): Promise<Gathered> {
  // a browser forgets the items once the event is over
  const dropped = [...items].flatMap(item => {
    // what a page itself made has no entry
    const entry = item.kind === 'file' ? (item.webkitGetAsEntry() ?? item.getAsFile()) : null;
    return entry ? [entry] : [];
  });
  const gathered: Gathered = { files: [], left: [], folder: '' };
  const isOneFolder = dropped.length === 1;
  for (const entry of dropped) {
    if (entry instanceof File) {
      gathered.files.push({ path: entry.name, file: entry });
    } else if (isFolder(entry)) {
      gathered.folder = isOneFolder ? entry.name : '';
      await walk(entry, isOneFolder ? '' : `${entry.name}/`, gathered);
    } else {
      // a file that is named itself is wanted, whatever it is called
      gathered.files.push({ path: entry.name, file: await fileOf(entry as FileSystemFileEntry) });
    }
    if (gathered.files.length > MAX_FILES) {
      break;
    }
  }
  return gathered;
}

async function walk(folder: FileSystemDirectoryEntry, prefix: string, into: Gathered): Promise<void> {
  const reader = folder.createReader();
  // it hands out at most a hundred at once, and nothing once there is no more
  for (let part = await nextOf(reader); part.length > 0; part = await nextOf(reader)) {
    for (const entry of part) {
      const path = prefix + entry.name;
      if (isLeftOut(entry.name)) {
        into.left.push(isFolder(entry) ? `${path}/` : path);
      } else if (isFolder(entry)) {
        await walk(entry, `${path}/`, into);
      } else {
        into.files.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
      }
      if (into.files.length > MAX_FILES) {
        return;
      }
    }
  }
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function nextOf(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** What keeps these files from being sent; empty: nothing. `present`: how many the form has already. */
export function refusalOf(gathered: Gathered, present: number): string {
  const count = gathered.files.length;
  if (count === 0 && gathered.left.length === 0) {
    return 'There is no file in it.';
  }
  if (count === 0) {
    return `There is no file in it but what is left out: ${shown(gathered.left)}.`;
  }
  if (present + count > MAX_FILES) {
    return `These are more than ${MAX_FILES.toLocaleString('en-US')} files, and no more are possible: pack them into one archive, or leave some out.`;
  }
  const long = gathered.files.find(({ path }) => path.length > 1024);
  return long
    ? `The path '${long.path.slice(0, 60)}…' has ${long.path.length} characters; at most 1,024 are possible.`
    : '';
}

/** Some of them, and how many there are besides. */
export function shown(names: string[]): string {
  const most = 5;
  const rest = names.length - most;
  return rest > 0 ? `${names.slice(0, most).join(', ')} and ${rest} more` : names.join(', ');
}
