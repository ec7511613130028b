/** Who may hold how much at a time, as a table that is filled in: what changes is sent, and only that. */
import type { Limit, Limits } from '../api-types';

export const AMOUNTS = ['cores', 'memory_bytes', 'gpus', 'jobs', 'share'] as const;
export type Amount = (typeof AMOUNTS)[number];
export type Whose = 'everyone' | 'users' | 'groups';

const GIBIBYTE = 1024 ** 3;
const WHOLE: readonly Amount[] = ['gpus', 'jobs'];

export const TITLES: Record<Amount, string> = {
  cores: 'Cores',
  memory_bytes: 'Memory, GiB',
  gpus: 'GPUs',
  jobs: 'Jobs',
  share: 'Share'
};

export interface LimitRow {
  whose: Whose;
  /** Of a user or a group. */
  name: string;
  /** As they are typed; empty: no limit. */
  amounts: Record<Amount, string>;
}

/** What changes: null takes away what was said, of one amount or of everything about one name. */
export interface LimitChanges {
  everyone?: Limit;
  users: Record<string, Limit | null>;
  groups: Record<string, Limit | null>;
}

export function emptyRow(whose: Whose, name = ''): LimitRow {
  return { whose, name, amounts: { cores: '', memory_bytes: '', gpus: '', jobs: '', share: '' } };
}

/** "Everyone" first, then users, then groups. */
export function rowsOf(limits: Limits): LimitRow[] {
  const row = (whose: Whose, name: string, limit: Limit): LimitRow => {
    const amounts = AMOUNTS.map(amount => [amount, shown(amount, limit[amount])]);
    return { whose, name, amounts: Object.fromEntries(amounts) as LimitRow['amounts'] };
  };
  return [
    row('everyone', '', limits.everyone),
    ...Object.entries(limits.users).map(([name, limit]) => row('users', name, limit)),
    ...Object.entries(limits.groups).map(([name, limit]) => row('groups', name, limit))
  ];
}

/** Throws an error for a person, naming the row, where something typed is no amount. */
export function changesOf(before: Limits, rows: LimitRow[]): LimitChanges {
  const changes: LimitChanges = { users: {}, groups: {} };
  const known = new Map(rowsOf(before).map(row => [labelOf(row), row]));
  const seen = new Set<string>();
  for (const row of rows) {
    const name = row.name.trim();
    const limit = Object.fromEntries(
      AMOUNTS.map(amount => [amount, read(amount, row.amounts[amount], labelOf(row))])
    ) as Limit;
    const wasThere = known.get(labelOf(row));
    known.delete(labelOf(row));
    const isSame = wasThere !== undefined && AMOUNTS.every(one => wasThere.amounts[one] === row.amounts[one]);
    if (row.whose === 'everyone') {
      if (!isSame) {
        changes.everyone = limit;
      }
      continue;
    }
    if (name === '') {
      throw new Error(`Say whose limit it is: the name of a ${row.whose === 'users' ? 'user' : 'group'}.`);
    }
    if (seen.has(labelOf(row))) {
      throw new Error(`There are two rows of ${labelOf(row)}; keep one.`);
    }
    seen.add(labelOf(row));
    if (!isSame) {
      changes[row.whose][name] = limit;
    }
  }
  for (const row of known.values()) {
    if (row.whose !== 'everyone') {
      changes[row.whose][row.name] = null;
    }
  }
  return changes;
}

export function labelOf(row: LimitRow): string {
  if (row.whose === 'everyone') {
    return 'everyone';
  }
  return `${row.whose === 'users' ? 'user' : 'group'} ${row.name.trim() || '…'}`;
}

function shown(amount: Amount, value: number | null | undefined): string {
  if (value === null || value === undefined) {
    return '';
  }
  return String(amount === 'memory_bytes' ? Number((value / GIBIBYTE).toFixed(3)) : value);
}

function read(amount: Amount, text: string, whose: string): number | null {
  if (text.trim() === '') {
    return null;
  }
  const value = Number(text.trim().replace(',', '.'));
  const what = `${TITLES[amount]} of ${whose}: '${text}'`;
  if (!Number.isFinite(value) || value < 0) {
    throw new Error(`${what} is no amount; write a number from 0 on, or nothing for no limit.`);
  }
  if (WHOLE.includes(amount) && !Number.isInteger(value)) {
    throw new Error(`${what} must be a whole number.`);
  }
  if (amount === 'share' && value === 0) {
    throw new Error(`${what} must be above 0: nothing of theirs would ever start.`);
  }
  return amount === 'memory_bytes' ? Math.round(value * GIBIBYTE) : value;
}
