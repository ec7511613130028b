/**
 * The state of one create form: what was filled in, the schema as it stands for the chosen references, uploads under
 * way, errors by field, and the draft that survives a reload.
 */
import type { IStateDB } from '@jupyterlab/statedb';
import type { ErrorSchema } from '@rjsf/utils';
import { getDefaultFormState } from '@rjsf/utils';
import { validator } from '../forms/validator';
import type { Api } from '../api';
import { ApiError, errorMessage } from '../api';
import type {
  Draft,
  FieldError,
  InstanceType,
  Json,
  JsonObject,
  Kind,
  Resource,
  ResourceEvent,
  Schema,
  UploadedFile
} from '../api-types';
import { formatTime, readableSpec, safeFileName, valueAt } from '../format';
import type { FormSchemas, Found } from '../forms/make-form';
import { NOTHING_FOUND, makeFormSchemas } from '../forms/make-form';
import {
  keepKnown,
  missingUploads,
  plainSchema,
  walk,
  withoutConcealed,
  withoutEmpty
} from '../forms/schema';
import { chosenVariants, keepVariants } from '../forms/variants';
import type { IOrrery } from '../tokens';
import type { Cost } from './cost';
import { QueueModel, costOf, describePlace } from './cost';
import type { FormProblem } from './form-problems';
import { FormErrors, readable, unnamedProblems } from './form-problems';
import type { DatasetColumn } from './form-sources';
import { columnsOf, foundIn } from './form-sources';
import { Model, throttle } from './model';
import { keepSpace, searchProblems, searchedIn } from './form-search';
import { MemoryFitModel, withRemedy } from './memory-fit';
import { UploadModel } from './upload';

export interface FormOptions {
  /** Where the draft is kept, so that it comes back after a reload. */
  draft: string;
  /** `owner/name` or id of a resource to begin from. */
  copyOf?: string;
  /** The resource to change, instead of making a new one. */
  editOf?: string;
  /** A template of trainings to begin from, for any form that has fields of one. */
  template?: string;
  prefill?: JsonObject;
}

let formCount = 0;

/** What a form begins with where the server's own default is the cautious one. */
const OPENING_VALUES: Record<string, JsonObject> = { dataset: { publish: true } };

export class FormModel extends Model {
  data: JsonObject = {};
  schemas: FormSchemas;
  readonly queue: QueueModel;
  readonly memory: MemoryFitModel;
  isSending = false;
  isReady = false;
  columns: DatasetColumn[] | null = null;
  /** While the chosen dataset is being asked for its columns. */
  isReadingColumns = false;
  readonly uploads: UploadModel;
  /** Several forms may be open at once: their fields' ids must not be the same. */
  readonly idPrefix = `form${++formCount}`;
  private readonly errors = new FormErrors(this.idPrefix, () => [this.data, this.schemas.schema as Schema]);
  private readonly api: Api;
  /** Whether it is in front: the queue is read only then. */
  isVisible = true;
  instanceTypes: InstanceType[] = [];
  private original: Resource | null = null;
  private found: Found = NOTHING_FOUND;
  private readonly chosen = new Map<string, string>();
  private idempotencyKey = '';
  private readonly saveSoon = throttle(() => void this.saveDraft(), 400);
  private readonly checkSoon = throttle(() => this.checkTouched(), 250);
  private readonly readQueueSoon = throttle(() => void this.queue.load(), 2000);

  constructor(
    private readonly orrery: IOrrery,
    readonly kind: Kind,
    private readonly state: IStateDB | null,
    readonly options: FormOptions
  ) {
    super();
    this.api = orrery.api;
    this.schemas = this.makeSchemas();
    this.uploads = new UploadModel(this.api, file => this.addFile(file));
    this.uploads.changed.connect(() => this.notify());
    this.queue = new QueueModel(this.api);
    this.queue.changed.connect(() => this.notify());
    this.memory = new MemoryFitModel(this.api, kind);
    this.memory.changed.connect(() => this.notify());
    orrery.events.received.connect(this.onEvent, this);
    void this.open();
  }

  override dispose(): void {
    this.uploads.dispose();
    this.queue.dispose();
    this.memory.dispose();
    super.dispose();
  }

  /** Take what the form now holds. */
  async setData(data: JsonObject): Promise<void> {
    const { shape } = this;
    this.data = data;
    this.idempotencyKey = '';
    if (this.shape !== shape) {
      this.fitParameters();
    }
    this.errors.dropSettled();
    if (this.errors.hasTouched) {
      this.checkSoon();
    }
    this.saveSoon();
    this.notify();
    await this.followReferences();
    this.memory.follow(this.spec);
  }

  /** Change the form as the estimate of its memory proposes. */
  takeRemedy(change: JsonObject): Promise<void> {
    return this.setData({ ...this.data, spec: withRemedy(this.spec, change) });
  }

  get spec(): JsonObject {
    return (this.data.spec ?? {}) as JsonObject;
  }

  /** Somebody left this field: from now on it is checked as it changes. */
  leave(id: string): void {
    if (this.errors.leave(id)) {
      this.checkSoon();
    }
  }

  get problems(): FormProblem[] {
    return this.errors.problems;
  }

  get extraErrors(): ErrorSchema {
    return this.errors.shown;
  }

  /** What it takes of the machine; null where it takes nothing. */
  get cost(): Cost | null {
    const total = this.queue.state?.capacity.total ?? null;
    return costOf(this.spec, this.specSchema, this.instanceTypes, total);
  }

  /** When it would start. */
  get place(): string | null {
    const { cost } = this;
    const { state } = this.queue;
    if (cost === null || cost.refusal !== '' || state === null) {
      return null;
    }
    const { priority, start_after: later } = this.spec;
    if (typeof later === 'string' && new Date(later).getTime() > Date.now()) {
      return `joins the queue at ${formatTime(later)}`;
    }
    return describePlace(cost.start, typeof priority === 'string' ? priority : 'NORMAL', state);
  }

  /** What decides which fields there are. */
  private get shape(): string {
    const chosen = chosenVariants(this.specSchema.properties ?? {}, this.spec);
    return [...searchedIn(this.specSchema, this.spec), '', ...chosen].join();
  }

  private get specSchema(): Schema {
    return (this.schemas.schema as Schema).properties?.spec ?? {};
  }

  /** The parameters of the chosen algorithm, those that are searched among them; null: none is chosen. */
  get searchable(): Schema | null {
    const [parameters] = Object.values(this.found.parameters);
    return parameters ? plainSchema(parameters) : null;
  }

  /** What the chosen algorithm says. */
  get algorithm(): Found {
    return this.found;
  }

  get uploadPath(): string[] | null {
    for (const place of walk(plainSchema(this.kind.spec_schema))) {
      if (place.schema['x-orrery-upload']) {
        return place.path;
      }
    }
    return null;
  }

  /** Send it. Answers with the new resource, or null where the form now shows what is wrong. */
  async submit(): Promise<Resource | null> {
    if (this.isSending) {
      return null;
    }
    if (this.uploads.isBusy) {
      this.setProblems([
        { path: '', message: 'Files are still being uploaded; wait for them or cancel them.' }
      ]);
      return null;
    }
    const draft = withoutEmpty(this.data) as unknown as Draft;
    draft.spec ??= {};
    const found = this.validate(draft);
    if (found.length > 0) {
      this.setProblems(found);
      return null;
    }
    this.isSending = true;
    this.setProblems([]);
    this.idempotencyKey ||= crypto.randomUUID();
    try {
      const resource = this.original
        ? await this.api.patch(this.kind.plural, this.original.id, this.change(draft), this.original.etag)
        : await this.api.create(this.kind.plural, draft, this.idempotencyKey);
      this.orrery.events.publish({ type: this.original ? 'updated' : 'created', resource });
      await this.state?.remove(this.options.draft);
      return resource;
    } catch (error) {
      this.refused(error);
      return null;
    } finally {
      this.isSending = false;
      this.notify();
    }
  }

  private makeSchemas(): FormSchemas {
    const only = this.options.editOf ? this.kind.mutable : undefined;
    const searched = searchedIn(this.kind.spec_schema, this.spec);
    return makeFormSchemas(this.kind, this.orrery.kinds.user, this.found, only, searched, this.spec);
  }

  /** What an edit changes, of what may be changed; an emptied field is sent as such. */
  private change(draft: Draft): JsonObject {
    const sent = draft as unknown as JsonObject;
    const change: JsonObject = {};
    for (const field of this.kind.mutable.filter(name => !name.startsWith('spec.'))) {
      const value = sent[field] ?? (field === 'description' ? '' : field === 'tags' ? [] : undefined);
      if (value !== undefined) {
        change[field] = value;
      }
    }
    if (change.visibility !== 'group') {
      delete change.group;
    }
    const mutable = this.kind.mutable.flatMap(name => (name.startsWith('spec.') ? [name.slice(5)] : []));
    change.spec = Object.fromEntries(
      mutable.filter(name => name in draft.spec).map(name => [name, draft.spec[name] ?? null])
    );
    return change;
  }

  private validate(draft: Draft): FieldError[] {
    const { errors } = validator.validateFormData(draft, this.schemas.schema, undefined, readable);
    const found = errors.map(error => ({
      path: (error.property ?? '').replace(/^\./, '').replace(/\['?([^'\]]+)'?\]/g, '.$1'),
      message: error.message ?? 'This is not right.'
    }));
    const missing = missingUploads(this.specSchema, draft.spec).filter(
      upload => !found.some(error => error.path === upload.path)
    );
    const { cost } = this;
    const tooLarge = cost && cost.refusal !== '' ? [{ path: cost.path, message: cost.refusal }] : [];
    const unnamed = unnamedProblems(this.specSchema, this.spec);
    const search = searchProblems(this.specSchema, draft.spec, this.searchable);
    return [...found, ...missing, ...unnamed, ...search, ...tooLarge];
  }

  private refused(error: unknown): void {
    if (error instanceof ApiError && !error.isUnavailable) {
      this.idempotencyKey = '';
      const fields = error.fields;
      if (fields.length === 0 && ['name_taken', 'invalid_name'].includes(error.code)) {
        fields.push({ path: 'name', message: error.message });
      }
      this.setProblems(fields.length > 0 ? fields : [{ path: '', message: error.message }]);
    } else {
      // The same key goes with the next try: if this one did arrive, it is answered once.
      this.setProblems([
        { path: '', message: `${errorMessage(error)} Nothing is lost: press the button again.` }
      ]);
      void this.orrery.platform.check();
    }
  }

  setProblems(errors: FieldError[]): void {
    this.errors.refuse(errors);
    this.notify();
  }

  /** Check what somebody has been in, and show what is wrong at the field, without a word elsewhere. */
  private checkTouched(): void {
    if (!this.isDisposed && !this.isSending) {
      const draft = withoutEmpty(this.data) as unknown as Draft;
      draft.spec ??= {};
      this.errors.check(this.validate(draft));
      this.notify();
    }
  }

  private async open(): Promise<void> {
    const saved = (await this.state?.fetch(this.options.draft)) as JsonObject | undefined;
    this.instanceTypes = await this.api.instanceTypes().catch(() => []);
    try {
      this.data = saved && !this.options.editOf ? saved : await this.openingData();
    } catch (error) {
      this.setProblems([{ path: '', message: errorMessage(error) }]);
    }
    this.schemas = this.makeSchemas();
    this.applyDefaults();
    await this.followReferences();
    if (this.cost !== null) {
      await this.queue.load();
    }
    this.memory.follow(this.spec);
    this.isReady = true;
    this.notify();
  }

  private async openingData(): Promise<JsonObject> {
    if (this.options.editOf) {
      return this.valuesOf(this.options.editOf);
    }
    const opening = OPENING_VALUES[this.kind.kind] ?? {};
    const prefill = this.options.prefill ?? {};
    const data: JsonObject = { spec: {}, ...prefill };
    const known = plainSchema(this.kind.spec_schema);
    data.spec = { ...keepKnown(opening, known), ...(prefill.spec as JsonObject | undefined) };
    if (this.options.copyOf) {
      try {
        const original = await this.api.get(this.kind.plural, this.options.copyOf);
        // What the platform fills in by itself is in no form.
        const asked = Object.entries(readableSpec(original)).filter(
          ([name]) => name in (known.properties ?? {})
        );
        return { ...commonValues(original), spec: Object.fromEntries(asked), name: `${original.name}-copy` };
      } catch (error) {
        this.setProblems([{ path: '', message: errorMessage(error) }]);
      }
    }
    if (this.options.template) {
      try {
        const template = readableSpec(await this.api.get('templates', this.options.template));
        const said = Object.fromEntries(Object.entries(template).filter(([, value]) => value !== null));
        data.spec = { ...keepKnown(said, known), ...data.spec };
      } catch (error) {
        this.setProblems([{ path: '', message: errorMessage(error) }]);
      }
    }
    return data;
  }

  private async valuesOf(ref: string): Promise<JsonObject> {
    this.original = await this.api.get(this.kind.plural, ref);
    const spec = readableSpec(this.original);
    const mutable = Object.entries(spec).filter(([name]) => this.kind.mutable.includes(`spec.${name}`));
    return { ...commonValues(this.original), spec: Object.fromEntries(mutable) };
  }

  private applyDefaults(): void {
    const schema = this.schemas.schema;
    this.data = getDefaultFormState<unknown>(validator, schema, this.data, schema) as JsonObject;
  }

  /** Fetch what the chosen references decide: an algorithm's parameters, a dataset's columns. */
  private async followReferences(): Promise<void> {
    const places = [...walk((this.schemas.schema as Schema).properties?.spec ?? {})];
    const references = places.filter(place => place.schema['x-orrery-ref']);
    const changed = references.filter(({ path, schema }) => {
      const value = valueAt(this.spec, path.join('.'));
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
    const parameterPlaces = places.filter(place => place.schema['x-orrery-parameters-of']);
    for (const { path, schema } of parameterPlaces) {
      const source = changed.find(place => place.schema['x-orrery-ref'] === schema['x-orrery-parameters-of']);
      if (source) {
        await this.loadParameters(
          path,
          String(schema['x-orrery-parameters-of']),
          valueAt(this.spec, source.path.join('.'))
        );
      }
    }
    if (isNewDataset) {
      await this.loadColumns(references);
      this.isReadingColumns = false;
    }
    this.notify();
    // A new algorithm brings datasets of its own to choose.
    await this.followReferences();
  }

  private async loadParameters(path: string[], kindName: string, ref: Json | undefined): Promise<void> {
    const key = path.join('.');
    const kind = this.orrery.kinds.get(kindName);
    this.found = NOTHING_FOUND;
    if (kind && typeof ref === 'string' && ref !== '') {
      try {
        this.found = foundIn(await this.api.get(kind.plural, ref), key, valueAt(this.spec, 'datasets'));
      } catch {
        // A reference that does not resolve is named by the server at its field on submit.
      }
    }
    if (this.found.parameters[key]) {
      this.data = { ...this.data, spec: keepSpace(this.specSchema, this.spec, this.searchable) };
    }
    this.fitParameters();
  }

  /** The parameters that have a fixed value are those that are not searched. */
  private fitParameters(): void {
    this.schemas = this.makeSchemas();
    this.data = { ...this.data, spec: keepVariants(this.specSchema.properties ?? {}, this.spec) };
    for (const [key, declared] of Object.entries(this.found.parameters)) {
      const place = [...walk(this.specSchema)].find(({ path }) => path.join('.') === key);
      this.changeSpec(key.split('.'), current =>
        keepKnown((current ?? {}) as JsonObject, place?.schema ?? plainSchema(declared))
      );
    }
    this.applyDefaults();
  }

  private async loadColumns(references: { path: string[]; schema: Schema }[]): Promise<void> {
    this.columns = null;
    for (const { path, schema } of references) {
      const kindName = String(schema['x-orrery-ref']);
      const ref = valueAt(this.spec, path.join('.'));
      const kind = this.orrery.kinds.get(kindName);
      if (kindName.startsWith('dataset') && kind && typeof ref === 'string' && ref !== '') {
        try {
          this.columns = columnsOf(await this.api.get(kind.plural, ref));
        } catch {
          // As above.
        }
        if (this.columns) {
          return;
        }
      }
    }
  }

  /** The queue moves with every run; a chosen dataset may have got its first version. */
  private onEvent(_: unknown, event: ResourceEvent): void {
    if (this.isReady && this.cost !== null && this.isVisible) {
      this.readQueueSoon();
    }
    if (event.type === 'created') {
      const { kind, owner, name } = event.resource;
      const key = [...this.chosen].find(
        ([place, value]) => place.startsWith(`${kind}:`) && value === `${owner}/${name}`
      )?.[0];
      if (key !== undefined) {
        this.chosen.delete(key);
        void this.followReferences();
      }
    }
  }

  private addFile(file: UploadedFile): void {
    const path = this.uploadPath;
    if (!path) {
      return;
    }
    this.changeSpec(path, current => {
      const files = ((current ?? []) as unknown as UploadedFile[]).filter(other => other.path !== file.path);
      return [...files, file] as unknown as Json;
    });
    if (!this.data.name) {
      const stem = (file.path.split('/').pop() ?? '').replace(/\.[^.]+$/, '');
      this.data = { ...this.data, name: safeFileName(stem) };
    }
    this.saveSoon();
    this.notify();
  }

  private changeSpec(path: string[], change: (current: Json | undefined) => Json): void {
    const replace = (value: JsonObject, [key = '', ...rest]: string[]): JsonObject => ({
      ...value,
      [key]: rest.length === 0 ? change(value[key]) : replace((value[key] ?? {}) as JsonObject, rest)
    });
    this.data = { ...this.data, spec: replace(this.spec, path) };
  }

  private async saveDraft(): Promise<void> {
    if (!this.isDisposed && !this.isSending) {
      await this.state?.save(this.options.draft, withoutConcealed(this.data, this.specSchema));
    }
  }
}

function commonValues(resource: Resource): JsonObject {
  const { name, description, tags, visibility, group } = resource;
  return { name, description, tags, visibility, ...(group === null ? {} : { group }) };
}

/** A title for the form's tab. */
export function formTitle(kind: Kind | undefined, options: { copyOf?: string; editOf?: string }): string {
  const what = (kind?.title ?? 'resource').toLowerCase();
  return options.editOf ? `Edit ${what}` : options.copyOf ? `Copy ${what}` : `New ${what}`;
}
