import { Signal } from '@lumino/signaling';
import type { Contents } from '@jupyterlab/services';
import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '../src/api';
import type { JsonObject, Resource } from '../src/api-types';
import { localMinute, nextTime } from '../src/forms/inputs';
import { withoutUndone } from '../src/models/notebooks';
import { ResultNotebooks } from '../src/models/result-notebooks';
import { changedCell, resumeWith, savedKernel, withoutOutputs } from '../src/models/resume-notebook';
import { companionsOf } from '../src/models/send-notebook';
import { MemoryPlatform, makeResource } from './platform';

/** Files in memory, listed as Jupyter's contents API does. */
class MemoryContents {
  readonly fileChanged = new Signal<this, never>(this);
  readonly saved = new Map<string, unknown>();

  constructor(private readonly paths: string[] = []) {}

  get manager(): Contents.IManager {
    return this as unknown as Contents.IManager;
  }

  get(path: string): Promise<unknown> {
    const prefix = path === '' ? '' : `${path}/`;
    const names = this.paths.filter(one => one.startsWith(prefix)).map(one => one.slice(prefix.length));
    const content = [...new Set(names.map(name => name.split('/')[0] ?? ''))].map(name => ({
      name,
      path: prefix + name,
      type: names.includes(name) ? 'file' : 'directory'
    }));
    return Promise.resolve({ content });
  }

  save(path: string, model: { content?: unknown }): Promise<unknown> {
    this.saved.set(path, model.content);
    return Promise.resolve({});
  }
}

function memoryStorage(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value)
  } as Storage;
}

describe('what goes with a notebook', () => {
  it('is the modules, packages and requirements beside it', async () => {
    const contents = new MemoryContents([
      'work/report.ipynb',
      'work/other.ipynb',
      'work/helper.py',
      'work/requirements.txt',
      'work/table.csv',
      'work/tools/__init__.py',
      'work/tools/deep/words.txt',
      'work/tools/__pycache__/x.pyc',
      'work/data/big.csv'
    ]);
    expect(await companionsOf(contents.manager, 'work/report.ipynb')).toEqual([
      'work/helper.py',
      'work/requirements.txt',
      'work/tools/__init__.py',
      'work/tools/deep/words.txt'
    ]);
  });

  it('is refused where it is too much to be code', async () => {
    const many = Array.from({ length: 1001 }, (_, index) => `tools/m${index}.py`);
    const contents = new MemoryContents(['a.ipynb', 'tools/__init__.py', ...many]);
    await expect(companionsOf(contents.manager, 'a.ipynb')).rejects.toThrow('a folder of its own');
  });
});

describe('the result of a notebook', () => {
  it('is written beside it while it runs, also when it is resumed', async () => {
    const platform = new MemoryPlatform();
    let settled = false;
    platform.on('GET', '/trainings/trn_1', () => ({
      body: makeResource({ status: { ...makeResource().status, settled } })
    }));
    platform.on('GET', '/trainings/trn_1/notebook', () => ({
      body: { cells: [settled ? 'last' : 'first'] }
    }));
    const orrery = platform.make();
    const contents = new MemoryContents();
    const storage = memoryStorage();
    const results = new ResultNotebooks(orrery, contents.manager, storage);
    const path = 'work/report-1.ipynb';
    const announced: unknown[] = [];
    orrery.api.extension = <T>(...call: unknown[]): Promise<T> => {
      announced.push(call);
      return Promise.resolve({ followed: true, path } as T);
    };
    await results.follow(makeResource({ name: 'report-1' }), 'work/report.ipynb');
    // named by the server, by the rule of the command line
    expect(results.targetOf('trn_1')).toBe(path);
    await vi.waitFor(() => expect(contents.saved.get(path)).toEqual({ cells: ['first'] }));
    // the Jupyter server brings it where no page is open
    const source = 'work/report.ipynb';
    expect(announced).toEqual([['POST', 'results', { run: 'trn_1', name: 'alice/report-1', source }]]);
    results.dispose();

    // the page was loaded again
    settled = true;
    const again = new ResultNotebooks(orrery, contents.manager, storage);
    orrery.events.reset.emit();
    await vi.waitFor(() => expect(contents.saved.get(path)).toEqual({ cells: ['last'] }));
    await vi.waitFor(() => expect(again.targetOf('trn_1')).toBeUndefined());
    again.dispose();

    // and once more, before the run was resumed: an end that is told again is no reason to write
    const resumed = new ResultNotebooks(orrery, contents.manager, storage);
    const run = (isSettled: boolean, etag: string): Resource =>
      makeResource({ etag, status: { ...makeResource().status, settled: isSettled } });
    contents.saved.clear();
    orrery.events.publish({ type: 'updated', resource: run(true, '2') });
    expect(resumed.targetOf('trn_1')).toBeUndefined();
    settled = false;
    orrery.events.publish({ type: 'updated', resource: run(false, '3') });
    await vi.waitFor(() => expect(contents.saved.get(path)).toEqual({ cells: ['first'] }));
    expect(resumed.targetOf('trn_1')).toBe(path);
    resumed.dispose();
  });
});

describe('going on with a notebook', () => {
  it('edits a copy without what the cells left that are not done', () => {
    const cell = (status: string | null, cell_type = 'code'): JsonObject => ({
      cell_type,
      metadata: status === null ? {} : { papermill: { status } },
      outputs: [{ output_type: 'stream', text: 'x' }],
      execution_count: 1
    });
    const cells = [cell('completed'), cell(null), cell('failed'), cell('pending')];
    const copy = withoutUndone({ cells }).cells as JsonObject[];
    expect(copy.map(({ outputs }) => (outputs as unknown[]).length)).toEqual([1, 1, 0, 0]);
    expect(copy.map(({ execution_count }) => execution_count)).toEqual([1, 1, null, null]);
  });

  it('knows where, and what it will lack', () => {
    const status = makeResource().status;
    expect(savedKernel(makeResource())).toBeNull();
    const kernel_state = {
      cell: 7,
      cells: 9,
      unsaved: [{ name: 'lock', type: '_thread.lock', reason: 'no' }],
      files_left_out: ['table.csv']
    };
    expect(savedKernel(makeResource({ status: { ...status, outputs: { kernel_state } } }))).toEqual({
      cell: 7,
      cells: 9,
      unsaved: [{ name: 'lock', type: '_thread.lock', reason: 'no' }],
      filesLeftOut: ['table.csv']
    });
  });

  it('sends the code alone, and tells which done cell was changed', async () => {
    const notebook: JsonObject = {
      cells: [
        { cell_type: 'code', source: '1', outputs: [{ text: 'x' }], execution_count: 4 },
        { cell_type: 'markdown', source: 'a' }
      ]
    };
    expect(withoutOutputs(notebook).cells).toEqual([
      { cell_type: 'code', source: '1', outputs: [], execution_count: null },
      { cell_type: 'markdown', source: 'a' }
    ]);
    const platform = new MemoryPlatform();
    platform.api.putObject = () => Promise.resolve({ oid: 'o', size: 3 });
    platform.on('POST', '/trainings/trn_1/resume', call => {
      expect(call.body).toEqual({ notebook: { oid: 'o', size: 3 }, start_over: false });
      return {
        status: 422,
        body: { error: { code: 'invalid', message: 'no', details: { changed_cell: 2 } } }
      };
    });
    const refused: unknown = await resumeWith(platform.api, 'trainings', 'trn_1', notebook).catch(
      (error: unknown) => error
    );
    expect(refused).toBeInstanceOf(ApiError);
    expect(changedCell(refused)).toBe(2);
    expect(changedCell(new Error('other'))).toBeNull();
  });
});

describe('a moment in a form', () => {
  it('is shown by the clock here', () => {
    expect(localMinute(new Date(2026, 0, 31, 22, 5))).toBe('2026-01-31T22:05');
    expect(localMinute(new Date('never'))).toBe('');
  });

  it('may be the next time that it is ten in the evening', () => {
    const at = (day: number, hour: number, minute = 0): Date => new Date(2026, 0, day, hour, minute);
    expect(nextTime(at(31, 21, 59), 22)).toEqual(at(31, 22));
    expect(nextTime(at(31, 22), 22)).toEqual(at(32, 22));
  });
});
