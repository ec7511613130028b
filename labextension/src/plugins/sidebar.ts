/** The left side bar. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { IThemeManager } from '@jupyterlab/apputils';
import { IStateDB } from '@jupyterlab/statedb';
import { orreryIcon } from '../icons';
import { CommandIDs, IOrrery } from '../tokens';
import { SideBar } from '../widgets/sidebar';
import { makeContext } from './panels';

export const sideBarPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:side-bar',
  description: 'The Orrery side bar: datasets, trainings, models and endpoints, live.',
  autoStart: true,
  requires: [IOrrery],
  optional: [IStateDB, ILayoutRestorer, IThemeManager],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    state: IStateDB | null,
    restorer: ILayoutRestorer | null,
    themes: IThemeManager | null
  ) => {
    const sideBar = new SideBar(makeContext(app, orrery, themes), state);
    app.shell.add(sideBar, 'left', { rank: 150 });
    restorer?.add(sideBar, sideBar.id);
    app.commands.addCommand(CommandIDs.showSideBar, {
      label: 'Show the Orrery side bar',
      icon: orreryIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(sideBar.id)
    });
  }
};
