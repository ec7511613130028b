/** What a notebook uses and has used: processor, memory, GPUs and its data volume; in use, or idle since when. */
import { useEffect, useMemo, useState } from 'react';
import { errorMessage } from '../../api';
import { formatBytes, formatDuration, formatNumber } from '../../format';
import type { UseFigures } from '../../models/server-use';
import { clock } from '../../models/server-use';
import { usePanel } from '../context';
import { Card } from '../cards';
import { Chart } from '../chart';
import { percent } from '../overview-machine';
import { Busy, Note } from '../parts';
import type { TabProps } from './props';

const READ_EVERY = 15_000;
const HEIGHT = 160;
const RANGES = { '1h': 'Last hour', '24h': 'Last day', '7d': 'Last 7 days' };
type Range = keyof typeof RANGES;

export interface UseHistory {
  reported_at: string | null;
  kept_until: number | null;
  limits: { server_seconds: number | null; kernel_seconds: number | null; warning_seconds: number };
  report: {
    use: { idle_since: number | null; because: string; since: number };
    kernels: {
      id: string;
      title: string;
      idle_since: number | null;
      because: string;
      memory_bytes: number;
    }[];
    figures: UseFigures;
  } | null;
  at: number[];
  cores: (number | null)[];
  memory_bytes: number[];
  disk_bytes: (number | null)[];
  gpus: { used: (number | null)[]; memory_bytes: (number | null)[] }[];
}

export function MonitoringTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { api } = usePanel();
  const [range, setRange] = useState<Range>('1h');
  const [history, setHistory] = useState<UseHistory | null>(null);
  const [error, setError] = useState<string | null>(null);
  const { isShown } = model;
  const { plural } = model.kind;
  useEffect(() => {
    if (!isShown) {
      return undefined;
    }
    const abort = new AbortController();
    const read = (): void => {
      const options = { query: { range }, signal: abort.signal };
      api.request<UseHistory>('GET', `/${plural}/${resource.id}/use`, options).then(
        found => {
          setHistory(found);
          setError(null);
        },
        reason => {
          if (!abort.signal.aborted) {
            setError(errorMessage(reason));
          }
        }
      );
    };
    read();
    const timer = setInterval(read, READ_EVERY);
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, [api, plural, resource.id, range, isShown]);
  if (!history) {
    return error ? <Note kind="warn">{error}</Note> : <Busy />;
  }
  return (
    <div className="orr-Overview" data-testid="orrery-monitoring">
      {error && <Note kind="warn">{error}</Note>}
      <UseCard history={history} isActive={resource.status.state === 'Active'} />
      <div className="orr-Actions" role="group" aria-label="How far back">
        {(Object.keys(RANGES) as Range[]).map(name => (
          <button
            key={name}
            type="button"
            className="orr-Button orr-mod-plain"
            aria-pressed={range === name}
            onClick={() => setRange(name)}
            data-testid={`orrery-range-${name}`}
          >
            {RANGES[name]}
          </button>
        ))}
      </div>
      <Curves history={history} />
    </div>
  );
}

function UseCard(props: { history: UseHistory; isActive: boolean }): JSX.Element {
  const { report, limits, kept_until } = props.history;
  if (!report) {
    return (
      <p className="orr-Muted">
        Nothing was reported yet: the notebook does so a few seconds after its start, and from then on.
      </p>
    );
  }
  const { use, kernels } = report;
  return (
    <Card title={props.isActive ? 'Now' : 'When it was last up'}>
      <p data-testid="orrery-use">
        {use.idle_since === null
          ? `In use: ${use.because} since ${clock(use.since)}.`
          : `Idle since ${clock(use.idle_since)}; the last that happened: ${use.because}.`}
      </p>
      <p className="orr-Muted">
        {limits.server_seconds === null
          ? 'It is not stopped for being idle.'
          : `It is stopped after ${formatDuration(limits.server_seconds)} without use, said ${formatDuration(
              Math.min(limits.warning_seconds, limits.server_seconds / 2)
            )} before.`}
        {kept_until !== null && kept_until * 1000 > Date.now() && ` Kept until ${clock(kept_until)}.`}
      </p>
      {kernels.length > 0 && (
        <table className="orr-Table orr-mod-data">
          <thead>
            <tr>
              <th scope="col">Kernel</th>
              <th scope="col">Use</th>
              <th scope="col">Memory</th>
            </tr>
          </thead>
          <tbody>
            {kernels.map(kernel => (
              <tr key={kernel.id}>
                <td>{kernel.title}</td>
                <td>
                  {kernel.idle_since === null ? kernel.because : `idle since ${clock(kernel.idle_since)}`}
                </td>
                <td className="orr-Number">{formatBytes(kernel.memory_bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function Curves(props: { history: UseHistory }): JSX.Element {
  const { history } = props;
  const { at, report } = history;
  const curves = useMemo(
    () => ({
      cores: [{ label: 'cores', values: history.cores }],
      memory: [{ label: 'memory', values: history.memory_bytes, color: 1 }],
      disk: [{ label: 'data volume', values: history.disk_bytes, color: 4 }],
      gpus: history.gpus.map((gpu, index) => ({
        label: `GPU ${index}`,
        values: gpu.used,
        color: index + 2
      }))
    }),
    [history]
  );
  if (at.length < 2) {
    return (
      <p className="orr-Muted">Curves appear here; a sample is taken every 15 seconds while it is up.</p>
    );
  }
  const shared = { xLabel: 'time', isTime: true, x: at, height: HEIGHT };
  const figures = report?.figures;
  const memory: [number, number] | null = figures ? [0, figures.memory_total_bytes] : null;
  return (
    <div className="orr-Home-charts">
      <Chart {...shared} title="Cores in use" curves={curves.cores} format={formatNumber} isAmount />
      <Chart
        {...shared}
        title="Memory"
        curves={curves.memory}
        format={formatBytes}
        isAmount
        isBytes
        {...(memory ? { range: memory } : {})}
      />
      <Chart {...shared} title="Data volume" curves={curves.disk} format={formatBytes} isAmount isBytes />
      {curves.gpus.length > 0 && (
        <Chart {...shared} title="GPUs" curves={curves.gpus} format={percent} range={[0, 1]} />
      )}
    </div>
  );
}
