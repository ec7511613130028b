/** Questions asked before something is done that cannot be undone, and the word that follows it. */
import { Dialog, Notification, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { ReactElement } from 'react';
import { errorMessage } from '../api';
import type { Action, JsonObject, Kind, Resource, Summary } from '../api-types';
import { displayName, plural } from '../format';
import { Deletion } from '../models/deletion';
import type { WhichNotebook } from '../models/notebooks';
import type { IOrrery } from '../tokens';
import { ActionForm } from './action-form';
import type { Navigator, PanelContext } from './context';

export async function confirm(
  title: string,
  body: ReactElement | string,
  accept: string,
  isWarning = true
): Promise<boolean> {
  const answer = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton(),
      isWarning ? Dialog.warnButton({ label: accept }) : Dialog.okButton({ label: accept })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
}

export function showError(title: string, error: unknown): Promise<void> {
  return showErrorMessage(title, errorMessage(error));
}

/** Do one of the kind's actions, after asking where it says so. Answers with the resource, or null. */
export async function act(
  orrery: PanelContext,
  kind: Kind,
  action: Action,
  resource: Resource
): Promise<Resource | null> {
  let body: JsonObject = {};
  if (action.schema) {
    const answer = await showDialog({
      title: `${action.title}: ${displayName(resource)}`,
      body: new ActionForm(orrery, action),
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: action.title })]
    });
    if (!answer.button.accept) {
      return null;
    }
    body = answer.value ?? {};
  } else if (action.confirm) {
    const isAgreed = await confirm(
      `${action.title} ${displayName(resource)}?`,
      action.confirm,
      action.title,
      action.destructive
    );
    if (!isAgreed) {
      return null;
    }
  }
  try {
    const answer = await orrery.api.act(kind.plural, resource.id, action.name, body);
    if (answer && answer.id === resource.id) {
      orrery.events.publish({ type: 'updated', resource: answer });
    }
    return answer;
  } catch (error) {
    await showError(`${action.title}: ${displayName(resource)}`, error);
    return null;
  }
}

function DependentsList(props: {
  items: Summary[];
  orrery: IOrrery;
  go: Navigator;
  onOpen: () => void;
}): JSX.Element {
  return (
    <ul className="orr-Dialog-list" data-testid="orrery-dependents">
      {props.items.map(item => (
        <li key={item.id}>
          <span className="orr-Muted">{props.orrery.kinds.get(item.kind)?.title ?? item.kind}</span>{' '}
          <button
            type="button"
            className="orr-Link"
            onClick={() => {
              props.go.open(item.kind, item.id);
              props.onOpen();
            }}
          >
            {displayName(item)}
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Delete one resource, with all that the deletion graph asks for on the way. Answers whether it is gone. */
export async function deleteResource(
  orrery: IOrrery,
  go: Navigator,
  kind: Kind,
  resource: Resource
): Promise<boolean> {
  const deletion = new Deletion(orrery);
  const name = displayName(resource);
  const isAgreed = await confirm(
    `Delete ${kind.title.toLowerCase()} ${name}?`,
    'It goes to the trash, from which it can be restored for a while.',
    'Delete'
  );
  if (!isAgreed) {
    return false;
  }
  try {
    const answer = await deletion.remove(kind, resource);
    if (answer.result === 'deleted') {
      offerUndo(deletion, answer.removed, `${kind.title} ${name} was moved to the trash.`);
      return true;
    }
    return await deleteWithDependents(orrery, go, deletion, kind, resource, answer.dependents);
  } catch (error) {
    await showError(`Delete ${name}`, error);
    return false;
  }
}

async function deleteWithDependents(
  orrery: IOrrery,
  go: Navigator,
  deletion: Deletion,
  kind: Kind,
  resource: Resource,
  dependents: Summary[]
): Promise<boolean> {
  const name = displayName(resource);
  const closeDialog = (): void => Dialog.flush();
  const refused = await showDialog({
    title: `${name} is in use`,
    body: (
      <div>
        <p>{plural(dependents.length, 'resource needs', 'resources need')} it, so it was not deleted:</p>
        <DependentsList items={dependents} orrery={orrery} go={go} onOpen={closeDialog} />
      </div>
    ),
    buttons: [Dialog.cancelButton({ label: 'Keep' }), Dialog.warnButton({ label: 'Delete all of these…' })],
    defaultButton: 0
  });
  if (!refused.button.accept) {
    return false;
  }
  const { items, digest } = await deletion.preview(kind, resource);
  const isAgreed = await confirm(
    `Delete ${plural(items.length, 'resource')}?`,
    (
      <div>
        <p>All of this goes to the trash together; what runs is stopped first:</p>
        <DependentsList items={items} orrery={orrery} go={go} onOpen={closeDialog} />
      </div>
    ) as ReactElement,
    `Delete all ${items.length}`
  );
  if (!isAgreed) {
    return false;
  }
  const removed = await deletion.removeAll(kind, resource, digest);
  offerUndo(deletion, removed, `${plural(removed.length, 'resource')} were moved to the trash.`);
  return true;
}

export function offerUndo(deletion: Deletion, removed: Summary[], message: string): void {
  Notification.info(message, {
    autoClose: 15000,
    actions: [
      {
        label: 'Undo',
        caption: 'Restore from the trash',
        displayType: 'accent',
        callback: () => {
          deletion.restore(removed).then(
            () =>
              Notification.success(`Restored ${plural(removed.length, 'resource')}.`, { autoClose: 4000 }),
            error => showError('Restore', error)
          );
        }
      }
    ]
  });
}

/** Delete several at once; those refused are named with what needs them. */
export async function deleteMany(orrery: IOrrery, kind: Kind, resources: Resource[]): Promise<void> {
  const many = plural(resources.length, kind.title.toLowerCase(), kind.title_plural.toLowerCase());
  if (
    !(await confirm(
      `Delete ${many}?`,
      'They go to the trash, from which they can be restored for a while.',
      'Delete'
    ))
  ) {
    return;
  }
  const deletion = new Deletion(orrery);
  const removed: Summary[] = [];
  const refused: string[] = [];
  for (const resource of resources) {
    try {
      const answer = await deletion.remove(kind, resource);
      if (answer.result === 'deleted') {
        removed.push(resource);
      } else {
        refused.push(`${displayName(resource)}: used by ${answer.dependents.map(displayName).join(', ')}`);
      }
    } catch (error) {
      refused.push(`${displayName(resource)}: ${errorMessage(error)}`);
    }
  }
  if (removed.length > 0) {
    offerUndo(deletion, removed, `${plural(removed.length, 'resource')} moved to the trash.`);
  }
  await showRefused('Some were not deleted', refused);
}

/** Do one action on several; those refused are named with the reason. */
export async function actMany(
  orrery: IOrrery,
  kind: Kind,
  action: Action,
  resources: Resource[]
): Promise<void> {
  const many = plural(resources.length, kind.title.toLowerCase(), kind.title_plural.toLowerCase());
  if (
    action.confirm &&
    !(await confirm(`${action.title} ${many}?`, action.confirm, action.title, action.destructive))
  ) {
    return;
  }
  const refused: string[] = [];
  for (const resource of resources) {
    try {
      await orrery.api.act(kind.plural, resource.id, action.name);
    } catch (error) {
      refused.push(`${displayName(resource)}: ${errorMessage(error)}`);
    }
  }
  await showRefused(`${action.title}: some were refused`, refused);
}

async function showRefused(title: string, refused: string[]): Promise<void> {
  if (refused.length > 0) {
    await showDialog({
      title,
      body: (
        <ul className="orr-Dialog-list">
          {refused.map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      ),
      buttons: [Dialog.okButton({ label: 'Close' })]
    });
  }
}

/** A notebook of that name is there already, and is another one. */
export async function askWhichNotebook(path: string): Promise<WhichNotebook> {
  const answer = await showDialog({
    title: 'Replace the notebook?',
    body: `'${path}' is there already and differs from this one.`,
    buttons: [
      Dialog.cancelButton(),
      Dialog.okButton({ label: 'Open the one that is there', actions: ['keep'] }),
      Dialog.warnButton({ label: 'Replace', actions: ['replace'] })
    ],
    defaultButton: 1
  });
  const [chosen] = answer.button.actions;
  return chosen === 'keep' || chosen === 'replace' ? chosen : 'cancel';
}
