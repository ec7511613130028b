/** What is wrong with a form, in words, and at which fields it is said. */
import type { ErrorSchema, RJSFValidationError } from '@rjsf/utils';
import { ErrorSchemaBuilder } from '@rjsf/utils';
import type { FieldError, Json, JsonObject, Schema } from '../api-types';
import { typeOf, walk } from '../forms/schema';
import { plainText, valueAt } from '../format';

export interface FormProblem {
  path: string[];
  label: string;
  message: string;
  /** What the field held, as JSON, when this was found. */
  value: string;
}

/** What was refused when the form was sent, and what is found wrong at the fields that somebody has been in. */
export class FormErrors {
  /** Each goes when its field changes. */
  problems: FormProblem[] = [];
  shown: ErrorSchema = {};
  private live: FormProblem[] = [];
  private readonly touched = new Set<string>();

  constructor(
    private readonly idPrefix: string,
    private readonly form: () => [data: JsonObject, schema: Schema]
  ) {}

  get hasTouched(): boolean {
    return this.touched.size > 0;
  }

  /** Somebody left the input of this id; answers whether it is a field of this form. */
  leave(id: string): boolean {
    const isField = id.startsWith(`${this.idPrefix}_`);
    if (isField) {
      this.touched.add(id);
    }
    return isField;
  }

  /** It was sent and refused. */
  refuse(errors: FieldError[]): void {
    this.problems = errors.map(error => this.problemOf(error));
    this.problems.forEach(({ path }) => this.touched.add(this.idOf(path)));
    this.live = [];
    this.show();
  }

  /** What a check of the whole form found: kept of it is what belongs to fields that somebody has been in. */
  check(found: FieldError[]): void {
    this.live = found
      .map(error => this.problemOf(error))
      .filter(problem => this.touched.has(this.idOf(problem.path)));
    this.show();
  }

  /** A field that has changed since it was refused is no longer wrong until it is checked again. */
  dropSettled(): void {
    const still = this.problems.filter(
      ({ path, value }) => path.length === 0 || value === this.valueText(path)
    );
    if (still.length < this.problems.length) {
      this.problems = still;
      this.show();
    }
  }

  private show(): void {
    const builder = new ErrorSchemaBuilder();
    const said = new Set<string>();
    for (const { path, message } of [...this.problems, ...this.live]) {
      const key = `${path.join('.')} ${message}`;
      if (!said.has(key)) {
        said.add(key);
        builder.addErrors(message, path);
      }
    }
    this.shown = builder.ErrorSchema;
  }

  private problemOf({ path, message }: FieldError): FormProblem {
    const named = path
      .replace(/^body\./, '')
      .split('.')
      .filter(part => part !== '');
    const parts = placeOf(named, this.form()[1]);
    return { path: parts, label: this.labelOf(parts), message, value: this.valueText(parts) };
  }

  private labelOf(path: string[]): string {
    let [, schema]: [unknown, Schema | undefined] = this.form();
    let label = '';
    for (const key of path) {
      const items: Schema | Schema[] | undefined = schema?.items;
      schema = schema?.properties?.[key] ?? (Array.isArray(items) ? items[Number(key)] : items);
      const title = schema?.title;
      label = title ? title : /^\d+$/.test(key) ? label : key;
    }
    return label;
  }

  private valueText(path: string[]): string {
    const value = path.reduce<Json | undefined>((here, key) => childOf(here, key), this.form()[0]);
    return JSON.stringify(value ?? null);
  }

  private idOf(path: string[]): string {
    return [this.idPrefix, ...path].join('_');
  }
}

function childOf(value: Json | undefined, key: string): Json | undefined {
  return value !== null && typeof value === 'object' ? (value as JsonObject)[key] : undefined;
}

/** Of rows of names and values the rest is one name, which may have dots. */
function placeOf(path: string[], schema: Schema): string[] {
  let here: Schema | undefined = schema;
  for (const [index, key] of path.entries()) {
    if (here && typeOf(here) === 'object' && !here.properties && here.additionalProperties) {
      return [...path.slice(0, index), path.slice(index).join('.')];
    }
    const items: Schema | Schema[] | undefined = here?.items;
    here = here?.properties?.[key] ?? (Array.isArray(items) ? items[Number(key)] : items);
  }
  return path;
}

/** Rows that name nothing: they would be left out without a word. */
export function unnamedProblems(specSchema: Schema, spec: JsonObject): FieldError[] {
  return [...walk(specSchema)].flatMap(({ path, schema }) => {
    const entry = schema.additionalProperties;
    const kind = typeof entry === 'object' ? entry['x-orrery-name-of'] : undefined;
    const isRows = typeOf(schema) === 'object' && !schema.properties && !schema['x-orrery-space-of'];
    const rows = isRows ? valueAt(spec, path.join('.')) : null;
    return Object.entries((rows ?? {}) as JsonObject).flatMap(([name, value]) => {
      const place = ['spec', ...path, name].join('.');
      if (kind && !value) {
        const row = name || 'the row without a name';
        return [{ path: place, message: `Choose a ${kind} for ${row}, or remove the row.` }];
      }
      return name === '' && value !== ''
        ? [{ path: place, message: `Name the row of ${plainText(value)}, or remove it.` }]
        : [];
    });
  });
}

/** The validator's findings in words for people. */
export function readable(errors: RJSFValidationError[]): RJSFValidationError[] {
  return errors
    .filter(error => error.name !== 'anyOf' && error.name !== 'oneOf')
    .map(error => ({ ...error, message: readableMessage(error) }));
}

function readableMessage(error: RJSFValidationError): string {
  const params = (error.params ?? {}) as Record<string, unknown>;
  switch (error.name) {
    case 'required':
      return 'This is needed.';
    case 'minLength':
      return params.limit === 1 ? 'This is needed.' : `At least ${String(params.limit)} characters.`;
    case 'maxLength':
      return `At most ${String(params.limit)} characters.`;
    case 'minimum':
      return `Must be ${String(params.limit)} or more.`;
    case 'exclusiveMinimum':
      return `Must be more than ${String(params.limit)}.`;
    case 'maximum':
      return `Must be ${String(params.limit)} or less.`;
    case 'exclusiveMaximum':
      return `Must be less than ${String(params.limit)}.`;
    case 'minItems':
      return `At least ${String(params.limit)} of them.`;
    case 'pattern':
      return 'It is not written as it must be: the "?" says how.';
    case 'enum':
      return `Must be one of ${(params.allowedValues as Json[]).map(String).join(', ')}.`;
    default:
      return error.message ?? 'This is not right.';
  }
}
