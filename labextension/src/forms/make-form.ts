/** The form of a kind: what every resource has, then what its spec declares, filled in by what is chosen so far. */
import type { RJSFSchema, UiSchema } from '@rjsf/utils';
import type { JsonObject, Kind, Objective, Schema, WhoAmI } from '../api-types';
import { propertyTitle } from '../format';
import { plainSchema, uiSchemaOf, walk } from './schema';
import { chooseVariants } from './variants';

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
  metrics: DeclaredMetric[];
  /** Code of one's own may report any metric. */
  takesOtherMetrics: boolean;
  /** Whether what is run is a notebook. */
  isNotebook: boolean;
}

/** A metric that an algorithm says it reports, and which way is better. */
export interface DeclaredMetric {
  name: string;
  title?: string;
  goal?: Objective['goal'];
}

/** What an algorithm may read that does not say. */
export const USUAL_DATASETS: DatasetDeclaration[] = [
  { name: 'train', title: 'Training data' },
  { name: 'validation', title: 'Validation data' },
  { name: 'test', title: 'Test data' }
];

export const NOTHING_FOUND: Found = {
  parameters: {},
  datasets: [{ name: 'train', title: 'Training data', required: true }],
  metrics: [],
  takesOtherMetrics: true,
  isNotebook: false
};

/**
 * The whole form of a kind: what every resource has, then its spec. With `only`, just these fields (an edit).
 * `searched`: the parameters that a tuning varies, and that have no fixed value therefore. `filled`: the spec so far.
 */
export function makeFormSchemas(
  kind: Kind,
  user: WhoAmI | null,
  found: Found,
  only?: readonly string[],
  searched: readonly string[] = [],
  filled: JsonObject = {}
): FormSchemas {
  const spec = makeSpecSchema(kind, found, searched);
  chooseVariants(spec.properties ?? {}, filled);
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

function makeSpecSchema(kind: Kind, found: Found, searched: readonly string[]): Schema {
  const spec = plainSchema(kind.spec_schema);
  spec.title = '';
  // A template's: what a run must be given may be left open.
  const isOpen = spec['x-orrery-open'] === true;
  delete spec.description;
  // what the platform sets is not asked for
  spec.properties = Object.fromEntries(
    Object.entries(spec.properties ?? {}).filter(([, property]) => property.readOnly !== true)
  );
  for (const { path, schema } of [...walk(spec)]) {
    if (schema['x-orrery-script'] && found.isNotebook) {
      schema['x-orrery-hidden'] = true;
    }
    const parameters = found.parameters[path.join('.')];
    if (schema['x-orrery-parameters-of'] && parameters) {
      const plain = plainSchema(parameters);
      schema.properties = Object.fromEntries(
        Object.entries(plain.properties ?? {}).filter(([name]) => !searched.includes(name))
      );
      schema.required = isOpen ? [] : (plain.required ?? []).filter(name => !searched.includes(name));
      schema.additionalProperties = false;
    }
    if (schema['x-orrery-space-of']) {
      // What is wrong with a space is said by `spaceProblems`, in the server's words.
      schema.title = 'Search space';
      schema.additionalProperties = true;
      delete schema.minProperties;
      delete schema.maxProperties;
      spec.properties = searchFirst(spec.properties ?? {}, schema['x-orrery-group']);
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
        found.datasets.map(({ name, title }) => [
          name,
          { ...entry, title: propertyTitle(name, title), description: datasetHelp(name) }
        ])
      );
      schema.required = found.datasets
        .filter(dataset => dataset.required && !isOpen)
        .map(dataset => dataset.name);
      if (schema.required.length > 0 && path.length === 1) {
        spec.required = [...new Set([...(spec.required ?? []), ...path])];
      }
      schema.additionalProperties = false;
    }
  }
  return spec;
}

/** The spec without what is a script's where a notebook is chosen: it takes the defaults, which notebooks have. */
export function withoutScripts(specSchema: Schema, spec: JsonObject): JsonObject {
  const isHidden = (name: string): boolean => {
    const property = specSchema.properties?.[name];
    return property?.['x-orrery-script'] === true && property['x-orrery-hidden'] === true;
  };
  return Object.fromEntries(Object.entries(spec).filter(([name]) => !isHidden(name)));
}

function datasetHelp(name: string): string {
  const variable = `EM_DATASET_${name.toUpperCase()}`;
  return `A published version of a dataset; without a version its latest. Code of your own finds its files in ${variable}.`;
}

/** What is searched stands before the parameters that are not. */
function searchFirst(properties: Record<string, Schema>, group: string | undefined): Record<string, Schema> {
  const entries = Object.entries(properties);
  const isSearch = ([, schema]: [string, Schema]): boolean => schema['x-orrery-group'] === group;
  const rest = entries.filter(entry => !isSearch(entry));
  const fixed = rest.findIndex(([, schema]) => schema['x-orrery-parameters-of'] !== undefined);
  const at = fixed < 0 ? rest.length : fixed;
  const parameters = rest[at]?.[1];
  if (parameters) {
    parameters['x-orrery-group'] = 'Fixed hyperparameters';
  }
  return Object.fromEntries([...rest.slice(0, at), ...entries.filter(isSearch), ...rest.slice(at)]);
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
