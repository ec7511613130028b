/** Runs laid side by side: which of their settings differ, which did best by each metric, which plots belong together. */
import type { Json, JsonObject, Resource, Schema } from '../api-types';
import { plainSchema } from '../forms/schema';
import { asTyped, displayName, formatDuration, humanize, isObject, plainText } from '../format';
import type { Direction } from './goals';

/** Where a hyperparameter's value is from: it was given, told by the run itself, or left to its default. */
export type Origin = 'given' | 'logged' | 'default';

export interface ComparisonRow {
  section: 'Run' | 'Parameters' | 'Metrics';
  key: string;
  title: string;
  /** One a run; undefined where a run has none. */
  values: (Json | undefined)[];
  /** Of a hyperparameter, one a run; undefined where what the run is of has no such hyperparameter. */
  origins?: (Origin | undefined)[];
  differs: boolean;
  /** The runs that did best, where it is known what is better. */
  best: number[];
}

export interface Artifact {
  path: string;
  title: string;
}

/** The places of the best of a row's values. */
export function bestOf(direction: Direction, values: (Json | undefined)[]): number[] {
  const numbers = values.filter((value): value is number => typeof value === 'number');
  if (direction === 0 || numbers.length < 2 || new Set(numbers).size < 2) {
    return [];
  }
  const best = direction > 0 ? Math.max(...numbers) : Math.min(...numbers);
  return values.flatMap((value, index) => (value === best ? [index] : []));
}

interface Setting {
  value: Json;
  origin: Origin;
}

/** All that a run was given, told of itself, and left to the defaults of what it is of. */
export function parametersOf(run: Resource, declared: Schema | null | undefined): Map<string, Setting> {
  const { parameters: logged } = run.status.outputs;
  const { parameters: given } = run.spec;
  const found = new Map<string, Setting>();
  const properties = declared ? (plainSchema(declared).properties ?? {}) : {};
  for (const [name, { default: value }] of Object.entries(properties)) {
    if (value !== undefined) {
      found.set(name, { value, origin: 'default' });
    }
  }
  for (const [name, value] of Object.entries(isObject(logged) ? logged : {})) {
    if (JSON.stringify(found.get(name)?.value) !== JSON.stringify(value)) {
      found.set(name, { value, origin: 'logged' });
    }
  }
  for (const [name, value] of Object.entries(isObject(given) ? given : {})) {
    found.set(name, { value, origin: 'given' });
  }
  return found;
}

export function metricsOf(run: Resource): JsonObject {
  const { metrics } = run.status.outputs;
  return Object.fromEntries(
    Object.entries(isObject(metrics) ? metrics : {}).filter(
      ([, value]) => !isObject(value) && !Array.isArray(value)
    )
  );
}

function referenceOf(run: Resource, path: string): Json | undefined {
  const found = run.references.find(reference => reference.path === path);
  return found ? displayName(found) : undefined;
}

/**
 * What differs stands first in its section. `declared` has the schema of hyperparameters for each run, where it is known;
 * `directionOf` tells which way a metric is better.
 */
export function compareRuns(
  runs: Resource[],
  directionOf: (metric: string) => Direction,
  declared: readonly (Schema | null | undefined)[] = []
): ComparisonRow[] {
  const measured = (row: ComparisonRow): ComparisonRow => ({
    ...row,
    best: bestOf(directionOf(row.key), row.values)
  });
  const datasets = [...new Set(runs.flatMap(run => run.references.map(reference => reference.path)))].filter(
    path => path.startsWith('datasets.')
  );
  const rows: ComparisonRow[] = [
    makeRow(
      'Run',
      'algorithm',
      'Algorithm',
      runs.map(run => referenceOf(run, 'algorithm'))
    ),
    ...datasets.map(path =>
      makeRow(
        'Run',
        path,
        `Dataset: ${path.slice('datasets.'.length)}`,
        runs.map(run => referenceOf(run, path))
      )
    ),
    makeRow(
      'Run',
      'instance_type',
      'Instance type',
      runs.map(run => run.spec.instance_type)
    ),
    measured(
      makeRow(
        'Run',
        'duration_seconds',
        'Training time',
        runs.map(run => run.status.duration_seconds ?? undefined)
      )
    )
  ];
  const settings = runs.map((run, index) => parametersOf(run, declared[index]));
  for (const name of new Set(settings.flatMap(known => [...known.keys()]))) {
    const found = settings.map(known => known.get(name));
    const row = makeRow(
      'Parameters',
      name,
      humanize(name),
      found.map(setting => setting?.value)
    );
    rows.push({ ...row, origins: found.map(setting => setting?.origin) });
  }
  const metrics = runs.map(metricsOf);
  for (const key of new Set(metrics.flatMap(Object.keys))) {
    const values = metrics.map(known => known[key]);
    rows.push(measured(makeRow('Metrics', key, humanize(key), values)));
  }
  const known = rows.filter(row => row.values.some(value => value !== undefined && value !== null));
  return [...known.filter(row => row.differs), ...known.filter(row => !row.differs)];
}

function makeRow(
  section: ComparisonRow['section'],
  key: string,
  title: string,
  values: (Json | undefined)[]
): ComparisonRow {
  // To be left at "none" is something else than not to be there at all.
  const texts = values.map(value => (value === undefined ? '' : JSON.stringify(value)));
  return {
    section,
    key,
    title,
    values,
    differs: new Set(texts).size > 1,
    best: []
  };
}

/** A value of a row, as the table and the axes write it. */
export function shownValue(row: Pick<ComparisonRow, 'section' | 'key'>, value: Json | undefined): string {
  if (value === undefined || value === null) {
    return value === null && row.section === 'Parameters' ? 'none' : '–';
  }
  if (row.section === 'Parameters') {
    return asTyped(value);
  }
  const { key } = row;
  return typeof value === 'number' && /seconds$/.test(key) ? formatDuration(value) : plainText(value);
}

/** Plots of the same path in every run, in the order of the first that has them. */
export function plotsOf(runs: Resource[]): { path: string; title: string; has: boolean[] }[] {
  const lists = runs.map(run => {
    const { artifacts } = run.status.outputs;
    return (Array.isArray(artifacts) ? artifacts.filter(isObject) : [])
      .map(artifact => ({ path: plainText(artifact.path), title: plainText(artifact.title) }))
      .filter(artifact => /\.(png|jpe?g|gif|webp|svg)$/i.test(artifact.path));
  });
  const titles = new Map(lists.flat().map(artifact => [artifact.path, artifact.title || artifact.path]));
  return [...titles.entries()].map(([path, title]) => ({
    path,
    title,
    has: lists.map(list => list.some(artifact => artifact.path === path))
  }));
}

export interface ParallelAxis {
  key: string;
  title: string;
  /** Where each run crosses it: 0 at the bottom, 1 at the top; null where the run has no value. */
  places: (number | null)[];
  /** What is written beside it, and where. */
  ticks: { place: number; label: string }[];
}

const MOST_CATEGORIES = 12;

/** An axis of numbers from the least to the greatest; of anything else, its different values in order. */
export function makeAxis(
  row: ComparisonRow,
  format: (value: Json | undefined) => string
): ParallelAxis | null {
  const known = row.values.filter((value): value is Json => value !== undefined && value !== null);
  const { key, title } = row;
  if (known.length > 0 && known.every((value): value is number => typeof value === 'number')) {
    const [least, most] = [Math.min(...known), Math.max(...known)];
    const place = (value: Json | undefined): number | null =>
      typeof value !== 'number' ? null : most === least ? 0.5 : (value - least) / (most - least);
    const ends = most === least ? [most] : [least, most];
    return {
      key,
      title,
      places: row.values.map(place),
      ticks: ends.map(value => ({ place: place(value) ?? 0, label: format(value) }))
    };
  }
  const labels = [...new Set(known.map(format))].sort();
  if (labels.length === 0 || labels.length > MOST_CATEGORIES) {
    return null;
  }
  const at = (index: number): number => (labels.length === 1 ? 0.5 : index / (labels.length - 1));
  return {
    key,
    title,
    places: row.values.map(value =>
      value === undefined || value === null ? null : at(labels.indexOf(format(value)))
    ),
    ticks: labels.map((label, index) => ({ place: at(index), label }))
  };
}
