/** The hyperparameters of a run beside the defaults of what it ran. Pure. */
import type { Json, JsonObject, Kind, Resource, Schema } from '../api-types';
import { isObject, propertyTitle, valueAt } from '../format';
import { plainSchema, walk } from '../forms/schema';
import { describeDimension } from './search-space';

export interface Hyperparameter {
  name: string;
  title: string;
  help: string;
  group: string;
  value: Json | undefined;
  /** Undefined where the algorithm declares none. */
  default: Json | undefined;
  /** It was given, and differs from the default; or it is searched. */
  isChanged: boolean;
  /** What a tuning searches of it: `2..8`. Empty: it has one value. */
  searched: string;
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
  const space: JsonObject = isObject(run.spec.space) ? run.spec.space : {};
  const names = [...Object.keys(properties), ...Object.keys(space), ...Object.keys(values)];
  return [...new Set(names)].map(name => {
    const schema = properties[name];
    const value = values[name];
    const dimension = space[name];
    return {
      name,
      title: propertyTitle(name, schema?.title),
      help: schema?.description ?? '',
      group: schema?.['x-orrery-group'] ?? '',
      value: dimension === undefined ? (value ?? schema?.default) : undefined,
      default: schema?.default,
      isChanged:
        dimension !== undefined ||
        (value !== undefined && JSON.stringify(value) !== JSON.stringify(schema?.default)),
      searched: isObject(dimension) ? describeDimension(dimension) : ''
    };
  });
}
