/** What the chosen references say of a form: an algorithm its parameters and datasets, a dataset its columns. */
import type { Json, Resource, Schema } from '../api-types';
import { plainText, valueAt } from '../format';
import type { DatasetDeclaration, DeclaredMetric, Found } from '../forms/make-form';
import { USUAL_DATASETS } from '../forms/make-form';

/** Whose algorithms are built in: what these report is known. */
const SYSTEM_OWNER = 'orrery';

export interface DatasetColumn {
  name: string;
  type: string;
}

/** What an algorithm says of the form: its parameters, and the datasets that it reads. */
export function foundIn(algorithm: Resource, path: string, chosen: Json | undefined): Found {
  const parameters = (algorithm.spec.parameters_schema ??
    algorithm.status.outputs.parameters_schema) as unknown as Schema | undefined;
  const declared = (Array.isArray(algorithm.spec.datasets)
    ? algorithm.spec.datasets
    : []) as unknown as DatasetDeclaration[];
  const datasets = declared.length > 0 ? [...declared] : [...USUAL_DATASETS];
  for (const name of Object.keys(chosen !== null && typeof chosen === 'object' ? chosen : {})) {
    if (!datasets.some(dataset => dataset.name === name)) {
      datasets.push({ name });
    }
  }
  const metrics = (Array.isArray(algorithm.spec.metrics)
    ? algorithm.spec.metrics
    : []) as unknown as DeclaredMetric[];
  return {
    parameters: parameters ? { [path]: parameters } : {},
    datasets,
    metrics,
    takesOtherMetrics: algorithm.owner !== SYSTEM_OWNER || metrics.length === 0,
    isNotebook: plainText(algorithm.spec.entry_point).endsWith('.ipynb')
  };
}

/** The columns of a dataset or of one of its versions, from wherever it tells them. */
export function columnsOf(resource: Resource): DatasetColumn[] | null {
  const candidates = ['spec.content.columns', 'status.outputs.content.columns', 'status.outputs.columns'];
  for (const path of candidates) {
    const columns = valueAt(resource, path);
    if (Array.isArray(columns) && columns.length > 0) {
      return columns.map(column => {
        if (column !== null && typeof column === 'object' && !Array.isArray(column)) {
          return {
            name: plainText(column.name),
            type: plainText(column.kind ?? column.type ?? column.dtype)
          };
        }
        return { name: plainText(column), type: '' };
      });
    }
  }
  return null;
}
