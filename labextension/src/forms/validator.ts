/** The one JSON Schema validator of all forms. */
import { customizeValidator } from '@rjsf/validator-ajv8';

export const validator = customizeValidator();
