/** The form of a kind: what every resource has, then what its spec declares, filled in by what is chosen so far. */
import type { RJSFSchema, UiSchema } from '@rjsf/utils';
import type { Kind, Schema, WhoAmI } from '../api-types';
import { propertyTitle } from '../format';
import { plainSchema, uiSchemaOf, walk } from './schema';

export interface FormSchemas {
  schema: RJSFSchema;
  uiSchema: UiSchema;
}

/** A dataset that an algorithm reads, by the name that its notebook knows it by. */
export interface DatasetDeclaration {
  name: string;
  title?: string;
  required?: boolean;
}

/** What the chosen references say of the rest of the form. */
export interface Found {
  /** Schemas of `x-orrery-parameters-of` objects, by their path. */
  parameters: Record<string, Schema>;
  datasets: DatasetDeclaration[];
}

/** What an algorithm may read that does not say. */
export const USUAL_DATASETS: DatasetDeclaration[] = [
  { name: 'train', title: 'Training data' },
  { name: 'validation', title: 'Validation data' },
  { name: 'test', title: 'Test data' }
];

export const NOTHING_FOUND: Found = {
  parameters: {},
  datasets: [{ name: 'train', title: 'Training data', required: true }]
};

/** The whole form of a kind: what every resource has, then its spec. With `only`, just these fields (an edit). */
export function makeFormSchemas(
  kind: Kind,
  user: WhoAmI | null,
  found: Found,
  only?: readonly string[]
): FormSchemas {
  const spec = makeSpecSchema(kind, found);
  const properties: Record<string, Schema> = { ...commonProperties(kind, user?.groups ?? []), spec };
  if (only) {
    keepOnly(properties, only, '');
    keepOnly(spec.properties ?? {}, only, 'spec.');
    spec.required = (spec.required ?? []).filter(name => name in (spec.properties ?? {}));
  }
  const schema: Schema = { type: 'object', required: 'name' in properties ? ['name'] : [], properties };
  const uiSchema: UiSchema = {
    ...uiSchemaOf(schema),
    'ui:order': ['name', 'description', 'spec', 'visibility', 'group', 'tags'].filter(
      name => name in properties
    ),
    description: { 'ui:widget': 'textarea', 'ui:options': { rows: 2 } }
  };
  return { schema: schema as RJSFSchema, uiSchema };
}

function keepOnly(properties: Record<string, Schema>, only: readonly string[], prefix: string): void {
  for (const name of Object.keys(properties)) {
    if (name !== 'spec' && !only.includes(prefix + name)) {
      delete properties[name];
    }
  }
}

function makeSpecSchema(kind: Kind, found: Found): Schema {
  const spec = plainSchema(kind.spec_schema);
  spec.title = '';
  delete spec.description;
  // what the platform sets is not asked for
  spec.properties = Object.fromEntries(
    Object.entries(spec.properties ?? {}).filter(([, property]) => property.readOnly !== true)
  );
  for (const { path, schema } of [...walk(spec)]) {
    const parameters = found.parameters[path.join('.')];
    if (schema['x-orrery-parameters-of'] && parameters) {
      const plain = plainSchema(parameters);
      schema.properties = plain.properties ?? {};
      schema.required = plain.required ?? [];
      schema.additionalProperties = false;
    }
    if (schema['x-orrery-upload']) {
      // The form library would fill in empty files; that some are needed is said by `missingUploads`.
      schema['x-orrery-least'] = schema.minItems ?? 0;
      delete schema.minItems;
    }
    const entry = mapEntry(schema);
    // What the chosen resource says of its datasets; elsewhere they are named freely.
    if (entry?.['x-orrery-ref'] && schema['x-orrery-datasets-of']) {
      schema.properties = Object.fromEntries(
        found.datasets.map(({ name, title }) => [name, { ...entry, title: propertyTitle(name, title) }])
      );
      schema.required = found.datasets.filter(dataset => dataset.required).map(dataset => dataset.name);
      if (schema.required.length > 0 && path.length === 1) {
        spec.required = [...new Set([...(spec.required ?? []), ...path])];
      }
      schema.additionalProperties = false;
    }
  }
  return spec;
}

function mapEntry(schema: Schema): Schema | null {
  return typeof schema.additionalProperties === 'object' && !schema.properties
    ? schema.additionalProperties
    : null;
}

const SHARING = 'Sharing and tags';

function commonProperties(kind: Kind, groups: string[]): Record<string, Schema> {
  const properties: Record<string, Schema> = {
    name: {
      type: 'string',
      title: 'Name',
      minLength: 1,
      maxLength: 63,
      description: `Letters, digits, '.', '_' and '-'; unique among your ${kind.title_plural.toLowerCase()}. It can be changed later.`
    },
    description: { type: 'string', title: 'Description', description: 'What it is for, in your own words.' },
    visibility: {
      type: 'string',
      title: 'Visibility',
      default: 'private',
      enum: groups.length > 0 ? ['private', 'group', 'public'] : ['private', 'public'],
      description:
        'Private: only you. Group: the members of one of your groups. Public: everyone who can sign in.',
      'x-orrery-group': SHARING
    },
    tags: {
      type: 'array',
      title: 'Tags',
      items: { type: 'string' },
      default: [],
      description: 'Words to find it by. Press Enter after each one.',
      'x-orrery-group': SHARING
    }
  };
  if (groups.length > 0) {
    properties.group = {
      type: 'string',
      title: 'Group',
      enum: groups,
      description: 'The group that may see it, where the visibility is "group".',
      'x-orrery-group': SHARING
    };
  }
  return properties;
}
