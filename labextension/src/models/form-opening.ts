/** What a form begins with: a resource to copy or to change, a template, what a command fills in. */
import type { Api } from '../api';
import { errorMessage } from '../api';
import type { JsonObject, Kind, Resource, Schema } from '../api-types';
import { readableSpec } from '../format';
import { keepKnown, plainSchema, walk } from '../forms/schema';
import { proposeRunName } from './proposals';

export interface FormOptions {
  /** Where the draft is kept, so that it comes back after a reload. */
  draft: string;
  /** `owner/name` or id of a resource to begin from. */
  copyOf?: string;
  /** The resource to change, instead of making a new one. */
  editOf?: string;
  /** A template of trainings to begin from, for any form that has fields of one. */
  template?: string;
  prefill?: JsonObject;
}

/** What a form begins with where the server's own default is the cautious one. */
const OPENING_VALUES: Record<string, JsonObject> = { dataset: { publish: true } };

/** A new form's, by `me`; `tell` hears of what could not be read, and the form opens without it. */
export async function openingData(
  api: Api,
  kind: Kind,
  options: FormOptions,
  me: string,
  tell: (message: string) => void
): Promise<JsonObject> {
  const prefill = options.prefill ?? {};
  const data: JsonObject = { spec: {}, ...prefill };
  const known = plainSchema(kind.spec_schema);
  data.spec = {
    ...keepKnown(OPENING_VALUES[kind.kind] ?? {}, known),
    ...(prefill.spec as JsonObject | undefined)
  };
  if (options.copyOf) {
    try {
      const original = await api.get(kind.plural, options.copyOf);
      // What the platform fills in by itself is in no form.
      const asked = Object.entries(readableSpec(original)).filter(
        ([name]) => name in (known.properties ?? {})
      );
      return { ...commonValues(original), spec: Object.fromEntries(asked), name: `${original.name}-copy` };
    } catch (error) {
      tell(errorMessage(error));
    }
  }
  const { algorithm } = data.spec;
  if (data.name === undefined && typeof algorithm === 'string' && takesParameters(known)) {
    const named = algorithm.split('/').pop() ?? algorithm;
    try {
      const { items } = await api.list(kind.plural, {
        q: named,
        owner: me,
        limit: 200,
        order: '-created_at'
      });
      data.name = proposeRunName(
        algorithm,
        items.map(({ name }) => name)
      );
    } catch (error) {
      tell(errorMessage(error));
    }
  }
  return data;
}

/** Whether it runs what has parameters, an algorithm. */
export function takesParameters(specSchema: Schema): boolean {
  return [...walk(specSchema)].some(({ schema }) => schema['x-orrery-parameters-of']);
}

/** Of a resource that is to be changed: what may be. */
export function editedData(kind: Kind, original: Resource): JsonObject {
  const spec = readableSpec(original);
  const mutable = Object.entries(spec).filter(([name]) => kind.mutable.includes(`spec.${name}`));
  return { ...commonValues(original), spec: Object.fromEntries(mutable) };
}

/** What an edit changes, of what may be changed; an emptied field is sent as such. */
export function changeOf(kind: Kind, sent: JsonObject): JsonObject {
  const change: JsonObject = {};
  for (const field of kind.mutable.filter(name => !name.startsWith('spec.'))) {
    const value = sent[field] ?? (field === 'description' ? '' : field === 'tags' ? [] : undefined);
    if (value !== undefined) {
      change[field] = value;
    }
  }
  if (change.visibility !== 'group') {
    delete change.group;
  }
  const spec = sent.spec as JsonObject;
  const mutable = kind.mutable.flatMap(name => (name.startsWith('spec.') ? [name.slice(5)] : []));
  change.spec = Object.fromEntries(
    mutable.filter(name => name in spec).map(name => [name, spec[name] ?? null])
  );
  return change;
}

function commonValues(resource: Resource): JsonObject {
  const { name, description, tags, visibility, group } = resource;
  return { name, description, tags, visibility, ...(group === null ? {} : { group }) };
}

/** A title for the form's tab. */
export function formTitle(kind: Kind | undefined, options: { copyOf?: string; editOf?: string }): string {
  const what = (kind?.title ?? 'resource').toLowerCase();
  return options.editOf ? `Edit ${what}` : options.copyOf ? `Copy ${what}` : `New ${what}`;
}
