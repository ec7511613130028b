/** The template that a form begins with: its settings go over what the form holds, and go again with it. */
import { JSONExt } from '@lumino/coreutils';
import { errorMessage } from '../api';
import type { Json, JsonObject, Kind, Resource, ResourceEvent, Schema } from '../api-types';
import { isObject, readableSpec } from '../format';
import { keepKnown, plainSchema } from '../forms/schema';
import type { IOrrery } from '../tokens';
import { takesParameters } from './form-opening';
import { Model } from './model';

export class FormTemplate extends Model {
  /** `owner/name` once it was read; empty: none. */
  ref = '';
  error = '';
  /** Whether there is one to choose, or may be one. */
  isOffered = false;
  /** The spec without a template, and as the chosen one left it. */
  private before: JsonObject = {};
  private after: JsonObject = {};
  private asked = 0;
  private readonly known: Schema;

  constructor(
    private readonly orrery: Pick<IOrrery, 'api' | 'kinds' | 'events'>,
    private readonly kind: Kind
  ) {
    super();
    this.known = plainSchema(kind.spec_schema);
    orrery.events.received.connect(this.onEvent, this);
  }

  /** Ask whether there are any. */
  async look(): Promise<void> {
    const templates = this.orrery.kinds.get('template');
    if (!templates || this.kind.kind === templates.kind || !takesParameters(this.known)) {
      return;
    }
    try {
      this.isOffered = (await this.orrery.api.list(templates.plural, { limit: 1 })).items.length > 0;
    } catch {
      // The choice itself tells what is wrong once it is opened.
      this.isOffered = true;
    }
    this.notify();
  }

  /**
   * The spec with this template instead of the one before; an empty one: without any. Null where it could not be read,
   * which `error` tells, and where another was chosen meanwhile.
   */
  async choose(ref: string, spec: () => JsonObject): Promise<JsonObject | null> {
    this.asked += 1;
    const { asked } = this;
    this.error = '';
    try {
      const template = ref === '' ? null : await this.orrery.api.get('templates', ref);
      if (asked !== this.asked) {
        return null;
      }
      this.before = this.ref === '' ? spec() : this.without(spec());
      this.ref = template ? `${template.owner}/${template.name}` : '';
      return overlaid(this.before, template ? this.saidBy(template) : {});
    } catch (error) {
      if (asked === this.asked) {
        this.error = errorMessage(error);
        this.notify();
      }
      return null;
    }
  }

  /** It was chosen before the page was loaded again. */
  restore(ref: string, spec: JsonObject): void {
    this.ref = ref;
    this.before = spec;
  }

  /** The form has taken it, and filled in what follows from it. */
  taken(spec: JsonObject): void {
    this.after = spec;
    this.notify();
  }

  private saidBy(template: Resource): JsonObject {
    const said = Object.entries(readableSpec(template)).filter(([, value]) => !isNothing(value));
    return keepKnown(Object.fromEntries(said), this.known);
  }

  /** What was changed since the template was chosen stays; the rest is as it was before. */
  private without(spec: JsonObject): JsonObject {
    const isOfTemplate = (name: string): boolean =>
      !JSONExt.deepEqual(this.after[name] ?? null, this.before[name] ?? null) &&
      JSONExt.deepEqual(spec[name] ?? null, this.after[name] ?? null);
    const kept = Object.entries(spec).filter(([name]) => !isOfTemplate(name));
    const back = Object.entries(this.before).filter(([name]) => isOfTemplate(name));
    return Object.fromEntries([...kept, ...back]);
  }

  private onEvent(_: unknown, { type, resource }: ResourceEvent): void {
    if (type === 'created' && resource.kind === 'template' && !this.isOffered) {
      void this.look();
    }
  }
}

function isNothing(value: Json): boolean {
  return (
    value === null ||
    value === '' ||
    (Array.isArray(value) && value.length === 0) ||
    (isObject(value) && Object.keys(value).length === 0)
  );
}

/** Objects are joined: a template that names one hyperparameter leaves the others as they are. */
function overlaid(spec: JsonObject, said: JsonObject): JsonObject {
  const joined = Object.entries(said).map(([name, value]) => {
    const held = spec[name];
    return [name, isObject(value) && isObject(held) ? { ...held, ...value } : value] as [string, Json];
  });
  return { ...spec, ...Object.fromEntries(joined) };
}
