/** This server's own use: the warning before an idle notebook stops, variables to load back, memory and disk. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { errorMessage } from '../api';
import type { SavedKernel } from '../models/server-use';
import { ServerUseModel, ToldLevels, clock, offerOf, quotaMessage } from '../models/server-use';
import { CommandIDs, IOrrery } from '../tokens';
import { IdleBanner } from '../widgets/idle-banner';
import { MemoryItem } from '../widgets/memory-item';

/** What shows that somebody is there; a page that is merely open does not. */
const SIGNS = ['keydown', 'pointerdown', 'wheel'] as const;

export const notebookUsePlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:notebook-use',
  description: 'Warns before an idle notebook is stopped, and shows what it uses.',
  autoStart: true,
  requires: [IOrrery],
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, orrery: IOrrery, statusBar: IStatusBar | null) => {
    const model = new ServerUseModel(orrery.api);
    SIGNS.forEach(sign =>
      document.addEventListener(sign, () => model.personActed(), { capture: true, passive: true })
    );
    followWarning(app, orrery, model);
    tellNews(model);
    const open = (): void => {
      const id = model.value?.notebook_id;
      void (id
        ? app.commands.execute(CommandIDs.open, { kind: 'notebook', ref: id, tab: 'monitoring' })
        : app.commands.execute(CommandIDs.openOverview));
    };
    statusBar?.registerStatusItem('orrery:memory', {
      item: new MemoryItem(model, open),
      align: 'right',
      rank: 50,
      isActive: () => model.value?.figures != null,
      activeStateChanged: model.changed
    });
    void model.run();
  }
};

/** The banner is there for as long as there is something to say. */
function followWarning(app: JupyterFrontEnd, orrery: IOrrery, model: ServerUseModel): void {
  let banner: IdleBanner | null = null;
  const stop = async (): Promise<void> => {
    const id = model.value?.notebook_id;
    if (id) {
      await orrery.api.act('notebooks', id, 'stop');
    }
  };
  model.changed.connect(() => {
    if (model.warning && !banner) {
      banner = new IdleBanner(model, stop);
      app.shell.add(banner, 'header');
    } else if (!model.warning && banner) {
      banner.dispose();
      banner = null;
    }
  });
}

/** Each thing is told once. */
function tellNews(model: ServerUseModel): void {
  const offered = new Set<string>();
  const freed = new Set<string>();
  const levels = new ToldLevels(window.localStorage, PageConfig.getBaseUrl());
  model.changed.connect(() => {
    const { value } = model;
    if (!value) {
      return;
    }
    value.freed.forEach(kernel => {
      const key = `${kernel.path} ${kernel.at}`;
      if (!freed.has(key)) {
        freed.add(key);
        Notification.info(
          `The kernel of ${kernel.path} was freed: idle since ${clock(kernel.idle_since)}; ${kernel.saved}.`,
          { autoClose: false }
        );
      }
    });
    value.saved.forEach(saved => {
      if (!offered.has(saved.kernel_id)) {
        offered.add(saved.kernel_id);
        offer(model, saved);
      }
    });
    (['memory', 'disk'] as const).forEach(what => {
      const level = value.levels[what] ?? 0;
      if (levels.isNews(what, level) && value.figures) {
        Notification.emit(quotaMessage(what, level, value.figures), level >= 0.95 ? 'error' : 'warning', {
          autoClose: level >= 0.9 ? false : 15000
        });
      }
    });
  });
}

function offer(model: ServerUseModel, saved: SavedKernel): void {
  const act = (what: 'load' | 'leave' | 'forget'): void => {
    model.variables(saved.path, what).then(
      loaded => {
        if (what === 'load') {
          Notification.success(`${loaded.length} variables of ${saved.path} are back.`, { autoClose: 8000 });
        }
      },
      error => Notification.error(`${saved.path}: ${errorMessage(error)}`, { autoClose: false })
    );
  };
  Notification.info(offerOf(saved), {
    autoClose: false,
    actions: [
      { label: 'Load them', callback: () => act('load'), displayType: 'accent' },
      { label: 'Not now', callback: () => act('leave') },
      { label: 'Delete them', callback: () => act('forget') }
    ]
  });
}
