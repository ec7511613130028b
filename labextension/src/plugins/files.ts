/** "Create dataset from this file" and "Publish as dashboard" in the file browser. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { kindIcon } from '../icons';
import { CommandIDs, IOrrery } from '../tokens';

export const filesPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:files',
  description: 'Makes datasets and dashboards from files of the file browser.',
  autoStart: true,
  requires: [IOrrery],
  optional: [IFileBrowserFactory],
  activate: (app: JupyterFrontEnd, _orrery: IOrrery, browsers: IFileBrowserFactory | null) => {
    if (!browsers) {
      return;
    }
    const selectedPaths = (): string[] =>
      [...(browsers.tracker.currentWidget?.selectedItems() ?? [])]
        .filter(item => item.type !== 'directory')
        .map(item => item.path);
    const isNotebook = (path: string): boolean => path.endsWith('.ipynb');
    // A notebook is no data to learn from.
    const dataPaths = (): string[] => selectedPaths().filter(path => !path.endsWith('.ipynb'));
    app.commands.addCommand(CommandIDs.datasetFromFile, {
      label: () =>
        dataPaths().length > 1 ? 'Create dataset from these files' : 'Create dataset from this file',
      icon: kindIcon('dataset'),
      describedBy: { args: { type: 'object', properties: {} } },
      isVisible: () => dataPaths().length > 0,
      execute: () => app.commands.execute(CommandIDs.create, { kind: 'dataset', paths: dataPaths() })
    });
    app.contextMenu.addItem({
      command: CommandIDs.datasetFromFile,
      selector: '.jp-DirListing-item[data-isdir="false"]',
      rank: 60
    });
    app.commands.addCommand(CommandIDs.dashboardFromNotebook, {
      label: 'Publish as dashboard',
      icon: kindIcon('dashboard'),
      describedBy: { args: { type: 'object', properties: {} } },
      isVisible: () => selectedPaths().some(isNotebook),
      execute: () => app.commands.execute(CommandIDs.create, { kind: 'dashboard', paths: selectedPaths() })
    });
    app.contextMenu.addItem({
      command: CommandIDs.dashboardFromNotebook,
      selector: '.jp-DirListing-item[data-file-type="notebook"]',
      rank: 61
    });
  }
};
