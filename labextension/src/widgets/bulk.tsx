/** What can be done with the selected ones of a list, and the questions and answers around it. */
import { Dialog, Notification, ReactWidget, showDialog } from '@jupyterlab/apputils';
import { closeIcon } from '@jupyterlab/ui-components';
import type { Action, Kind, Resource, Summary } from '../api-types';
import { displayName, plural } from '../format';
import type { BulkResult, Refusal } from '../models/bulk';
import { Bulk, describeResult, doneWord } from '../models/bulk';
import { Deletion } from '../models/deletion';
import { isRun, offeredActions } from '../models/kinds';
import type { ListModel } from '../models/list';
import { useModel } from '../models/model';
import { CommandIDs } from '../tokens';
import type { PanelContext } from './context';
import { usePanel } from './context';
import { DependentsList, confirm, offerUndo, showError, warningsOf } from './dialogs';
import { Button, IconButton } from './parts';

export function BulkBar(props: { model: ListModel }): JSX.Element | null {
  const { model } = props;
  useModel(model);
  const context = usePanel();
  const { kind, selection } = model;
  if (selection.length === 0) {
    return null;
  }
  const done = (work: Promise<boolean>): void => {
    work.then(
      isDone => (isDone ? model.toggleAll(false) : undefined),
      error => void showError('That did not work', error)
    );
  };
  return (
    <div className="orr-Bulk" role="group" aria-label="With the selected ones" data-testid="orrery-bulk">
      <strong role="status">{plural(selection.length, 'selected', 'selected')}</strong>
      {model.query.trashed ? (
        <Button
          label="Restore"
          onClick={() => done(restoreMany(context, kind, selection))}
          testId="orrery-bulk-restore"
        />
      ) : (
        <>
          <Actions kind={kind} selection={selection} done={done} />
          <Button
            label="Tags…"
            onClick={() => done(tagMany(context, kind, selection))}
            testId="orrery-bulk-tag"
          />
          <Compare kind={kind} selection={selection} />
          <Button
            label={`Delete ${selection.length}`}
            kind="warn"
            onClick={() => done(deleteMany(context, kind, selection))}
            testId="orrery-bulk-delete"
          />
        </>
      )}
      <span className="orr-Spring" />
      <IconButton label="Clear the selection" icon={closeIcon} onClick={() => model.toggleAll(false)} />
    </div>
  );
}

/** Actions that need no answers of their own, each with how many of the selected ones it is for. */
function Actions(props: {
  kind: Kind;
  selection: Resource[];
  done: (work: Promise<boolean>) => void;
}): JSX.Element {
  const { kind, selection } = props;
  const context = usePanel();
  return (
    <>
      {kind.actions
        .filter(action => action.schema === null)
        .map(action => {
          const able = selection.filter(resource =>
            offeredActions(kind, resource).some(offered => offered.name === action.name)
          );
          return able.length > 0 ? (
            <Button
              key={action.name}
              label={`${action.title} ${able.length}`}
              onClick={() => props.done(actMany(context, kind, action, able))}
              testId={`orrery-bulk-${action.name}`}
            />
          ) : null;
        })}
    </>
  );
}

function Compare(props: { kind: Kind; selection: Resource[] }): JSX.Element | null {
  const { kind, selection } = props;
  const { go } = usePanel();
  if (selection.length < 2 || !isRun(kind) || !go.has(CommandIDs.compare)) {
    return null;
  }
  const compare = (): void => {
    const ids = selection.map(resource => resource.id);
    go.execute(CommandIDs.compare, { kind: kind.kind, ids }).catch(
      error => void showError('The comparison could not be opened', error)
    );
  };
  return <Button label={`Compare ${selection.length}`} onClick={compare} testId="orrery-bulk-compare" />;
}

function many(kind: Kind, resources: Resource[]): string {
  return plural(resources.length, kind.title.toLowerCase(), kind.title_plural.toLowerCase());
}

/** Say what came of it: a word that passes, or, where some were refused, one that stays. */
function report(kind: Kind, done: string, result: BulkResult): void {
  const message = describeResult(kind, done, result);
  if (result.refused.length === 0) {
    Notification.success(message, { autoClose: 5000 });
  } else {
    const showAll = {
      label: 'Show each',
      callback: () => void showRefused(result.refused)
    };
    Notification.warning(message, { autoClose: false, actions: [showAll] });
  }
}

async function showRefused(refused: Refusal[]): Promise<void> {
  await showDialog({
    title: plural(refused.length, 'was refused', 'were refused'),
    body: (
      <ul className="orr-Dialog-list">
        {refused.map(({ resource, message }) => (
          <li key={resource.id}>
            <strong>{displayName(resource)}</strong>: {message}
          </li>
        ))}
      </ul>
    ),
    buttons: [Dialog.okButton({ label: 'Close' })]
  });
}

/** Do one action on several, after asking where it says so. Answers whether it was done. */
export async function actMany(
  context: PanelContext,
  kind: Kind,
  action: Action,
  resources: Resource[]
): Promise<boolean> {
  const question = `${action.title} ${many(kind, resources)}?`;
  if (action.confirm && !(await confirm(question, action.confirm, action.title, action.destructive))) {
    return false;
  }
  const result = await new Bulk(context, kind).act(action.name, resources);
  report(kind, doneWord(action.name, action.title), result);
  return true;
}

export async function restoreMany(
  context: PanelContext,
  kind: Kind,
  resources: Resource[]
): Promise<boolean> {
  report(kind, 'restored', await new Bulk(context, kind).restore(resources));
  return true;
}

/** Delete several; where some are in use, show by what, and offer to delete that too. */
export async function deleteMany(context: PanelContext, kind: Kind, resources: Resource[]): Promise<boolean> {
  const isAgreed = await confirm(
    `Delete ${many(kind, resources)}?`,
    <div>
      <p>They go to the trash, from which they can be restored for a while.</p>
      {warningsOf(kind).map(warning => (
        <p key={warning}>{warning}</p>
      ))}
    </div>,
    'Delete'
  );
  if (!isAgreed) {
    return false;
  }
  const result = await new Bulk(context, kind).remove(resources);
  const inUse = result.refused.filter(refusal => refusal.dependents.length > 0);
  const others = { done: result.done, refused: result.refused.filter(refusal => !inUse.includes(refusal)) };
  if (result.done.length > 0) {
    const message = describeResult(kind, 'moved to the trash', { done: result.done, refused: [] });
    offerUndo(new Deletion(context), result.done, message);
  }
  if (others.refused.length > 0) {
    report(kind, '', { done: [], refused: others.refused });
  }
  if (inUse.length > 0) {
    await deleteInUse(context, kind, inUse);
  }
  return true;
}

async function deleteInUse(context: PanelContext, kind: Kind, refused: Refusal[]): Promise<void> {
  const answer = await showDialog({
    title: `${many(
      kind,
      refused.map(refusal => refusal.resource)
    )} in use`,
    body: (
      <div>
        <p>These were not deleted, because something needs them:</p>
        {refused.map(({ resource, dependents }) => (
          <section key={resource.id}>
            <strong>{displayName(resource)}</strong>
            <DependentsList items={dependents} context={context} onOpen={() => Dialog.flush()} />
          </section>
        ))}
      </div>
    ),
    buttons: [Dialog.cancelButton({ label: 'Keep' }), Dialog.warnButton({ label: 'Delete all of these…' })],
    defaultButton: 0
  });
  if (!answer.button.accept) {
    return;
  }
  const deletion = new Deletion(context);
  const resources = refused.map(refusal => refusal.resource);
  const shown = await deletion.previewAll(kind, resources);
  const isAgreed = await confirm(
    `Delete ${plural(shown.length, 'resource')}?`,
    <div>
      <p>All of this goes to the trash together; what runs is stopped first:</p>
      <DependentsList items={shown} context={context} onOpen={() => Dialog.flush()} />
    </div>,
    `Delete all ${shown.length}`
  );
  if (isAgreed) {
    const removed: Summary[] = await deletion.removeShown(kind, resources, shown);
    offerUndo(deletion, removed, `${plural(removed.length, 'resource')} moved to the trash.`);
  }
}

interface TagChange {
  add: string[];
  remove: string[];
}

class TagBody extends ReactWidget implements Dialog.IBodyWidget<TagChange> {
  private added = '';
  private readonly removed = new Set<string>();

  constructor(private readonly present: string[]) {
    super();
  }

  getValue(): TagChange {
    const add = this.added
      .split(',')
      .map(tag => tag.trim())
      .filter(tag => tag !== '');
    return { add, remove: [...this.removed] };
  }

  protected render(): JSX.Element {
    return (
      <div className="orr-Edit">
        <label>
          Add these, separated by commas
          <input
            className="orr-Input"
            defaultValue=""
            onChange={event => {
              this.added = event.target.value;
            }}
          />
        </label>
        {this.present.length > 0 && (
          <fieldset className="orr-Checks">
            <legend>Take away</legend>
            {this.present.map(tag => (
              <label key={tag}>
                <input
                  type="checkbox"
                  onChange={event => {
                    if (event.target.checked) {
                      this.removed.add(tag);
                    } else {
                      this.removed.delete(tag);
                    }
                  }}
                />
                {tag}
              </label>
            ))}
          </fieldset>
        )}
      </div>
    );
  }
}

export async function tagMany(context: PanelContext, kind: Kind, resources: Resource[]): Promise<boolean> {
  const present = [...new Set(resources.flatMap(resource => resource.tags))].sort();
  const answer = await showDialog({
    title: `Tags of ${many(kind, resources)}`,
    body: new TagBody(present),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Change tags' })]
  });
  const change = answer.value;
  if (!answer.button.accept || !change || change.add.length + change.remove.length === 0) {
    return false;
  }
  report(kind, 'tagged', await new Bulk(context, kind).tag(resources, change));
  return true;
}
