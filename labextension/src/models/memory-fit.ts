/** What the run that a form describes would take of memory, asked anew as the form changes. */
import type { Api } from '../api';
import { errorMessage } from '../api';
import type { Json, JsonObject, MemoryEstimate } from '../api-types';
import { isObject } from '../format';
import { Model, throttle } from './model';

/** The kinds that the platform estimates. */
const ESTIMATED = new Set(['training', 'tuning']);
/** Of the datasets that a sweep tries. */
const MOST_ASKED = 10;

export class MemoryFitModel extends Model {
  estimate: MemoryEstimate | null = null;
  error: string | null = null;
  private asked = '';
  private wanted: JsonObject[] = [];
  private readonly askSoon = throttle(() => void this.ask(), 400);

  constructor(
    private readonly api: Api,
    private readonly kind: { kind: string; plural: string }
  ) {
    super();
  }

  /**
   * The form holds this now; of several runs at once, these are the datasets that are laid over its own, and the one
   * that takes most is told. Nothing is asked while it names no algorithm or no data.
   */
  follow(spec: JsonObject, tried: JsonObject[] = []): void {
    if (!ESTIMATED.has(this.kind.kind)) {
      return;
    }
    const { datasets } = spec;
    this.wanted = (tried.length > 0 ? tried.slice(0, MOST_ASKED) : [{}])
      .map(over => draftOf({ ...spec, datasets: { ...(isObject(datasets) ? datasets : {}), ...over } }))
      .filter(draft => draft !== null);
    if (JSON.stringify(this.wanted) !== this.asked) {
      this.askSoon();
    }
  }

  private async ask(): Promise<void> {
    const { wanted } = this;
    const key = JSON.stringify(wanted);
    if (this.isDisposed || key === this.asked) {
      return;
    }
    this.asked = key;
    try {
      const found = await Promise.all(wanted.map(draft => this.api.estimate(this.kind.plural, draft)));
      if (this.asked === key) {
        this.estimate = worstOf(found);
        this.error = null;
      }
    } catch (error) {
      if (this.asked === key) {
        this.estimate = null;
        this.error = errorMessage(error);
      }
    }
    this.notify();
  }
}

const VERDICTS = ['fits', 'unknown', 'tight', 'exceeds'];

function worstOf(found: MemoryEstimate[]): MemoryEstimate | null {
  const weight = ({ verdict, predicted_bytes }: MemoryEstimate): [number, number] => [
    VERDICTS.indexOf(verdict),
    predicted_bytes ?? 0
  ];
  return found.reduce<MemoryEstimate | null>((worst, one) => {
    const [[a, b], [c, d]] = [weight(worst ?? one), weight(one)];
    return worst === null || c > a || (c === a && d > b) ? one : worst;
  }, null);
}

/** Of a spec, what memory depends on; null while that is not there. */
export function draftOf(spec: JsonObject): JsonObject | null {
  const { algorithm, datasets, parameters, space, instance_type, nodes } = spec;
  const chosen = Object.entries(isObject(datasets) ? datasets : {}).filter(
    ([, value]) => typeof value === 'string' && value !== ''
  );
  if (typeof algorithm !== 'string' || algorithm === '' || chosen.length === 0) {
    return null;
  }
  const draft: Record<string, Json | undefined> = {
    algorithm,
    datasets: Object.fromEntries(chosen),
    parameters: isObject(parameters) ? parameters : {},
    space: isObject(space) ? space : {},
    instance_type: typeof instance_type === 'string' && instance_type !== '' ? instance_type : undefined,
    nodes: typeof nodes === 'number' && nodes >= 1 ? nodes : undefined
  };
  return Object.fromEntries(
    Object.entries(draft).filter((entry): entry is [string, Json] => entry[1] !== undefined)
  );
}

/** The spec with a remedy taken: its fields over the others, objects field by field. */
export function withRemedy(spec: JsonObject, change: JsonObject): JsonObject {
  const changed = Object.entries(change).map(([key, value]): [string, Json] => {
    const before = spec[key];
    return [key, isObject(value) && isObject(before) ? { ...before, ...value } : value];
  });
  return { ...spec, ...Object.fromEntries(changed) };
}
