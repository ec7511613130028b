/** Questions asked before something is done that cannot be undone, and the word that follows it. */
import { Dialog, Notification, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { ReactElement } from 'react';
import { errorMessage } from '../api';
import type { Action, JsonObject, Kind, Resource, Summary } from '../api-types';
import { displayName, plural } from '../format';
import { Deletion } from '../models/deletion';
import type { WhichNotebook } from '../models/notebooks';
import { ActionForm } from './action-form';
import type { PanelContext } from './context';

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

/**
 * Do one of the kind's actions, after asking where it says so. `initial` is what its form begins with, or where it has none
 * what is sent. Answers with the resource, or null.
 */
export async function act(
  orrery: PanelContext,
  kind: Kind,
  action: Action,
  resource: Resource,
  initial: JsonObject = {}
): Promise<Resource | null> {
  let body = initial;
  if (action.schema) {
    const answer = await showDialog({
      title: `${action.title}: ${displayName(resource)}`,
      body: new ActionForm(orrery, action, initial),
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: action.title })],
      focusNodeSelector: 'input, select, textarea'
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

export function DependentsList(props: {
  items: Summary[];
  context: Pick<PanelContext, 'kinds' | 'go'>;
  onOpen: () => void;
}): JSX.Element {
  const { kinds, go } = props.context;
  return (
    <ul className="orr-Dialog-list" data-testid="orrery-dependents">
      {props.items.map(item => (
        <li key={item.id}>
          <span className="orr-Muted">{kinds.get(item.kind)?.title ?? item.kind}</span>{' '}
          <button
            type="button"
            className="orr-Link"
            onClick={() => {
              go.open(item.kind, item.id);
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

/** What deleting one of this kind does to others; said before, because the trash does not undo it for them. */
const WARNINGS: Record<string, string[]> = {
  dataset: [
    'Where something uses it, you are shown what, and it stays. If you then delete all of that too, trainings and batch inferences that read its data are stopped and fail.'
  ],
  'dataset-version': [
    'Where something uses it, you are shown what, and it stays. If you then delete all of that too, trainings and batch inferences that read these files are stopped and fail.'
  ],
  training: [
    'Its files, its log and its executed notebook go with it. A model that was made from it keeps its own files.'
  ],
  model: ['An endpoint that uses it keeps it. Once its files are gone, no new endpoint can be made from it.'],
  endpoint: ['Requests to it fail from now on.']
};

export function warningsOf(kind: Kind): string[] {
  return [...(WARNINGS[kind.kind] ?? []), ...(kind.deleting ? [kind.deleting] : [])];
}

/** Delete one resource, with all that the deletion graph asks for on the way. Answers whether it is gone. */
export async function deleteResource(
  context: PanelContext,
  kind: Kind,
  resource: Resource
): Promise<boolean> {
  const deletion = new Deletion(context);
  const name = displayName(resource);
  const isAgreed = await confirm(
    `Delete ${kind.title.toLowerCase()} ${name}?`,
    <div>
      <p>It goes to the trash, from which it can be restored for a while.</p>
      {warningsOf(kind).map(warning => (
        <p key={warning}>{warning}</p>
      ))}
    </div>,
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
    return await deleteWithDependents(context, deletion, kind, resource, answer.dependents);
  } catch (error) {
    await showError(`Delete ${name}`, error);
    return false;
  }
}

async function deleteWithDependents(
  context: PanelContext,
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
        <DependentsList items={dependents} context={context} onOpen={closeDialog} />
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
    <div>
      <p>All of this goes to the trash together; what runs is stopped first:</p>
      <DependentsList items={items} context={context} onOpen={closeDialog} />
    </div>,
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
