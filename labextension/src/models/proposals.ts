/** What is proposed for the rest of a form: by files that are uploaded, its name and the file that is run; by an algorithm the name. Pure. */
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

const LONGEST_STEM = 55;

/** `xgboost-3` for a run of `orrery/xgboost` beside `xgboost-2`; `taken`: the names of earlier ones. */
export function proposeRunName(algorithm: string, taken: readonly string[]): string {
  const stem = (algorithm.split('/').pop() ?? algorithm).slice(0, LONGEST_STEM);
  const numbers = taken.flatMap(name => {
    const number = name.startsWith(`${stem}-`) ? name.slice(stem.length + 1) : '';
    return /^\d{1,9}$/.test(number) ? [Number(number)] : [];
  });
  return `${stem}-${Math.max(0, ...numbers) + 1}`;
}
