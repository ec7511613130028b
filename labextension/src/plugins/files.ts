/** "Create dataset from this file" in the file browser. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { kindIcon } from '../icons';
import { CommandIDs, IOrrery } from '../tokens';

export const filesPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:files',
  description: 'Makes datasets from files of the file browser.',
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
  }
};
