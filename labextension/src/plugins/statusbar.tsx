/** The user's runs in the status bar: how many, and on a click which, with their progress. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager } from '@jupyterlab/apputils';
import type { Popup } from '@jupyterlab/statusbar';
import { IStatusBar, showPopup } from '@jupyterlab/statusbar';
import { CommandIDs, IOrrery } from '../tokens';
import { RunsItem, RunsList } from '../widgets/runs';
import { makeContext } from './panels';

export const statusBarPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:status-bar',
  description: 'Running jobs in the status bar.',
  autoStart: true,
  requires: [IOrrery],
  optional: [IStatusBar, IThemeManager, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    statusBar: IStatusBar | null,
    themes: IThemeManager | null,
    palette: ICommandPalette | null
  ) => {
    if (!statusBar) {
      return;
    }
    const context = makeContext(app, orrery, themes);
    const { activity } = orrery;
    let popup: Popup | null = null;
    const item = new RunsItem(context, () => {
      popup?.dispose();
      const body = new RunsList(context, () => popup?.dispose());
      popup = showPopup({ body, anchor: item, align: 'left' });
    });
    statusBar.registerStatusItem('orrery:runs', {
      item,
      align: 'left',
      rank: 50,
      isActive: () => activity.runs.length > 0,
      activeStateChanged: activity.changed
    });
    app.commands.addCommand(CommandIDs.showRuns, {
      label: 'Show your running jobs',
      describedBy: { args: { type: 'object', properties: {} } },
      isEnabled: () => activity.runs.length > 0,
      execute: () => item.open()
    });
    palette?.addItem({ command: CommandIDs.showRuns, category: 'Orrery' });
  }
};
