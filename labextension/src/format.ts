/** How values are written for people: bytes, durations, times, numbers, names. Pure functions. */
import type { Json, JsonObject, Resource, Summary } from './api-types';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) {
    return '–';
  }
  if (seconds < 1) {
    return `${Math.round(seconds * 1000)} ms`;
  }
  if (seconds < 60) {
    return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${Math.floor(seconds % 60)} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** When a job that waits may start: "starts in about 12 min"; empty where that is not known. */
export function formatStart(seconds: unknown): string {
  if (typeof seconds !== 'number') {
    return '';
  }
  if (seconds < 10) {
    return 'starts in a moment';
  }
  return seconds < 60
    ? `starts in about ${Math.round(seconds / 10) * 10} s`
    : `starts in about ${formatDuration(seconds).replace(/ \d+ s$/, '')}`;
}

export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) {
    return String(value);
  }
  if (Number.isInteger(value)) {
    return value.toLocaleString('en-US');
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3) : String(+value.toPrecision(5));
}

/** "3.2 steps/s", "1 epoch/s"; of what takes longer than a second, how long each takes: "40 s an epoch". */
export function formatRate(rate: number, unit: string): string {
  const shown = formatNumber(Number(rate.toPrecision(3)));
  // one a second is told in one way, however little it is missed by
  if (rate >= 0.95) {
    return rate < 1.05 ? `1 ${unit}/s` : `${shown} ${unit}s/s`;
  }
  return `${formatDuration(1 / rate)} ${unit === 'epoch' ? 'an' : 'a'} ${unit}`;
}

/** "just now", "4 min ago", "yesterday", then the date. */
export function formatAgo(at: string | null, now = Date.now()): string {
  if (!at) {
    return '';
  }
  const seconds = (now - Date.parse(at)) / 1000;
  if (Number.isNaN(seconds)) {
    return at;
  }
  if (seconds < 45) {
    return 'just now';
  }
  if (seconds < 3600) {
    return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  }
  if (seconds < 86400) {
    return `${Math.round(seconds / 3600)} h ago`;
  }
  if (seconds < 7 * 86400) {
    const days = Math.round(seconds / 86400);
    return days === 1 ? 'yesterday' : `${days} days ago`;
  }
  return new Date(at).toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
}

export function formatTime(at: string | null): string {
  return at ? new Date(at).toLocaleString() : '';
}

/** `breast`, or `breast@2` where there are versions. */
export function displayName(resource: Pick<Summary, 'name' | 'version'>): string {
  return resource.version == null ? resource.name : `${resource.name}@${resource.version}`;
}

export function qualifiedName(resource: Summary | Resource): string {
  return `${resource.owner}/${displayName(resource)}`;
}

/** Read `status.outputs.metrics` out of a resource. */
export function valueAt(source: unknown, path: string): Json | undefined {
  let value = source;
  for (const key of path.split('.')) {
    if (value === null || typeof value !== 'object') {
      return undefined;
    }
    value = (value as Record<string, unknown>)[key];
  }
  return value as Json | undefined;
}

const ACRONYMS = new Set([
  'roc',
  'auc',
  'f1',
  'mae',
  'mse',
  'rmse',
  'r2',
  'id',
  'url',
  'cpu',
  'gpu',
  'pr',
  'mlflow'
]);

/** `peak_memory_bytes` becomes "Peak memory", `roc_auc` "ROC AUC". */
export function humanize(key: string): string {
  const words = key
    .replace(/(?<=.)_(bytes|seconds)$/, '')
    .replace(/[_-]+/g, ' ')
    .trim();
  const written = words.replace(/[A-Za-z0-9]+/g, word =>
    word === 'mlflow' ? 'MLflow' : ACRONYMS.has(word) ? word.toUpperCase() : word
  );
  return written.charAt(0).toUpperCase() + written.slice(1);
}

/** A name for a saved file, without what file systems refuse. */
export function safeFileName(name: string): string {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|-+$/g, '') || 'untitled';
}

export function isUnavailableNumber(value: Json | undefined): boolean {
  return value === 'NaN' || value === 'Infinity' || value === '-Infinity';
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** The spec with every pinned id written as `owner/name` or `owner/name@version` again. */
export function readableSpec(resource: Resource): JsonObject {
  const names = new Map(resource.references.map(reference => [reference.path, qualifiedName(reference)]));
  const rewrite = (value: Json, path: string): Json => {
    if (typeof value === 'string') {
      return names.get(path) ?? value;
    }
    if (Array.isArray(value)) {
      return value.map((item, index) => rewrite(item, `${path}.${index}`));
    }
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, rewrite(item, path ? `${path}.${key}` : key)])
      );
    }
    return value;
  };
  return rewrite(resource.spec, '') as JsonObject;
}

/** A title for a property that has none of its own, or only the one that was made from its name. */
export function propertyTitle(key: string, title: string | undefined): string {
  const words = key.replace(/[_-]+/g, ' ').trim();
  return title && title.toLowerCase() !== words.toLowerCase()
    ? title
    : words.charAt(0).toUpperCase() + words.slice(1);
}

/** Any JSON value as people read it. */
export function plainText(value: Json | undefined): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value === 'number') {
    return formatNumber(value);
  }
  if (typeof value === 'boolean') {
    return value ? 'Yes' : 'No';
  }
  if (Array.isArray(value)) {
    return value.map(plainText).join(', ');
  }
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

/** A hyperparameter as it was typed: a year is no amount. */
export function asTyped(value: Json | undefined): string {
  if (typeof value === 'number') {
    return String(value);
  }
  return Array.isArray(value) ? value.map(asTyped).join(', ') : plainText(value);
}

export function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Of an object what has one of these names. */
export function pick(values: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
}

/** JSON as Python writes it. */
export function pythonLiteral(value: Json): string {
  if (value === null) {
    return 'None';
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  if (Array.isArray(value)) {
    return `[${value.map(pythonLiteral).join(', ')}]`;
  }
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${pythonLiteral(item)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value);
}
