import { describe, expect, it } from 'vitest';
import type { Kind, Reference, Resource, Schema } from '../src/api-types';
import { hyperparameters, parameterPlace } from '../src/models/hyperparameters';
import { readLineage } from '../src/models/lineage';
import { readTable } from '../src/models/table-text';
import { tabsOf } from '../src/widgets/tabs/registry';
import { ALGORITHM, DATASET, MemoryPlatform, TRAINING, XGBOOST, makeResource } from './platform';

describe('the tabs of a page', () => {
  it('have a notebook only where one is run', () => {
    const tabs = (kind: Kind, change: Partial<Resource>): string[] =>
      tabsOf({ ...kind, tabs: ['overview', 'notebook'] }, makeResource(change)).map(({ name }) => name);
    const run = (entry_point?: string): Partial<Resource> => ({
      status: { ...makeResource().status, outputs: entry_point === undefined ? {} : { entry_point } }
    });
    expect(tabs(TRAINING, run('xgboost.ipynb'))).toContain('notebook');
    expect(tabs(TRAINING, run('src/train.py'))).not.toContain('notebook');
    // until it is known
    expect(tabs(TRAINING, run())).toContain('notebook');
    const algorithm = (entry_point: string): Partial<Resource> => ({
      kind: 'algorithm',
      spec: { entry_point }
    });
    expect(tabs(ALGORITHM, algorithm('a.ipynb'))).toContain('notebook');
    expect(tabs(ALGORITHM, algorithm('a.py'))).not.toContain('notebook');
  });
});

describe('hyperparameters', () => {
  const place = parameterPlace(TRAINING);
  const run = (parameters: Record<string, number | string>): Resource =>
    makeResource({ spec: { algorithm: 'alg_1', parameters } });

  it('tell what was changed from what was left at its default', () => {
    expect(place).toEqual({ path: 'parameters', sourcePath: 'algorithm', sourceKind: 'algorithm' });
    const found = place
      ? hyperparameters(run({ target: 'y', rounds: 300 }), place, XGBOOST.spec.parameters_schema as Schema)
      : [];
    expect(found.map(({ name, value, isChanged }) => [name, value, isChanged])).toEqual([
      ['target', 'y', true],
      ['rounds', 300, false]
    ]);
  });

  it('tell what a tuning searches of them', () => {
    const run = makeResource({
      spec: {
        algorithm: 'alg_1',
        parameters: { target: 'y' },
        space: { rounds: { low: 100, high: 300 }, booster: { values: ['gbtree', 'dart'] } }
      }
    });
    const found = place ? hyperparameters(run, place, XGBOOST.spec.parameters_schema as Schema) : [];
    expect(found.map(({ name, value, searched }) => [name, value, searched])).toEqual([
      ['target', 'y', ''],
      ['rounds', undefined, '100..300'],
      ['booster', undefined, 'gbtree,dart']
    ]);
    expect(found.every(({ isChanged }) => isChanged)).toBe(true);
  });

  it('show what was given even where nothing is declared any more', () => {
    const found = place ? hyperparameters(run({ depth: 3 }), place, null) : [];
    expect(found[0]).toMatchObject({ title: 'Depth', value: 3, default: undefined, isChanged: true });
  });

  it('are nothing that every kind has', () => {
    expect(parameterPlace(DATASET)).toBeNull();
  });
});

describe('lineage', () => {
  const kinds: Kind[] = [{ ...TRAINING, kind: 'thing', plural: 'things' }];
  const thing = (id: string): Reference => ({
    path: '',
    kind: 'thing',
    id,
    owner: 'alice',
    name: id,
    version: null,
    deleted: false
  });
  /** `a -> b` says that b was made from a. */
  function platformOf(edges: string[]): MemoryPlatform {
    const platform = new MemoryPlatform();
    const pairs = edges.map(edge => edge.split(' -> ') as [string, string]);
    for (const id of new Set(pairs.flat())) {
      platform.on('GET', `/things/${id}/references`, () => ({
        body: { items: pairs.filter(([, to]) => to === id).map(([from]) => thing(from)) }
      }));
      platform.on('GET', `/things/${id}/dependents`, () => ({
        body: { items: pairs.filter(([from]) => from === id).map(([, to]) => thing(to)) }
      }));
    }
    return platform;
  }
  const read = (edges: string[], self: string): ReturnType<typeof readLineage> =>
    readLineage(platformOf(edges).make(kinds), thing(self));

  it('goes several steps both ways, each thing once', async () => {
    const { nodes, edges, isCut } = await read(
      ['raw -> data', 'data -> run', 'code -> run', 'run -> model', 'model -> endpoint', 'model -> batch'],
      'run'
    );
    expect(nodes.map(({ summary, column }) => `${summary.id} ${column}`)).toEqual([
      'run 0',
      'data -1',
      'code -1',
      'raw -2',
      'model 1',
      'endpoint 2',
      'batch 2'
    ]);
    expect(edges).toContainEqual(['data', 'run']);
    expect(edges).toContainEqual(['model', 'batch']);
    expect(isCut).toBe(false);
  });

  it('says so where there is more', async () => {
    const chain = Array.from({ length: 8 }, (_, index) => `n${index} -> n${index + 1}`);
    const { nodes, isCut } = await read(chain, 'n0');
    expect(nodes.map(node => node.summary.id)).toEqual(['n0', 'n1', 'n2', 'n3', 'n4']);
    expect(isCut).toBe(true);
    const many = await read(
      Array.from({ length: 60 }, (_, index) => `a -> b${index}`),
      'a'
    );
    expect([many.nodes.length, many.isCut]).toEqual([40, true]);
  });
});

describe('the first rows of a table', () => {
  it('are read with quotes, line ends of either kind and a last line without one', () => {
    expect(readTable('a,"b, c"\r\n1,"say ""x"""\r\n2,"two\nlines"', ',', true)).toEqual({
      header: ['a', 'b, c'],
      rows: [
        ['1', 'say "x"'],
        ['2', 'two\nlines']
      ],
      isCut: false
    });
  });

  it('leave out a line that is torn, and what is too much', () => {
    expect(readTable('a\n1\n2\n3', ',', false)).toEqual({ header: ['a'], rows: [['1'], ['2']], isCut: true });
    const long = `a\n${'1\n'.repeat(500)}`;
    expect(readTable(long, ',', true)).toMatchObject({ isCut: true });
    expect(readTable(long, ',', true).rows).toHaveLength(100);
  });

  it('of nothing are nothing', () => {
    expect(readTable('', ',', true)).toEqual({ header: [], rows: [], isCut: false });
  });
});

it('reads a whole log in pieces, and only the beginning of a file', async () => {
  const platform = new MemoryPlatform();
  const log = 'x'.repeat(10);
  platform.on('GET', '/trainings/trn_1/logs', call => {
    const offset = Number(call.query.get('offset'));
    const piece = new TextEncoder().encode(log.slice(offset, offset + 4));
    return {
      stream: new ReadableStream({
        start: controller => {
          controller.enqueue(piece);
          controller.close();
        }
      })
    };
  });
  expect((await platform.api.wholeLog('trainings', 'trn_1')).size).toBe(10);
  platform.on('GET', '/trainings/trn_1/files/a.txt', () => ({
    stream: new ReadableStream({
      pull: controller => controller.enqueue(new TextEncoder().encode('0123456789'))
    })
  }));
  const url = platform.api.fileUrl('trainings', 'trn_1', 'a.txt');
  expect(await platform.api.beginningOf(url, 25, new AbortController().signal)).toBe(
    '0123456789012345678901234'
  );
});
