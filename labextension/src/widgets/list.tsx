/** The list of one kind: search, filters, the columns, the grid, the trash. */
import { caretLeftIcon, refreshIcon, yamlIcon } from '@jupyterlab/ui-components';
import { useEffect, useId, useState } from 'react';
import type { Column, Kind } from '../api-types';
import { plural } from '../format';
import { columnsIcon, kindIcon, trashIcon } from '../icons';
import type { ListQuery } from '../models/list';
import { ListModel, firstFilter } from '../models/list';
import { ListView } from '../models/list-view';
import { isYamlFile, readYamlFile } from '../models/manifests';
import { useModel } from '../models/model';
import { CommandIDs } from '../tokens';
import { BulkBar } from './bulk';
import type { Navigator, PanelContext } from './context';
import { usePanel } from './context';
import { showError } from './dialogs';
import { useFileDrop } from './file-drop';
import { Grid } from './grid';
import { KindPanel } from './panel';
import { Busy, Button, Empty, Icon, IconButton, Note } from './parts';
import { Popover } from './popover';

export class ListPanel extends KindPanel<ListModel> {
  private view: ListView | null = null;

  constructor(
    context: PanelContext,
    kindName: string,
    private query: Partial<ListQuery>
  ) {
    super(context, kindName, kindIcon(kindName));
    this.id = `orrery-list-${kindName}`;
    this.node.dataset.testid = this.id;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      // Closing the list forgets its filter; a reload does not close it.
      this.view?.forgetFilter();
      this.view?.dispose();
    }
    super.dispose();
  }

  /** Show it as a command asks for. */
  setQuery(query: Partial<ListQuery>): void {
    const { model } = this;
    if (!model) {
      this.query = { ...this.query, ...query };
    } else if (
      Object.entries(query).some(([name, value]) => model.query[name as keyof ListQuery] !== value)
    ) {
      model.setQuery(query);
    }
  }

  protected label(kind: Kind | undefined): string {
    return kind?.title_plural ?? this.kindName;
  }

  protected override async prepare(kind: Kind): Promise<void> {
    this.view = await ListView.open(kind, this.context.state);
  }

  protected makeModel(kind: Kind): ListModel {
    const first = firstFilter(kind, this.context.kinds.user);
    return new ListModel(this.context, kind, 50, { ...this.view?.query, ...this.query }, first);
  }

  protected override modelReady(model: ListModel): void {
    model.changed.connect(() => this.view?.keep(model.query));
  }

  protected content(model: ListModel): JSX.Element {
    return this.view ? <List model={model} view={this.view} /> : <Busy />;
  }
}

/** By itself a panel; of what refers to one resource (`ListQuery.of`) a part of that one's page. */
export function List(props: { model: ListModel; view: ListView; onNew?: () => void }): JSX.Element {
  const { model, view } = props;
  useModel(model);
  const { go } = usePanel();
  const drop = useFileDrop(files => void importFile(go, files));
  return (
    <div className="orr-List" {...drop}>
      <Toolbar {...props} />
      {model.error && (
        <Note kind="error">
          {model.error}{' '}
          <button type="button" className="orr-Link" onClick={() => void model.load()}>
            Try again
          </button>
        </Note>
      )}
      {model.items.length > 0 ? <Grid model={model} view={view} /> : <Nothing model={model} />}
      <BulkBar model={model} />
    </div>
  );
}

/** A file that is dropped on a list is looked at as YAML. */
async function importFile(go: Navigator, [file]: File[]): Promise<void> {
  if (file === undefined) {
    return;
  }
  try {
    if (!isYamlFile(file.name)) {
      throw new Error(`${file.name} is no YAML file; files of a dataset are dropped on its form.`);
    }
    await go.execute(CommandIDs.importYaml, { text: await readYamlFile(file), name: file.name });
  } catch (error) {
    await showError('It could not be imported', error);
  }
}

function Toolbar(props: { model: ListModel; view: ListView; onNew?: () => void }): JSX.Element {
  const { model, view, onNew } = props;
  const { kind, query } = model;
  const { go } = usePanel();
  const isPart = query.of !== '';
  const title = query.trashed ? `Trash: ${kind.title_plural.toLowerCase()}` : kind.title_plural;
  return (
    <div className="orr-List-head">
      <div className="orr-List-title">
        {!isPart && (
          <>
            <Icon icon={query.trashed ? trashIcon : kindIcon(kind.kind)} size={22} />
            <h1>{title}</h1>
          </>
        )}
        <span className="orr-Muted" role="status">
          {model.isLoaded && count(model)}
        </span>
      </div>
      <Filters model={model} view={view} />
      <div className="orr-List-tools">
        <Columns model={model} view={view} />
        <IconButton label="Refresh" icon={refreshIcon} onClick={() => void model.load()} />
        {!isPart && go.has(CommandIDs.importYaml) && (
          <IconButton
            label="Import YAML …"
            icon={yamlIcon}
            onClick={() => void go.execute(CommandIDs.importYaml, {})}
            testId="orrery-import-yaml"
          />
        )}
        {isPart ? null : query.trashed ? (
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
            onClick={onNew ?? (() => go.create(kind.kind))}
            testId="orrery-new"
          />
        )}
      </div>
    </div>
  );
}

function count(model: ListModel): string {
  const number = model.total === null ? `${model.items.length}+` : model.total.toLocaleString('en-US');
  return model.isFiltered && model.items.length > 0 ? `${number} found` : number;
}

function Filters(props: { model: ListModel; view: ListView }): JSX.Element {
  const { model, view } = props;
  const { kind, query } = model;
  const { kinds } = usePanel();
  const states = [...new Set(kind.phases.map(phase => phase.state))];
  const me = kinds.user?.name ?? '';
  const owners = [...new Set([...(kinds.user?.groups ?? []), ...model.knownOwners, query.owner])].filter(
    owner => owner !== '' && owner !== me
  );
  return (
    <div className="orr-List-filters" role="search" aria-label={`Filter ${kind.title_plural.toLowerCase()}`}>
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
        {me !== '' && <option value={me}>Mine</option>}
        {owners.map(owner => (
          <option key={owner} value={owner}>
            {owner}
          </option>
        ))}
      </select>
      <TagFilter model={model} />
      {kind.parts && (
        <label className="orr-Check">
          <input
            type="checkbox"
            checked={query.parts}
            onChange={event => {
              view.chooseParts(event.target.checked);
              model.setQuery({ parts: event.target.checked });
            }}
            data-testid="orrery-filter-parts"
          />
          {kind.parts.title}
        </label>
      )}
      {model.isFiltered && model.items.length > 0 && (
        <button
          type="button"
          className="orr-Link"
          onClick={() => model.clearFilter()}
          data-testid="orrery-clear-filters"
        >
          Clear filters
        </button>
      )}
    </div>
  );
}

/** What is typed, handed on once the typing pauses; changes from elsewhere show at once. */
function useTyping(value: string, commit: (text: string) => void): [string, (text: string) => void] {
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    setSeen(value);
    setText(value);
  }
  useEffect(() => {
    if (text === value) {
      return undefined;
    }
    const timer = setTimeout(() => commit(text), 250);
    return () => clearTimeout(timer);
  }, [text, value, commit]);
  return [text, setText];
}

function Search(props: { model: ListModel }): JSX.Element {
  const { model } = props;
  const [commit] = useState(() => (q: string) => model.setQuery({ q }));
  const [text, setText] = useTyping(model.query.q, commit);
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

function TagFilter(props: { model: ListModel }): JSX.Element {
  const { model } = props;
  const id = useId();
  const [commit] = useState(() => (tag: string) => model.setQuery({ tag: tag.trim() }));
  const [text, setText] = useTyping(model.query.tag, commit);
  return (
    <>
      <input
        type="search"
        className="orr-Input orr-List-tag"
        placeholder="Any tag"
        aria-label="Tag"
        list={id}
        value={text}
        onChange={event => setText(event.target.value)}
        data-testid="orrery-filter-tag"
      />
      <datalist id={id}>
        {model.knownTags.map(tag => (
          <option key={tag} value={tag} />
        ))}
      </datalist>
    </>
  );
}

function Columns(props: { model: ListModel; view: ListView }): JSX.Element {
  const { model, view } = props;
  useModel(view);
  const { metrics, parameters } = view.insideChoices(model.items);
  return (
    <Popover label="Columns" icon={columnsIcon} testId="orrery-columns-menu">
      <div className="orr-Columns">
        <Choices title="Columns" columns={view.choices} model={model} view={view} />
        <Choices title="Metrics" columns={metrics} model={model} view={view} />
        <Choices title="Hyperparameters" columns={parameters} model={model} view={view} />
      </div>
      <button type="button" className="orr-Link" onClick={() => view.resetColumns()}>
        As at first
      </button>
    </Popover>
  );
}

function Choices(props: {
  title: string;
  columns: Column[];
  model: ListModel;
  view: ListView;
}): JSX.Element | null {
  const { title, columns, model, view } = props;
  const id = useId();
  return columns.length > 0 ? (
    <div role="group" aria-labelledby={id}>
      <div id={id} className="orr-Columns-title">
        {title}
      </div>
      {columns.map(column => (
        <label key={column.key} className="orr-Check">
          <input
            type="checkbox"
            checked={view.isShown(column, model.items)}
            onChange={event => view.setColumn(column.key, event.target.checked)}
          />
          {column.title}
        </label>
      ))}
    </div>
  ) : null;
}

function Nothing(props: { model: ListModel }): JSX.Element | null {
  const { model } = props;
  const { kind } = model;
  const { go } = usePanel();
  if (!model.isLoaded) {
    return model.error ? null : <Busy />;
  }
  const all = model.totalUnfiltered;
  if (model.isFiltered || (all !== null && all > 0)) {
    const many = plural(all ?? 0, kind.title.toLowerCase(), kind.title_plural.toLowerCase());
    return (
      <Empty
        icon={kindIcon(kind.kind)}
        title={all === null ? 'Nothing matches' : `0 of ${many} ${all === 1 ? 'matches' : 'match'}`}
      >
        {model.isFiltered ? (
          <>
            <p>Change the search or the filters.</p>
            <Button
              label="Clear the filters"
              onClick={() => model.clearFilter()}
              testId="orrery-clear-filters"
            />
          </>
        ) : (
          <>
            <p>{hiddenWords(model)}</p>
            <Button label="Show all" onClick={() => model.showEverything()} testId="orrery-show-everything" />
          </>
        )}
      </Empty>
    );
  }
  if (model.query.trashed) {
    return (
      <Empty icon={trashIcon} title="The trash is empty">
        What you delete stays here for a while and can be restored.
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

/** What a list does not show at first. */
function hiddenWords(model: ListModel): string {
  const { kind, query } = model;
  const hidden = [
    ...(query.owner === '' ? [] : ['those of others']),
    ...(kind.parts && !query.parts ? [kind.parts.title.toLowerCase()] : [])
  ];
  return `Not shown at first: ${hidden.join(' and ')}.`;
}

const EMPTY_HINTS: Record<string, string> = {
  dataset: 'Upload a CSV, Parquet, JSON or Excel file; it is checked and made ready to train on.',
  'dataset-version': 'Publish a dataset: its version here never changes, and that is what trainings use.',
  experiment: 'An experiment groups trainings that belong together.',
  training: 'Choose an algorithm and a dataset; you watch it learn, and get a model out of it.',
  workflow:
    'Choose a template and a dataset; each new version of it is trained with, and the best model kept.',
  model: 'A training that completes registers its model here.',
  endpoint: 'Deploy a model; programs then send it rows and get predictions.'
};
