import type { JupyterFrontEnd } from '@jupyterlab/application';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { expect, it } from 'vitest';
import { runNotebookPlugin } from '../src/plugins/run-notebook';
import { CommandIDs } from '../src/tokens';
import { MemoryPlatform } from './platform';

it('offers to run the notebook in front, whatever was in front when its button was made', () => {
  class Shell {
    currentWidget: object | null = null;
    readonly currentChanged = new Signal<this, unknown>(this);
  }
  const shell = new Shell();
  const commands = new CommandRegistry();
  const notebook = {};
  const contexts = new Map<object, { path: string }>([[notebook, { path: 'work/a.ipynb' }]]);
  const app = {
    shell,
    commands,
    contextMenu: { addItem: () => undefined },
    serviceManager: { contents: {} }
  };
  const documents = { contextForWidget: (widget: object) => contexts.get(widget) };
  void runNotebookPlugin.activate(
    app as unknown as JupyterFrontEnd,
    new MemoryPlatform().make(),
    documents,
    null
  );

  // as a toolbar's button does
  const isEnabled = (): boolean => commands.isEnabled(CommandIDs.runNotebook);
  let shown = isEnabled();
  commands.commandChanged.connect((_, { id }) => {
    shown = id === CommandIDs.runNotebook ? isEnabled() : shown;
  });
  expect(shown).toBe(false);
  shell.currentWidget = notebook;
  shell.currentChanged.emit(undefined);
  expect(shown).toBe(true);
  shell.currentWidget = {};
  shell.currentChanged.emit(undefined);
  expect(shown).toBe(false);
});
