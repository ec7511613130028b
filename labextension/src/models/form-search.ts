/** What the search space of a tuning means for the rest of its form. Pure. */
import type { FieldError, JsonObject, Schema } from '../api-types';
import { isObject, valueAt } from '../format';
import { plainSchema, walk } from '../forms/schema';
import { spaceOf, spaceProblems } from './search-space';

function spacePath(schema: Schema): string | null {
  for (const { path, schema: place } of walk(schema)) {
    if (place['x-orrery-space-of']) {
      return path.join('.');
    }
  }
  return null;
}

/** The parameters that the space of this spec varies; none where its kind has no space. */
export function searchedIn(schema: Schema, spec: JsonObject): string[] {
  const path = spacePath(schema.$defs ? plainSchema(schema) : schema);
  const space = path === null ? undefined : valueAt(spec, path);
  return isObject(space) ? Object.keys(space) : [];
}

/** The spec without what another algorithm's space had: kept is what the new one declares or takes besides. */
export function keepSpace(schema: Schema, spec: JsonObject, parameters: Schema | null): JsonObject {
  const path = spacePath(schema);
  const space = path === null ? undefined : spec[path];
  if (path === null || !isObject(space) || parameters?.additionalProperties !== false) {
    return spec;
  }
  const known = Object.entries(space).filter(([name]) => name in (parameters.properties ?? {}));
  return { ...spec, [path]: Object.fromEntries(known) };
}

/** What is wrong with the space, where the form has one. */
export function searchProblems(schema: Schema, spec: JsonObject, parameters: Schema | null): FieldError[] {
  const path = spacePath(schema);
  return path === null ? [] : spaceProblems(spaceOf(spec[path]), parameters, spec.sampler === 'grid');
}
