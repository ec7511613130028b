/**
 * From the JSON Schema that a kind declares to the one that the form library takes, with its `uiSchema`.
 *
 * Pydantic's schemas are legal but not what a form wants: references are written in place, `anyOf [X, null]` becomes X
 * that may be null, tuples get plain items. The `x-orrery-*` hints choose the widgets.
 */
import type { UiSchema } from '@rjsf/utils';
import type { FieldError, Json, JsonObject, Schema } from '../api-types';
import { humanize, propertyTitle, valueAt } from '../format';

/** Write every `$ref` in place and make optional values plain. */
export function plainSchema(schema: Schema, definitions = schema.$defs ?? {}, depth = 0): Schema {
  if (depth > 32) {
    return {};
  }
  const go = (child: Schema): Schema => plainSchema(child, definitions, depth + 1);
  let plain: Schema = { ...schema };
  delete plain.$defs;
  if (plain.$ref) {
    const name = plain.$ref.split('/').pop() ?? '';
    delete plain.$ref;
    const target = go(definitions[name] ?? {});
    // A definition's title is the name of its class; the field's own name says more.
    delete target.title;
    plain = { ...target, ...plain };
  }
  if (plain.allOf?.length === 1 && plain.allOf[0]) {
    const only = go(plain.allOf[0]);
    delete plain.allOf;
    plain = { ...only, ...plain };
  }
  const union = plain.anyOf ?? plain.oneOf;
  if (union) {
    // what a person chooses among has a name
    const titled = (member: Schema): Schema => {
      const title = definitions[member.$ref?.split('/').pop() ?? '']?.title;
      return plain.discriminator && title ? { ...go(member), title } : go(member);
    };
    const members = union.map(titled);
    const others = members.filter(member => member.type !== 'null');
    const isNullable = others.length < members.length;
    delete plain.anyOf;
    delete plain.oneOf;
    if (others.length === 1 && others[0]) {
      plain = { ...others[0], ...plain };
      if (isNullable && typeof plain.type === 'string' && !plain.enum) {
        plain.type = [plain.type, 'null'];
      }
      if (plain.default === null) {
        delete plain.default;
      }
    } else {
      plain.anyOf = others.map((member, index) => ({
        title: humanize(String(member.title ?? member.type ?? `choice ${index + 1}`)),
        ...member
      }));
    }
  }
  if (plain.prefixItems) {
    plain.items = plain.prefixItems.map(go);
    delete plain.prefixItems;
  } else if (plain.items) {
    plain.items = Array.isArray(plain.items) ? plain.items.map(go) : go(plain.items);
  }
  if (plain.properties) {
    plain.properties = Object.fromEntries(
      Object.entries(plain.properties).map(([key, child]) => {
        const property = go(child);
        return [key, { ...property, title: propertyTitle(key, property.title) }];
      })
    );
  }
  if (typeof plain.additionalProperties === 'object') {
    plain.additionalProperties = go(plain.additionalProperties);
  }
  return plain;
}

export function typeOf(schema: Schema): string {
  const types = Array.isArray(schema.type) ? schema.type.filter(type => type !== 'null') : [schema.type];
  return types[0] ?? (schema.properties ? 'object' : schema.enum ? 'string' : '');
}

/** Which widget each part of the schema is edited with. */
export function uiSchemaOf(schema: Schema): UiSchema {
  const ui: UiSchema = {};
  const type = typeOf(schema);
  if (schema['x-orrery-upload']) {
    ui['ui:field'] = 'uploads';
  } else if (schema['x-orrery-space-of']) {
    ui['ui:field'] = 'space';
  } else if (schema['x-orrery-metrics-of']) {
    if (type === 'array') {
      ui['ui:field'] = 'objectives';
    } else {
      ui['ui:widget'] = 'metric';
    }
  } else if (schema['x-orrery-image']) {
    ui['ui:widget'] = 'image';
  } else if (schema['x-orrery-name-of'] && type === 'string') {
    ui['ui:widget'] = 'reference';
  } else if (schema['x-orrery-ref'] && type !== 'array' && type !== 'object') {
    ui['ui:widget'] = 'reference';
  } else if (schema['x-orrery-goal-of']) {
    ui['ui:widget'] = 'goal';
  } else if (schema['x-orrery-instance-type']) {
    ui['ui:widget'] = 'instance';
  } else if (isColumnList(schema)) {
    ui['ui:widget'] = 'columns';
  } else if (schema['x-orrery-column']) {
    ui['ui:widget'] = 'column';
  } else if (type === 'object' && !schema.properties) {
    ui['ui:field'] = 'pairs';
  } else if (schema['x-orrery-duration']) {
    ui['ui:widget'] = 'duration';
  } else if ((type === 'number' || type === 'integer') && !schema.enum) {
    ui['ui:widget'] = 'updown';
  } else if (type === '' && !schema.anyOf) {
    ui['ui:widget'] = 'json';
  } else if (
    type === 'array' &&
    schema.items &&
    !Array.isArray(schema.items) &&
    isPlainString(schema.items)
  ) {
    ui['ui:widget'] = 'words';
  } else if (type === 'string' && schema.format === 'password') {
    ui['ui:widget'] = 'password';
  } else if (type === 'string' && (schema.format === 'textarea' || (schema.maxLength ?? 0) > 500)) {
    ui['ui:widget'] = 'textarea';
  }
  if (schema['x-orrery-hidden']) {
    ui['ui:widget'] = 'hidden';
  }
  if (type === 'object' && (schema['x-orrery-group'] || schema['x-orrery-variants'])) {
    // Its group's frame and title are enough.
    ui['ui:options'] = { bare: true };
  }
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    ui[key] = uiSchemaOf(child);
  }
  if (
    type === 'array' &&
    schema.items &&
    !Array.isArray(schema.items) &&
    !ui['ui:widget'] &&
    !ui['ui:field']
  ) {
    ui.items = uiSchemaOf(schema.items);
  }
  return ui;
}

function isColumnList(schema: Schema): boolean {
  const items = Array.isArray(schema.items) ? undefined : schema.items;
  return typeOf(schema) === 'array' && Boolean(schema['x-orrery-column'] ?? items?.['x-orrery-column']);
}

function isPlainString(schema: Schema): boolean {
  return typeOf(schema) === 'string' && !schema.enum && !schema['x-orrery-ref'];
}

/** A form's data without what is never shown again: a secret is not kept in a draft. */
export function withoutConcealed(data: JsonObject, specSchema: Schema): JsonObject {
  const spec = Object.entries((data.spec ?? {}) as JsonObject);
  const kept = spec.filter(([name]) => specSchema.properties?.[name]?.writeOnly !== true);
  return { ...data, spec: Object.fromEntries(kept) };
}

export interface Place {
  path: string[];
  schema: Schema;
}

/** Every property of a schema with its path, parents first. */
export function* walk(schema: Schema, path: string[] = []): Generator<Place> {
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const here = [...path, key];
    yield { path: here, schema: child };
    yield* walk(child, here);
  }
}

/** Where files are uploaded; null where none are. */
export function uploadPathOf(schema: Schema): string[] | null {
  return [...walk(schema)].find(place => place.schema['x-orrery-upload'])?.path ?? null;
}

/** Uploads that are needed and have no file yet. */
export function missingUploads(schema: Schema, spec: JsonObject): FieldError[] {
  return [...walk(schema)].flatMap(({ path, schema: place }) => {
    const least = place['x-orrery-least'];
    const files = valueAt(spec, path.join('.'));
    const isMissing =
      typeof least === 'number' && least > 0 && (!Array.isArray(files) || files.length < least);
    return isMissing ? [{ path: `spec.${path.join('.')}`, message: 'Add at least one file.' }] : [];
  });
}

/** Whether it is rows of names and texts, as environment variables are: there an empty text is a value. */
function isTextRows(schema: Schema): boolean {
  const entry = schema.additionalProperties;
  const refers = typeof entry === 'object' && (entry['x-orrery-ref'] ?? entry['x-orrery-name-of']);
  return typeof entry === 'object' && typeOf(entry) === 'string' && !refers && !schema.properties;
}

/** Drop what was left empty, so that the server applies its own defaults. `schema`: what it is of, where that is known. */
export function withoutEmpty(value: Json | undefined, schema: Schema = {}): Json | undefined {
  if (value === undefined || value === null || value === '') {
    return undefined;
  }
  if (Array.isArray(value)) {
    const items = Array.isArray(schema.items) ? {} : schema.items;
    return value.map(item => withoutEmpty(item, items)).filter((item): item is Json => item !== undefined);
  }
  if (typeof value === 'object') {
    const kept: JsonObject = {};
    for (const [key, child] of Object.entries(value)) {
      const isValue = child === '' && key !== '' && isTextRows(schema);
      const clean = isValue ? child : withoutEmpty(child, schema.properties?.[key]);
      if (clean !== undefined) {
        kept[key] = clean;
      }
    }
    return kept;
  }
  return value;
}

/** An object with another value at this path; what lies between is made. */
export function changedAt(
  value: JsonObject,
  [key = '', ...rest]: string[],
  change: (current: Json | undefined) => Json
): JsonObject {
  const inner = (): JsonObject => changedAt((value[key] ?? {}) as JsonObject, rest, change);
  return { ...value, [key]: rest.length === 0 ? change(value[key]) : inner() };
}

/** Keep of an old object what the schema still has and still takes. */
export function keepKnown(values: JsonObject, schema: Schema): JsonObject {
  const kept: JsonObject = {};
  for (const [key, value] of Object.entries(values)) {
    const property = schema.properties?.[key];
    if (property && fits(value, property)) {
      kept[key] = value;
    }
  }
  return kept;
}

function fits(value: Json, schema: Schema): boolean {
  if (schema.enum) {
    return schema.enum.includes(value);
  }
  const type = typeOf(schema);
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number';
    case 'string':
      return typeof value === 'string';
    case 'boolean':
      return typeof value === 'boolean';
    case 'array':
      return Array.isArray(value);
    default:
      return true;
  }
}
