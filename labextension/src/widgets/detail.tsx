/** The page of one resource: what it is, what can be done with it, and its tabs. */
import { refreshIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import type { KeyboardEvent } from 'react';
import { useId } from 'react';
import type { Kind, Resource } from '../api-types';
import { displayName, formatAgo, formatStart, formatTime, humanize, plainText } from '../format';
import { copyIcon, kindIcon, linkIcon, linkOutIcon, trashIcon } from '../icons';
import { dashboardUrl } from '../models/dashboards';
import { DetailModel } from '../models/detail';
import { phaseOf } from '../models/kinds';
import { meanwhileOf } from '../models/meanwhile';
import { useModel } from '../models/model';
import { CommandIDs } from '../tokens';
import { appsOf, edit, mayChange, nextSteps, ownActions, perform, restore } from './acts';
import { AsYaml } from './as-yaml';
import type { PanelContext } from './context';
import { usePanel, useTick } from './context';
import { deleteResource } from './dialogs';
import { NoticeButton, NoticeNote } from './notice';
import { KindPanel } from './panel';
import {
  Busy,
  Button,
  Empty,
  Icon,
  IconButton,
  Note,
  PhaseBadge,
  ProgressBar,
  Tags,
  describeProgress
} from './parts';
import type { TabDefinition } from './tabs/registry';
import { tabsOf } from './tabs/registry';

export interface DetailArgs {
  kind: string;
  ref: string;
  tab?: string;
}

export class DetailPanel extends KindPanel<DetailModel> {
  /** Another tab was chosen: it is the one to come back to. */
  readonly tabChanged = new Signal<this, string>(this);

  constructor(
    context: PanelContext,
    readonly args: DetailArgs
  ) {
    super(context, args.kind, kindIcon(args.kind));
    this.id = `orrery-detail-${args.kind}-${args.ref}`;
    this.node.dataset.testid = `orrery-detail-${args.kind}`;
  }

  get ref(): string {
    return this.model?.resource?.id ?? this.args.ref;
  }

  protected label(): string {
    return this.args.ref;
  }

  protected makeModel(kind: Kind): DetailModel {
    return new DetailModel(this.context, kind, this.args.ref, this.args.tab);
  }

  protected override modelReady(model: DetailModel): void {
    model.setVisible(this.isVisible);
    model.tabChanged.connect((_, tab) => this.tabChanged.emit(tab));
    model.changed.connect(() => {
      if (model.resource) {
        this.title.label = displayName(model.resource);
        this.title.caption = `${model.kind.title} ${displayName(model.resource)}`;
      }
    });
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.model?.setVisible(true);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.model?.setVisible(false);
  }

  protected content(model: DetailModel): JSX.Element {
    return <Detail model={model} onGone={() => this.close()} />;
  }
}

function Detail(props: { model: DetailModel; onGone: () => void }): JSX.Element {
  const { model } = props;
  useModel(model);
  const { resource, kind } = model;
  if (model.isGone) {
    return (
      <Empty icon={kindIcon(kind.kind)} title={`This ${kind.title.toLowerCase()} is gone`}>
        <p>{model.error ?? 'It was removed for good.'}</p>
        <Button label="Close" onClick={props.onGone} />
      </Empty>
    );
  }
  if (!resource) {
    return model.error ? <Note kind="error">{model.error}</Note> : <Busy />;
  }
  return (
    <div className="orr-Detail">
      <Head model={model} resource={resource} />
      <Word kind={kind} resource={resource} />
      <TabBar model={model} resource={resource} />
    </div>
  );
}

function Head(props: { model: DetailModel; resource: Resource }): JSX.Element {
  const { model, resource } = props;
  const { kind } = model;
  const { kinds } = usePanel();
  useTick(30000);
  return (
    <div className="orr-Detail-head">
      <div className="orr-Detail-title">
        <Icon icon={kindIcon(kind.kind)} size={28} />
        <div>
          <div className="orr-Detail-name">
            <NoticeButton kind={kind} resource={resource} />
            <h1 data-testid="orrery-name">{displayName(resource)}</h1>
            <PhaseBadge kind={kind} resource={resource} />
            {resource.visibility !== 'private' && (
              <span className="orr-Tag" title="Who may see it">
                {resource.visibility === 'group' ? `group ${resource.group ?? ''}` : resource.visibility}
              </span>
            )}
            <Tags tags={resource.tags} />
          </div>
          <div className="orr-Muted">
            {kind.title} by {kinds.isMine(resource) ? 'you' : resource.owner} · created{' '}
            <time title={formatTime(resource.created_at)}>{formatAgo(resource.created_at)}</time> · changed{' '}
            <time title={formatTime(resource.updated_at)}>{formatAgo(resource.updated_at)}</time>
          </div>
        </div>
      </div>
      <Actions model={model} resource={resource} />
    </div>
  );
}

function Actions(props: { model: DetailModel; resource: Resource }): JSX.Element {
  const { model, resource } = props;
  const { kind } = model;
  const orrery = usePanel();
  const { go } = orrery;
  const isMine = mayChange(orrery, resource);
  if (resource.deleted_at) {
    return (
      <div className="orr-Actions">
        <Button
          label="Restore"
          kind="accept"
          onClick={() => restore(orrery, resource, () => void model.load())}
          testId="orrery-restore"
        />
      </div>
    );
  }
  return (
    <div className="orr-Actions" role="group" aria-label="Actions">
      {ownActions(orrery, kind, resource).map(action => (
        <Button
          key={action.name}
          label={action.title}
          kind={action.destructive ? 'warn' : 'plain'}
          onClick={() => void perform(orrery, kind, action, resource)}
          testId={`orrery-action-${action.name}`}
        />
      ))}
      {nextSteps(orrery, resource).map(step => (
        <Button
          key={step.label}
          label={step.label}
          kind={step.isAccept ? 'accept' : 'plain'}
          onClick={step.run}
          {...(step.testId ? { testId: step.testId } : {})}
        />
      ))}
      <AppLinks resource={resource} />
      {isMine && <Button label="Edit" onClick={() => edit(orrery, kind, resource)} testId="orrery-edit" />}
      <Dashboards resource={resource} />
      {/* together in one row, whatever has to go into the next one */}
      <div className="orr-Actions-icons">
        {kind.creatable && (
          <IconButton
            label={`Copy ${displayName(resource)} as new`}
            icon={copyIcon}
            onClick={() => go.create(kind.kind, { copyOf: resource.id })}
            testId="orrery-copy"
          />
        )}
        {kind.creatable && <AsYaml kind={kind} resource={resource} />}
        <IconButton
          label="Copy a link to this page"
          icon={linkIcon}
          onClick={() => void go.execute(CommandIDs.copyLink, {})}
          testId="orrery-copy-link"
        />
        <IconButton label="Refresh" icon={refreshIcon} onClick={() => void model.load()} />
        {isMine && (
          <IconButton
            label={`Delete ${displayName(resource)}`}
            icon={trashIcon}
            onClick={() => void deleteResource(orrery, kind, resource)}
            testId="orrery-delete"
          />
        )}
      </div>
    </div>
  );
}

/** The built-in dashboards that show this one; each opens in a browser tab of its own. */
function Dashboards(props: { resource: Resource }): JSX.Element {
  const { dashboards } = usePanel();
  useModel(dashboards);
  const { kind, id } = props.resource;
  return (
    <>
      {dashboards.of(kind).map(dashboard => (
        <a
          key={dashboard.name}
          className="orr-Button orr-mod-plain"
          href={dashboardUrl(dashboard, id)}
          target="_blank"
          rel="noreferrer"
          title={dashboard.description}
          data-testid={`orrery-open-dashboard-${dashboard.name}`}
        >
          Open in {dashboard.title}
          <Icon icon={linkOutIcon} size={12} />
        </a>
      ))}
    </>
  );
}

/** Each opens a web application of its in a new tab, where a page tells how it wakes. */
function AppLinks(props: { resource: Resource }): JSX.Element {
  const { resource } = props;
  return (
    <>
      {appsOf(usePanel(), resource).map(app => (
        <a
          key={app.visit}
          className={`orr-Button${app.is_main ? ' orr-mod-accept' : ''}`}
          href={app.url}
          target="_blank"
          rel="noopener noreferrer"
          title={`${app.title} in a new tab`}
          data-testid={`orrery-open-app${app.suffix && `-${app.visit}`}`}
        >
          {app.title} <Icon icon={linkOutIcon} size={12} />
        </a>
      ))}
    </>
  );
}

/** What the platform has to say of it now: progress, why it waits, what went wrong. */
function Word(props: { kind: Kind; resource: Resource }): JSX.Element | null {
  const { kind, resource } = props;
  const { status } = resource;
  const phase = phaseOf(kind, resource);
  const queue = status.outputs.queue;
  const isMoving = status.progress !== null && !phase.settled;
  return (
    <div className="orr-Word">
      {resource.deleted_at && (
        <Note kind="warn">
          In the trash since {formatTime(resource.deleted_at)}. Restore it to use it again.
        </Note>
      )}
      <NoticeNote kind={kind} resource={resource} />
      {phase.state === 'Failed' && (
        <Note kind="error">
          <strong>{status.reason ? humanize(status.reason) : phase.title}</strong>
          <div className="orr-Pre">{status.message}</div>
        </Note>
      )}
      {phase.state === 'Active' && phase.settled && status.reason && status.message && (
        <Note kind="warn">{status.message}</Note>
      )}
      {phase.state !== 'Failed' && status.message && !phase.settled && (
        <div className="orr-Muted">{status.message}</div>
      )}
      {queue && typeof queue === 'object' && !Array.isArray(queue) && !phase.settled && (
        <div className="orr-Muted" data-testid="orrery-queue">
          Place {plainText(queue.place)} in the queue{queue.reason ? `: ${plainText(queue.reason)}` : ''}
          {formatStart(queue.starts_in_seconds) && ` (${formatStart(queue.starts_in_seconds)})`}
        </div>
      )}
      <MeanwhileLine resource={resource} />
      {isMoving && status.progress && (
        <div className="orr-Word-progress" data-testid="orrery-progress">
          <ProgressBar progress={status.progress} label={`${resource.name}: progress`} />
          <div className="orr-Word-line">
            <span>{describeProgress(status.progress)}</span>
            <span className="orr-Muted">{status.progress.message}</span>
          </div>
        </div>
      )}
    </div>
  );
}

/** A training that waits for a GPU and its copy on CPU lead to each other. */
function MeanwhileLine(props: { resource: Resource }): JSX.Element | null {
  const { go } = usePanel();
  const { copy, original, offer } = meanwhileOf(props.resource);
  const link = (to: { id: string; name: string }): JSX.Element => (
    <button type="button" className="orr-Link" onClick={() => go.open('training', to.id)}>
      {to.name}
    </button>
  );
  if (!copy && !original && !offer) {
    return null;
  }
  return (
    <div className="orr-Muted" data-testid="orrery-meanwhile">
      {offer && <div>A copy can start on {offer} at once; this one keeps its place.</div>}
      {copy && <div>Started on CPU meanwhile: {link(copy)}</div>}
      {original && <div>On CPU, started while {link(original)} waited for a GPU</div>}
    </div>
  );
}

function TabBar(props: { model: DetailModel; resource: Resource }): JSX.Element {
  const { model, resource } = props;
  const id = useId();
  const tabs = tabsOf(model.kind, resource);
  const chosen = tabs.find(tab => tab.name === model.tab) ?? tabs[0];
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step !== 0 && chosen) {
      const next = tabs[(tabs.indexOf(chosen) + step + tabs.length) % tabs.length];
      if (next) {
        model.setTab(next.name);
        document.getElementById(`${id}-${next.name}`)?.focus();
      }
      event.preventDefault();
    }
  };
  return (
    <>
      <div className="orr-Tabs" role="tablist" aria-label="Parts" onKeyDown={onKeyDown}>
        {tabs.map(tab => (
          <button
            key={tab.name}
            id={`${id}-${tab.name}`}
            type="button"
            role="tab"
            aria-selected={tab === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => model.setTab(tab.name)}
            data-testid={`orrery-tab-${tab.name}`}
          >
            {tab.title}
          </button>
        ))}
      </div>
      {chosen && <TabPanel id={id} tab={chosen} model={model} resource={resource} />}
    </>
  );
}

function TabPanel(props: {
  id: string;
  tab: TabDefinition;
  model: DetailModel;
  resource: Resource;
}): JSX.Element {
  const { id, tab, model, resource } = props;
  return (
    <div
      className="orr-TabPanel"
      role="tabpanel"
      id={`${id}-panel`}
      aria-labelledby={`${id}-${tab.name}`}
      tabIndex={0}
      data-testid={`orrery-panel-${tab.name}`}
    >
      <tab.Body key={`${tab.name}-${resource.id}`} model={model} resource={resource} />
    </div>
  );
}
