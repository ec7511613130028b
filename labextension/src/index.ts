/** The plugins of the Orrery extension. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { comparePlugin } from './plugins/compare';
import { filesPlugin } from './plugins/files';
import { kernelsPlugin } from './plugins/kernels';
import { instanceKernelsPlugin } from './plugins/instance-kernels';
import { launcherPlugin } from './plugins/launcher';
import { linksPlugin } from './plugins/links';
import { manifestsPlugin } from './plugins/manifests';
import { notebookUsePlugin } from './plugins/notebook-use';
import { notificationsPlugin } from './plugins/notifications';
import { overviewPlugin } from './plugins/overview';
import { panelsPlugin } from './plugins/panels';
import { platformPlugin } from './plugins/platform';
import { runNotebookPlugin } from './plugins/run-notebook';
import { sideBarPlugin } from './plugins/sidebar';
import { startPlugin } from './plugins/start';
import { statusBarPlugin } from './plugins/statusbar';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  platformPlugin,
  panelsPlugin,
  overviewPlugin,
  comparePlugin,
  sideBarPlugin,
  launcherPlugin,
  filesPlugin,
  runNotebookPlugin,
  notificationsPlugin,
  instanceKernelsPlugin,
  statusBarPlugin,
  notebookUsePlugin,
  startPlugin,
  kernelsPlugin,
  linksPlugin,
  manifestsPlugin
];

export default plugins;
export { CommandIDs, IOrrery } from './tokens';
