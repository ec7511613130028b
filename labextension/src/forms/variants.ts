/**
 * A value that has one of several shapes (a discriminated union): the form asks which, and the fields of that one follow.
 * The schema of the form is that of the chosen one alone, so that nothing is checked against the others.
 */
import type { JsonObject, Schema } from '../api-types';
import { plainText } from '../format';
import { keepKnown } from './schema';

interface Variants {
  /** The field that says which. */
  tag: string;
  members: Map<string, Schema>;
}

interface Discriminator {
  propertyName: string;
}

function variantsOf(schema: Schema): Variants | null {
  const discriminator = schema.discriminator as Discriminator | undefined;
  const members = (schema.anyOf ?? []).flatMap(member => member.anyOf ?? [member]);
  const found = discriminator ?? (schema.anyOf?.[0]?.discriminator as Discriminator | undefined);
  if (!found) {
    return null;
  }
  const tag = found.propertyName;
  return {
    tag,
    members: new Map(members.flatMap(member => named(member, tag)))
  };
}

function named(member: Schema, tag: string): [string, Schema][] {
  const name = member.properties?.[tag]?.const;
  return typeof name === 'string' ? [[name, member]] : [];
}

function objectOf(value: unknown): JsonObject {
  return value !== null && typeof value === 'object' ? (value as JsonObject) : {};
}

/** Take each property of several shapes as the one that `spec` has chosen; what it stands instead of is hidden then. */
export function chooseVariants(properties: Record<string, Schema>, spec: JsonObject): void {
  for (const [name, schema] of Object.entries(properties)) {
    const variants = variantsOf(schema);
    if (!variants) {
      continue;
    }
    const chosen = variants.members.get(plainText(objectOf(spec[name])[variants.tag]));
    const fields = Object.entries(chosen?.properties ?? {}).filter(([field]) => field !== variants.tag);
    properties[name] = {
      type: 'object',
      title: schema.title,
      'x-orrery-variants': variants.tag,
      properties: {
        [variants.tag]: {
          type: 'string',
          title: schema.title,
          description: schema.description,
          'x-orrery-none': schema['x-orrery-none'],
          oneOf: [...variants.members].map(([value, member]) => ({ const: value, title: member.title }))
        },
        ...Object.fromEntries(fields)
      },
      required: (chosen?.required ?? []).filter(field => field !== variants.tag),
      additionalProperties: false
    };
    const other = properties[String(schema['x-orrery-instead-of'])];
    if (chosen && other) {
      other['x-orrery-hidden'] = true;
    }
  }
}

/** Which are chosen, to see whether that has changed. */
export function chosenVariants(properties: Record<string, Schema>, spec: JsonObject): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const tag = schema['x-orrery-variants'];
    return typeof tag === 'string' ? [plainText(objectOf(spec[name])[tag])] : [];
  });
}

/** What the chosen ones take of what another had. */
export function keepVariants(properties: Record<string, Schema>, spec: JsonObject): JsonObject {
  const kept = { ...spec };
  for (const [name, schema] of Object.entries(properties)) {
    if (schema['x-orrery-variants'] && spec[name] !== undefined) {
      kept[name] = keepKnown(objectOf(spec[name]), schema);
    }
  }
  return kept;
}
