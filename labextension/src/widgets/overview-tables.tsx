/** The overview's tables: who holds the machine, which endpoints are called, how many are in which state. */
import { formatBytes, formatDuration, formatNumber, plural } from '../format';
import { kindIcon } from '../icons';
import type { EndpointCalls, OverviewDocument, Sizes } from '../models/overview';
import { CommandIDs } from '../tokens';
import { Card } from './cards';
import { usePanel } from './context';
import { shownSizes } from './overview-machine';
import { Icon, ReferenceLink } from './parts';

/** Who holds what of the machine, and how much of it belongs to those that one may not see. */
export function HoldersCard(props: { document: OverviewDocument }): JSX.Element {
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

export function EndpointsCard(props: { endpoints: EndpointCalls[] }): JSX.Element {
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
export function StatesCard(props: { counts: OverviewDocument['counts'] }): JSX.Element {
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
                          onClick={() =>
                            void go.execute(CommandIDs.openList, { kind: kind.kind, state, parts: true })
                          }
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
