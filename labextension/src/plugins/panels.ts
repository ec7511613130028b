/** The main-area panels: their commands, and how they come back after a reload. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import type { WidgetTracker as Tracker } from '@jupyterlab/apputils';
import { ICommandPalette, IThemeManager, WidgetTracker } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { UUID } from '@lumino/coreutils';
import type { Widget } from '@lumino/widgets';
import type { JsonObject } from '../api-types';
import { kindIcon, linkOutIcon } from '../icons';
import { readContents } from '../models/contents';
import type { ListQuery } from '../models/list';
import { NO_FILTER } from '../models/list';
import { openNotebook } from '../models/notebooks';
import { formTitle } from '../models/form-opening';
import { CommandIDs, IOrrery } from '../tokens';
import type { PanelContext } from '../widgets/context';
import { Navigator } from '../widgets/context';
import { DetailPanel } from '../widgets/detail';
import { askWhichNotebook } from '../widgets/dialogs';
import type { FormArgs } from '../widgets/form';
import { FormPanel } from '../widgets/form';
import { ListPanel } from '../widgets/list';

export const panelsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:panels',
  description: 'Lists, detail pages and forms of the Orrery platform.',
  autoStart: true,
  requires: [IOrrery],
  optional: [IStateDB, ILayoutRestorer, ICommandPalette, IThemeManager, IDocumentManager],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    state: IStateDB | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    themes: IThemeManager | null,
    documents: IDocumentManager | null
  ) => {
    const context = makeContext(app, orrery, themes, state);
    const lists = new WidgetTracker<ListPanel>({ namespace: 'orrery-list' });
    const details = new WidgetTracker<DetailPanel>({ namespace: 'orrery-detail' });
    const forms = new WidgetTracker<FormPanel>({ namespace: 'orrery-form' });
    const show = <W extends Widget>(
      tracker: Tracker<W>,
      widget: W,
      place: { mode?: 'split-right'; ref?: string } = {}
    ): void => {
      app.shell.add(widget, 'main', place);
      void tracker.add(widget);
      app.shell.activateById(widget.id);
    };
    const kindTitle = (args: ReadonlyPartialJSONObject): string =>
      orrery.kinds.get(text(args.kind))?.title_plural ?? text(args.kind);

    app.commands.addCommand(CommandIDs.openList, {
      label: args => (args.kind ? `Show ${kindTitle(args).toLowerCase()}` : 'Show a list'),
      icon: args => kindIcon(text(args.kind)),
      describedBy: {
        args: objectSchema({
          kind: 'string',
          trashed: 'boolean',
          state: 'string',
          parts: 'boolean',
          owner: 'string',
          tag: 'string',
          q: 'string'
        })
      },
      execute: args => {
        const kind = text(args.kind);
        const query = makeListQuery(args);
        const open = lists.find(panel => panel.kindName === kind);
        if (open) {
          open.setQuery(query);
          app.shell.activateById(open.id);
        } else {
          show(lists, new ListPanel(context, kind, query));
        }
      }
    });

    app.commands.addCommand(CommandIDs.open, {
      label: args => `Open ${text(args.ref)}`,
      describedBy: { args: objectSchema({ kind: 'string', ref: 'string', tab: 'string' }) },
      execute: args => {
        const kind = text(args.kind);
        const ref = text(args.ref);
        const tab = text(args.tab);
        const open = details.find(
          panel => panel.kindName === kind && (panel.ref === ref || panel.args.ref === ref)
        );
        if (open) {
          if (tab) {
            open.model?.setTab(tab);
          }
          app.shell.activateById(open.id);
        } else {
          const page = new DetailPanel(context, tab ? { kind, ref, tab } : { kind, ref });
          page.tabChanged.connect(() => void details.save(page));
          show(details, page);
        }
      }
    });

    app.commands.addCommand(CommandIDs.create, {
      label: args =>
        formTitle(orrery.kinds.get(text(args.kind)), {}).replace(
          'resource',
          text(args.kind).replace('-', ' ') || 'resource'
        ),
      icon: args => kindIcon(text(args.kind)),
      describedBy: {
        args: objectSchema({
          kind: 'string',
          copyOf: 'string',
          editOf: 'string',
          template: 'string',
          draft: 'string',
          prefill: 'object',
          aside: 'boolean'
        })
      },
      execute: args => {
        const formArgs = makeFormArgs(args);
        const open = forms.find(panel => panel.args.draft === formArgs.draft);
        if (open) {
          app.shell.activateById(open.id);
        } else {
          const read = (paths: string[]): Promise<File[]> => readContents(app.serviceManager.contents, paths);
          const { currentWidget } = app.shell;
          const isAside = args.aside === true && currentWidget !== null;
          const form = new FormPanel(context, state, formArgs, isAside, read);
          show(forms, form, isAside ? { mode: 'split-right', ref: currentWidget.id } : {});
          if (isAside) {
            form.disposed.connect(() => app.shell.activateById(currentWidget.id));
          }
          return form;
        }
        return open;
      }
    });

    app.commands.addCommand(CommandIDs.openMlflow, {
      label: 'Open MLflow',
      icon: linkOutIcon,
      describedBy: { args: objectSchema({}) },
      execute: () => {
        window.open(orrery.api.platformUrl('mlflow/'), '_blank', 'noopener');
      }
    });

    app.commands.addCommand(CommandIDs.openNotebook, {
      label: 'Open the notebook of a run or an algorithm',
      describedBy: {
        args: objectSchema({
          kind: 'string',
          id: 'string',
          name: 'string',
          parameters: 'object',
          aside: 'boolean',
          fork: 'object'
        })
      },
      execute: async args => {
        const path = await openNotebook(orrery, app.serviceManager.contents, askWhichNotebook, {
          kind: text(args.kind),
          id: text(args.id),
          name: text(args.name),
          ...(args.parameters ? { parameters: args.parameters as JsonObject } : {}),
          edited: args.aside === true,
          ...(args.fork ? { fork: args.fork as JsonObject } : {})
        });
        if (path !== null) {
          // A report to read: a kernel is started when the reader asks for one.
          const kernel = { shouldStart: false, canStart: true };
          const place = args.aside === true ? { mode: 'split-right' as const } : {};
          documents?.openOrReveal(path, 'Notebook', undefined, place, kernel);
        }
        return path;
      }
    });

    if (restorer) {
      void restorer.restore(lists, {
        command: CommandIDs.openList,
        args: panel => ({ kind: panel.kindName }),
        name: panel => panel.kindName
      });
      void restorer.restore(details, {
        command: CommandIDs.open,
        args: ({ args, model }) => ({ kind: args.kind, ref: args.ref, tab: model?.tab ?? args.tab ?? '' }),
        name: panel => `${panel.args.kind}/${panel.args.ref}`
      });
      void restorer.restore(forms, {
        command: CommandIDs.create,
        args: panel => panel.restoreArgs,
        name: panel => panel.args.draft
      });
    }
    if (palette) {
      void addToPalette(orrery, palette);
    }
  }
};

export function makeContext(
  app: JupyterFrontEnd,
  orrery: IOrrery,
  themes: IThemeManager | null,
  state: IStateDB | null = null
): PanelContext {
  return { ...orrery, go: new Navigator(app.commands), state, themeChanged: themes?.themeChanged ?? null };
}

async function addToPalette(orrery: IOrrery, palette: ICommandPalette): Promise<void> {
  await orrery.kinds.ready();
  const category = 'Orrery';
  for (const kind of orrery.kinds.all) {
    palette.addItem({ command: CommandIDs.openList, args: { kind: kind.kind }, category });
    if (kind.creatable) {
      palette.addItem({ command: CommandIDs.create, args: { kind: kind.kind }, category });
    }
  }
  palette.addItem({ command: CommandIDs.openMlflow, category });
  palette.addItem({ command: CommandIDs.showSideBar, category });
}

function makeFormArgs(args: ReadonlyPartialJSONObject): FormArgs {
  const formArgs: FormArgs = {
    kind: text(args.kind),
    draft: text(args.draft) || `orrery-form-${UUID.uuid4()}`
  };
  if (args.editOf) {
    formArgs.editOf = text(args.editOf);
  }
  if (args.copyOf) {
    formArgs.copyOf = text(args.copyOf);
  }
  if (args.template) {
    formArgs.template = text(args.template);
  }
  if (args.prefill) {
    formArgs.prefill = args.prefill as JsonObject;
  }
  if (Array.isArray(args.paths)) {
    formArgs.paths = args.paths.map(text);
  }
  return formArgs;
}

/** The filter that a command names, alone; where it names none the list stays as it was left. */
function makeListQuery(args: ReadonlyPartialJSONObject): Partial<ListQuery> {
  const filter = Object.keys(NO_FILTER).filter(name => typeof args[name] === 'string');
  return {
    trashed: args.trashed === true,
    ...(filter.length > 0 ? NO_FILTER : {}),
    ...(typeof args.parts === 'boolean' ? { parts: args.parts } : {}),
    ...Object.fromEntries(filter.map(name => [name, text(args[name])]))
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The JSON schema of a command's arguments, as Lab's command registry wants it. */
function objectSchema(properties: Record<string, string>): ReadonlyJSONObject {
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).map(([name, type]) => [name, { type }]))
  };
}
