/** The menu of a row in a list: by the right button, by the menu key or Shift+F10. */
import { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';
import type { Kind, Resource } from '../api-types';
import { allActs } from './acts';
import type { PanelContext } from './context';

export function openRowMenu(
  context: PanelContext,
  kind: Kind,
  resource: Resource,
  place: { x: number; y: number },
  /** Where the focus was, and goes back to. */
  row: HTMLElement
): void {
  const commands = new CommandRegistry();
  const menu = new Menu({ commands });
  const groups = allActs(context, kind, resource).filter(group => group.length > 0);
  groups.forEach((group, at) => {
    if (at > 0) {
      menu.addItem({ type: 'separator' });
    }
    group.forEach(({ label, run }) => {
      const command = `orrery-row:${label}`;
      commands.addCommand(command, {
        label,
        describedBy: { args: { type: 'object', properties: {} } },
        execute: run
      });
      menu.addItem({ command });
    });
  });
  menu.node.dataset.testid = 'orrery-row-menu';
  menu.aboutToClose.connect(() => {
    // What was chosen may have moved the focus already; only where nothing has it goes back.
    requestAnimationFrame(() => {
      if (row.isConnected && (!document.activeElement || document.activeElement === document.body)) {
        row.focus();
      }
      menu.dispose();
    });
  });
  menu.open(place.x, place.y);
  menu.activateNextItem();
}
