import { expect, test } from 'vitest';
import { gatherDropped, gatherPicked, refusalOf, shown } from '../src/models/folders';
import { proposeEntry, proposeName } from '../src/models/proposals';

function picked(path: string): File {
  const file = new File(['x'], path.split('/').pop() ?? '');
  Object.defineProperty(file, 'webkitRelativePath', { value: path.includes('/') ? path : '' });
  return file;
}

test('a chosen folder gives its files by their path below it, without caches and hidden files', () => {
  const paths = ['code/train.py', 'code/lib/a.py', 'code/.git/config', 'code/.git/HEAD'];
  const gathered = gatherPicked([...paths, 'code/lib/__pycache__/a.pyc', 'code/.env'].map(picked));
  expect(gathered.files.map(({ path }) => path)).toEqual(['train.py', 'lib/a.py']);
  expect(gathered.left).toEqual(['.git/', 'lib/__pycache__/', '.env']);
  expect(gathered.folder).toBe('code');
  expect(gatherPicked([picked('.hidden.csv')]).files).toHaveLength(1);
  expect(gatherPicked([picked('a.csv')]).folder).toBe('');
});

interface Tree {
  [name: string]: Tree | string;
}

/** As a browser hands it out: a hundred entries at once at most. */
function entryOf(name: string, content: Tree | string): FileSystemEntry {
  if (typeof content === 'string') {
    const file = (take: (file: File) => void): void => take(new File([content], name));
    return { name, isDirectory: false, isFile: true, file } as unknown as FileSystemEntry;
  }
  const createReader = (): unknown => {
    const left = Object.entries(content).map(([child, of]) => entryOf(child, of));
    return { readEntries: (take: (part: FileSystemEntry[]) => void) => take(left.splice(0, 100)) };
  };
  return { name, isDirectory: true, isFile: false, createReader } as unknown as FileSystemEntry;
}

function dropped(tree: Tree): DataTransferItemList {
  return Object.entries(tree).map(([name, content]) => ({
    kind: 'file',
    webkitGetAsEntry: () => entryOf(name, content)
  })) as unknown as DataTransferItemList;
}

test('a dropped folder is read to its end, however many files it has', async () => {
  const many = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`${index}.csv`, 'x']));
  const gathered = await gatherDropped(dropped({ data: { part: many, '.ipynb_checkpoints': { a: 'x' } } }));
  expect(gathered.files).toHaveLength(250);
  expect(gathered.files[0]?.path).toBe('part/0.csv');
  expect(gathered.left).toEqual(['.ipynb_checkpoints/']);
});

test('several that are dropped keep the names of their folders', async () => {
  const { files } = await gatherDropped(dropped({ a: { 'x.csv': '1' }, b: { 'x.csv': '2' }, 'c.csv': '3' }));
  expect(files.map(({ path }) => path)).toEqual(['a/x.csv', 'b/x.csv', 'c.csv']);
});

test('what cannot be taken is said before anything is sent', async () => {
  const file = new File(['x'], 'x');
  expect(refusalOf({ files: [], left: [], folder: '' }, 0)).toContain('no file in it');
  expect(refusalOf(await gatherDropped(dropped({ a: { '.git': { b: 'x' } } })), 0)).toContain(
    'left out: .git/'
  );
  expect(refusalOf({ files: [{ path: 'a', file }], left: [], folder: '' }, 9_999)).toBe('');
  expect(refusalOf({ files: [{ path: 'a', file }], left: [], folder: '' }, 10_000)).toContain(
    'more than 10,000 files'
  );
  expect(refusalOf({ files: [{ path: 'a'.repeat(1025), file }], left: [], folder: '' }, 0)).toContain(
    '1025 characters'
  );
  expect(shown(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).toBe('a, b, c, d, e and 2 more');
});

test('files propose a name: their folder, else the program that is run, else the first', () => {
  expect(proposeName(['requirements.txt', 'train.py'], 'mytrain')).toBe('mytrain');
  expect(proposeName(['a.csv'], 'my data.v2')).toBe('my-data.v2');
  expect(proposeName(['requirements.txt', 'forest.py'], '')).toBe('forest');
  expect(proposeName(['b.csv', 'a.csv'], '')).toBe('b');
  expect(proposeName([], '')).toBe('');
});

test.each([
  [['forest.py', 'requirements.txt', 'lib/a.py', 'lib/b.py'], 'forest.py'],
  [['train.ipynb'], 'train.ipynb'],
  [['main.py', 'helpers.py'], 'main.py'],
  [['main.py', 'train.py'], 'train.py'],
  [['src/only.py', 'README.md'], 'src/only.py'],
  [['a.py', 'b.py'], ''],
  [['src/train.py', 'src/b.py'], ''],
  [['data.csv'], '']
])('of %j it is %s that is run', (paths, entry) => {
  expect(proposeEntry(paths)).toBe(entry);
});
