/** What every component of a panel may reach: the platform, the way to other panels, and the theme's changes. */
import type { IStateDB } from '@jupyterlab/statedb';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { ReactNode } from 'react';
import { createContext, useContext, useEffect, useReducer } from 'react';
import type { JsonObject, Resource } from '../api-types';
import type { IOrrery } from '../tokens';
import { CommandIDs } from '../tokens';

interface FormAside {
  readonly made: ISignal<unknown, Resource>;
}

/** From one panel to another: everything goes through commands, so that it can be restored and scripted. */
export class Navigator {
  constructor(private readonly commands: CommandRegistry) {}

  openList(kind: string, trashed = false): void {
    void this.execute(CommandIDs.openList, { kind, trashed });
  }

  /** Whether a command is there: panels of other plugins are offered only then. */
  has(command: string): boolean {
    return this.commands.hasCommand(command);
  }

  open(kind: string, ref: string, tab?: string): void {
    void this.execute(CommandIDs.open, tab ? { kind, ref, tab } : { kind, ref });
  }

  create(
    kind: string,
    options: { copyOf?: string; editOf?: string; template?: string; prefill?: JsonObject } = {}
  ): void {
    void this.execute(CommandIDs.create, { kind, ...options });
  }

  /** Make one in a form beside this panel; `take` gets it. */
  async createAside(kind: string, take: (resource: Resource) => void): Promise<void> {
    const form = (await this.execute(CommandIDs.create, { kind, aside: true })) as FormAside;
    form.made.connect((_, resource) => take(resource));
  }

  /** Answers with its path; null where the user thought better of it. `aside`: beside this panel. */
  openNotebook(
    kind: string,
    id: string,
    name: string,
    parameters?: JsonObject,
    aside = false
  ): Promise<unknown> {
    const args = { kind, id, name, aside };
    return this.execute(CommandIDs.openNotebook, parameters ? { ...args, parameters } : args);
  }

  /** The run's notebook, without outputs, to change and run again; saved beside the executed one. */
  forkNotebook(kind: string, id: string, name: string, fork: JsonObject): Promise<unknown> {
    return this.execute(CommandIDs.openNotebook, { kind, id, name, fork });
  }

  openMlflow(): void {
    void this.execute(CommandIDs.openMlflow, {});
  }

  execute(command: string, args: ReadonlyPartialJSONObject): Promise<unknown> {
    return this.commands.execute(command, args);
  }
}

export interface PanelContext extends IOrrery {
  readonly go: Navigator;
  /** Where a list keeps its columns; null: nowhere. */
  readonly state: IStateDB | null;
  readonly themeChanged: ISignal<unknown, unknown> | null;
}

const Context = createContext<PanelContext | null>(null);

export function PanelProvider(props: { value: PanelContext; children: ReactNode }): JSX.Element {
  return <Context.Provider value={props.value}>{props.children}</Context.Provider>;
}

export function usePanel(): PanelContext {
  const context = useContext(Context);
  if (!context) {
    throw new Error('A panel component was rendered outside of PanelProvider.');
  }
  return context;
}

/** Render again from time to time, for what tells its age ("4 min ago"). */
export function useTick(milliseconds: number, isActive = true): void {
  const [, tick] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!isActive) {
      return undefined;
    }
    const timer = setInterval(tick, milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds, isActive]);
}
