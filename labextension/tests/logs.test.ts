import { describe, expect, it } from 'vitest';
import { LogModel } from '../src/models/log';
import { countRanks, linesOf } from '../src/models/ranks';
import { MemoryPlatform, makeResource } from './platform';

describe('LogModel', () => {
  it('joins pieces into lines, keeps only the last writing of a progress bar, and drops colours', () => {
    const log = new LogModel(new MemoryPlatform().api, '/trainings/1/logs');
    log.append('one\ntw');
    expect(log.lines).toEqual(['one', 'tw']);
    log.append('o\n10 %\r50 %\r90 %\n\u001b[31mred\u001b[0m\n');
    expect(log.lines).toEqual(['one', 'two', '90 %', 'red']);
  });
});

describe('The log of one of several ranks', () => {
  it('has its lines without their label, numbered as in the whole', () => {
    const lines = ['[rank 0] one', 'torchrun speaks', '[rank 1] two', '[rank 1] ', '[rank 10] ten'];
    expect(linesOf(lines, 1)).toEqual([
      { text: 'two', number: 3 },
      { text: '', number: 4 }
    ]);
    expect(linesOf(lines, null).map(line => line.text)).toEqual(lines);
  });

  it('is offered where there are several', () => {
    expect(countRanks(makeResource({ spec: { nodes: 2, processes_per_node: 3 } }))).toBe(6);
    expect(countRanks(makeResource({ spec: {} }))).toBe(1);
  });
});

describe('A search of the whole log', () => {
  const PATH = '/trainings/1/logs';
  /** Answers two lines a page. */
  function searched(lines: string[]): { platform: MemoryPlatform; log: LogModel } {
    const platform = new MemoryPlatform();
    platform.on('GET', PATH, ({ query }) => {
      const wanted = query.get('search') ?? '';
      const found = lines
        .map((text, index) => ({ line: index + 1, text }))
        .filter(({ line, text }) => line > Number(query.get('after_line')) && text.includes(wanted));
      return { body: { items: found.slice(0, 2), more: found.length > 2 } };
    });
    return { platform, log: new LogModel(platform.api, PATH) };
  }
  const hits = (log: LogModel): string[] =>
    log.found.hits.map(({ line, rank, text }) => `${line} ${rank ?? '-'} ${text}`);

  it('answers page by page, each line with its rank', async () => {
    const { log } = searched(['[rank 0] loss 3', 'torchrun', '[rank 1] loss 2', 'loss 1', 'loss 0']);
    await log.found.search('loss', null);
    expect(hits(log)).toEqual(['1 0 loss 3', '3 1 loss 2']);
    expect(log.found.hasMore).toBe(true);
    await log.found.next();
    expect([log.found.page, log.found.hasMore, ...hits(log)]).toEqual([2, false, '4 - loss 1', '5 - loss 0']);
    await log.found.previous();
    expect([log.found.page, ...hits(log)]).toEqual([1, '1 0 loss 3', '3 1 loss 2']);
  });

  it('asks for the lines of the chosen rank alone', async () => {
    const { platform, log } = searched(['loss']);
    await log.found.search('loss', 3);
    expect(platform.calls[0]?.query.get('rank')).toBe('3');
    expect(hits(log)).toEqual(['1 3 loss']);
  });

  it('looks through the attempt that is shown', async () => {
    const { platform } = searched([]);
    const log = new LogModel(platform.api, PATH, 2);
    await log.found.search('loss', null);
    expect(platform.calls[0]?.query.get('attempt')).toBe('2');
  });

  it('tells what went wrong, and tries again', async () => {
    const { platform, log } = searched(['loss']);
    platform.on('GET', PATH, () => ({
      status: 404,
      body: { error: { code: 'not_found', message: 'there is no training 1' } }
    }));
    await log.found.search('loss', null);
    expect([log.found.error, log.found.isSearching, log.found.hits]).toEqual([
      'there is no training 1',
      false,
      []
    ]);
    platform.on('GET', PATH, () => ({ body: { items: [{ line: 1, text: 'loss' }], more: false } }));
    await log.found.again();
    expect([log.found.error, ...hits(log)]).toEqual([null, '1 - loss']);
  });

  it('is given up, and only the last one counts', async () => {
    const { log } = searched(['loss', 'gain']);
    const first = log.found.search('loss', null);
    expect(log.found.isSearching).toBe(true);
    log.found.clear();
    await first;
    expect([log.found.wanted, log.found.isSearching, hits(log)]).toEqual(['', false, []]);
    await Promise.all([log.found.search('loss', null), log.found.search('gain', null)]);
    expect([log.found.error, ...hits(log)]).toEqual([null, '2 - gain']);
  });

  it('finds its place also where the first lines are held no longer', () => {
    const { log } = searched([]);
    log.append('x\n'.repeat(50_003));
    expect(log.dropped).toBe(3);
    expect(linesOf(log.lines, null, log.dropped)[0]).toEqual({ text: 'x', number: 4 });
  });
});
