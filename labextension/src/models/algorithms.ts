/** What an algorithm declares of itself: its hyperparameters and the metrics that it emits. Pure. */
import type { Resource, Schema } from '../api-types';
import { asTyped, propertyTitle } from '../format';
import { plainSchema, typeOf } from '../forms/schema';
import type { DeclaredMetric } from '../forms/make-form';
import { foundIn } from './form-sources';

export interface DeclaredParameter {
  name: string;
  title: string;
  type: string;
  /** Empty where there is none. */
  default: string;
  /** What it may be: "1 to 100", "one of a, b"; empty where anything goes. */
  range: string;
  help: string;
  isRequired: boolean;
}

export interface Declared {
  parameters: DeclaredParameter[];
  metrics: DeclaredMetric[];
}

export function declaredBy(algorithm: Resource): Declared {
  const found = foundIn(algorithm, 'parameters', undefined);
  const schema = plainSchema(found.parameters.parameters ?? {});
  const parameters = Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    title: propertyTitle(name, property.title),
    type: typeOf(property) || 'any',
    default: asTyped(property.default),
    range: property.enum ? `one of ${asTyped(property.enum)}` : rangeOf(property, asTyped),
    help: property.description ?? '',
    isRequired: schema.required?.includes(name) ?? false
  }));
  return { parameters, metrics: found.metrics };
}

/** "1 to 100", "more than 0"; empty where no bound is said. */
export function rangeOf(schema: Schema, write: (bound: number) => string): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const from = minimum ?? exclusiveMinimum;
  const to = maximum ?? exclusiveMaximum;
  const above = minimum === undefined ? 'more than' : 'at least';
  const below = maximum === undefined ? 'less than' : 'at most';
  if (from !== undefined && to !== undefined) {
    const areBothIn = minimum !== undefined && maximum !== undefined;
    return areBothIn ? `${write(from)} to ${write(to)}` : `${above} ${write(from)}, ${below} ${write(to)}`;
  }
  if (from !== undefined) {
    return `${above} ${write(from)}`;
  }
  return to === undefined ? '' : `${below} ${write(to)}`;
}

/** "roc_auc, accuracy": the names that runs report them by. */
export function emitted(metrics: readonly DeclaredMetric[]): string {
  return metrics.map(metric => metric.name).join(', ');
}
