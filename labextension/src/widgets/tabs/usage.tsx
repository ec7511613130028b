/** What a run used of the machine over time; of an endpoint, what its gateway counted. */
import { useEffect, useMemo } from 'react';
import type { Json, JsonObject, UsageSample } from '../../api-types';
import { formatBytes, formatNumber, humanize } from '../../format';
import { useModel } from '../../models/model';
import { plainText } from '../cells';
import { Chart } from '../chart';
import { Busy, Note } from '../parts';
import { Card } from './overview';
import type { TabProps } from './registry';

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
  if (loader.error && !loader.value) {
    return <Note kind="warn">{loader.error}</Note>;
  }
  if (!loader.value) {
    return <Busy />;
  }
  const { samples, ...statistics } = loader.value;
  return (
    <div className="orr-Overview">
      {Array.isArray(samples) ? <Samples samples={samples as unknown as UsageSample[]} /> : null}
      {Object.keys(statistics).length > 0 && <Statistics values={statistics} />}
    </div>
  );
}

function Samples(props: { samples: UsageSample[] }): JSX.Element {
  const { samples } = props;
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

/** Counters as tiles; lists of counters (one a deployment) as a table. */
function Statistics(props: { values: JsonObject }): JSX.Element {
  const tiles = Object.entries(props.values).filter(([, value]) => typeof value === 'number' || typeof value === 'string');
  const nested = Object.entries(props.values).filter(([, value]) => value !== null && typeof value === 'object');
  return (
    <>
      {tiles.length > 0 && (
        <dl className="orr-Metrics">
          {tiles.map(([key, value]) => (
            <div key={key} className="orr-Metric">
              <dt>{humanize(key)}</dt>
              <dd>{shown(key, value)}</dd>
            </div>
          ))}
        </dl>
      )}
      {nested.map(([key, value]) => {
        const rows = (Array.isArray(value) ? value : [value]).filter(isObject);
        const columns = [...new Set(rows.flatMap(row => Object.keys(row)))];
        return rows.length === 0 ? null : (
          <Card key={key} title={humanize(key)}>
            <div className="orr-Scroll" tabIndex={0} role="region" aria-label={humanize(key)}>
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
        );
      })}
    </>
  );
}

function isObject(value: Json): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function shown(key: string, value: Json | undefined): string {
  if (typeof value === 'number') {
    return /bytes/.test(key) ? formatBytes(value) : formatNumber(value);
  }
  return plainText(value);
}
