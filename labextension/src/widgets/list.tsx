/** The list of one kind: search, filters, the grid, bulk actions, the trash. */
import { caretLeftIcon, refreshIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';
import type { Kind } from '../api-types';
import { plural } from '../format';
import { kindIcon, trashIcon } from '../icons';
import { Deletion } from '../models/deletion';
import { offeredActions } from '../models/kinds';
import { ListModel } from '../models/list';
import { useModel } from '../models/model';
import type { PanelContext } from './context';
import { usePanel } from './context';
import { actMany, deleteMany, showError } from './dialogs';
import { Grid } from './grid';
import { KindPanel } from './panel';
import { Busy, Button, Empty, Icon, IconButton, Note } from './parts';

export class ListPanel extends KindPanel<ListModel> {
  constructor(
    context: PanelContext,
    kindName: string,
    private readonly isTrash: boolean
  ) {
    super(context, kindName, kindIcon(kindName));
    this.id = `orrery-list-${kindName}`;
    this.node.dataset.testid = this.id;
  }

  showTrash(trashed: boolean): void {
    this.model?.setQuery({ trashed });
  }

  protected label(kind: Kind | undefined): string {
    return kind?.title_plural ?? this.kindName;
  }

  protected makeModel(kind: Kind): ListModel {
    return new ListModel(this.context, kind, 50, { trashed: this.isTrash });
  }

  protected content(model: ListModel): JSX.Element {
    return <List model={model} />;
  }
}

function List(props: { model: ListModel }): JSX.Element {
  const { model } = props;
  useModel(model);
  return (
    <div className="orr-List">
      <Toolbar model={model} />
      {model.error && !model.isLoaded && <Note kind="error">{model.error}</Note>}
      {model.items.length > 0 ? <Grid model={model} /> : <Nothing model={model} />}
    </div>
  );
}

function Toolbar(props: { model: ListModel }): JSX.Element {
  const { model } = props;
  const { kind, query } = model;
  const { go, kinds } = usePanel();
  const states = [...new Set(kind.phases.map(phase => phase.state))];
  const title = query.trashed ? `Trash: ${kind.title_plural.toLowerCase()}` : kind.title_plural;
  return (
    <div className="orr-List-head">
      <div className="orr-List-title">
        <Icon icon={query.trashed ? trashIcon : kindIcon(kind.kind)} size={22} />
        <h1>{title}</h1>
        {model.isLoaded && <span className="orr-Muted">{model.total ?? `${model.items.length}+`}</span>}
      </div>
      <Search model={model} />
      <select
        className="orr-Select"
        aria-label="State"
        value={query.state}
        onChange={event => model.setQuery({ state: event.target.value })}
        data-testid="orrery-filter-state"
      >
        <option value="">Any state</option>
        {states.map(state => (
          <option key={state} value={state}>
            {state}
          </option>
        ))}
      </select>
      <select
        className="orr-Select"
        aria-label="Owner"
        value={query.owner}
        onChange={event => model.setQuery({ owner: event.target.value })}
        data-testid="orrery-filter-owner"
      >
        <option value="">Everyone's</option>
        {kinds.user && <option value={kinds.user.name}>Mine</option>}
      </select>
      <span className="orr-Spring" />
      <BulkActions model={model} />
      <IconButton label="Refresh" icon={refreshIcon} onClick={() => void model.load()} />
      {query.trashed ? (
        <Button
          label="Back to the list"
          icon={caretLeftIcon}
          onClick={() => model.setQuery({ trashed: false })}
          testId="orrery-leave-trash"
        />
      ) : (
        <Button
          label="Trash"
          icon={trashIcon}
          onClick={() => model.setQuery({ trashed: true })}
          testId="orrery-show-trash"
        />
      )}
      {kind.creatable && !query.trashed && (
        <Button
          label={`New ${kind.title.toLowerCase()}`}
          kind="accept"
          onClick={() => go.create(kind.kind)}
          testId="orrery-new"
        />
      )}
    </div>
  );
}

function Search(props: { model: ListModel }): JSX.Element {
  const { model } = props;
  const [text, setText] = useState(model.query.q);
  useEffect(() => {
    if (text === model.query.q) {
      return undefined;
    }
    const timer = setTimeout(() => model.setQuery({ q: text }), 250);
    return () => clearTimeout(timer);
  }, [text, model]);
  return (
    <input
      type="search"
      className="orr-Input orr-List-search"
      placeholder="Search"
      aria-label={`Search ${model.kind.title_plural.toLowerCase()}`}
      value={text}
      onChange={event => setText(event.target.value)}
      data-testid="orrery-search"
    />
  );
}

function BulkActions(props: { model: ListModel }): JSX.Element | null {
  const { model } = props;
  const orrery = usePanel();
  const { kind, selection } = model;
  if (selection.length === 0) {
    return null;
  }
  const done = (work: Promise<void>): void => {
    work.then(
      () => model.toggleAll(false),
      error => void showError('That did not work', error)
    );
  };
  const stop = kind.actions.find(action => action.name === 'stop');
  const stoppable = selection.filter(resource =>
    offeredActions(kind, resource).some(action => action.name === 'stop')
  );
  return (
    <div className="orr-Bulk" role="group" aria-label="With the selected ones">
      <span className="orr-Muted">{plural(selection.length, 'selected', 'selected')}</span>
      {model.query.trashed ? (
        <Button
          label="Restore"
          onClick={() => done(new Deletion(orrery).restore(selection))}
          testId="orrery-bulk-restore"
        />
      ) : (
        <>
          {stop && stoppable.length > 0 && (
            <Button
              label={`Stop ${stoppable.length}`}
              onClick={() => done(actMany(orrery, kind, stop, stoppable))}
              testId="orrery-bulk-stop"
            />
          )}
          <Button
            label={`Delete ${selection.length}`}
            kind="warn"
            onClick={() => done(deleteMany(orrery, kind, selection))}
            testId="orrery-bulk-delete"
          />
        </>
      )}
    </div>
  );
}

function Nothing(props: { model: ListModel }): JSX.Element | null {
  const { model } = props;
  const { kind } = model;
  const { go } = usePanel();
  if (!model.isLoaded) {
    return model.error ? null : <Busy />;
  }
  if (model.query.trashed) {
    return (
      <Empty icon={trashIcon} title="The trash is empty">
        What you delete stays here for a while and can be restored.
      </Empty>
    );
  }
  if (model.isFiltered) {
    return (
      <Empty icon={kindIcon(kind.kind)} title="Nothing matches">
        <p>Change the search or the filters.</p>
        <Button label="Clear the filters" onClick={() => model.setQuery({ q: '', state: '', owner: '' })} />
      </Empty>
    );
  }
  return (
    <Empty icon={kindIcon(kind.kind)} title={`No ${kind.title_plural.toLowerCase()} yet`}>
      <p>{EMPTY_HINTS[kind.kind] ?? kind.description ?? ''}</p>
      {kind.creatable && (
        <Button
          label={`New ${kind.title.toLowerCase()}`}
          kind="accept"
          onClick={() => go.create(kind.kind)}
        />
      )}
    </Empty>
  );
}

const EMPTY_HINTS: Record<string, string> = {
  dataset: 'Upload a CSV, Parquet, JSON or Excel file; it is checked and made ready to train on.',
  'dataset-version': 'Publish a dataset: its version here never changes, and that is what trainings use.',
  experiment: 'An experiment groups trainings that belong together.',
  training: 'Choose an algorithm and a dataset; you watch it learn, and get a model out of it.',
  model: 'A training that completes registers its model here.',
  endpoint: 'Deploy a model; programs then send it rows and get predictions.'
};
