import { describe, expect, it, vi } from 'vitest';
import {
  ServerUseModel,
  ToldLevels,
  clock,
  countdown,
  offerOf,
  quotaMessage
} from '../src/models/server-use';
import { MemoryPlatform } from './platform';

const FIGURES = {
  at: 0,
  cores: 0.5,
  cores_total: 2,
  memory_bytes: 1 << 30,
  memory_total_bytes: 2 ** 31,
  disk_bytes: 1,
  disk_total_bytes: 2,
  disk_free_bytes: 1 << 20,
  gpus: []
};

function use(warnings: unknown[] = []): unknown {
  return { notebook_id: 'nbk_1', now: 1000, use: null, warnings, kept_until: null, figures: FIGURES };
}

it('counts down by the server’s clock, not the browser’s', async () => {
  const platform = new MemoryPlatform();
  const warning = { subject: 'server', title: 'this notebook', idle_since: 900, act_at: 1300 };
  platform.on('GET', '/orrery-extension/activity', () => ({ body: use([warning]) }));
  const model = new ServerUseModel(platform.api);
  expect(await model.load()).toBe(true);
  expect(model.warning?.subject).toBe('server');
  expect(model.secondsUntil(1300)).toBeGreaterThan(298);
  expect(model.secondsUntil(1300)).toBeLessThanOrEqual(300);
  expect(model.secondsUntil(900)).toBe(0);
});

it('keeps it, and no longer warns', async () => {
  const platform = new MemoryPlatform();
  let kept = false;
  platform.on('POST', '/orrery-extension/activity/keep', () => {
    kept = true;
    return { body: {} };
  });
  platform.on('GET', '/orrery-extension/activity', () => ({
    body: use(kept ? [] : [{ subject: 'server', title: '', idle_since: 0, act_at: 1 }])
  }));
  const model = new ServerUseModel(platform.api);
  await model.load();
  await model.keep();
  expect(model.warning).toBeNull();
});

it('asks a server without this part of the extension once', async () => {
  const platform = new MemoryPlatform();
  platform.on('GET', '/orrery-extension/activity', () => ({ status: 404, body: {} }));
  const model = new ServerUseModel(platform.api);
  await model.run();
  expect(platform.calls).toHaveLength(1);
});

it('tells of a person at most once a minute', () => {
  vi.useFakeTimers();
  const platform = new MemoryPlatform();
  platform.on('POST', '/orrery-extension/activity/person', () => ({ status: 204 }));
  const request = vi.spyOn(platform.api, 'extension');
  const model = new ServerUseModel(platform.api);
  for (let second = 0; second < 121; second++) {
    model.personActed();
    vi.advanceTimersByTime(1000);
  }
  expect(request).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});

it('says what can be loaded back and what cannot', () => {
  const saved = {
    path: 'work/train.ipynb',
    kernel_id: 'k',
    saved_at: '2026-01-01T21:04:00Z',
    bytes: 1,
    variables: ['a', 'b'],
    unsaved: [{ name: 'conn', type: 'sqlite3.Connection', reason: 'r' }]
  };
  const at = clock(Date.parse(saved.saved_at) / 1000);
  expect(offerOf(saved)).toBe(
    `Variables of train.ipynb from ${at} can be loaded back (2 of 3; not: conn, a sqlite3.Connection).`
  );
  expect(offerOf({ ...saved, unsaved: [] })).toContain('(2 of 2).');
});

it('writes times and quotas plainly', () => {
  expect([countdown(545), countdown(0.2), countdown(0)]).toEqual(['9:05', '0:01', '0:00']);
  expect(quotaMessage('memory', 0.9, FIGURES)).toContain('over 90 % full');
  expect(quotaMessage('disk', 0.95, FIGURES)).toContain('little is free');
});

describe('what was told of a level', () => {
  it('is told once over reloads, and again after it has fallen', () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value)
    };
    const load = (server = '/user/ann/lab/'): ToldLevels => new ToldLevels(storage, server);
    expect(load().isNews('disk', 0.8)).toBe(true);
    expect(load().isNews('disk', 0.8)).toBe(false);
    expect(load().isNews('memory', 0.8)).toBe(true);
    expect(load('/user/ann/other/').isNews('disk', 0.8)).toBe(true);
    expect(load().isNews('disk', 0.95)).toBe(true);
    expect(load().isNews('disk', 0)).toBe(false);
    expect(load().isNews('disk', 0.8)).toBe(true);
    kept.set('orrery:told-levels:/user/ann/lab/', 'broken');
    expect(load().isNews('disk', 0.8)).toBe(true);
  });
});
