/** The kinds that the platform declares, and who is asking. Everything that the panels show is driven by these. */
import type { Api } from '../api';
import type { Action, Kind, Phase, Resource, WhoAmI } from '../api-types';
import { humanize, isObject } from '../format';
import type { GoalWords } from './goals';
import { Goals } from './goals';
import { START_ON_CPU, meanwhileOf } from './meanwhile';
import { Model } from './model';
import type { PlatformModel } from './platform';

/** Takes an algorithm's code anew from its source: what was uploaded has none. */
const FETCH = 'fetch';

/** The sections of the side bar, in order; others that the platform declares follow. */
const SECTIONS: [name: string, title: string][] = [
  ['notebooks', 'Notebooks'],
  ['data', 'Data'],
  ['training', 'Training'],
  ['models', 'Model factory'],
  ['serving', 'Serving'],
  ['pipelines', 'Pipelines'],
  ['rag', 'RAG'],
  ['dashboards', 'Dashboards']
];

export interface Section {
  name: string;
  title: string;
  kinds: Kind[];
}

export class Kinds extends Model {
  all: Kind[] = [];
  user: WhoAmI | null = null;
  /** Which way a metric is better. */
  goals = new Goals(null);
  private readonly byKind = new Map<string, Kind>();

  constructor(
    private readonly api: Api,
    platform: PlatformModel
  ) {
    super();
    platform.recovered.connect(() => void this.load());
  }

  get isLoaded(): boolean {
    return this.all.length > 0;
  }

  async load(): Promise<void> {
    try {
      const [{ items, goals }, user] = await Promise.all([this.api.kinds(), this.api.whoami()]);
      this.set(items, user, goals);
    } catch {
      // Asked again when the platform recovers; until then the panels show its status.
    }
  }

  set(kinds: Kind[], user: WhoAmI, words: GoalWords | null = null): void {
    this.goals = new Goals(words);
    this.all = [...kinds].sort((a, b) => a.order - b.order);
    this.user = user;
    this.byKind.clear();
    for (const kind of this.all) {
      this.byKind.set(kind.kind, kind);
    }
    this.notify();
  }

  /** Resolves when the kinds are known. */
  async ready(): Promise<void> {
    while (!this.isLoaded && !this.isDisposed) {
      await new Promise<void>(resolve => {
        const slot = (): void => {
          this.changed.disconnect(slot);
          resolve();
        };
        this.changed.connect(slot);
      });
    }
  }

  get(kind: string): Kind | undefined {
    return this.byKind.get(kind);
  }

  /** Those of which a kind is served. */
  sections(): Section[] {
    const sections = new Map<string, Section>(
      SECTIONS.map(([name, title]) => [name, { name, title, kinds: [] }])
    );
    for (const kind of this.all) {
      const { section: name } = kind;
      const section = sections.get(name) ?? { name, title: humanize(name), kinds: [] };
      section.kinds.push(kind);
      sections.set(name, section);
    }
    return [...sections.values()].filter(section => section.kinds.length > 0);
  }

  isMine(resource: { owner: string }): boolean {
    return this.user === null || resource.owner === this.user.name;
  }
}

export function phaseOf(kind: Kind | undefined, resource: Resource): Phase {
  const name = resource.status.phase;
  return (
    kind?.phases.find(phase => phase.name === name) ?? {
      name,
      title: humanize(name.toLowerCase()),
      state: resource.status.state,
      settled: resource.status.settled
    }
  );
}

/** The actions that the kind offers in the resource's present phase. */
export function offeredActions(kind: Kind, resource: Resource): Action[] {
  if (resource.deleted_at) {
    return [];
  }
  return kind.actions.filter(
    action =>
      (action.phases.length === 0 || action.phases.includes(resource.status.phase)) &&
      (action.name !== START_ON_CPU || meanwhileOf(resource).offer !== null) &&
      (action.name !== FETCH || isObject(resource.spec.source))
  );
}

/** A kind whose resources run and come to an end: a training, a batch. */
export function isRun(kind: Kind): boolean {
  return (
    kind.phases.some(phase => phase.state === 'Completed' && phase.settled) &&
    kind.phases.some(phase => phase.state === 'Running')
  );
}
