import { describe, expect, it } from 'vitest';
import { NOTHING_FOUND, makeFormSchemas } from '../src/forms/make-form';
import {
  keepKnown,
  missingUploads,
  plainSchema,
  uiSchemaOf,
  withoutConcealed,
  withoutEmpty
} from '../src/forms/schema';
import type { Schema } from '../src/api-types';
import { DATASET, TRAINING } from './platform';

describe('plainSchema', () => {
  it('writes references in place and keeps the name of the field, not of the class', () => {
    const schema: Schema = {
      $defs: { DatasetType: { title: 'DatasetType', enum: ['tabular', 'text'], type: 'string' } },
      properties: { type: { $ref: '#/$defs/DatasetType', default: 'tabular' } }
    };
    expect(plainSchema(schema).properties?.type).toEqual({
      title: 'Type',
      enum: ['tabular', 'text'],
      type: 'string',
      default: 'tabular'
    });
  });

  it('makes an optional value one that may be null, without a null default', () => {
    const schema = plainSchema({ anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }], default: null });
    expect(schema).toEqual({ type: ['integer', 'null'], minimum: 1 });
  });

  it('gives tuples plain items', () => {
    expect(plainSchema({ type: 'array', prefixItems: [{ type: 'string' }] }).items).toEqual([
      { type: 'string' }
    ]);
  });
});

describe('a secret', () => {
  const schema: Schema = plainSchema({
    properties: {
      value: { anyOf: [{ type: 'string' }, { type: 'null' }], format: 'password', writeOnly: true },
      note: { type: 'string' }
    }
  });

  it('is typed unseen, and kept in no draft', () => {
    expect(uiSchemaOf(schema).value).toEqual({ 'ui:widget': 'password' });
    const typed = { name: 'token', spec: { value: 'hf_4711', note: 'of the hub' } };
    expect(withoutConcealed(typed, schema)).toEqual({ name: 'token', spec: { note: 'of the hub' } });
  });
});

describe('an image', () => {
  it('is chosen from cards, though it is a reference too', () => {
    expect(uiSchemaOf({ type: 'string', 'x-orrery-ref': 'image', 'x-orrery-image': 'NOTEBOOK' })).toEqual({
      'ui:widget': 'image'
    });
  });
});

describe('uiSchemaOf', () => {
  it('chooses widgets by the hints', () => {
    const ui = uiSchemaOf({
      type: 'object',
      properties: {
        files: { type: 'array', 'x-orrery-upload': true, items: { type: 'object' } },
        model: { type: 'string', 'x-orrery-ref': 'model' },
        target: { type: 'string', 'x-orrery-column': true },
        columns: { type: 'array', items: { type: 'string', 'x-orrery-column': true } },
        rate: { type: 'number' },
        size: { type: 'string', 'x-orrery-instance-type': true },
        extra: { type: 'object', additionalProperties: true },
        tags: { type: 'array', items: { type: 'string' } }
      }
    });
    expect(ui.files).toEqual({ 'ui:field': 'uploads' });
    expect(ui.model).toEqual({ 'ui:widget': 'reference' });
    expect(ui.target).toEqual({ 'ui:widget': 'column' });
    expect(ui.columns).toEqual({ 'ui:widget': 'columns' });
    expect(ui.rate).toEqual({ 'ui:widget': 'updown' });
    expect(ui.size).toEqual({ 'ui:widget': 'instance' });
    expect(ui.extra).toEqual({ 'ui:field': 'pairs' });
    expect(ui.tags).toEqual({ 'ui:widget': 'words' });
  });
});

describe('makeFormSchemas', () => {
  it('asks for training data before an algorithm is chosen', () => {
    const { schema } = makeFormSchemas(TRAINING, null, NOTHING_FOUND);
    const spec = (schema as Schema).properties?.spec;
    expect(Object.keys(spec?.properties?.datasets?.properties ?? {})).toEqual(['train']);
    expect(spec?.properties?.datasets?.required).toEqual(['train']);
  });

  it('leaves only what may be changed in an edit', () => {
    const { schema } = makeFormSchemas(DATASET, null, NOTHING_FOUND, DATASET.mutable);
    const plain = schema as Schema;
    expect(Object.keys(plain.properties ?? {})).toEqual(['name', 'description', 'spec']);
    expect(Object.keys(plain.properties?.spec?.properties ?? {})).toEqual(['files']);
  });

  it('says itself that a file is needed', () => {
    const { schema } = makeFormSchemas(DATASET, null, NOTHING_FOUND);
    const spec = (schema as Schema).properties?.spec ?? {};
    expect(missingUploads(spec, {})).toEqual([{ path: 'spec.files', message: 'Add at least one file.' }]);
    expect(missingUploads(spec, { files: [{ path: 'a.csv' }] })).toEqual([]);
  });
});

describe('values', () => {
  it('drops what was left empty, all the way down', () => {
    expect(withoutEmpty({ a: '', b: null, c: { d: '', e: 0 }, f: [null, 1], g: false })).toEqual({
      c: { e: 0 },
      f: [1],
      g: false
    });
  });

  it('keeps a variable that is empty on purpose, and no row without a name', () => {
    const rows: Schema = { type: 'object', additionalProperties: { type: 'string' } };
    const secrets: Schema = {
      type: 'object',
      additionalProperties: { type: 'string', 'x-orrery-name-of': 'secret' }
    };
    const schema: Schema = { properties: { spec: { properties: { environment: rows, secrets } } } };
    const spec = { environment: { DEBUG: '', '': '' }, secrets: { TOKEN: '' }, other: { a: '' } };
    expect(withoutEmpty({ spec }, schema)).toEqual({
      spec: { environment: { DEBUG: '' }, secrets: {}, other: {} }
    });
  });

  it('keeps of one algorithm what the next one still takes', () => {
    const schema: Schema = {
      properties: { rounds: { type: 'integer' }, task: { enum: ['auto'] }, rate: { type: 'number' } }
    };
    expect(keepKnown({ rounds: 5, task: 'gone', rate: 'x', other: 1 }, schema)).toEqual({ rounds: 5 });
  });
});
