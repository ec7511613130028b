/** The overview: what there is, what runs and waits, who holds the machine, and how it fares. */
import { refreshIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';
import type { Resource } from '../api-types';
import { formatAgo, formatBytes, formatDuration, formatNumber, plural } from '../format';
import { kindIcon, orreryIcon } from '../icons';
import { useModel } from '../models/model';
import type { EndpointCalls, OverviewDocument, QueueItem, Sizes } from '../models/overview';
import { OverviewModel } from '../models/overview';
import { CommandIDs } from '../tokens';
import { Card } from './cards';
import type { PanelContext } from './context';
import { usePanel, useTick } from './context';
import { ActivityCard, InstanceTypesCard } from './overview-activity';
import { MachineCard, shownSizes } from './overview-machine';
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
        <QueueCard queue={document.queue} />
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
      onClick={() => void go.execute(CommandIDs.openList, state ? { kind, state } : { kind })}
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
                  : resource.status.started_at
                    ? `for ${formatDuration((Date.now() - Date.parse(resource.status.started_at)) / 1000)}`
                    : ''}
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

function QueueCard(props: { queue: OverviewDocument['queue'] }): JSX.Element {
  const { items, waiting } = props.queue;
  useTick(30_000, items.length > 0);
  return (
    <Card title="Queue" testId="orrery-overview-queue">
      {items.length === 0 ? (
        <p className="orr-Muted">Nothing waits: the next job starts at once.</p>
      ) : (
        <>
          <ol className="orr-PlainList orr-Home-queue">
            {items.map(item => (
              <QueueRow key={`${item.place}-${item.resource ?? item.owner}`} item={item} />
            ))}
          </ol>
          {waiting > items.length && (
            <p className="orr-Muted">and {plural(waiting - items.length, 'more', 'more')} behind these</p>
          )}
        </>
      )}
    </Card>
  );
}

function QueueRow(props: { item: QueueItem }): JSX.Element {
  const { item } = props;
  const { go } = usePanel();
  const { resource, kind } = item;
  return (
    <li>
      <span className="orr-Home-place" title={`Place ${item.place}`}>
        {item.place}
      </span>
      <div>
        <div>
          {resource && kind ? (
            <button type="button" className="orr-Link" onClick={() => go.open(kind, resource)}>
              {item.title}
            </button>
          ) : (
            <span className="orr-Muted">a job of {item.owner}</span>
          )}
          <span className="orr-Muted">
            {' '}
            · {shownSizes(item)} · {item.priority.toLowerCase()} priority · {formatAgo(item.submitted_at)}
          </span>
        </div>
        {item.reason && <div className="orr-Muted">{item.reason}</div>}
      </div>
    </li>
  );
}

/** Who holds what of the machine, and how much of it belongs to those that one may not see. */
function HoldersCard(props: { document: OverviewDocument }): JSX.Element {
  const { holders, capacity } = props.document;
  const { kinds } = usePanel();
  const seen = holders.reduce(
    (total: Sizes, holder) => ({
      cores: total.cores + holder.cores,
      memory_bytes: total.memory_bytes + holder.memory_bytes,
      gpus: total.gpus + holder.gpus
    }),
    { cores: 0, memory_bytes: 0, gpus: 0 }
  );
  const others: Sizes = {
    cores: Math.max(0, Math.round((capacity.held.cores - seen.cores) * 1000) / 1000),
    memory_bytes: Math.max(0, capacity.held.memory_bytes - seen.memory_bytes),
    gpus: Math.max(0, capacity.held.gpus - seen.gpus)
  };
  return (
    <Card title="Who holds the machine" testId="orrery-overview-holders">
      <p className="orr-Muted">
        {formatNumber(capacity.held.cores)} of {plural(capacity.total.cores, 'core')} and{' '}
        {formatBytes(capacity.held.memory_bytes)} of {formatBytes(capacity.total.memory_bytes)} handed out
        {capacity.total.gpus > 0 && (
          <>
            , {capacity.held.gpus} of {plural(capacity.total.gpus, 'GPU')}
          </>
        )}
      </p>
      {(holders.length > 0 || others.cores > 0) && (
        <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Who holds the machine">
          <table className="orr-Table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Instance type</th>
                <th scope="col">Holds</th>
              </tr>
            </thead>
            <tbody>
              {holders.map(holder => (
                <tr key={holder.id}>
                  <th scope="row">
                    <Icon icon={kindIcon(holder.kind)} size={14} />{' '}
                    <ReferenceLink kind={holder.kind} reference={holder} />
                    {!kinds.isMine(holder) && <span className="orr-Muted"> by {holder.owner}</span>}
                  </th>
                  <td>
                    {holder.instance_type}
                    {holder.copies > 1 ? ` × ${holder.copies}` : ''}
                  </td>
                  <td>{shownSizes(holder)}</td>
                </tr>
              ))}
              {others.cores > 0 && (
                <tr>
                  <th scope="row" className="orr-Muted">
                    others, and work of the platform
                  </th>
                  <td />
                  <td>{shownSizes(others)}</td>
                </tr>
              )}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function EndpointsCard(props: { endpoints: EndpointCalls[] }): JSX.Element {
  const { kinds } = usePanel();
  const most = Math.max(1, ...props.endpoints.map(endpoint => endpoint.requests));
  return (
    <Card title="Endpoints by calls" testId="orrery-overview-endpoints">
      {props.endpoints.length === 0 ? (
        <p className="orr-Muted">No endpoint has been called yet.</p>
      ) : (
        <ol className="orr-PlainList orr-Home-bars">
          {props.endpoints.map(endpoint => {
            const failed = endpoint.client_errors + endpoint.server_errors;
            return (
              <li key={endpoint.id}>
                <span className="orr-Ellipsis">
                  <ReferenceLink kind={endpoint.kind} reference={endpoint} />
                  {!kinds.isMine(endpoint) && <span className="orr-Muted"> by {endpoint.owner}</span>}
                </span>
                <span className="orr-Muted orr-Nowrap">
                  {plural(endpoint.requests, 'call')} · {endpoint.success.toLocaleString('en-US')} ok
                  {failed > 0 && <> · {failed.toLocaleString('en-US')} failed</>}
                  {endpoint.latency_seconds.p50 !== null && (
                    <> · {formatDuration(endpoint.latency_seconds.p50)}</>
                  )}
                </span>
                <span className="orr-SplitBar" aria-hidden="true">
                  <span data-part="good" style={{ width: `${(endpoint.success / most) * 100}%` }} />
                  <span data-part="bad" style={{ width: `${(failed / most) * 100}%` }} />
                </span>
              </li>
            );
          })}
        </ol>
      )}
    </Card>
  );
}

/** How many of each kind are in which state; each number leads to those. */
function StatesCard(props: { counts: OverviewDocument['counts'] }): JSX.Element {
  const { kinds, go } = usePanel();
  const states = [...new Set(kinds.all.flatMap(kind => kind.phases.map(phase => phase.state)))];
  return (
    <Card title="Counts by state" testId="orrery-overview-counts">
      <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Counts by state">
        <table className="orr-Table orr-Home-counts">
          <thead>
            <tr>
              <th scope="col">Kind</th>
              {states.map(state => (
                <th key={state} scope="col" className="orr-Number">
                  <span className="orr-Dot" data-state={state} aria-hidden="true" /> {state}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {kinds.all.map(kind => (
              <tr key={kind.kind}>
                <th scope="row">
                  <Icon icon={kindIcon(kind.kind)} size={14} /> {kind.title_plural}
                </th>
                {states.map(state => {
                  const count = props.counts[kind.kind]?.[state] ?? 0;
                  const isPossible = kind.phases.some(phase => phase.state === state);
                  return (
                    <td key={state} className="orr-Number">
                      {count > 0 ? (
                        <button
                          type="button"
                          className="orr-Link"
                          aria-label={`${plural(count, kind.title, kind.title_plural).toLowerCase()}, ${state.toLowerCase()}`}
                          onClick={() => void go.execute(CommandIDs.openList, { kind: kind.kind, state })}
                        >
                          {count.toLocaleString('en-US')}
                        </button>
                      ) : (
                        <span className="orr-Muted">{isPossible ? '0' : ''}</span>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
