import { describe, expect, it } from 'vitest';
import type { Limits } from '../src/api-types';
import { changesOf, emptyRow, labelOf, rowsOf } from '../src/models/limits';

const BEFORE: Limits = {
  everyone: { jobs: 4 },
  users: { alice: { cores: 16, memory_bytes: 8 * 1024 ** 3 }, bob: { share: 2 } },
  groups: { students: { gpus: 1 } }
};

describe('The table of limits', () => {
  it('has everyone first, and memory in GiB', () => {
    const rows = rowsOf(BEFORE);
    expect(rows.map(labelOf)).toEqual(['everyone', 'user alice', 'user bob', 'group students']);
    expect(rows[1]?.amounts).toEqual({ cores: '16', memory_bytes: '8', gpus: '', jobs: '', share: '' });
  });

  it('sends nothing of what was left as it was', () => {
    expect(changesOf(BEFORE, rowsOf(BEFORE))).toEqual({ users: {}, groups: {} });
  });

  it('sends what was changed, added and taken away', () => {
    const [everyone, alice, , students] = rowsOf(BEFORE);
    const rows = [
      { ...everyone!, amounts: { ...everyone!.amounts, jobs: '', cores: '2,5' } },
      { ...alice!, amounts: { ...alice!.amounts, memory_bytes: '0.5' } },
      students!,
      { ...emptyRow('groups', ' staff '), amounts: { ...emptyRow('groups').amounts, gpus: '2' } }
    ];
    const none = { cores: null, memory_bytes: null, gpus: null, jobs: null, share: null };
    expect(changesOf(BEFORE, rows)).toEqual({
      everyone: { ...none, cores: 2.5 },
      users: { alice: { ...none, cores: 16, memory_bytes: 512 * 1024 ** 2 }, bob: null },
      groups: { staff: { ...none, gpus: 2 } }
    });
  });

  it.each([
    ['jobs', 'two', "Jobs of user alice: 'two' is no amount"],
    ['jobs', '-1', 'is no amount'],
    ['gpus', '1.5', "GPUs of user alice: '1.5' must be a whole number"],
    ['share', '0', 'must be above 0']
  ])('refuses %s %s in words', (amount, text, said) => {
    const alice = rowsOf(BEFORE)[1]!;
    const row = { ...alice, amounts: { ...alice.amounts, [amount]: text } };
    expect(() => changesOf(BEFORE, [row])).toThrow(said);
  });

  it('refuses a row without a name, and two of the same', () => {
    expect(() => changesOf(BEFORE, [emptyRow('users')])).toThrow('the name of a user');
    const twice = [emptyRow('groups', 'staff'), emptyRow('groups', 'staff ')];
    expect(() => changesOf(BEFORE, twice)).toThrow('two rows of group staff');
  });
});
