/** Says so when the user's runs end, wherever in Lab they are. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { Kind, Resource } from '../api-types';
import type { Ending } from '../models/endings';
import { endingsOf } from '../models/endings';
import { throttle } from '../models/model';
import { CommandIDs, IOrrery } from '../tokens';

const ID = '@orrery/lab:notifications';
/** What ends within this time is told together. */
const TOGETHER = 1500;

export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Notifies when a run ends.',
  autoStart: true,
  requires: [IOrrery],
  optional: [ISettingRegistry],
  activate: async (app: JupyterFrontEnd, orrery: IOrrery, registry: ISettingRegistry | null) => {
    let ended: { kind: Kind; resource: Resource }[] = [];
    const tellSoon = throttle(() => {
      endingsOf(ended).forEach(ending => tell(app, ending));
      ended = [];
    }, TOGETHER);
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

function tell(app: JupyterFrontEnd, ending: Ending): void {
  const { kind, ref } = ending;
  const open = (): void => {
    void (ref === null
      ? app.commands.execute(CommandIDs.openList, { kind })
      : app.commands.execute(CommandIDs.open, { kind, ref }));
  };
  Notification.emit(ending.message, ending.type, {
    autoClose: ending.type === 'error' ? false : 10000,
    actions: [{ label: ref === null ? 'Show' : 'Open', callback: open }]
  });
}
