/** What is wrong with a form, in words. */
import type { RJSFValidationError } from '@rjsf/utils';
import type { Json } from '../api-types';

export interface FormProblem {
  path: string[];
  label: string;
  message: string;
}

/** The validator's findings in words for people. */
export function readable(errors: RJSFValidationError[]): RJSFValidationError[] {
  return errors
    .filter(error => error.name !== 'anyOf' && error.name !== 'oneOf')
    .map(error => ({ ...error, message: readableMessage(error) }));
}

function readableMessage(error: RJSFValidationError): string {
  const params = (error.params ?? {}) as Record<string, unknown>;
  switch (error.name) {
    case 'required':
      return 'This is needed.';
    case 'minLength':
      return params.limit === 1 ? 'This is needed.' : `At least ${String(params.limit)} characters.`;
    case 'maxLength':
      return `At most ${String(params.limit)} characters.`;
    case 'minimum':
      return `Must be ${String(params.limit)} or more.`;
    case 'exclusiveMinimum':
      return `Must be more than ${String(params.limit)}.`;
    case 'maximum':
      return `Must be ${String(params.limit)} or less.`;
    case 'exclusiveMaximum':
      return `Must be less than ${String(params.limit)}.`;
    case 'minItems':
      return `At least ${String(params.limit)} of them.`;
    case 'enum':
      return `Must be one of ${(params.allowedValues as Json[]).map(String).join(', ')}.`;
    default:
      return error.message ?? 'This is not right.';
  }
}
