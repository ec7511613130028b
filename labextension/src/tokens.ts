/** The public interfaces: what another extension may ask of this one. */
import { Token } from '@lumino/coreutils';
import type { Api } from './api';
import type { EventStream } from './models/events';
import type { Kinds } from './models/kinds';
import type { PlatformModel } from './models/platform';

/** The platform as the panels see it: its API, its kinds, its state and its events. */
export interface IOrrery {
  readonly api: Api;
  readonly platform: PlatformModel;
  readonly kinds: Kinds;
  readonly events: EventStream;
}

export const IOrrery = new Token<IOrrery>(
  '@orrery/lab:IOrrery',
  'The Orrery platform: its API, the kinds that it declares, its state and its event stream.'
);

// eslint-disable-next-line @typescript-eslint/no-namespace -- as everywhere in JupyterLab
export namespace CommandIDs {
  /** `{kind, trashed?}` */
  export const openList = 'orrery:open-list';
  /** `{kind, ref, tab?}` */
  export const open = 'orrery:open';
  /** `{kind, copyOf?, editOf?, prefill?, paths?, draft?}` */
  export const create = 'orrery:create';
  /** `{path, plural, id}` */
  export const openNotebook = 'orrery:open-notebook';
  export const openMlflow = 'orrery:open-mlflow';
  export const datasetFromFile = 'orrery:dataset-from-file';
  export const showSideBar = 'orrery:show-side-bar';
  export const openOverview = 'orrery:open-overview';
  /** `{kind, ids}` */
  export const compare = 'orrery:compare';
}
