/** The hyperparameters of a run beside the defaults of what it ran. Pure. */
import type { Json, JsonObject, Kind, Resource, Schema } from '../api-types';
import { isObject, propertyTitle, valueAt } from '../format';
import { plainSchema, walk } from '../forms/schema';

export interface Hyperparameter {
  name: string;
  title: string;
  help: string;
  group: string;
  value: Json | undefined;
  /** Undefined where the algorithm declares none. */
  default: Json | undefined;
  /** It was given, and differs from the default. */
  isChanged: boolean;
}

export interface ParameterPlace {
  /** Where in the spec the parameters are, and where what declares them is named. */
  path: string;
  sourcePath: string;
  sourceKind: string;
}

/** Where the spec of this kind has hyperparameters; null where it has none. */
export function parameterPlace(kind: Kind): ParameterPlace | null {
  const places = [...walk(plainSchema(kind.spec_schema))];
  const parameters = places.find(place => place.schema['x-orrery-parameters-of']);
  const sourceKind = parameters?.schema['x-orrery-parameters-of'] ?? '';
  const source = places.find(place => place.schema['x-orrery-ref'] === sourceKind);
  return parameters && source
    ? { path: parameters.path.join('.'), sourcePath: source.path.join('.'), sourceKind }
    : null;
}

/** Declared ones in their order, then what was given besides. */
export function hyperparameters(
  run: Resource,
  place: ParameterPlace,
  declared: Schema | null
): Hyperparameter[] {
  const given = valueAt(run.spec, place.path);
  const values: JsonObject = isObject(given) ? given : {};
  const properties = declared ? (plainSchema(declared).properties ?? {}) : {};
  // What a tuning searches has no one value.
  const searched: JsonObject = isObject(run.spec.space) ? run.spec.space : {};
  const known = [...Object.keys(properties).filter(name => !(name in searched)), ...Object.keys(values)];
  const names = [...new Set(known)];
  return names.map(name => {
    const schema = properties[name];
    const value = values[name];
    return {
      name,
      title: propertyTitle(name, schema?.title),
      help: schema?.description ?? '',
      group: schema?.['x-orrery-group'] ?? '',
      value: value ?? schema?.default,
      default: schema?.default,
      isChanged: value !== undefined && JSON.stringify(value) !== JSON.stringify(schema?.default)
    };
  });
}
