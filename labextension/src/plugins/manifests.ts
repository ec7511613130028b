/** Resources as YAML: exported from pages and lists, imported from files, with a look at what that would do. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager, Notification } from '@jupyterlab/apputils';
import { yamlIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { copyIcon } from '../icons';
import { exportYaml } from '../models/manifests';
import { CommandIDs, IOrrery } from '../tokens';
import { DetailPanel } from '../widgets/detail';
import { showError } from '../widgets/dialogs';
import { ImportPanel } from '../widgets/import';
import { ListPanel } from '../widgets/list';
import { saveFile } from '../widgets/save';
import { makeContext } from './panels';

interface Exported {
  kind: string;
  ids: string[];
  name: string;
}

export const manifestsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:manifests',
  description: 'Exports resources as YAML, and imports them.',
  autoStart: true,
  requires: [IOrrery],
  optional: [ICommandPalette, IThemeManager],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    palette: ICommandPalette | null,
    themes: IThemeManager | null
  ) => {
    const context = makeContext(app, orrery, themes);
    const { commands } = app;
    let page: ImportPanel | null = null;

    commands.addCommand(CommandIDs.importYaml, {
      label: 'Import YAML …',
      icon: yamlIcon,
      describedBy: {
        args: { type: 'object', properties: { text: { type: 'string' }, name: { type: 'string' } } }
      },
      execute: async args => {
        if (page === null || page.isDisposed) {
          page = new ImportPanel(context);
          app.shell.add(page, 'main');
        }
        app.shell.activateById(page.id);
        if (typeof args.text === 'string' && !page.model.isApplying) {
          page.model.setText(args.text, typeof args.name === 'string' ? args.name : '');
          await page.model.look();
        }
      }
    });

    const chosen = (args: ReadonlyPartialJSONObject): Exported | null => said(args) ?? inFront(app);
    const canExport = (args: ReadonlyPartialJSONObject): boolean => {
      const exported = chosen(args);
      return exported !== null && orrery.kinds.get(exported.kind)?.creatable === true;
    };
    commands.addCommand(CommandIDs.exportYaml, {
      label: args => (args.copy === true ? 'Copy as YAML' : 'Export as YAML'),
      icon: args => (args.copy === true ? copyIcon : yamlIcon),
      describedBy: {
        args: {
          type: 'object',
          properties: { kind: { type: 'string' }, ids: { type: 'array' }, copy: { type: 'boolean' } }
        }
      },
      isVisible: canExport,
      isEnabled: canExport,
      execute: async args => {
        const exported = chosen(args);
        if (!exported) {
          return;
        }
        try {
          const text = await exportYaml(orrery.api, exported.kind, exported.ids);
          if (args.copy === true) {
            await navigator.clipboard.writeText(text);
            Notification.info('The YAML was copied.', { autoClose: 2500 });
          } else {
            saveFile(`${exported.name}.yaml`, new Blob([text], { type: 'application/yaml' }));
          }
        } catch (error) {
          await showError('It could not be exported', error);
        }
      }
    });

    // a row's menu has them by itself
    const selector = '.orr-Detail';
    app.contextMenu.addItem({ command: CommandIDs.exportYaml, selector, rank: 1 });
    app.contextMenu.addItem({ command: CommandIDs.exportYaml, args: { copy: true }, selector, rank: 2 });
    app.contextMenu.addItem({ command: CommandIDs.importYaml, selector: '.orr-List', rank: 3 });
    for (const item of [
      { command: CommandIDs.importYaml },
      { command: CommandIDs.exportYaml },
      { command: CommandIDs.exportYaml, args: { copy: true } }
    ]) {
      palette?.addItem({ ...item, category: 'Orrery' });
    }
  }
};

function said(args: ReadonlyPartialJSONObject): Exported | null {
  const { kind, ids, name } = args;
  return typeof kind === 'string' && Array.isArray(ids)
    ? { kind, ids: ids.map(String), name: typeof name === 'string' ? name : kind }
    : null;
}

/** The page in front, or what is selected in the list in front. */
function inFront(app: JupyterFrontEnd): Exported | null {
  const { currentWidget } = app.shell;
  if (currentWidget instanceof DetailPanel && currentWidget.model?.resource) {
    return exportedOf(currentWidget.kindName, [currentWidget.model.resource]);
  }
  if (currentWidget instanceof ListPanel && currentWidget.model) {
    return exportedOf(currentWidget.kindName, currentWidget.model.selection);
  }
  return null;
}

function exportedOf(kind: string, resources: { id: string; name: string }[]): Exported | null {
  const [first] = resources;
  const name = resources.length === 1 && first ? first.name : `${resources.length}-${kind}s`;
  return first ? { kind, ids: resources.map(resource => resource.id), name } : null;
}
