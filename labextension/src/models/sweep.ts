/** Several runs from one form: what is tried in place of its own values, and how many runs that makes. Pure. */
import type { FieldError, Json, JsonObject, Schema } from '../api-types';
import { isObject, plural } from '../format';
import { typeOf } from '../forms/schema';
import { choicesOf, parseValues, writeValue } from './search-space';

/** The server makes no more in one call. */
export const MAX_RUNS = 200;

export interface Sweep {
  /** `name`: empty until one is chosen. `text`: values and ranges, as they are typed: `2, 4`, `2..10:2`. */
  parameters: { name: string; text: string }[];
  /** Tried besides the dataset that the form itself has for this role. */
  datasets: { role: string; dataset: string }[];
}

export const NO_SWEEP: Sweep = { parameters: [], datasets: [] };

export interface SweepPlan {
  runs: number;
  /** Values to try by hyperparameter. */
  parameters: Record<string, Json[]>;
  /** Each is laid over the form's own datasets. */
  datasets: Record<string, string>[];
  problems: FieldError[];
}

const RANGE = /^([^.]*\d[^.]*(?:\.\d+)?|\.\d+)\s*\.\.\s*([^:]+?)(?:\s*(?::|step)\s*(.+))?$/;

/** What is typed as a list of values. Throws: Error that says what is wrong. */
export function parseTried(text: string, declared: Schema | undefined): Json[] {
  const parts = text.split(',').map(part => part.trim());
  const values = parts
    .filter(part => part !== '')
    .flatMap(part => (part.includes('..') ? parseRange(part, declared) : parseValues(part, declared)));
  const type = declared ? typeOf(declared) : '';
  const choices = choicesOf(declared);
  for (const value of values) {
    if (choices && !choices.includes(value)) {
      throw new Error(`'${writeValue(value)}' is none of ${choices.map(writeValue).join(', ')}`);
    }
    if (type === 'integer' && !Number.isInteger(value)) {
      throw new Error(`'${writeValue(value)}' is no whole number; write 2, 4, 8 or 2..10:2`);
    }
    if (type === 'number' && typeof value !== 'number') {
      throw new Error(`'${writeValue(value)}' is no number; write 0.1, 0.3 or 0.1..0.5:0.1`);
    }
  }
  const twice = values.find((value, index) => values.indexOf(value) < index);
  if (twice !== undefined) {
    throw new Error(`${writeValue(twice)} stands twice`);
  }
  if (values.length === 0) {
    throw new Error('say what is tried: 2, 4, 8 or 2..10:2');
  }
  return values;
}

function parseRange(text: string, declared: Schema | undefined): number[] {
  const match = RANGE.exec(text);
  const [low, high] = [Number(match?.[1]), Number(match?.[2])];
  const isWhole =
    (declared && typeOf(declared) === 'integer') ?? (Number.isInteger(low) && Number.isInteger(high));
  const step = match?.[3] === undefined ? (isWhole ? 1 : NaN) : Number(match[3]);
  if (Number.isNaN(low) || Number.isNaN(high)) {
    throw new Error(`'${text}' is no range; write from..to:step, as 2..10:2`);
  }
  if (Number.isNaN(step) || step <= 0) {
    throw new Error(`'${text}' needs a step above 0; write ${low}..${high}:${isWhole ? 1 : 0.1}`);
  }
  if (high < low) {
    throw new Error(`'${text}' ends below its beginning`);
  }
  const count = Math.floor((high - low) / step + 1e-9) + 1;
  if (count > MAX_RUNS) {
    throw new Error(
      `'${text}' has ${count.toLocaleString('en-US')} values; at most ${MAX_RUNS} runs are possible`
    );
  }
  // 0.1 + 0.2 is to be 0.3
  return Array.from({ length: count }, (_, index) => Number((low + index * step).toPrecision(12)));
}

/** What the sweep makes of this spec; one run where nothing is varied. */
export function planOf(sweep: Sweep, spec: JsonObject, searchable: Schema | null): SweepPlan {
  const problems: FieldError[] = [];
  const parameters: Record<string, Json[]> = {};
  for (const [index, { name, text }] of sweep.parameters.entries()) {
    if (name === '') {
      const message = 'Choose the hyperparameter that is varied, or remove the line.';
      problems.push({ path: `sweep.${index}`, message });
      continue;
    }
    try {
      parameters[name] = parseTried(text, searchable?.properties?.[name]);
    } catch (error) {
      problems.push({ path: `sweep.${name}`, message: `${name}: ${(error as Error).message}.` });
    }
  }
  const datasets = datasetsOf(sweep, isObject(spec.datasets) ? spec.datasets : {}, problems);
  const counts = Object.values(parameters).map(values => values.length);
  const runs = counts.reduce((product, count) => product * count, Math.max(1, datasets.length));
  if (runs > MAX_RUNS) {
    const message = `This makes ${runs.toLocaleString('en-US')} runs; at most ${MAX_RUNS} are possible: try fewer values.`;
    problems.push({ path: 'sweep', message });
  }
  return { runs, parameters, datasets, problems };
}

/** Every combination of what is tried for the roles, the form's own dataset first. */
function datasetsOf(sweep: Sweep, own: JsonObject, problems: FieldError[]): Record<string, string>[] {
  const tried: Record<string, string[]> = {};
  for (const { role, dataset } of sweep.datasets) {
    const first = own[role];
    const known = (tried[role] ??= typeof first === 'string' && first !== '' ? [first] : []);
    if (dataset === '') {
      problems.push({
        path: `sweep.${role}`,
        message: `${role}: choose the dataset that is tried, or remove the line.`
      });
    } else if (known.includes(dataset)) {
      problems.push({ path: `sweep.${role}`, message: `${role}: ${dataset} stands twice.` });
    } else {
      known.push(dataset);
    }
  }
  const roles = Object.entries(tried);
  return roles.length === 0
    ? []
    : roles.reduce<Record<string, string>[]>(
        (combined, [role, names]) => combined.flatMap(one => names.map(name => ({ ...one, [role]: name }))),
        [{}]
      );
}

/** "3 × max_depth, 2 × train" */
export function describePlan(plan: SweepPlan): string {
  const roles = new Set(plan.datasets.flatMap(one => Object.keys(one)));
  return [
    ...Object.entries(plan.parameters).map(([name, values]) => `${values.length} × ${name}`),
    ...[...roles].map(role => `${new Set(plan.datasets.map(one => one[role])).size} × ${role}`)
  ].join(', ');
}

export function isSwept(sweep: Sweep): boolean {
  return sweep.parameters.length + sweep.datasets.length > 0;
}

/** The same for another algorithm: what it does not know is no longer varied. */
export function keepSweep(sweep: Sweep, parameters: Schema | null, roles: string[]): Sweep {
  return {
    parameters: sweep.parameters.filter(({ name }) => name in (parameters?.properties ?? {})),
    datasets: sweep.datasets.filter(({ role }) => roles.includes(role))
  };
}

/** What runs that differ only in this have in common for whoever tells how much memory they take. */
export function spaceFor(plan: SweepPlan): JsonObject {
  return Object.fromEntries(Object.entries(plan.parameters).map(([name, values]) => [name, { values }]));
}

/** How many run together, and what they take: "12 runs, 4 at once". */
export function describeRuns(runs: number, atOnce: number): string {
  const many = plural(runs, 'run');
  return atOnce <= 0 || atOnce >= runs
    ? `${many}, all at once where the machine is free`
    : `${many}, at most ${atOnce} at once`;
}
