/** What files that are uploaded propose for the rest of a form: its name, and of code the file that is run. Pure. */
import { safeFileName } from '../format';

const PROGRAM = /\.(py|ipynb)$/;
/** Of several programs the one that is run is often called so. */
const USUAL_ENTRIES = ['train.py', 'main.py'];

/** The only program, at the top before all; of several the one with a usual name. Empty: it cannot be told. */
export function proposeEntry(paths: readonly string[]): string {
  const programs = paths.filter(path => PROGRAM.test(path));
  const top = programs.filter(path => !path.includes('/'));
  const candidates = top.length > 0 ? top : programs;
  const only = candidates.length === 1 ? candidates[0] : undefined;
  return only ?? USUAL_ENTRIES.find(name => top.includes(name)) ?? '';
}

/** As their folder; of files that were named themselves as the one that is run, else as the first. */
export function proposeName(paths: readonly string[], folder: string): string {
  const named = folder || (proposeEntry(paths) || (paths[0] ?? '')).split('/').pop() || '';
  return named === '' ? '' : safeFileName(folder === '' ? named.replace(/\.[^.]+$/, '') : named);
}
