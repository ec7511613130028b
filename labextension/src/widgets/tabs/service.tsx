/** An endpoint as a service: where it is, what stands behind it, how it was called and what its replicas use. */
import { useEffect, useMemo } from 'react';
import type { Json, JsonObject, Resource } from '../../api-types';
import { formatBytes, formatDuration, formatNumber, isObject, plainText, plural } from '../../format';
import { useModel } from '../../models/model';
import { deploymentsOf } from '../../models/playground';
import type { Calls, ReplicaUsage } from '../../models/service';
import { perMinute, replicaCurves } from '../../models/service';
import { Card } from '../cards';
import { Chart } from '../chart';
import { usePanel, useTick } from '../context';
import { Busy, CopyButton, Note, PhaseBadge, ReferenceLink } from '../parts';
import { Pair, Pairs } from '../key-values';
import { publicUrl } from './endpoint';
import type { TabProps } from './props';
import { Statistics } from './usage';

/** Calls change no resource, so no event tells of them. */
const COUNT_EVERY = 5000;
const CHART_HEIGHT = 170;

export function ServiceTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const loader = model.part.usage;
  useModel(loader);
  const { isShown } = model;
  useEffect(() => {
    loader.watch(isShown);
    const timer = isShown ? setInterval(() => void loader.load(), COUNT_EVERY) : undefined;
    return () => {
      loader.watch(false);
      clearInterval(timer);
    };
  }, [loader, isShown]);
  useTick(30_000, isShown);
  const found = loader.value;
  return (
    <div className="orr-Overview" data-testid="orrery-service">
      {resource.status.state === 'Pending' && (
        <Note kind="info">It is being started; its figures come once it answers.</Note>
      )}
      <ServiceCard resource={resource} />
      <DeploymentTable resource={resource} counted={isObject(found?.statistics) ? found.statistics : null} />
      {loader.error && <Note kind="warn">{loader.error}</Note>}
      {!found ? (
        !loader.error && <Busy />
      ) : (
        <>
          {isObject(found.statistics) ? (
            <Statistics values={withoutDeployments(found.statistics)} />
          ) : (
            <p className="orr-Muted">No calls yet: they are counted from the first one on.</p>
          )}
          <CallCharts calls={found.calls as unknown as Calls} />
          <ReplicaCharts replicas={found.replicas as unknown as ReplicaUsage[]} />
        </>
      )}
    </div>
  );
}

function ServiceCard(props: { resource: Resource }): JSX.Element {
  const { resource } = props;
  const { platform, kinds } = usePanel();
  useModel(platform);
  const { outputs } = resource.status;
  const path = plainText(outputs.url);
  const url = path ? `${publicUrl(platform.status)}${path}` : '';
  const replicas = isObject(outputs.replicas) ? outputs.replicas : null;
  return (
    <Card title="Service" action={url && <CopyButton text={url} label="Copy the address" />}>
      <Pairs>
        {url && (
          <Pair name="Address">
            <code>{url}</code>
          </Pair>
        )}
        <Pair name="Status">
          <PhaseBadge kind={kinds.get(resource.kind)} resource={resource} />
        </Pair>
        {replicas && (
          <Pair name="Replicas">
            <span data-testid="orrery-replicas">
              {plainText(replicas.ready)} of {plainText(replicas.wanted)} replicas ready
            </span>
          </Pair>
        )}
        <Pair name="Instance type">{plainText(resource.spec.instance_type)} each</Pair>
        <Pair name="Who may call it">
          {resource.visibility === 'public'
            ? 'everybody, without a token'
            : resource.visibility === 'group'
              ? `members of ${resource.group ?? 'the group'}, with a token`
              : 'its owner, with a token'}
        </Pair>
      </Pairs>
    </Card>
  );
}

/** The counts of the endpoint itself; those of its deployments have a table of their own. */
function withoutDeployments(statistics: JsonObject): JsonObject {
  const {
    latency_seconds: latency,
    requests,
    success,
    client_errors,
    server_errors,
    bytes_in,
    bytes_out
  } = statistics;
  const { p50, p90, p99 } = isObject(latency) ? latency : {};
  return Object.fromEntries(
    Object.entries({
      requests,
      success,
      client_errors,
      server_errors,
      bytes_in,
      bytes_out,
      latency_p50: p50,
      latency_p90: p90,
      latency_p99: p99
    }).filter((entry): entry is [string, Json] => entry[1] !== undefined)
  );
}

/** What stands behind the address: shares, replicas, and how each was called. */
function DeploymentTable(props: { resource: Resource; counted: JsonObject | null }): JSX.Element | null {
  const deployments = deploymentsOf(props.resource);
  const outputs = props.resource.status.outputs.deployments;
  const states = Array.isArray(outputs) ? outputs.filter(isObject) : [];
  const counted = isObject(props.counted?.deployments) ? props.counted.deployments : {};
  if (deployments.length === 0) {
    return null;
  }
  return (
    <Card title="Deployments" testId="orrery-deployments">
      <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Deployments">
        <table className="orr-Table">
          <thead>
            <tr>
              <th scope="col">Model</th>
              {['Traffic', 'Replicas ready', 'Calls', 'Success', 'Failed', 'Median', 'p99'].map(title => (
                <th key={title} scope="col" className="orr-Number">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {deployments.map((deployment, index) => {
              const found = counted[deployment.id];
              const calls = isObject(found) ? found : {};
              const latency = isObject(calls.latency_seconds) ? calls.latency_seconds : {};
              const message = plainText(states[index]?.message);
              return (
                <tr key={deployment.id}>
                  <th scope="row">
                    <ReferenceLink kind="model" reference={deployment.model} />
                    {message && <div className="orr-Muted">{message}</div>}
                  </th>
                  <td className="orr-Number">{deployment.traffic} %</td>
                  <td className="orr-Number">
                    {plainText(states[index]?.ready)} of {plainText(states[index]?.wanted)}
                  </td>
                  <td className="orr-Number">{plainText(calls.requests ?? 0)}</td>
                  <td className="orr-Number">{plainText(calls.success ?? 0)}</td>
                  <td className="orr-Number">
                    {formatNumber(numberOf(calls.client_errors) + numberOf(calls.server_errors))}
                  </td>
                  <td className="orr-Number">{shownLatency(latency.p50)}</td>
                  <td className="orr-Number">{shownLatency(latency.p99)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function numberOf(value: Json | undefined): number {
  return typeof value === 'number' ? value : 0;
}

function shownLatency(value: Json | undefined): string {
  return typeof value === 'number' ? formatDuration(value) : '–';
}

function CallCharts(props: { calls: Calls }): JSX.Element | null {
  const { calls } = props;
  const minutes = useMemo(() => perMinute(calls, Date.now() / 1000), [calls]);
  const curves = useMemo(
    () => ({
      calls: [
        { label: 'success', values: minutes.success, color: 2 },
        { label: 'failed', values: minutes.failed, color: 3 }
      ],
      latency: [{ label: 'mean latency', values: minutes.latency }]
    }),
    [minutes]
  );
  const count = [...minutes.success, ...minutes.failed].reduce((sum, value) => sum + value, 0);
  if (count === 0) {
    return <p className="orr-Muted">It was not called in the last hour.</p>;
  }
  const shared = { xLabel: 'time', isTime: true, x: minutes.x, height: CHART_HEIGHT };
  return (
    <div className="orr-Charts" data-testid="orrery-call-charts">
      <Chart
        {...shared}
        title={`Calls a minute, ${plural(count, 'call')} in the last hour`}
        curves={curves.calls}
        format={formatNumber}
      />
      <Chart {...shared} title="Latency" curves={curves.latency} format={formatDuration} />
    </div>
  );
}

function ReplicaCharts(props: { replicas: ReplicaUsage[] }): JSX.Element | null {
  const { replicas } = props;
  const curves = useMemo(() => replicaCurves(replicas), [replicas]);
  if (curves.x.length === 0) {
    return <p className="orr-Muted">No replica has been sampled yet.</p>;
  }
  const shared = { xLabel: 'time', isTime: true, x: curves.x, height: CHART_HEIGHT };
  return (
    <div className="orr-Charts" data-testid="orrery-replica-charts">
      <Chart
        {...shared}
        title="Memory of the replicas"
        curves={curves.memory}
        format={formatBytes}
        isAmount
        isBytes
      />
      <Chart {...shared} title="Cores in use by the replicas" curves={curves.cores} format={formatNumber} />
    </div>
  );
}
