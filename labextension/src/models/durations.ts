/** Durations as a number and a unit, and how long something has run. Pure. */
import type { Resource } from '../api-types';

export const UNITS = [
  { name: 'seconds', seconds: 1 },
  { name: 'minutes', seconds: 60 },
  { name: 'hours', seconds: 3600 },
  { name: 'days', seconds: 86_400 }
] as const;

export type Unit = (typeof UNITS)[number];

/** The largest unit that says it without a fraction: 5,400 seconds are 90 minutes. */
export function unitOf(seconds: number): Unit {
  return [...UNITS].reverse().find(unit => seconds > 0 && seconds % unit.seconds === 0) ?? UNITS[0];
}

/** "90 minutes" */
export function writeDuration(seconds: number): string {
  const unit = unitOf(seconds);
  const count = seconds / unit.seconds;
  return `${count.toLocaleString('en-US')} ${count === 1 ? unit.name.replace(/s$/, '') : unit.name}`;
}

/** How long it has run by now, in seconds, all times together; null where it never began. */
export function secondsRun(status: Resource['status'], now: number = Date.now()): number | null {
  const { started_at, ended_at, earlier_seconds } = status;
  if (started_at === null) {
    return earlier_seconds > 0 ? earlier_seconds : null;
  }
  const end = ended_at ? Date.parse(ended_at) : now;
  return earlier_seconds + (end - Date.parse(started_at)) / 1000;
}
