/** What a run used of the machine over time; of an endpoint, what its gateway counted. */
import { useEffect, useMemo } from 'react';
import type { Json, JsonObject, UsageSample } from '../../api-types';
import { formatBytes, formatDuration, formatNumber, humanize, isObject, plainText } from '../../format';
import { useModel } from '../../models/model';
import { Chart } from '../chart';
import { Busy, Note } from '../parts';
import { Card } from '../cards';
import type { TabProps } from './props';

const COUNT_EVERY = 5000;

/** Cores in use between two samples of the processor time spent. */
export function coresUsed(samples: UsageSample[]): (number | null)[] {
  return samples.map((sample, index) => {
    const before = samples[index - 1];
    if (!before) {
      return null;
    }
    const seconds = (Date.parse(sample.at) - Date.parse(before.at)) / 1000;
    return seconds > 0 ? Math.max(0, (sample.cpu_seconds - before.cpu_seconds) / seconds) : null;
  });
}

export function UsageTab(props: TabProps): JSX.Element {
  const { model } = props;
  const loader = model.part.usage;
  useModel(loader);
  const { isShown } = model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  const counts = isObject(loader.value?.statistics);
  useEffect(() => {
    // Requests to an endpoint change no resource, so no event tells of them.
    const timer = isShown && counts ? setInterval(() => void loader.load(), COUNT_EVERY) : undefined;
    return () => clearInterval(timer);
  }, [loader, isShown, counts]);
  if (loader.error && !loader.value) {
    return <Note kind="warn">{loader.error}</Note>;
  }
  if (!loader.value) {
    return <Busy />;
  }
  const { samples, statistics } = loader.value;
  return (
    <div className="orr-Overview">
      {Array.isArray(samples) ? <Samples samples={samples as unknown as UsageSample[]} /> : null}
      {isObject(statistics) && <Statistics values={statistics} />}
      {statistics === null && (
        <div className="orr-Muted">No requests yet: they are counted from the first one on.</div>
      )}
    </div>
  );
}

/** The last sample of a run that has ended is of nobody any more. */
export function withoutEnd(samples: UsageSample[]): UsageSample[] {
  const last = samples[samples.length - 1];
  return samples.length > 1 && last?.memory_bytes === 0 ? samples.slice(0, -1) : samples;
}

function Samples(props: { samples: UsageSample[] }): JSX.Element {
  const samples = useMemo(() => withoutEnd(props.samples), [props.samples]);
  const data = useMemo(
    () => ({
      x: samples.map(sample => Date.parse(sample.at) / 1000),
      memory: [{ label: 'memory', values: samples.map(sample => sample.memory_bytes) }],
      cores: [{ label: 'cores', values: coresUsed(samples) }]
    }),
    [samples]
  );
  if (samples.length === 0) {
    return <div className="orr-Muted">No samples yet: they are taken while it runs.</div>;
  }
  return (
    <div className="orr-Charts">
      <Chart title="Memory" xLabel="time" isTime x={data.x} curves={data.memory} format={formatBytes} />
      <Chart title="Cores in use" xLabel="time" isTime x={data.x} curves={data.cores} />
    </div>
  );
}

/** Counters as tiles, their nested numbers (latencies) too; what is counted for each deployment as a table. */
export function Statistics(props: { values: JsonObject }): JSX.Element {
  const { deployments, ...counters } = props.values;
  const tiles = Object.entries(counters).flatMap(([key, value]): [string, Json][] =>
    isObject(value)
      ? Object.entries(value).map(([name, item]) => [`${key.replace(/_seconds$/, '')} ${name}`, item])
      : [[key, value]]
  );
  const rows = rowsOf(deployments);
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))];
  return (
    <>
      <dl className="orr-Metrics" data-testid="orrery-statistics">
        {tiles
          .filter(([, value]) => typeof value === 'number')
          .map(([key, value]) => (
            <div key={key} className="orr-Metric">
              <dt>{humanize(key)}</dt>
              <dd>{shown(key, value)}</dd>
            </div>
          ))}
      </dl>
      {rows.length > 0 && (
        <Card title="By deployment">
          <div className="orr-Scroll" tabIndex={0} role="region" aria-label="By deployment">
            <table className="orr-Table orr-mod-data">
              <thead>
                <tr>
                  {columns.map(column => (
                    <th key={column} scope="col">
                      {humanize(column)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((row, index) => (
                  <tr key={index}>
                    {columns.map(column => (
                      <td key={column} className={typeof row[column] === 'number' ? 'orr-Number' : undefined}>
                        {shown(column, row[column])}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
    </>
  );
}

/** One row a deployment, its nested numbers written beside the others. */
function rowsOf(deployments: Json | undefined): JsonObject[] {
  const list = Array.isArray(deployments)
    ? deployments
    : isObject(deployments)
      ? Object.values(deployments)
      : [];
  return list
    .filter(isObject)
    .map(row =>
      Object.fromEntries(
        Object.entries(row).flatMap(([key, value]): [string, Json][] =>
          isObject(value)
            ? Object.entries(value).map(([name, item]) => [`${key.replace(/_seconds$/, '')} ${name}`, item])
            : [[key, value]]
        )
      )
    );
}

function shown(key: string, value: Json | undefined): string {
  if (typeof value !== 'number') {
    return plainText(value);
  }
  if (/latency/.test(key)) {
    return formatDuration(value);
  }
  return /bytes/.test(key) ? formatBytes(value) : formatNumber(value);
}
