/** What a tuning may try for each hyperparameter: which can be searched, how it is written, what is wrong with it. Pure. */
import type { FieldError, Json, JsonObject, Schema } from '../api-types';
import { isObject, plainText } from '../format';
import { typeOf } from '../forms/schema';

/** As the form holds it; what is typed and no number yet stays text. */
export interface Dimension {
  type?: 'int' | 'float' | 'categorical' | null;
  low?: Json;
  high?: Json;
  step?: Json;
  log?: boolean;
  values?: Json[] | null;
  when?: Record<string, Json[]>;
}

export type Space = Record<string, Dimension>;

export function spaceOf(value: Json | undefined): Space {
  const entries = Object.entries(isObject(value) ? value : {});
  return Object.fromEntries(entries.map(([name, item]) => [name, isObject(item) ? (item as Dimension) : {}]));
}

/** Numbers have a range; of anything else the values are listed. Undefined: nothing is known of it. */
export function rangeType(declared: Schema | undefined): 'int' | 'float' | 'categorical' | undefined {
  if (!declared) {
    return undefined;
  }
  if (choicesOf(declared)) {
    return 'categorical';
  }
  const type = typeOf(declared);
  return type === 'integer'
    ? 'int'
    : type === 'number'
      ? 'float'
      : type === 'string' || type === 'boolean'
        ? 'categorical'
        : undefined;
}

/** The only values that it takes. */
export function choicesOf(declared: Schema | undefined): Json[] | null {
  return declared?.enum
    ? declared.enum.filter(choice => choice !== null)
    : declared && typeOf(declared) === 'boolean'
      ? [true, false]
      : null;
}

/** Columns, lists and objects are no hyperparameters that a search could vary. */
export function isSearchable(declared: Schema): boolean {
  return !declared['x-orrery-column'] && (choicesOf(declared) !== null || rangeType(declared) !== undefined);
}

/** What a newly added parameter begins with: all its choices, else an empty range or list. */
export function newDimension(declared: Schema | undefined): Dimension {
  const choices = choicesOf(declared);
  return choices
    ? { values: choices }
    : rangeType(declared) === 'categorical'
      ? { values: [] }
      : { low: null, high: null };
}

export function isRange(dimension: Dimension): boolean {
  return !Array.isArray(dimension.values);
}

/** `sgd, adam`: numbers and truths where the parameter takes these; a parameter of unknown type gets words. */
export function parseValues(text: string, declared: Schema | undefined): Json[] {
  const type = declared ? typeOf(declared) : '';
  return text
    .split(',')
    .map(word => word.trim())
    .filter(word => word !== '')
    .map(word => {
      const number = Number(word);
      if ((type === 'integer' || type === 'number') && !Number.isNaN(number)) {
        return number;
      }
      return type === 'boolean' && /^(true|false)$/i.test(word) ? word.toLowerCase() === 'true' : word;
    });
}

/** A value as the command line writes it. */
export function writeValue(value: Json | undefined): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : plainText(value);
}

/** `2..8:2`, `log:0.01..0.3`, `gbtree,dart`, `0.1..0.5 if booster=dart`. */
export function describeDimension(dimension: JsonObject): string {
  const { low, high, step, log, values, when } = dimension;
  const what = Array.isArray(values)
    ? values.map(writeValue).join(',')
    : `${log === true ? 'log:' : ''}${writeValue(low)}..${writeValue(high)}${step ? `:${writeValue(step)}` : ''}`;
  const conditions = Object.entries(isObject(when) ? when : {}).map(
    ([name, allowed]) => `${name}=${Array.isArray(allowed) ? allowed.map(writeValue).join(',') : ''}`
  );
  return conditions.length > 0 ? `${what} if ${conditions.join(' and ')}` : what;
}

/** What is wrong with it, in the words of the server; the first thing only. Null: nothing. */
export function problemOf(
  name: string,
  dimension: Dimension,
  declared: Schema | undefined,
  isGrid: boolean
): string | null {
  if (!isRange(dimension)) {
    const values = dimension.values ?? [];
    const twice = new Set(values.map(value => JSON.stringify(value))).size < values.length;
    return values.length === 0
      ? 'say what may be tried: low and high, or a list of values'
      : twice
        ? `'${name}': a value stands twice in ${values.map(writeValue).join(', ')}`
        : null;
  }
  const { low, high, step, log } = dimension;
  const given = [low, high, step].filter(bound => bound !== null && bound !== undefined && bound !== '');
  const text = given.find(bound => typeof bound !== 'number');
  if (text !== undefined) {
    return `${writeValue(text)} is no number`;
  }
  if (typeof low !== 'number' || typeof high !== 'number') {
    return 'say what may be tried: low and high, or a list of values';
  }
  if (low > high) {
    return `low (${low}) is above high (${high}); exchange them`;
  }
  if (log === true && low <= 0) {
    return `low is ${low}; a logarithmic range begins above 0`;
  }
  if (log === true && typeof step === 'number' && step !== 1) {
    return 'a logarithmic range has no step; leave one of the two out';
  }
  if (typeof step === 'number' && step <= 0) {
    return `step is ${step}; it must be greater than 0`;
  }
  const type = rangeType(declared);
  const part = given.find(bound => typeof bound === 'number' && !Number.isInteger(bound));
  if (type === 'int' && part !== undefined) {
    return `'${name}' takes whole numbers; ${writeValue(part)} is none`;
  }
  return boundsProblem(name, low, high, declared) ?? gridProblem(dimension, type, isGrid);
}

function boundsProblem(name: string, low: number, high: number, declared: Schema | undefined): string | null {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = declared ?? {};
  const outside = [low, high].find(
    bound =>
      (minimum !== undefined && bound < minimum) ||
      (maximum !== undefined && bound > maximum) ||
      (exclusiveMinimum !== undefined && bound <= exclusiveMinimum) ||
      (exclusiveMaximum !== undefined && bound >= exclusiveMaximum)
  );
  if (outside === undefined || !declared) {
    return null;
  }
  const what = rangeType(declared) === 'int' ? 'a whole number' : 'a number';
  return `parameter '${name}' is ${outside}; it must be ${what}${rangeOf(declared)}`;
}

/** " from 1 to 32", " above 0 and at most 1", as the server says it. */
export function rangeOf(declared: Schema): string {
  const { minimum: low, maximum: high, exclusiveMinimum: above, exclusiveMaximum: below } = declared;
  const parts: string[] = [];
  if (low !== undefined && high !== undefined) {
    parts.push(` from ${low} to ${high}`);
  } else {
    if (low !== undefined) {
      parts.push(` of at least ${low}`);
    }
    if (above !== undefined) {
      parts.push(` above ${above}`);
    }
    if (high !== undefined) {
      parts.push(`${parts.length > 0 ? ' and' : ' of'} at most ${high}`);
    }
  }
  if (below !== undefined) {
    parts.push(`${parts.length > 0 ? ' and' : ''} below ${below}`);
  }
  return parts.join('');
}

function gridProblem(dimension: Dimension, type: string | undefined, isGrid: boolean): string | null {
  const { low, high, step } = dimension;
  const isWhole = type === 'int' || (type === undefined && [low, high].every(Number.isInteger));
  return isGrid && !isWhole && typeof step !== 'number'
    ? `a grid needs a step between ${writeValue(low)} and ${writeValue(high)}, or a list of values`
    : null;
}

/** All that is wrong with a space, at its parameters. */
export function spaceProblems(space: Space, parameters: Schema | null, isGrid: boolean): FieldError[] {
  const entries = Object.entries(space);
  if (entries.length === 0) {
    return [{ path: 'spec.space', message: 'Add at least one hyperparameter to search.' }];
  }
  return entries.flatMap(([name, dimension]) => {
    const unknown = Object.keys(dimension.when ?? {}).find(other => !(other in space));
    const message =
      problemOf(name, dimension, parameters?.properties?.[name], isGrid) ??
      (unknown === undefined
        ? null
        : `'${name}' depends on '${unknown}', which is not searched; the space has ${Object.keys(space).join(', ')}`);
    return message === null ? [] : [{ path: `spec.space.${name}`, message }];
  });
}
