/**
 * The columns of a list that its kind does not declare: a metric, or a hyperparameter, of what is listed. Their keys are
 * the server's names to order by: `metric.NAME`, `parameter.NAME`.
 */
import type { Column, Json, JsonObject, Resource } from '../api-types';
import { isObject } from '../format';
import { metricsOf } from './comparison';
import type { Goals } from './goals';

const METRIC = 'metric.';
const PARAMETER = 'parameter.';

export function isInside(key: string): boolean {
  return key.startsWith(METRIC) || key.startsWith(PARAMETER);
}

function nameOf(key: string): string {
  return key.slice(key.startsWith(METRIC) ? METRIC.length : PARAMETER.length);
}

/** The column of a key; its title is the name as it was reported or given. */
export function insideColumn(key: string): Column {
  return { key, title: nameOf(key), type: key.startsWith(METRIC) ? 'number' : 'text' };
}

export function insideValue(resource: Resource, key: string): Json | undefined {
  if (!isInside(key)) {
    return undefined;
  }
  const values = key.startsWith(METRIC) ? metricsOf(resource) : given(resource);
  return values[nameOf(key)];
}

function given(resource: Resource): JsonObject {
  const { parameters } = resource.spec;
  return isObject(parameters) ? parameters : {};
}

/** What the resources have, and those that were chosen before; both sorted. */
export function insideKeys(
  resources: readonly Resource[],
  chosen: readonly string[]
): { metrics: string[]; parameters: string[] } {
  const metrics = resources.flatMap(resource => Object.keys(metricsOf(resource)).map(name => METRIC + name));
  const parameters = resources.flatMap(resource =>
    Object.keys(given(resource)).map(name => PARAMETER + name)
  );
  const among = (prefix: string, found: string[]): string[] =>
    [...new Set([...found, ...chosen.filter(key => key.startsWith(prefix))])].sort();
  return { metrics: among(METRIC, metrics), parameters: among(PARAMETER, parameters) };
}

/** By what the server orders; undefined where it cannot. */
export function insideOrder(key: string): string | undefined {
  return isInside(key) && !key.includes('"') ? key : undefined;
}

/** Whether the greatest come first: where more is better, or it is not known what is. */
export function beginsWithMost(key: string, goals: Goals): boolean {
  return key.startsWith(METRIC) && goals.directionOf(nameOf(key)) >= 0;
}
