/** What went wrong with a request, as the platform or a proxy before it said it. */
import type { FieldError, JsonObject, Summary } from './api-types';

/** The platform refused: `message` says what was wrong and what to do. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: JsonObject = {}
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** The platform itself did not answer; trying again later may help. */
  get isUnavailable(): boolean {
    return this.status === 0 || this.code === 'unavailable' || [502, 503, 504].includes(this.status);
  }

  get fields(): FieldError[] {
    const fields = this.details.fields;
    return Array.isArray(fields) ? (fields as unknown as FieldError[]) : [];
  }

  get dependents(): Summary[] {
    const dependents = this.details.dependents;
    return Array.isArray(dependents) ? (dependents as unknown as Summary[]) : [];
  }
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export interface ErrorBody {
  code: string;
  message: string;
  details?: JsonObject;
}

/** Of an answer that is none of success. */
export async function makeApiError(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const body = JSON.parse(text) as { error?: ErrorBody };
    if (body.error) {
      return new ApiError(response.status, body.error.code, body.error.message, body.error.details ?? {});
    }
  } catch {
    // Not the platform's own answer: a proxy's page. Its status says enough.
  }
  const away = [502, 503, 504].includes(response.status);
  const message = away
    ? 'The platform does not answer yet; trying again.'
    : `The server answered ${response.status} ${response.statusText}`.trim();
  return new ApiError(response.status, away ? 'unavailable' : 'http', message);
}
