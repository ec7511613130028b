/** The overview: its command, palette entry, launcher card, and how it comes back after a reload. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager, WidgetTracker } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { orreryIcon } from '../icons';
import { CommandIDs, IOrrery } from '../tokens';
import { OverviewPanel } from '../widgets/overview';
import { makeContext } from './panels';

export const overviewPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:overview',
  description: 'What runs, waits and is used, at one look.',
  autoStart: true,
  requires: [IOrrery],
  optional: [ILayoutRestorer, ICommandPalette, IThemeManager, ILauncher],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    themes: IThemeManager | null,
    launcher: ILauncher | null
  ) => {
    const context = makeContext(app, orrery, themes);
    const panels = new WidgetTracker<OverviewPanel>({ namespace: 'orrery-overview' });
    const command = CommandIDs.openOverview;
    app.commands.addCommand(command, {
      label: 'Orrery overview',
      caption: 'What runs, waits and is used, at one look',
      icon: orreryIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        let panel = panels.currentWidget;
        if (!panel) {
          panel = new OverviewPanel(context);
          app.shell.add(panel, 'main');
          void panels.add(panel);
        }
        app.shell.activateById(panel.id);
      }
    });
    palette?.addItem({ command, category: 'Orrery' });
    launcher?.add({ command, category: 'Orrery', rank: -1 });
    if (restorer) {
      void restorer.restore(panels, { command, name: () => 'overview' });
    }
  }
};
