/** The public interfaces: what another extension may ask of this one. */
import { Token } from '@lumino/coreutils';
import type { Api } from './api';
import type { ActivityModel } from './models/activity';
import type { Dashboards } from './models/dashboards';
import type { EventStream } from './models/events';
import type { Kinds } from './models/kinds';
import type { PlatformModel } from './models/platform';

/** The platform as the panels see it: its API, its kinds, its state, its events, the user's runs. */
export interface IOrrery {
  readonly api: Api;
  readonly platform: PlatformModel;
  readonly kinds: Kinds;
  readonly events: EventStream;
  readonly activity: ActivityModel;
  readonly dashboards: Dashboards;
}

export const IOrrery = new Token<IOrrery>(
  '@orrery/lab:IOrrery',
  'The Orrery platform: its API, the kinds that it declares, its state and its event stream.'
);

// eslint-disable-next-line @typescript-eslint/no-namespace -- as everywhere in JupyterLab
export namespace CommandIDs {
  /** `{kind, trashed?, state?, owner?, tag?, q?}` */
  export const openList = 'orrery:open-list';
  /** `{kind, ref, tab?}` */
  export const open = 'orrery:open';
  /** `{kind, copyOf?, editOf?, template?, prefill?, paths?, draft?, aside?}`; answers with the panel, which tells what it made */
  export const create = 'orrery:create';
  /** `{path, plural, id}` */
  export const openNotebook = 'orrery:open-notebook';
  export const openMlflow = 'orrery:open-mlflow';
  export const copyLink = 'orrery:copy-link';
  export const showRuns = 'orrery:show-runs';
  export const datasetFromFile = 'orrery:dataset-from-file';
  /** `{path}`, or `{fromFiles}` for the one chosen there; else the notebook in front */
  export const runNotebook = 'orrery:run-notebook';
  /** `{kind, id, path, startOver?}`: the run goes on with the notebook at the path */
  export const resumeNotebook = 'orrery:resume-notebook';
  export const dashboardFromNotebook = 'orrery:dashboard-from-notebook';
  export const showSideBar = 'orrery:show-side-bar';
  export const openStart = 'orrery:open-start';
  export const openOverview = 'orrery:open-overview';
  /** `{text?, name?}`: shows what the YAML would do, and does it on demand */
  export const importYaml = 'orrery:import-yaml';
  /** `{kind, ids}`, or what is in front or below the pointer; `copy`: to the clipboard, not to a file */
  export const exportYaml = 'orrery:export-yaml';
  /** `{kind, ids}` */
  export const compare = 'orrery:compare';
}
