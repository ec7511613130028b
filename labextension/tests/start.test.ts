import { describe, expect, it } from 'vitest';
import type { Api } from '../src/api';
import { ApiError } from '../src/api';
import type { StartDocument, StartScript } from '../src/api-types';
import { StartModel, durationOf } from '../src/models/start';

function script(name: string, rest: Partial<StartScript> = {}): StartScript {
  return {
    name,
    state: 'ended',
    began: '2026-01-01T00:00:00.000Z',
    ended: '2026-01-01T00:00:01.500Z',
    exit_code: 0,
    reason: '',
    output_bytes: 0,
    left_running: false,
    ...rest
  };
}

function makeModel(document: StartDocument | ApiError): StartModel {
  const start = (): Promise<StartDocument> =>
    document instanceof ApiError ? Promise.reject(document) : Promise.resolve(document);
  return new StartModel({ start } as unknown as Api);
}

const DOCUMENT: StartDocument = {
  message: '',
  folder: '/data/cont-init.d',
  path: 'cont-init.d',
  starts: [
    {
      began: '2026-01-01T00:00:00.000Z',
      ended: '2026-01-01T00:00:02.000Z',
      state: 'complete',
      account: 'root',
      problems: [],
      scripts: [
        script('10-a'),
        script('20-b', { exit_code: 3 }),
        script('30-c', { state: 'skipped', exit_code: null, began: null, ended: null }),
        script('40-gone')
      ]
    }
  ],
  scripts: [
    { name: '10-a', is_executable: true },
    { name: '20-b', is_executable: true },
    { name: '30-c', is_executable: false },
    { name: '10-setup.sh', is_executable: true }
  ]
};

describe('what ran before the server', () => {
  it('names what failed, and neither what was skipped nor what ended well', async () => {
    const model = makeModel(DOCUMENT);
    await model.load();
    expect(model.failed.map(one => one.name)).toEqual(['20-b']);
  });

  it('shows what ran beside what is there now', async () => {
    const model = makeModel(DOCUMENT);
    await model.load();
    expect(model.lines.map(line => [line.script.name, line.canBeMadeExecutable, line.isGone])).toEqual([
      ['10-a', false, false],
      ['20-b', false, false],
      ['30-c', true, false],
      ['40-gone', false, true],
      ['10-setup.sh', false, false]
    ]);
    expect(model.lines.at(-1)?.script.reason).toBe('It runs at the next start.');
  });

  it('proposes a name that is not taken', async () => {
    const model = makeModel(DOCUMENT);
    await model.load();
    expect(model.freeName()).toBe('20-setup.sh');
  });

  it('keeps the error of a server that does not answer, and nothing has failed', async () => {
    const model = makeModel(new ApiError(0, 'unavailable', 'The Jupyter server does not answer.'));
    await model.load();
    expect(model.error).toContain('does not answer');
    expect(model.failed).toEqual([]);
  });

  it('tells a duration once there is an end', () => {
    expect(durationOf(script('a'))).toBe(1.5);
    expect(durationOf(script('a', { ended: null }))).toBeNull();
  });
});
