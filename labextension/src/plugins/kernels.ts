/** New environments become cards of the launcher while somebody looks at it, without a reload of the page. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell } from '@jupyterlab/application';

const EVERY_MILLISECONDS = 4000;

export const kernelsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:kernels',
  description: 'Kernels of new environments appear in the launcher.',
  autoStart: true,
  optional: [ILabShell],
  activate: (app: JupyterFrontEnd, shell: ILabShell | null) => {
    if (!shell) {
      return;
    }
    const { kernelspecs } = app.serviceManager;
    let timer: number | null = null;
    const refresh = (): void => {
      if (!document.hidden) {
        // an answer that fails is asked for again in a moment, and Lab tells of servers that are away
        kernelspecs.refreshSpecs().catch(() => undefined);
      }
    };
    const look = (): void => {
      const isLauncher = shell.currentWidget?.id.startsWith('launcher') ?? false;
      if (isLauncher && timer === null) {
        refresh();
        timer = window.setInterval(refresh, EVERY_MILLISECONDS);
      } else if (!isLauncher && timer !== null) {
        window.clearInterval(timer);
        timer = null;
      }
    };
    shell.currentChanged.connect(look);
    void app.restored.then(look);
  }
};
