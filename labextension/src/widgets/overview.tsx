/** The overview: what there is, what runs and waits, who holds the machine, and how it fares. */
import { refreshIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';
import type { Resource } from '../api-types';
import { formatDuration, plural } from '../format';
import { kindIcon, orreryIcon } from '../icons';
import { secondsRun } from '../models/durations';
import { useModel } from '../models/model';
import type { OverviewDocument } from '../models/overview';
import { OverviewModel } from '../models/overview';
import { CommandIDs } from '../tokens';
import { Card } from './cards';
import type { PanelContext } from './context';
import { usePanel, useTick } from './context';
import { ActivityCard, InstanceTypesCard } from './overview-activity';
import { MachineCard } from './overview-machine';
import { QueueCard } from './overview-queue';
import { EndpointsCard, HoldersCard, StatesCard } from './overview-tables';
import { Busy, Icon, IconButton, Note, ProgressBar, ReferenceLink, describeProgress } from './parts';
import { PlatformPanel } from './platform-panel';

export class OverviewPanel extends PlatformPanel<OverviewModel> {
  constructor(context: PanelContext) {
    super(context, new OverviewModel(context), { label: 'Overview', icon: orreryIcon });
    this.id = 'orrery-overview';
    this.node.dataset.testid = this.id;
  }

  protected content(): JSX.Element {
    return <Overview model={this.model} />;
  }
}

function Overview(props: { model: OverviewModel }): JSX.Element {
  const { model } = props;
  useModel(model);
  const { kinds } = usePanel();
  useModel(kinds);
  const { document, error } = model;
  if (!document) {
    return error ? (
      <div className="orr-Home">
        <Note kind="error">{error}</Note>
      </div>
    ) : (
      <Busy />
    );
  }
  return (
    <div className="orr-Home" tabIndex={0} role="region" aria-label="Overview">
      <div className="orr-Home-head">
        <Icon icon={orreryIcon} size={26} />
        <div>
          <h1>Overview</h1>
          <div className="orr-Muted">
            {kinds.user?.admin ? 'Everything on this platform' : 'What you own, and what is shared with you'}
          </div>
        </div>
        <span className="orr-Spring" />
        <IconButton label="Refresh" icon={refreshIcon} onClick={() => model.refresh()} />
      </div>
      {error && <Note kind="warn">{error}</Note>}
      <Tiles document={document} />
      <div className="orr-Home-columns">
        <RunningCard running={document.running} />
        <QueueCard queue={document.queue} model={model} />
      </div>
      <MachineCard model={model} document={document} />
      <div className="orr-Home-columns">
        <ActivityCard model={model} />
        <EndpointsCard endpoints={document.endpoints} />
        <HoldersCard document={document} />
        <InstanceTypesCard model={model} />
      </div>
      <StatesCard counts={document.counts} />
    </div>
  );
}

function sum(counts: Record<string, number> | undefined, states?: string[]): number {
  return Object.entries(counts ?? {}).reduce(
    (total, [state, count]) => total + (states === undefined || states.includes(state) ? count : 0),
    0
  );
}

/** The numbers that most people come for; each leads to its list. */
function Tiles(props: { document: OverviewDocument }): JSX.Element {
  const { counts, capacity } = props.document;
  const { kinds } = usePanel();
  const of = (kind: string, states: string[], words: string): ReactNode =>
    kinds.get(kind) && (
      <Tile
        kind={kind}
        title={kinds.get(kind)?.title_plural ?? kind}
        value={String(sum(counts[kind], states))}
        detail={`${words} · ${sum(counts[kind])} in all`}
        state={states.length === 1 ? states[0] : undefined}
      />
    );
  const trainings = counts.training ?? {};
  return (
    <div className="orr-Home-tiles" data-testid="orrery-overview-tiles">
      {kinds.get('dataset') && (
        <Tile
          kind="dataset"
          title="Datasets"
          value={String(sum(counts.dataset))}
          detail={plural(sum(counts['dataset-version']), 'published version')}
        />
      )}
      {kinds.get('training') && (
        <Tile
          kind="training"
          title="Active trainings"
          value={String(sum(trainings, ['Running', 'Pending']))}
          detail={`${trainings.Running ?? 0} running · ${trainings.Pending ?? 0} waiting · ${trainings.Completed ?? 0} complete`}
          state="Running"
        />
      )}
      {of('tuning', ['Completed'], 'complete')}
      {of('model', ['Active'], 'ready to deploy')}
      {of('endpoint', ['Active'], 'active')}
      {of('notebook', ['Active'], 'active')}
      <div className="orr-Tile" data-testid="orrery-tile-gpu">
        <span className="orr-Tile-title">GPUs in use</span>
        {capacity.total.gpus > 0 ? (
          <>
            <span className="orr-Tile-value">
              {capacity.held.gpus} of {capacity.total.gpus}
            </span>
            <span className="orr-Muted">handed out to jobs and replicas</span>
          </>
        ) : (
          <>
            <span className="orr-Tile-value orr-Muted">–</span>
            <span className="orr-Muted">no GPU on this machine</span>
          </>
        )}
      </div>
    </div>
  );
}

function Tile(props: {
  kind: string;
  title: string;
  value: string;
  detail: string;
  state?: string | undefined;
}): JSX.Element {
  const { go } = usePanel();
  const { kind, state } = props;
  return (
    <button
      type="button"
      className="orr-Tile"
      onClick={() => void go.execute(CommandIDs.openList, state ? { kind, state, parts: true } : { kind })}
      data-testid={`orrery-tile-${kind}`}
    >
      <span className="orr-Tile-title">
        <Icon icon={kindIcon(kind)} size={14} />
        {props.title}
      </span>
      <span className="orr-Tile-value">{props.value}</span>
      <span className="orr-Muted">{props.detail}</span>
    </button>
  );
}

function RunningCard(props: { running: Resource[] }): JSX.Element {
  const { kinds } = usePanel();
  useTick(5000, props.running.length > 0);
  return (
    <Card title="Running now" testId="orrery-overview-running">
      {props.running.length === 0 ? (
        <p className="orr-Muted">Nothing runs at the moment.</p>
      ) : (
        <ul className="orr-PlainList orr-Home-running">
          {props.running.map(resource => (
            <li key={resource.id}>
              <Icon icon={kindIcon(resource.kind)} size={14} />
              <span className="orr-Ellipsis">
                <ReferenceLink kind={resource.kind} reference={resource} />
                {!kinds.isMine(resource) && <span className="orr-Muted"> by {resource.owner}</span>}
              </span>
              <span className="orr-Muted orr-Nowrap">
                {resource.status.progress
                  ? describeProgress(resource.status.progress)
                  : forHowLong(resource.status)}
              </span>
              {resource.status.progress && (
                <ProgressBar
                  progress={resource.status.progress}
                  label={`${resource.name}: progress`}
                  isThin
                />
              )}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function forHowLong(status: Resource['status']): string {
  const seconds = secondsRun(status);
  return seconds === null ? '' : `for ${formatDuration(seconds)}`;
}
