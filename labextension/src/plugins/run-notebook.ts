/** "Run as job": on a notebook's toolbar and in the file browser's menu. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { ISignal } from '@lumino/signaling';
import { errorMessage } from '../api';
import type { Resource } from '../api-types';
import { plainText } from '../format';
import { kindIcon } from '../icons';
import { readNotebook } from '../models/contents';
import { ResultNotebooks } from '../models/result-notebooks';
import { resumeWith } from '../models/resume-notebook';
import { forkedSpec } from '../models/notebooks';
import { sendNotebook } from '../models/send-notebook';
import { CommandIDs, IOrrery } from '../tokens';
import { showError } from '../widgets/dialogs';

interface Form {
  readonly made: ISignal<unknown, Resource>;
}

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
    const results = new ResultNotebooks(orrery, app.serviceManager.contents, window.localStorage);
    // who has the result open sees it grow
    results.written.connect((_, path) => {
      const context = documents.findWidget(path)?.context;
      if (context && !context.model.dirty) {
        void context.revert();
      }
    });
    results.failed.connect((_, error) => {
      Notification.warning(`The result notebook could not be written: ${errorMessage(error)}`);
    });
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
          const form = (await app.commands.execute(CommandIDs.create, {
            kind: 'training',
            prefill: { name, spec }
          })) as Form;
          form.made.connect((_, training) => void results.follow(training, path));
        } catch (error) {
          await showError('The notebook could not be sent', error);
        }
      }
    });
    // a toolbar's button asks again only when it is told: what was in front when it was made may have been a dialog
    const changed = (): void => app.commands.notifyCommandChanged(CommandIDs.runNotebook);
    app.shell.currentChanged?.connect(changed);
    app.commands.addCommand(CommandIDs.resumeNotebook, {
      label: 'Resume with the edited notebook',
      describedBy: {
        args: {
          type: 'object',
          properties: {
            kind: { type: 'string' },
            id: { type: 'string' },
            path: { type: 'string' },
            startOver: { type: 'boolean' }
          }
        }
      },
      execute: async args => {
        const path = plainText(args.path as string);
        const kind = orrery.kinds.get(plainText(args.kind as string));
        await documents.findWidget(path)?.context.save();
        const notebook = await readNotebook(app.serviceManager.contents, path);
        if (!kind || notebook === null) {
          throw new Error(`'${path}' is not there any more; open the executed notebook again.`);
        }
        const id = plainText(args.id as string);
        const answer = await resumeWith(orrery.api, kind.plural, id, notebook, args.startOver === true);
        orrery.events.publish({ type: 'updated', resource: answer });
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
