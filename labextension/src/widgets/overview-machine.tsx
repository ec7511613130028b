/** The machine: what is in use now, and over the last hour. */
import { useMemo } from 'react';
import { formatBytes, formatNumber, plural } from '../format';
import type { Gpu, History, OverviewDocument, OverviewModel, Sizes } from '../models/overview';
import { Card } from './cards';
import { Chart } from './chart';

const CHART_HEIGHT = 150;

export function percent(fraction: number): string {
  return `${Math.round(fraction * 100)} %`;
}

/** `2 cores, 4.0 GiB, 1 GPU` */
export function shownSizes(sizes: Sizes): string {
  const parts = [
    `${formatNumber(sizes.cores)} ${sizes.cores === 1 ? 'core' : 'cores'}`,
    formatBytes(sizes.memory_bytes)
  ];
  return [...parts, ...(sizes.gpus > 0 ? [plural(sizes.gpus, 'GPU')] : [])].join(', ');
}

export function MachineCard(props: { model: OverviewModel; document: OverviewDocument }): JSX.Element {
  const { history } = props.model;
  const machine = history?.machine ?? props.document.machine;
  return (
    <Card title="Machine" testId="orrery-overview-machine">
      <div className="orr-Home-meters">
        <Meter
          name="Processor"
          fraction={machine.cpu}
          detail={`of ${formatNumber(machine.cores)} ${machine.cores === 1 ? 'core' : 'cores'}`}
        />
        <Meter
          name="Memory"
          fraction={machine.memory_bytes / machine.memory_total_bytes}
          detail={`${formatBytes(machine.memory_bytes)} of ${formatBytes(machine.memory_total_bytes)}`}
        />
        <Meter
          name="Disk"
          fraction={machine.disk_bytes / machine.disk_total_bytes}
          detail={`${formatBytes(machine.disk_total_bytes - machine.disk_bytes)} free of ${formatBytes(machine.disk_total_bytes)}`}
        />
        {machine.gpus.length === 0 ? (
          <div className="orr-Meter" data-testid="orrery-no-gpu">
            <span>GPU</span>
            <span className="orr-Muted">no GPU on this machine</span>
          </div>
        ) : (
          machine.gpus.map((gpu, index) => <GpuMeter key={index} gpu={gpu} place={index} />)
        )}
      </div>
      {history && <HistoryCharts history={history} />}
    </Card>
  );
}

function GpuMeter(props: { gpu: Gpu; place: number }): JSX.Element {
  const { gpu, place } = props;
  return (
    <Meter
      name={`GPU ${place}`}
      fraction={gpu.used}
      detail={`${gpu.name}, ${formatBytes(gpu.memory_bytes)} of ${formatBytes(gpu.memory_total_bytes)}`}
    />
  );
}

function Meter(props: { name: string; fraction: number | null; detail: string }): JSX.Element {
  const { name, fraction, detail } = props;
  const value = fraction === null ? undefined : Math.round(fraction * 100);
  return (
    <div className="orr-Meter">
      <span>
        {name} <strong>{fraction === null ? '–' : percent(fraction)}</strong>
      </span>
      <div
        className="orr-Progress"
        role="meter"
        aria-label={`${name}, ${detail}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={value ?? 0}
        aria-valuetext={fraction === null ? 'not known yet' : percent(fraction)}
        data-level={fraction !== null && fraction > 0.9 ? 'high' : undefined}
      >
        <div className="orr-Progress-fill" style={{ width: `${value ?? 0}%` }} />
      </div>
      <span className="orr-Muted">{detail}</span>
    </div>
  );
}

function HistoryCharts(props: { history: History }): JSX.Element {
  const { history } = props;
  const { at, machine } = history;
  const curves = useMemo(
    () => ({
      cpu: [{ label: 'processor', values: history.cpu }],
      memory: [{ label: 'memory', values: history.memory_bytes, color: 1 }],
      disk: [{ label: 'disk', values: history.disk_bytes, color: 4 }],
      gpu: machine.gpus.map((gpu, index) => ({
        label: `GPU ${index}`,
        values: gpu.history?.used ?? at.map(() => null),
        color: index + 2
      }))
    }),
    [history, machine, at]
  );
  if (at.length < 2) {
    return <p className="orr-Muted">The last hour appears here; a sample is taken every few seconds.</p>;
  }
  const shared = { xLabel: 'time', isTime: true, x: at, height: CHART_HEIGHT };
  return (
    <div className="orr-Home-charts">
      <Chart {...shared} title="Processor, last hour" curves={curves.cpu} format={percent} range={[0, 1]} />
      <Chart
        {...shared}
        title="Memory, last hour"
        curves={curves.memory}
        format={formatBytes}
        isBytes
        range={[0, machine.memory_total_bytes]}
      />
      <Chart
        {...shared}
        title="Disk, last hour"
        curves={curves.disk}
        format={formatBytes}
        isBytes
        range={[0, machine.disk_total_bytes]}
      />
      {curves.gpu.length > 0 && (
        <Chart {...shared} title="GPUs, last hour" curves={curves.gpu} format={percent} range={[0, 1]} />
      )}
    </div>
  );
}
