/** Tells of kernels on instances: the place in the queue of one that waits, and why one has ended. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import { Notification } from '@jupyterlab/apputils';
import type { InstanceKernel } from '../api-types';
import { InstanceKernels, describeLost, describeWaiting, isOnInstance } from '../models/instance-kernels';
import { CommandIDs, IOrrery } from '../tokens';

/** The Jupyter server asks the platform for its instance types about so long after it has started. */
const OFFERED = 3000;

export const instanceKernelsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:instance-kernels',
  description: 'Kernels on instances of any type.',
  autoStart: true,
  requires: [IOrrery],
  activate: (app: JupyterFrontEnd, orrery: IOrrery) => {
    const { kernels, kernelspecs } = app.serviceManager;
    const model = new InstanceKernels(orrery.api);
    const told = new Map<string, string>();
    const dismiss = (kernel: InstanceKernel): void => {
      const id = told.get(kernel.kernel_id);
      if (id !== undefined) {
        Notification.dismiss(id);
        told.delete(kernel.kernel_id);
      }
    };
    model.waiting.connect((_, kernel) => {
      const message = describeWaiting(kernel);
      const id = told.get(kernel.kernel_id);
      if (id !== undefined && Notification.manager.has(id)) {
        Notification.update({ id, message });
        return;
      }
      const giveUp = (): void => void kernels.shutdown(kernel.kernel_id);
      const actions = [{ label: 'Give up', caption: 'Do not wait for this kernel', callback: giveUp }];
      told.set(kernel.kernel_id, Notification.emit(message, 'in-progress', { autoClose: false, actions }));
    });
    model.began.connect((_, kernel) => {
      dismiss(kernel);
      reconnect(app, kernel.kernel_id);
    });
    model.gone.connect((_, kernel) => dismiss(kernel));
    model.lost.connect((_, kernel) => {
      dismiss(kernel);
      const { resource_id: ref } = kernel;
      const open = (): void => void app.commands.execute(CommandIDs.open, { kind: 'kernel', ref });
      Notification.error(describeLost(kernel), {
        autoClose: false,
        actions: ref === null ? [] : [{ label: 'Open', callback: open }]
      });
    });
    const look = (): void => {
      model.watch([...kernels.running()].some(kernel => isOnInstance(kernel.name)));
    };
    kernels.runningChanged.connect(look);
    void kernels.ready.then(look);
    orrery.platform.recovered.connect(() => {
      window.setTimeout(() => void kernelspecs.refreshSpecs(), OFFERED);
    });
  }
};

/** A notebook that has tried for so long that it gave up tries again. */
function reconnect(app: JupyterFrontEnd, kernelId: string): void {
  for (const widget of app.shell.widgets('main')) {
    const { sessionContext } = widget as { sessionContext?: ISessionContext };
    const kernel = sessionContext?.session?.kernel;
    if (kernel?.id === kernelId && kernel.connectionStatus === 'disconnected') {
      void kernel.reconnect();
    }
  }
}
