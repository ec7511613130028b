import { Notification } from '@jupyterlab/apputils';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { CommandRegistry } from '@lumino/commands';
import { afterEach, describe, expect, it } from 'vitest';
import type { Resource } from '../src/api-types';
import { notificationsPlugin } from '../src/plugins/notifications';
import { CommandIDs, type IOrrery } from '../src/tokens';
import { MemoryPlatform, TRAINING, event, makeResource, until } from './platform';

function makeRun(state: string): Resource {
  const run = makeResource({ id: 'own', name: 'own-1' });
  run.status = { ...run.status, state, settled: state !== 'Running', message: 'it broke' };
  return run;
}

const shown = (): string[] => Notification.manager.notifications.map(({ message }) => message);

/** A run that was seen to run has failed, and that was told. */
async function startFailed(): Promise<{ orrery: IOrrery; opened: unknown[] }> {
  const orrery = new MemoryPlatform().make([TRAINING]);
  const commands = new CommandRegistry();
  const opened: unknown[] = [];
  commands.addCommand(CommandIDs.open, { execute: args => opened.push(args) });
  await notificationsPlugin.activate({ commands } as unknown as JupyterFrontEnd, orrery, null);
  orrery.events.publish(event('created', makeRun('Running')));
  orrery.events.publish(event('updated', makeRun('Failed')));
  await until(() => shown().length === 1, 'the notification');
  return { orrery, opened };
}

describe('the notification of a failed run', () => {
  afterEach(() => Notification.dismiss());

  it('leaves the screen after a minute, and leads to the page', async () => {
    const { opened } = await startFailed();
    const [said] = Notification.manager.notifications;
    expect(said?.message).toBe('Training own-1 failed. it broke');
    expect(said?.options.autoClose).toBe(60_000);
    said?.options.actions?.[0]?.callback(new MouseEvent('click'));
    expect(opened).toEqual([{ kind: 'training', ref: 'own' }]);
  });

  it('stays while the run is only renamed, and goes when it runs again', async () => {
    const { orrery } = await startFailed();
    orrery.events.publish(event('updated', { ...makeRun('Failed'), name: 'own-2', etag: '2' }));
    expect(shown()).toHaveLength(1);
    orrery.events.publish(event('updated', { ...makeRun('Running'), etag: '3' }));
    expect(shown()).toEqual([]);
  });

  it('goes when the run is deleted', async () => {
    const { orrery } = await startFailed();
    orrery.events.publish(event('deleted', makeRun('Failed')));
    expect(shown()).toEqual([]);
  });
});
