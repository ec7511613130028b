/** The launcher's cards for the steps of the main job. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILauncher } from '@jupyterlab/launcher';
import { kindIcon } from '../icons';
import { CommandIDs, IOrrery } from '../tokens';

const CARDS = [
  {
    command: 'orrery:new-dataset',
    kind: 'dataset',
    label: 'New dataset',
    caption: 'Upload files and make them ready to train on'
  },
  {
    command: 'orrery:new-training',
    kind: 'training',
    label: 'New training',
    caption: 'Train a model on a dataset'
  },
  {
    command: 'orrery:deploy-model',
    kind: 'endpoint',
    label: 'Deploy a model',
    caption: 'Put a model behind an address that answers'
  }
];

export const launcherPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:launcher',
  description: 'Launcher cards for Orrery.',
  autoStart: true,
  requires: [IOrrery],
  optional: [ILauncher],
  activate: (app: JupyterFrontEnd, _orrery: IOrrery, launcher: ILauncher | null) => {
    CARDS.forEach(({ command, kind, label, caption }, rank) => {
      app.commands.addCommand(command, {
        label,
        caption,
        icon: kindIcon(kind),
        describedBy: { args: { type: 'object', properties: {} } },
        execute: () => app.commands.execute(CommandIDs.create, { kind })
      });
      launcher?.add({ command, category: 'Orrery', rank });
    });
  }
};
