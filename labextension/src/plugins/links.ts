/** Panels have addresses: opened from the address bar, kept in it while a panel is in front, and copied to be sent. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell, IRouter } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import type { Widget } from '@lumino/widgets';
import { linkIcon } from '../icons';
import type { LinkTarget } from '../models/links';
import { NEW, parseLink, shareableUrl, withLink } from '../models/links';
import { CommandIDs, IOrrery } from '../tokens';
import { DetailPanel } from '../widgets/detail';
import { ListPanel } from '../widgets/list';

const FOLLOW = 'orrery:follow-link';

export const linksPlugin: JupyterFrontEndPlugin<void> = {
  id: '@orrery/lab:links',
  description: 'Addresses that lead to the panels of Orrery.',
  autoStart: true,
  requires: [IOrrery],
  optional: [IRouter, ILabShell, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    orrery: IOrrery,
    router: IRouter | null,
    shell: ILabShell | null,
    palette: ICommandPalette | null
  ) => {
    const { commands } = app;
    const targetOf = (widget: Widget | null): LinkTarget | null => {
      const isPanel = widget instanceof ListPanel || widget instanceof DetailPanel;
      const kind = isPanel ? orrery.kinds.get(widget.kindName) : undefined;
      return kind ? { plural: kind.plural, ref: widget instanceof DetailPanel ? widget.ref : '' } : null;
    };

    commands.addCommand(FOLLOW, {
      label: 'Open what the address names',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        const target = parseLink(router?.current.search ?? '');
        if (target) {
          await app.restored;
          await follow(app, orrery, target);
        }
      }
    });
    router?.register({ command: FOLLOW, pattern: /[?&]orrery=/, rank: 40 });

    commands.addCommand(CommandIDs.copyLink, {
      label: 'Copy a link to this page',
      icon: linkIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: { plural: { type: 'string' }, ref: { type: 'string' }, template: { type: 'string' } }
        }
      },
      isEnabled: args => typeof args.plural === 'string' || targetOf(app.shell.currentWidget) !== null,
      execute: async args => {
        const target =
          typeof args.plural === 'string'
            ? (args as unknown as LinkTarget)
            : targetOf(app.shell.currentWidget);
        if (target) {
          const { origin } = window.location;
          const baseUrl = PageConfig.getBaseUrl().replace(/^[a-z]+:\/\/[^/]+/, '');
          const hubPrefix = PageConfig.getOption('hubPrefix');
          await navigator.clipboard.writeText(shareableUrl(target, { origin, baseUrl, hubPrefix }));
          Notification.info('The link was copied.', { autoClose: 2500 });
        }
      }
    });
    palette?.addItem({ command: CommandIDs.copyLink, category: 'Orrery' });

    const keep = (): void => {
      const url = withLink(new URL(window.location.href), targetOf(app.shell.currentWidget));
      window.history.replaceState(window.history.state, '', url);
    };
    void Promise.all([app.restored, orrery.kinds.ready()]).then(() => {
      // Only once the address that the page was opened with has been followed.
      shell?.currentChanged.connect(keep);
    });
  }
};

async function follow(app: JupyterFrontEnd, orrery: IOrrery, target: LinkTarget): Promise<void> {
  await orrery.kinds.ready();
  const kind = orrery.kinds.all.find(one => one.plural === target.plural);
  if (!kind) {
    Notification.error(`The address names '${target.plural}', which this platform does not have.`, {
      autoClose: 10000
    });
  } else if (target.ref === NEW) {
    await app.commands.execute(CommandIDs.create, {
      kind: kind.kind,
      ...(target.template ? { template: target.template } : {})
    });
  } else if (target.ref === '') {
    await app.commands.execute(CommandIDs.openList, { kind: kind.kind });
  } else {
    await app.commands.execute(CommandIDs.open, { kind: kind.kind, ref: target.ref });
  }
}
