/** "Run as job": on a notebook's toolbar and in the file browser's menu. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { kindIcon } from '../icons';
import { readNotebook } from '../models/contents';
import { forkedSpec } from '../models/notebooks';
import { sendNotebook } from '../models/send-notebook';
import { CommandIDs, IOrrery } from '../tokens';
import { showError } from '../widgets/dialogs';

export const runNotebookPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:run-notebook',
  description: 'Runs notebooks as jobs.',
  autoStart: true,
  requires: [IOrrery, IDocumentManager],
  optional: [IFileBrowserFactory],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    documents: IDocumentManager,
    browsers: IFileBrowserFactory | null
  ) => {
    /** The notebook in front, or else the one chosen in the file browser. */
    const chosen = (args: { path?: unknown; fromFiles?: unknown }): string | null => {
      if (typeof args.path === 'string') {
        return args.path;
      }
      const widget = app.shell.currentWidget;
      const path = args.fromFiles
        ? browsers?.tracker.currentWidget?.selectedItems().next().value?.path
        : widget && documents.contextForWidget(widget)?.path;
      return typeof path === 'string' && path.endsWith('.ipynb') ? path : null;
    };
    app.commands.addCommand(CommandIDs.runNotebook, {
      label: 'Run as job',
      caption: 'Send this notebook, with the modules beside it, to run as a job',
      icon: kindIcon('training'),
      describedBy: {
        args: {
          type: 'object',
          properties: { path: { type: 'string' }, fromFiles: { type: 'boolean' } }
        }
      },
      isEnabled: args => chosen(args) !== null,
      execute: async args => {
        const path = chosen(args);
        if (path === null) {
          return;
        }
        try {
          // what is in the page and not yet on the disk goes too
          const open = documents.findWidget(path);
          await open?.context.save();
          const algorithm = await sendNotebook(orrery, app.serviceManager.contents, path);
          const name = `${algorithm.name.slice(0, 47)}-${stamp(new Date())}`;
          const forked = forkedSpec(await readNotebook(app.serviceManager.contents, path));
          const spec = {
            register_model: false,
            ...forked,
            algorithm: `${algorithm.owner}/${algorithm.name}`
          };
          await app.commands.execute(CommandIDs.create, { kind: 'training', prefill: { name, spec } });
        } catch (error) {
          await showError('The notebook could not be sent', error);
        }
      }
    });
    app.contextMenu.addItem({
      command: CommandIDs.runNotebook,
      args: { fromFiles: true },
      selector: '.jp-DirListing-item[data-file-type="notebook"]',
      rank: 60
    });
  }
};

/** `20260131-235959`, local time. */
function stamp(now: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return `${day}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}
