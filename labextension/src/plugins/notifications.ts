/** Says so when one of the user's runs ends, wherever in Lab they are. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { Kind, Phase, Resource } from '../api-types';
import { displayName, formatNumber, humanize } from '../format';
import { isRun, phaseOf } from '../models/kinds';
import { CommandIDs, IOrrery } from '../tokens';

export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:notifications',
  description: 'Notifies when a run ends.',
  autoStart: true,
  requires: [IOrrery],
  activate: (app: JupyterFrontEnd, orrery: IOrrery) => {
    const running = new Set<string>();
    orrery.events.received.connect((_, event) => {
      if (event.type === 'purged' || event.type === 'deleted') {
        running.delete(event.resource.id);
        return;
      }
      const { resource } = event;
      const kind = orrery.kinds.get(resource.kind);
      if (!kind || !isRun(kind) || !orrery.kinds.isMine(resource)) {
        return;
      }
      const phase = phaseOf(kind, resource);
      if (!phase.settled) {
        running.add(resource.id);
      } else if (running.delete(resource.id)) {
        notify(app, kind, resource, phase);
      }
    });
  }
};

function notify(app: JupyterFrontEnd, kind: Kind, resource: Resource, phase: Phase): void {
  const name = `${kind.title} ${displayName(resource)}`;
  const options = {
    autoClose: 10000,
    actions: [
      {
        label: 'Open',
        callback: () => void app.commands.execute(CommandIDs.open, { kind: kind.kind, ref: resource.id })
      }
    ]
  };
  if (phase.state === 'Completed') {
    Notification.success(`${name} is complete.${bestMetric(resource)}`, options);
  } else if (phase.state === 'Failed') {
    const why = resource.status.message ?? resource.status.reason ?? '';
    Notification.error(`${name} failed. ${why}`.slice(0, 300), { ...options, autoClose: false });
  } else {
    Notification.info(`${name}: ${phase.title.toLowerCase()}.`, options);
  }
}

function bestMetric(resource: Resource): string {
  const metrics = resource.status.outputs.metrics;
  if (metrics && typeof metrics === 'object' && !Array.isArray(metrics)) {
    const [first] = Object.entries(metrics);
    if (first && typeof first[1] === 'number') {
      return ` ${humanize(first[0])}: ${formatNumber(first[1])}.`;
    }
  }
  return '';
}
