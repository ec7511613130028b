/**
 * The shapes that the platform's REST API speaks, as the panels read them.
 *
 * Kinds are described by the server (`GET /kinds`), so a spec and its outputs stay plain JSON here: one type
 * serves every kind that is there or will be added.
 * What OpenAPI describes is taken from there (`npm run generate`); written here is what it leaves open.
 */
import type { components } from './generated/openapi';

type Schemas = components['schemas'];

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** A JSON Schema, with the hints that a form needs. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  const?: Json;
  enum?: Json[];
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  multipleOf?: number;
  pattern?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema | Schema[];
  prefixItems?: Schema[];
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  examples?: Json[];
  'x-orrery-ref'?: string;
  'x-orrery-name-of'?: string;
  'x-orrery-none'?: string;
  'x-orrery-parameters-of'?: string;
  'x-orrery-datasets-of'?: string;
  'x-orrery-space-of'?: string;
  /** The better way of a metric: the field beside it that has its name; as a pattern, of which names less is better. */
  'x-orrery-goal-of'?: string;
  'x-orrery-minimized'?: string;
  /** Which of the files in this field beside it is run. */
  'x-orrery-entry-of'?: string;
  'x-orrery-metrics-of'?: string;
  'x-orrery-column'?: boolean;
  'x-orrery-group'?: string;
  'x-orrery-upload'?: boolean;
  'x-orrery-instance-type'?: boolean;
  'x-orrery-duration'?: boolean;
  /** What its number counts: "GiB". */
  'x-orrery-unit'?: string;
  /** Of scripts only: it is hidden where a notebook is chosen. */
  'x-orrery-script'?: boolean;
  'x-orrery-image'?: 'NOTEBOOK' | 'TRAINING';
  [extension: string]: unknown;
}

export type ColumnType =
  | 'phase'
  | 'text'
  | 'date'
  | 'duration'
  | 'progress'
  | 'number'
  | 'bytes'
  | 'ref'
  | 'tags'
  | 'trials'
  | 'best-trial';

export interface Column {
  key: string;
  title: string;
  type: ColumnType;
}

export interface Action {
  name: string;
  title: string;
  confirm: string | null;
  destructive: boolean;
  phases: string[];
  schema: Schema | null;
}

export type State =
  'Pending' | 'Running' | 'Completed' | 'Failed' | 'Cancelled' | 'Active' | 'Stopped' | (string & {});

export interface Phase {
  name: string;
  title: string;
  state: State;
  settled: boolean;
}

/** What the server declares about one kind of resource: all that the panels know of it. */
/** A web application that each resource of a kind has. */
export interface App {
  title: string;
  visit: string;
  is_main: boolean;
  suffix: string;
}

export interface Kind {
  kind: string;
  plural: string;
  title: string;
  title_plural: string;
  section: string;
  order: number;
  versioned: boolean;
  creatable: boolean;
  columns: Column[];
  spec_schema: Schema;
  mutable: string[];
  actions: Action[];
  phases: Phase[];
  tabs: string[];
  /** The web application that its resources have. */
  app?: App | null;
  /** Further ones, each at the resource's id with its suffix. */
  more_apps?: App[];
  /** Some are parts of something larger, named at this path of their spec: trials of a tuning. */
  parts?: { path: string; title: string } | null;
  description?: string;
  /** What a delete takes with it, beside the resource. */
  deleting?: string;
}

export type Visibility = Schemas['Visibility'];

export interface Progress {
  fraction: number | null;
  epoch: number | null;
  epochs: number | null;
  step: number | null;
  steps: number | null;
  message: string | null;
  eta_seconds?: number | null;
  /** How many of `rate_unit` a second. */
  rate?: number | null;
  rate_unit?: 'step' | 'epoch' | null;
}

export type Status = Omit<Schemas['ResourceStatus'], 'state' | 'progress' | 'outputs'> & {
  state: State;
  progress: Progress | null;
  outputs: JsonObject;
};

export type Resource = Omit<Schemas['ResourceView'], 'spec' | 'status'> & {
  spec: JsonObject;
  status: Status;
};

/** The little that is said of a resource where another one names it. */
export interface Summary {
  id: string;
  kind: string;
  name: string;
  owner: string;
  version?: number | null;
}

/** Where in its spec a resource names another one, and which. */
export type Reference = Schemas['ReferenceView'];

export interface InstanceType {
  name: string;
  title: string;
  cores: number;
  memory_bytes: number;
  gpus: number;
  fits: boolean;
}

/** Cores, memory and GPUs. */
export interface Sizes {
  cores: number;
  memory_bytes: number;
  gpus: number;
}

/** A metric of a tuning's trainings, and which way is better. */
export interface Objective {
  metric: string;
  goal: 'maximize' | 'minimize';
}

/** One training of a tuning; `targets` has what it reached, one for each objective. */
export interface Trial {
  number: number;
  status: 'CREATED' | 'RUNNING' | 'SUCCEEDED' | 'KILLED' | 'FAILED' | 'METRICS_UNAVAILABLE' | 'EARLY_STOPPED';
  parameters: JsonObject;
  targets: (number | string | null)[] | null;
  started_at: string | null;
  duration_seconds: number | null;
  training: { id: string; name: string; phase: string; message: string; deleted: boolean } | null;
}

export interface TrialPage {
  items: Trial[];
  total: number;
  objectives: Objective[];
}

/** How much of a metric's variance each parameter explains; empty while too little is known. */
export interface Importances {
  metric: string;
  importances: Record<string, number>;
}

/** What a run would take of memory; `remedies` are changes to its spec that would make it fit. */
export type MemoryEstimate = Omit<Schemas['MemoryEstimate'], 'remedies'> & {
  remedies: { title: string; message: string; spec: JsonObject }[];
};

/** What waits, in order, and what the machine has and has handed out. */
/** An administrator's: no job starts. */
export interface Pause {
  by: string;
  since: string;
  reason: string;
  /** The machine is being emptied. */
  draining: boolean;
  /** Jobs that still run. */
  running: number;
}

export type Limit = Schemas['LimitSettings'];

/** Only what is said. */
export interface Limits {
  everyone: Limit;
  users: Record<string, Limit>;
  groups: Record<string, Limit>;
}

export interface QueueState {
  items: { resource: string | null; title: string; place: number; priority: string; reason: string }[];
  capacity: { total: Sizes; held: Sizes };
  pause: Pause | null;
}

export type Page<T = Resource> = Omit<Schemas['ResourcePage'], 'items'> & { items: T[] };

export interface Dependents {
  items: Summary[];
  digest?: string;
}

export interface FileEntry {
  path: string;
  size: number;
  modified_at: string | null;
}

export type MetricPoint = [step: number | null, value: number | string, at: string];

export interface Series {
  key: string;
  points: MetricPoint[];
}

export interface UsageSample {
  at: string;
  cpu_seconds: number;
  /** In use since the sample before; null where that is not known. */
  cores: number | null;
  /** Held at most since the sample before. */
  memory_bytes: number;
  /** Null without a GPU. */
  gpus: number | null;
  gpu_memory_bytes: number | null;
}

/** What a run used; without ranks it is one process. */
export interface UsageAnswer {
  samples: UsageSample[];
  ranks: { rank: number; samples: UsageSample[] }[];
  /** Of a tuning, whose samples are the sum of its trials: the newest of them one by one. */
  trials?: TrialUsage[];
  /** How many trials the sum is of. */
  counted?: number;
  /** How many trials there are. */
  total?: number;
}

export interface TrialUsage {
  number: number;
  status: Trial['status'];
  training: string;
  /** Null where it was removed for good. */
  name: string | null;
  samples: UsageSample[];
}

export interface WhoAmI {
  name: string;
  groups: string[];
  admin: boolean;
  mode: 'local' | 'hub';
}

/** Of a purged resource only its id and kind are left. */
export type ResourceEvent =
  | { type: 'created' | 'updated' | 'deleted' | 'restored'; resource: Resource }
  | { type: 'purged'; resource: Pick<Resource, 'id' | 'kind'> };

export interface FieldError {
  path: string;
  message: string;
}

export interface Draft {
  name: string;
  description?: string;
  visibility?: Visibility;
  group?: string | null;
  tags?: string[];
  spec: JsonObject;
}

/** One uploaded file of a dataset, as its spec holds it. */
export interface UploadedFile {
  path: string;
  oid: string;
  size: number;
  purpose: string | null;
}

export type PlatformState = 'unknown' | 'running' | 'starting' | 'failed' | 'stopped' | 'unavailable';

export interface PlatformStatus {
  state: PlatformState;
  message: string;
  mode: 'local' | 'hub';
  /** Where the platform itself listens, for programs. */
  url?: string | null;
}

/** A dashboard that the Jupyter server renders; `for` is the kind of which it shows one resource. */
/** One script of a start of the server. */
export interface StartScript {
  name: string;
  state: 'waiting' | 'running' | 'ended' | 'skipped' | 'interrupted' | 'new';
  began: string | null;
  ended: string | null;
  exit_code: number | null;
  reason: string;
  output_bytes: number;
  left_running: boolean;
}

export interface StartRun {
  began: string;
  ended: string | null;
  state: 'running' | 'complete' | 'interrupted';
  account: string;
  problems: string[];
  scripts: StartScript[];
}

/** What ran before the server started, and the scripts as they are now. */
export interface StartDocument {
  /** Why there is nothing; empty where there is a data volume. */
  message: string;
  folder: string | null;
  /** The folder in the file browser; null where it lies outside. */
  path: string | null;
  starts: StartRun[];
  scripts: { name: string; is_executable: boolean }[];
}

export interface StartOutput {
  text: string;
  size: number;
  left_out: number;
}

export interface Dashboard {
  name: string;
  title: string;
  description: string;
  for: string | null;
  url: string;
}

/** A kernel of this Jupyter server that runs, or is to run, on an instance. */
export interface InstanceKernel {
  kernel_id: string;
  /** what the platform calls it; null before it was asked */
  resource_id: string | null;
  instance_type: string;
  /** its notebook's */
  path: string;
  state: 'waiting' | 'ready' | 'lost';
  /** why it waits, or why it was lost */
  message: string;
  queue: { place: number; reason: string; starts_in_seconds: number | null } | null;
}
