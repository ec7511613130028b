import { expect, it } from 'vitest';
import { formatBytes, formatNumber } from '../src/format';
import { tickText } from '../src/widgets/chart';
import { roomOf } from '../src/widgets/tabs/plots/frame';

it('writes a label of the y axis shorter where it would be cut', () => {
  expect(tickText(0.25, formatNumber)).toBe('0.25');
  expect(tickText(12000, formatNumber)).toBe('12,000');
  expect(tickText(123456789, formatNumber)).toBe('123M');
  expect(tickText(128 * 1024 ** 2, formatBytes)).toBe('128 MiB');
});

it('cuts the labels of the x axis to the room that there is, and leaves some out where that is too little', () => {
  expect(roomOf(2, 200)).toEqual({ every: 1, most: 14 });
  expect(roomOf(4, 200).every).toBe(1);
  for (const [count, length] of [
    [3, 180],
    [8, 170],
    [20, 600],
    [1, 400]
  ] as const) {
    const { every, most } = roomOf(count, length);
    expect(most * 6.4).toBeLessThanOrEqual((length / count) * every);
  }
});
