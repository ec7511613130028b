/** What a model takes, as fields of a form and as columns of a table; and what people typed, as the JSON it is sent as. */
import type { Json, JsonObject, Resource } from '../api-types';
import { isObject, plainText } from '../format';

export type FieldKind = 'number' | 'boolean' | 'category' | 'text' | 'image' | 'audio' | 'file' | 'series';

export interface Field {
  name: string;
  kind: FieldKind;
  isNullable: boolean;
  categories: string[];
  minimum: number | null;
  maximum: number | null;
}

/** Files travel as the V1 protocol writes bytes: `{"b64": "..."}`. */
export type Value = string | { b64: string; name: string };

export interface Problem {
  field: string;
  message: string;
  /** In a table, counted from 0. */
  row?: number;
}

const KINDS: Record<string, FieldKind> = {
  number: 'number',
  boolean: 'boolean',
  category: 'category',
  text: 'text',
  string: 'text',
  image: 'image',
  audio: 'audio',
  file: 'file',
  binary: 'file',
  series: 'series'
};

export function isFileKind(kind: FieldKind): boolean {
  return kind === 'image' || kind === 'audio' || kind === 'file';
}

export function fieldsOf(model: Resource | null): Field[] {
  const inputs = model?.status.outputs.inputs;
  return (Array.isArray(inputs) ? inputs.filter(isObject) : []).map(input => ({
    name: plainText(input.name),
    kind: KINDS[plainText(input.kind)] ?? 'text',
    isNullable: input.nullable !== false,
    categories: Array.isArray(input.categories) ? input.categories.map(plainText) : [],
    minimum: typeof input.minimum === 'number' ? input.minimum : null,
    maximum: typeof input.maximum === 'number' ? input.maximum : null
  }));
}

/** The first row of the model's own example. */
export function exampleRow(model: Resource | null): JsonObject {
  const example = model?.status.outputs.example;
  const instances = isObject(example) ? example.instances : null;
  const first = Array.isArray(instances) ? instances[0] : null;
  return isObject(first) ? first : {};
}

/** A value as it is typed: no thousands separated, no digit left out. */
export function cellText(value: Json | undefined): string {
  if (value === null || value === undefined) {
    return '';
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function typedValues(fields: Field[], row: JsonObject): Record<string, Value> {
  return Object.fromEntries(
    fields.map(field => {
      const value = row[field.name];
      const content = isFileKind(field.kind) ? contentOf(value) : null;
      return [field.name, content ? { b64: content, name: 'example' } : cellText(value)];
    })
  );
}

/** The base64 of a file as the V1 protocol writes it; null where there is none. */
export function contentOf(value: Json | undefined): string | null {
  return isObject(value) && typeof value.b64 === 'string' ? value.b64 : null;
}

/** Numbers, separated by commas, blanks or lines, with or without brackets; null for any other text. */
export function readSeries(text: string): (number | null)[] | null {
  const words = text
    .replace(/^\s*\[|\]\s*$/g, '')
    .split(/[\s,;]+/)
    .filter(Boolean);
  const numbers = words.map(word => (MISSING.has(word.toLowerCase()) ? null : Number(word)));
  return numbers.length > 0 && numbers.every(value => value === null || Number.isFinite(value))
    ? numbers
    : null;
}

const WORDS: Record<string, boolean> = {
  true: true,
  yes: true,
  '1': true,
  false: false,
  no: false,
  '0': false
};
/** How tables write that a value is missing. */
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none']);

/** One typed value as JSON, or what is wrong with it. */
export function toJson(field: Field, value: Value | undefined): { value: Json } | { problem: string } {
  if (typeof value === 'object') {
    return { value: { b64: value.b64 } };
  }
  const text = (value ?? '').trim();
  const isMissing = field.kind === 'text' ? text === '' : MISSING.has(text.toLowerCase());
  if (isMissing && !(field.kind === 'category' && field.categories.includes(text))) {
    return field.isNullable ? { value: null } : { problem: 'the model needs a value here' };
  }
  switch (field.kind) {
    case 'number': {
      const number = Number(text);
      return Number.isFinite(number)
        ? { value: number }
        : { problem: `${JSON.stringify(text)} is not a number` };
    }
    case 'boolean': {
      const word = WORDS[text.toLowerCase()];
      return word === undefined
        ? { problem: `${JSON.stringify(text)} is neither true nor false` }
        : { value: word };
    }
    case 'category':
    case 'text':
      return { value: text };
    case 'series': {
      const numbers = readSeries(text);
      return numbers
        ? { value: numbers }
        : { problem: 'write numbers, separated by commas, blanks or new lines' };
    }
    default:
      return { problem: 'choose a file' };
  }
}

export function makeRow(
  fields: Field[],
  values: Record<string, Value>,
  row?: number
): { row: JsonObject; problems: Problem[] } {
  const made: JsonObject = {};
  const problems: Problem[] = [];
  for (const field of fields) {
    const answer = toJson(field, values[field.name]);
    if ('problem' in answer) {
      problems.push({ field: field.name, message: answer.problem, ...(row === undefined ? {} : { row }) });
    } else {
      made[field.name] = answer.value;
    }
  }
  return { row: made, problems };
}

/** Cells of CSV or TSV text, quotes as spreadsheets write them. The separator is the one that the first line has most of. */
export function parseTable(text: string): string[][] {
  const first = text.slice(0, text.indexOf('\n') + 1 || undefined);
  const separators = ['\t', ';', ','];
  const counts = separators.map(separator => first.split(separator).length);
  const separator = separators[counts.indexOf(Math.max(...counts))] ?? ',';
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (isQuoted) {
      if (letter === '"' && text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else if (letter === '"') {
        isQuoted = false;
      } else {
        cell += letter;
      }
    } else if (letter === '"' && cell === '') {
      isQuoted = true;
    } else if (letter === separator) {
      row.push(cell);
      cell = '';
    } else if (letter === '\n') {
      row.push(cell.replace(/\r$/, ''));
      rows.push(row);
      row = [];
      cell = '';
    } else {
      cell += letter;
    }
  }
  if (cell !== '' || row.length > 0) {
    rows.push([...row, cell.replace(/\r$/, '')]);
  }
  return rows.filter(cells => cells.some(value => value.trim() !== ''));
}

export interface TableInput {
  rows: JsonObject[];
  problems: Problem[];
  /** Columns that the model does not take. */
  leftOut: string[];
  /** Columns that the model takes and the table lacks. */
  missing: string[];
}

/** A pasted table as rows: by the names in its first line, or by place where that line holds values. */
export function readTable(fields: Field[], text: string): TableInput {
  const cells = parseTable(text);
  const head = (cells[0] ?? []).map(name => name.trim());
  const known = new Set(fields.map(field => field.name));
  const hasNames = head.some(name => known.has(name));
  const names = hasNames ? head : fields.map(field => field.name);
  const body = hasNames ? cells.slice(1) : cells;
  const problems: Problem[] = [];
  if (!hasNames && head.length > 0 && head.length !== fields.length) {
    problems.push({
      field: '',
      message: `the first line has ${head.length} values and names no column of the model, which takes ${fields.length}: put the columns' names into the first line`
    });
    return { rows: [], problems, leftOut: [], missing: [] };
  }
  const rows = body.map((line, index) => {
    const values = Object.fromEntries(names.map((name, place) => [name, line[place] ?? '']));
    const made = makeRow(fields, values, index);
    problems.push(...made.problems);
    return made.row;
  });
  return {
    rows,
    problems,
    leftOut: hasNames ? head.filter(name => name !== '' && !known.has(name)) : [],
    missing: hasNames ? fields.map(field => field.name).filter(name => !head.includes(name)) : []
  };
}
