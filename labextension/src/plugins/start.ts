/** The page "Start-up": its command, palette entry, and the word in the status bar when a script has failed. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager, WidgetTracker } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { IStatusBar } from '@jupyterlab/statusbar';
import { startIcon } from '../icons';
import { StartModel } from '../models/start';
import { CommandIDs, IOrrery } from '../tokens';
import { StartPanel } from '../widgets/start';
import { StartItem } from '../widgets/start-item';
import { makeContext } from './panels';

export const startPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:start',
  description: 'What ran before this notebook started.',
  autoStart: true,
  requires: [IOrrery],
  optional: [ILayoutRestorer, ICommandPalette, IThemeManager, IStatusBar, ILauncher],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    themes: IThemeManager | null,
    statusBar: IStatusBar | null,
    launcher: ILauncher | null
  ) => {
    const context = makeContext(app, orrery, themes);
    const panels = new WidgetTracker<StartPanel>({ namespace: 'orrery-start' });
    const command = CommandIDs.openStart;
    app.commands.addCommand(command, {
      label: 'Start-up scripts of this notebook',
      caption: 'What runs before this notebook starts, and how it ended',
      icon: startIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        let panel = panels.currentWidget;
        if (!panel) {
          panel = new StartPanel(context);
          app.shell.add(panel, 'main');
          void panels.add(panel);
        }
        app.shell.activateById(panel.id);
      }
    });
    palette?.addItem({ command, category: 'Orrery' });
    launcher?.add({ command, category: 'Orrery', rank: 10 });
    if (restorer) {
      void restorer.restore(panels, { command, name: () => 'start' });
    }
    if (statusBar) {
      const model = new StartModel(orrery.api);
      statusBar.registerStatusItem('orrery:start', {
        item: new StartItem(model, () => void app.commands.execute(command)),
        align: 'left',
        rank: 51,
        isActive: () => model.failed.length > 0,
        activeStateChanged: model.changed
      });
      void app.restored.then(() => model.load());
    }
  }
};
