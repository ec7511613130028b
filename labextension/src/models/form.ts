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
import { formatTime, pick, valueAt } from '../format';
import type { FormSchemas, Found } from '../forms/make-form';
import { makeFormSchemas, withoutScripts } from '../forms/make-form';
import {
  changedAt,
  keepKnown,
  plainSchema,
  uploadPathOf,
  walk,
  withoutConcealed,
  withoutEmpty
} from '../forms/schema';
import { chosenVariants, keepVariants } from '../forms/variants';
import type { IOrrery } from '../tokens';
import type { Cost } from './cost';
import { QueueModel, costOf, describePlace } from './cost';
import type { FolderFile } from './folders';
import { checkDraft } from './form-check';
import { keepDraft, readDraft } from './form-draft';
import type { FormProblem } from './form-problems';
import { FormErrors } from './form-problems';
import type { FormOptions } from './form-opening';
import { changeOf, editedData, openingData } from './form-opening';
import { FormReferences } from './form-references';
import { FormTemplate } from './form-template';
import { Model, throttle } from './model';
import { keepSpace, searchedIn } from './form-search';
import { MemoryFitModel, withRemedy } from './memory-fit';
import { proposeEntry, proposeName } from './proposals';
import type { Sweep, SweepPlan } from './sweep';
import { NO_SWEEP, isSwept, keepSweep, planOf, spaceFor } from './sweep';
import { UploadModel } from './upload';

let formCount = 0;

export class FormModel extends Model {
  data: JsonObject = {};
  schemas: FormSchemas;
  readonly queue: QueueModel;
  readonly memory: MemoryFitModel;
  /** Ends once it holds what it begins with. */
  readonly opened: Promise<void>;
  isSending = false;
  isReady = false;
  /** What is varied, where several runs are made at once. */
  sweep: Sweep = NO_SWEEP;
  /** The values of what is varied or searched, by the place of its parameters: they come back with it. */
  private setAside: Record<string, JsonObject> = {};
  /** The runs that were made at once. */
  swept: Resource[] = [];
  readonly uploads: UploadModel;
  /** What the chosen resources say of the rest. */
  readonly references: FormReferences;
  readonly template: FormTemplate;
  /** Several forms may be open at once: their fields' ids must not be the same. */
  readonly idPrefix = `form${++formCount}`;
  private readonly errors = new FormErrors(this.idPrefix, () => [this.data, this.schemas.schema as Schema]);
  private readonly api: Api;
  /** Whether it is in front: the queue is read only then. */
  isVisible = true;
  instanceTypes: InstanceType[] = [];
  private original: Resource | null = null;
  private proposedEntry = '';
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
    this.references = new FormReferences(orrery);
    this.references.changed.connect(() => this.notify());
    this.template = new FormTemplate(orrery, kind);
    this.schemas = this.makeSchemas();
    this.uploads = new UploadModel(this.api, file => this.addFile(file));
    this.uploads.changed.connect(() => this.notify());
    this.queue = new QueueModel(this.api);
    this.queue.changed.connect(() => this.notify());
    this.memory = new MemoryFitModel(this.api, kind);
    this.memory.changed.connect(() => this.notify());
    orrery.events.received.connect(this.onEvent, this);
    this.opened = this.open();
  }

  override dispose(): void {
    this.uploads.dispose();
    this.references.dispose();
    this.template.dispose();
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
    this.followFiles();
    this.errors.dropSettled();
    if (this.errors.hasTouched) {
      this.checkSoon();
    }
    this.saveSoon();
    this.notify();
    await this.references.follow(this);
    this.followMemory();
  }

  /** Vary what these say; what is varied has no value of its own in the form. */
  async setSweep(sweep: Sweep): Promise<void> {
    const { shape } = this;
    this.sweep = sweep;
    if (this.shape !== shape) {
      this.fitParameters();
    }
    await this.setData(this.data);
  }

  /** Whether several runs can be made at once of what this form makes. */
  get canSweep(): boolean {
    return this.kind.kind === 'training' && !this.options.editOf;
  }

  get plan(): SweepPlan {
    return planOf(this.sweep, this.spec, this.searchable);
  }

  /** The datasets that the chosen algorithm reads, and how each is chosen. */
  get datasetRoles(): Record<string, Schema> {
    return this.specSchema.properties?.datasets?.properties ?? {};
  }

  private followMemory(): void {
    const { plan } = this;
    const spec = isSwept(this.sweep) ? { ...this.spec, space: spaceFor(plan) } : this.spec;
    this.memory.follow(spec, plan.datasets);
  }

  /** Change the form as the estimate of its memory proposes. */
  takeRemedy(change: JsonObject): Promise<void> {
    return this.setData({ ...this.data, spec: withRemedy(this.spec, change) });
  }

  /** What would be sent. */
  get draft(): JsonObject {
    return {
      spec: {},
      ...(withoutEmpty(this.data, this.schemas.schema as Schema) as JsonObject | undefined)
    };
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

  /** When it would start; null of a template, with which nothing does. */
  get place(): string | null {
    const { cost } = this;
    const { state } = this.queue;
    const isTemplate = this.specSchema['x-orrery-open'] === true;
    if (cost === null || cost.refusal !== '' || state === null || isTemplate) {
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
    return [...this.searched, '', ...chosen].join();
  }

  private get searched(): string[] {
    return [
      ...searchedIn(this.kind.spec_schema, this.spec),
      ...this.sweep.parameters.flatMap(({ name }) => (name === '' ? [] : [name]))
    ];
  }

  get specSchema(): Schema {
    return (this.schemas.schema as Schema).properties?.spec ?? {};
  }

  /** The parameters of the chosen algorithm, those that are searched among them; null: none is chosen. */
  get searchable(): Schema | null {
    const [parameters] = Object.values(this.references.found.parameters);
    return parameters ? plainSchema(parameters) : null;
  }

  /** What the chosen algorithm says. */
  get algorithm(): Found {
    return this.references.found;
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
    const draft = this.draft as unknown as Draft;
    const found = checkDraft(this, draft);
    if (found.length > 0) {
      this.setProblems(found);
      return null;
    }
    this.isSending = true;
    this.setProblems([]);
    this.idempotencyKey ||= crypto.randomUUID();
    try {
      const resource = await this.send(draft);
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

  private async send(draft: Draft): Promise<Resource | null> {
    const { plural } = this.kind;
    if (isSwept(this.sweep)) {
      const { parameters, datasets } = this.plan;
      this.swept = await this.api.sweep({ ...draft, parameters, datasets }, this.idempotencyKey);
      this.swept.forEach(resource => this.orrery.events.publish({ type: 'created', resource }));
      return this.swept[0] ?? null;
    }
    const { original } = this;
    const resource = original
      ? await this.api.patch(
          plural,
          original.id,
          changeOf(this.kind, draft as unknown as JsonObject),
          original.etag
        )
      : await this.api.create(plural, draft, this.idempotencyKey);
    this.orrery.events.publish({ type: original ? 'updated' : 'created', resource });
    return resource;
  }

  private makeSchemas(): FormSchemas {
    const only = this.options.editOf ? this.kind.mutable : undefined;
    const { user } = this.orrery.kinds;
    return makeFormSchemas(this.kind, user, this.references.found, only, this.searched, this.spec);
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
      this.errors.check(checkDraft(this, this.draft as unknown as Draft));
      this.notify();
    }
  }

  private async open(): Promise<void> {
    const saved = await readDraft(this.state, this.options.draft);
    if (saved) {
      ({ sweep: this.sweep, setAside: this.setAside } = saved);
    }
    this.instanceTypes = await this.api.instanceTypes().catch(() => []);
    try {
      this.data = saved && !this.options.editOf ? saved.data : await this.openingData();
    } catch (error) {
      this.setProblems([{ path: '', message: errorMessage(error) }]);
    }
    this.schemas = this.makeSchemas();
    this.applyDefaults();
    await this.references.follow(this);
    if (this.cost !== null) {
      await this.queue.load();
    }
    this.followMemory();
    if (saved) {
      this.template.restore(saved.template, this.spec);
    }
    this.template.taken(this.spec);
    if (this.canBegin) {
      await this.template.look();
    }
    this.isReady = true;
    this.notify();
  }

  /** Whether it may be filled in from a template. */
  private get canBegin(): boolean {
    return !this.options.editOf && !this.options.copyOf;
  }

  /** Begin with this template, by its `owner/name`; with none where it is empty. */
  async takeTemplate(ref: string): Promise<void> {
    const spec = await this.template.choose(ref, () => this.spec);
    if (spec !== null) {
      this.data = { ...this.data, spec };
      this.fitParameters();
      await this.setData(this.data);
      this.template.taken(this.spec);
    }
  }

  private async openingData(): Promise<JsonObject> {
    const { editOf } = this.options;
    if (editOf) {
      this.original = await this.api.get(this.kind.plural, editOf);
      return editedData(this.kind, this.original);
    }
    const me = this.orrery.kinds.user?.name ?? '';
    const data = await openingData(this.api, this.kind, this.options, me, message =>
      this.setProblems([{ path: '', message }])
    );
    const asked = data.spec as JsonObject;
    const spec = this.options.template ? await this.template.choose(this.options.template, () => asked) : {};
    if (spec === null) {
      this.setProblems([{ path: '', message: this.template.error }]);
    }
    return { ...data, spec: { ...spec, ...asked } };
  }

  private applyDefaults(): void {
    const schema = this.schemas.schema;
    this.data = getDefaultFormState<unknown>(validator, schema, this.data, schema) as JsonObject;
  }

  takeParameters(key: string): void {
    if (this.references.found.parameters[key]) {
      this.data = { ...this.data, spec: keepSpace(this.specSchema, this.spec, this.searchable) };
    }
    const roles = this.references.found.datasets.map(({ name }) => name);
    this.sweep = keepSweep(this.sweep, this.searchable, roles);
    this.fitParameters();
  }

  /** The parameters that have a fixed value are those that are not searched. */
  private fitParameters(): void {
    this.schemas = this.makeSchemas();
    const spec = keepVariants(this.specSchema.properties ?? {}, this.spec);
    this.data = { ...this.data, spec: withoutScripts(this.specSchema, spec) };
    for (const [key, declared] of Object.entries(this.references.found.parameters)) {
      const place = [...walk(this.specSchema)].find(({ path }) => path.join('.') === key);
      const schema = plainSchema(declared);
      this.changeSpec(key.split('.'), current => {
        const values = keepKnown({ ...this.setAside[key], ...((current ?? {}) as JsonObject) }, schema);
        this.setAside = { ...this.setAside, [key]: pick(values, this.searched) };
        return keepKnown(values, place?.schema ?? schema);
      });
    }
    this.applyDefaults();
  }

  /** The queue moves with every run; a chosen dataset may have got its first version. */
  private onEvent(_: unknown, event: ResourceEvent): void {
    if (this.isReady && this.cost !== null && this.isVisible) {
      this.readQueueSoon();
    }
    if (event.type === 'created' && this.references.forget(event.resource)) {
      void this.references.follow(this);
    }
  }

  /** Send these; a form without a name is called as they are. `folder`: the one that they lie in. */
  addFiles(files: readonly FolderFile[], folder = ''): void {
    if (!this.data.name) {
      const name = proposeName(
        files.map(({ path }) => path),
        folder
      );
      this.data = { ...this.data, ...(name === '' ? {} : { name }) };
    }
    this.saveSoon();
    this.uploads.addAs(files);
  }

  /** The file that is run is proposed anew with the files, as long as nobody has chosen another. */
  private followFiles(): void {
    for (const { path, schema } of walk(this.specSchema)) {
      const source = schema['x-orrery-entry-of'];
      const files = source ? this.spec[source] : undefined;
      if (Array.isArray(files)) {
        const proposed = proposeEntry((files as unknown as UploadedFile[]).map(file => file.path));
        const chosen = valueAt(this.spec, path.join('.')) ?? '';
        if (proposed !== this.proposedEntry && (chosen === '' || chosen === this.proposedEntry)) {
          this.changeSpec(path, () => proposed);
        }
        this.proposedEntry = proposed;
      }
    }
  }

  private addFile(file: UploadedFile): void {
    const path = uploadPathOf(plainSchema(this.kind.spec_schema));
    if (!path) {
      return;
    }
    this.changeSpec(path, current => {
      const files = ((current ?? []) as unknown as UploadedFile[]).filter(other => other.path !== file.path);
      return [...files, file] as unknown as Json;
    });
    this.followFiles();
    this.saveSoon();
    this.notify();
  }

  private changeSpec(path: string[], change: (current: Json | undefined) => Json): void {
    this.data = { ...this.data, spec: changedAt(this.spec, path, change) };
  }

  private async saveDraft(): Promise<void> {
    if (!this.isDisposed && !this.isSending) {
      const { sweep, setAside } = this;
      const data = withoutConcealed(this.data, this.specSchema);
      await keepDraft(this.state, this.options.draft, { data, sweep, setAside, template: this.template.ref });
    }
  }
}
