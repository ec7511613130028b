import { expect, test } from 'vitest';
import { secondsRun, unitOf, writeDuration } from '../src/models/durations';
import { makeResource } from './platform';

test('a duration is said in the largest unit that needs no fraction', () => {
  expect([1, 90, 60, 5400, 7200, 86_400, 90_000].map(writeDuration)).toEqual([
    '1 second',
    '90 seconds',
    '1 minute',
    '90 minutes',
    '2 hours',
    '1 day',
    '25 hours'
  ]);
  expect(unitOf(0).name).toBe('seconds');
  expect(writeDuration(30 * 86_400)).toBe('30 days');
});

test('what was started again has run all times together', () => {
  const { status } = makeResource();
  const now = Date.parse('2026-01-01T00:01:00Z');
  expect(secondsRun({ ...status, started_at: null }, now)).toBeNull();
  expect(secondsRun(status, now)).toBe(60);
  expect(secondsRun({ ...status, earlier_seconds: 30 }, now)).toBe(90);
  expect(secondsRun({ ...status, earlier_seconds: 30, ended_at: '2026-01-01T00:00:10Z' }, now)).toBe(40);
  expect(secondsRun({ ...status, started_at: null, earlier_seconds: 30 }, now)).toBe(30);
});
