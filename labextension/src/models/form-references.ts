/** What the chosen references decide of a form: an algorithm's parameters and datasets, a dataset's columns. */
import type { Json, JsonObject, Resource, Schema } from '../api-types';
import { valueAt } from '../format';
import type { Found } from '../forms/make-form';
import { NOTHING_FOUND } from '../forms/make-form';
import { walk } from '../forms/schema';
import type { IOrrery } from '../tokens';
import type { DatasetColumn } from './form-sources';
import { columnsOf, foundIn } from './form-sources';
import { Model } from './model';

/** The form as it stands, which changes with what is found. */
export interface ReferringForm {
  readonly spec: JsonObject;
  readonly specSchema: Schema;
  /** The parameters at this place are those of another resource now, or of none. */
  takeParameters(key: string): void;
}

type Place = ReturnType<typeof walk> extends Iterable<infer P> ? P : never;

export class FormReferences extends Model {
  /** What the chosen algorithm says. */
  found: Found = NOTHING_FOUND;
  columns: DatasetColumn[] | null = null;
  /** While the chosen dataset is being asked for its columns. */
  isReadingColumns = false;
  private readonly chosen = new Map<string, string>();

  constructor(private readonly orrery: Pick<IOrrery, 'api' | 'kinds'>) {
    super();
  }

  /** Whether it was chosen before it was there; then it is read again by the next `follow`. */
  forget(resource: Resource): boolean {
    const { kind, owner, name } = resource;
    const key = [...this.chosen].find(
      ([place, value]) => place.startsWith(`${kind}:`) && value === `${owner}/${name}`
    )?.[0];
    return key !== undefined && this.chosen.delete(key);
  }

  /** Fetch what has been chosen since the last time. */
  async follow(form: ReferringForm): Promise<void> {
    const places = [...walk(form.specSchema)];
    const references = places.filter(place => place.schema['x-orrery-ref']);
    const changed = references.filter(({ path, schema }) => {
      const value = valueAt(form.spec, path.join('.'));
      const key = `${schema['x-orrery-ref']}:${path.join('.')}`;
      const text = typeof value === 'string' ? value : '';
      const isNew = this.chosen.get(key) !== text;
      this.chosen.set(key, text);
      return isNew;
    });
    if (changed.length === 0) {
      return;
    }
    const isNewDataset = changed.some(place => String(place.schema['x-orrery-ref']).startsWith('dataset'));
    if (isNewDataset) {
      this.isReadingColumns = true;
      this.notify();
    }
    for (const { path, schema } of places.filter(place => place.schema['x-orrery-parameters-of'])) {
      const kindName = String(schema['x-orrery-parameters-of']);
      const source = changed.find(place => place.schema['x-orrery-ref'] === kindName);
      if (source) {
        await this.readParameters(form, path.join('.'), kindName, valueAt(form.spec, source.path.join('.')));
      }
    }
    if (isNewDataset) {
      await this.readColumns(form, references);
      this.isReadingColumns = false;
    }
    this.notify();
    // A new algorithm brings datasets of its own to choose.
    await this.follow(form);
  }

  private async readParameters(
    form: ReferringForm,
    key: string,
    kindName: string,
    ref: Json | undefined
  ): Promise<void> {
    const kind = this.orrery.kinds.get(kindName);
    this.found = NOTHING_FOUND;
    if (kind && typeof ref === 'string' && ref !== '') {
      try {
        const resource = await this.orrery.api.get(kind.plural, ref);
        this.found = foundIn(resource, key, valueAt(form.spec, 'datasets'));
      } catch {
        // A reference that does not resolve is named by the server at its field on submit.
      }
    }
    form.takeParameters(key);
  }

  private async readColumns(form: ReferringForm, references: Place[]): Promise<void> {
    this.columns = null;
    for (const { path, schema } of references) {
      const kindName = String(schema['x-orrery-ref']);
      const ref = valueAt(form.spec, path.join('.'));
      const kind = this.orrery.kinds.get(kindName);
      if (kindName.startsWith('dataset') && kind && typeof ref === 'string' && ref !== '') {
        try {
          this.columns = columnsOf(await this.orrery.api.get(kind.plural, ref));
        } catch {
          // As above.
        }
        if (this.columns) {
          return;
        }
      }
    }
  }
}
