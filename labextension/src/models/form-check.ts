/** What is wrong with a draft before it is sent: by its schema, and by what no schema says. */
import { validator } from '../forms/validator';
import type { Draft, FieldError, JsonObject, Schema } from '../api-types';
import type { FormSchemas } from '../forms/make-form';
import { missingUploads } from '../forms/schema';
import type { Cost } from './cost';
import { readable, unnamedProblems } from './form-problems';
import { searchProblems } from './form-search';
import type { Sweep, SweepPlan } from './sweep';
import { isSwept } from './sweep';

/** The form as it stands. */
interface CheckedForm {
  readonly schemas: FormSchemas;
  readonly specSchema: Schema;
  readonly spec: JsonObject;
  readonly searchable: Schema | null;
  readonly cost: Cost | null;
  readonly sweep: Sweep;
  readonly plan: SweepPlan;
}

export function checkDraft(form: CheckedForm, draft: Draft): FieldError[] {
  const { specSchema, cost } = form;
  const { errors } = validator.validateFormData(draft, form.schemas.schema, undefined, readable);
  const found = errors.map(error => ({
    path: (error.property ?? '').replace(/^\./, '').replace(/\['?([^'\]]+)'?\]/g, '.$1'),
    message: error.message ?? 'This is not right.'
  }));
  const missing = missingUploads(specSchema, draft.spec).filter(
    upload => !found.some(error => error.path === upload.path)
  );
  const tooLarge = cost && cost.refusal !== '' ? [{ path: cost.path, message: cost.refusal }] : [];
  const unnamed = unnamedProblems(specSchema, form.spec);
  const search = searchProblems(specSchema, draft.spec, form.searchable);
  const sweep = isSwept(form.sweep) ? form.plan.problems : [];
  return [...found, ...sweep, ...missing, ...unnamed, ...search, ...tooLarge];
}
