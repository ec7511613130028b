/** Says so when the user's runs end, wherever in Lab they are. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { Kind, Resource, ResourceEvent } from '../api-types';
import type { Ending } from '../models/endings';
import { endingsOf } from '../models/endings';
import { throttle } from '../models/model';
import { CommandIDs, IOrrery } from '../tokens';

const ID = '@orrery/lab:notifications';
/** What ends within this time is told together. */
const TOGETHER = 1500;
/** How long a word is in the way; the notification centre keeps it. In milliseconds. */
const SHOWN = { good: 10_000, bad: 60_000 };

export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Notifies when a run ends.',
  autoStart: true,
  requires: [IOrrery],
  optional: [ISettingRegistry],
  activate: async (app: JupyterFrontEnd, orrery: IOrrery, registry: ISettingRegistry | null) => {
    let ended: { kind: Kind; resource: Resource }[] = [];
    /** What is still said of failed runs, by their ids. */
    const failures = new Map<string, string>();
    const tellSoon = throttle(() => {
      for (const ending of endingsOf(ended)) {
        const notification = tell(app, ending);
        if (ending.type === 'error' && ending.ref !== null) {
          failures.set(ending.ref, notification);
        }
      }
      ended = [];
    }, TOGETHER);
    orrery.events.received.connect((_, event) => {
      const said = failures.get(event.resource.id);
      if (said !== undefined && !isStillFailed(event)) {
        failures.delete(event.resource.id);
        Notification.dismiss(said);
      }
    });
    const settings = await registry?.load(ID);
    orrery.activity.ended.connect((_, resource) => {
      const kind = orrery.kinds.get(resource.kind);
      // a kernel's end is told by its own plugin, and only where nobody asked for it
      if (kind && kind.kind !== 'kernel' && settings?.get('whenRunsEnd').composite !== false) {
        ended.push({ kind, resource });
        tellSoon();
      }
    });
  }
};

/** Not once it runs again, has done well, or is gone. */
function isStillFailed(event: ResourceEvent): boolean {
  return event.type !== 'purged' && event.type !== 'deleted' && event.resource.status.state === 'Failed';
}

/** Answers with the id of the notification; opening what it tells of puts it away. */
function tell(app: JupyterFrontEnd, ending: Ending): string {
  const { kind, ref } = ending;
  const open = (): void => {
    void (ref === null
      ? app.commands.execute(CommandIDs.openList, { kind })
      : app.commands.execute(CommandIDs.open, { kind, ref }));
  };
  return Notification.emit(ending.message, ending.type, {
    autoClose: ending.type === 'error' ? SHOWN.bad : SHOWN.good,
    actions: [{ label: ref === null ? 'Show' : 'Open', callback: open }]
  });
}
