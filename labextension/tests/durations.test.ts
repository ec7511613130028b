import { expect, test } from 'vitest';
import { unitOf, writeDuration } from '../src/models/durations';

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
