/** Comparing runs: `orrery:compare {kind, ids}`, restored with the runs that were chosen. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { IThemeManager, WidgetTracker } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { UUID } from '@lumino/coreutils';
import { trainingChartIcon } from '../icons';
import { CommandIDs, IOrrery } from '../tokens';
import { ComparePanel } from '../widgets/compare';
import { makeContext } from './panels';

function idsOf(args: ReadonlyPartialJSONObject): string[] {
  return Array.isArray(args.ids) ? args.ids.filter((id): id is string => typeof id === 'string') : [];
}

export const comparePlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:compare',
  description: 'Runs side by side: parameters, metrics, curves and plots.',
  autoStart: true,
  requires: [IOrrery],
  optional: [ILayoutRestorer, IThemeManager],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    restorer: ILayoutRestorer | null,
    themes: IThemeManager | null
  ) => {
    const context = makeContext(app, orrery, themes);
    const panels = new WidgetTracker<ComparePanel>({ namespace: 'orrery-compare' });
    const command = CommandIDs.compare;
    app.commands.addCommand(command, {
      label: args => `Compare ${idsOf(args).length} runs`,
      icon: trainingChartIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            kind: { type: 'string' },
            ids: { type: 'array', items: { type: 'string' } },
            panel: { type: 'string' }
          }
        }
      },
      execute: args => {
        const kind = typeof args.kind === 'string' ? args.kind : 'training';
        const ids = idsOf(args);
        let panel = panels.find(open => open.isOf(kind, ids));
        if (!panel) {
          // What the layout calls it stays the same when a run is taken out.
          const name = typeof args.panel === 'string' ? args.panel : UUID.uuid4();
          panel = new ComparePanel(context, kind, ids, name);
          const made = panel;
          panel.model.chosenChanged.connect(() => void panels.save(made));
          app.shell.add(panel, 'main');
          void panels.add(panel);
        }
        app.shell.activateById(panel.id);
      }
    });
    if (restorer) {
      void restorer.restore(panels, {
        command,
        args: panel => ({ kind: panel.model.kindName, ids: panel.model.ids, panel: panel.name }),
        name: panel => panel.name
      });
    }
  }
};
