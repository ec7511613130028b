/** What ran before this server started: the last starts, the scripts as they are now, and what they printed. */
import type { Api } from '../api';
import { errorMessage } from '../api';
import type { StartDocument, StartOutput, StartRun, StartScript } from '../api-types';
import { Model } from './model';

/** One line of the page: a script that ran, was skipped, or is new since the start. */
export interface StartLine {
  script: StartScript;
  /** It is there now, without the run bit. */
  canBeMadeExecutable: boolean;
  isGone: boolean;
}

export class StartModel extends Model {
  document: StartDocument | null = null;
  error: string | null = null;
  readonly outputs = new Map<string, StartOutput>();
  readonly problems = new Map<string, string>();

  constructor(private readonly api: Api) {
    super();
  }

  setVisible(isVisible: boolean): void {
    if (isVisible) {
      void this.load();
    }
  }

  get last(): StartRun | null {
    return this.document?.starts[0] ?? null;
  }

  /** Those of the last start that ended with anything but 0. */
  get failed(): StartScript[] {
    return (this.last?.scripts ?? []).filter(hasFailed);
  }

  get lines(): StartLine[] {
    const now = new Map((this.document?.scripts ?? []).map(script => [script.name, script]));
    const ran = (this.last?.scripts ?? []).map(script => ({
      script,
      canBeMadeExecutable: now.get(script.name)?.is_executable === false,
      isGone: !now.has(script.name)
    }));
    const known = new Set(ran.map(line => line.script.name));
    const added = [...now.values()]
      .filter(script => !known.has(script.name))
      .map(script => ({
        script: newScript(script.name),
        canBeMadeExecutable: !script.is_executable,
        isGone: false
      }));
    return [...ran, ...added];
  }

  async load(): Promise<void> {
    await this.attempt(async () => {
      this.document = await this.api.start();
    });
  }

  async loadOutput(name: string, isWhole: boolean): Promise<void> {
    try {
      this.outputs.set(name, await this.api.startOutput(name, isWhole));
      this.problems.delete(name);
    } catch (error) {
      this.problems.set(name, errorMessage(error));
    }
    this.notify();
  }

  async makeExecutable(name: string): Promise<void> {
    await this.attempt(async () => {
      await this.api.makeStartScriptExecutable(name);
      this.document = await this.api.start();
    });
  }

  /** Answers with its path in the file browser; null where it could not be made, or lies outside. */
  async makeScript(name: string): Promise<string | null> {
    let path: string | null = null;
    await this.attempt(async () => {
      const folder = await this.api.makeStartScript(name);
      path = folder === null ? null : `${folder}/${name}`;
      this.document = await this.api.start();
    });
    return path;
  }

  /** A name that is not taken: `10-setup.sh`, `20-setup.sh`, … */
  freeName(): string {
    const taken = new Set((this.document?.scripts ?? []).map(script => script.name));
    for (let place = 10; ; place += 10) {
      const name = `${place}-setup.sh`;
      if (!taken.has(name)) {
        return name;
      }
    }
  }

  private async attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.error = null;
    } catch (error) {
      this.error = errorMessage(error);
    }
    this.notify();
  }
}

export function hasFailed(script: StartScript): boolean {
  return script.state === 'interrupted' || (script.exit_code !== null && script.exit_code !== 0);
}

function newScript(name: string): StartScript {
  return {
    name,
    state: 'new',
    began: null,
    ended: null,
    exit_code: null,
    reason: 'It runs at the next start.',
    output_bytes: 0,
    left_running: false
  };
}

/** Seconds; null while it is not known. */
export function durationOf(run: { began: string | null; ended: string | null }): number | null {
  return run.began && run.ended ? (Date.parse(run.ended) - Date.parse(run.began)) / 1000 : null;
}
