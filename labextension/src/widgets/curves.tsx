/** Metric curves with what one does to read them: a logarithmic scale, smoothing, time instead of steps, files. */
import { useMemo, useState } from 'react';
import { plural, safeFileName } from '../format';
import { toCsv } from '../models/answers';
import type { Axis, ChartData, RunSeries } from '../models/series';
import { chartRows, makeCharts } from '../models/series';
import { Chart } from './chart';
import { saveFile } from './save';

const SMOOTHEST = 0.95;

export interface CurvesProps {
  runs: RunSeries[];
  /** What the saved files are called. */
  name: string;
}

export function Curves(props: CurvesProps): JSX.Element {
  const { runs, name } = props;
  const [isLog, setLog] = useState(false);
  const [axis, setAxis] = useState<Axis>('step');
  const [smoothing, setSmoothing] = useState(0);
  const charts = useMemo(() => makeCharts(runs, { axis, smoothing }), [runs, axis, smoothing]);
  if (charts.length === 0) {
    return <></>;
  }
  return (
    <>
      <div className="orr-Curves-bar" role="group" aria-label="How the curves are drawn">
        <label>
          <input type="checkbox" checked={isLog} onChange={event => setLog(event.target.checked)} />{' '}
          Logarithmic
        </label>
        <label>
          Against{' '}
          <select className="orr-Select" value={axis} onChange={event => setAxis(event.target.value as Axis)}>
            <option value="step">steps</option>
            <option value="time">time</option>
          </select>
        </label>
        <label className="orr-Curves-smoothing">
          Smoothing
          <input
            type="range"
            min={0}
            max={SMOOTHEST}
            step={0.05}
            value={smoothing}
            onChange={event => setSmoothing(Number(event.target.value))}
          />
          <output>{smoothing.toFixed(2)}</output>
        </label>
      </div>
      <div className="orr-Charts">
        {charts.map(chart => (
          <OneChart key={chart.metric} chart={chart} axis={axis} isLog={isLog} name={name} />
        ))}
      </div>
    </>
  );
}

function OneChart(props: { chart: ChartData; axis: Axis; isLog: boolean; name: string }): JSX.Element {
  const { chart, axis, isLog } = props;
  const special = chart.curves.reduce((count, curve) => count + curve.special.length, 0);
  const hidden = isLog
    ? chart.curves.reduce(
        (count, curve) => count + curve.values.filter(value => value !== null && value <= 0).length,
        0
      )
    : 0;
  const file = safeFileName(`${props.name}-${chart.metric}`);
  const save = async (image: () => Promise<Blob | null>): Promise<void> => {
    const content = await image();
    if (content) {
      saveFile(`${file}.png`, content);
    }
  };
  return (
    <div>
      <Chart
        title={chart.title}
        xLabel={axis === 'step' ? 'step' : 'seconds since the first report'}
        x={chart.x}
        curves={chart.curves}
        isLog={isLog}
        tools={image => (
          <span className="orr-Chart-tools">
            <button
              type="button"
              className="orr-Button orr-mod-small"
              aria-label={`Save ${chart.title} as CSV`}
              onClick={() =>
                saveFile(`${file}.csv`, new Blob([toCsv(chartRows(chart, axis))], { type: 'text/csv' }))
              }
            >
              CSV
            </button>
            <button
              type="button"
              className="orr-Button orr-mod-small"
              aria-label={`Save ${chart.title} as PNG`}
              onClick={() => void save(image)}
            >
              PNG
            </button>
          </span>
        )}
      />
      {special > 0 && (
        <div className="orr-Muted">{plural(special, 'value')} not finite, named where it was reported.</div>
      )}
      {hidden > 0 && (
        <div className="orr-Muted">
          {plural(hidden, 'value')} of zero or below: there is no place for them on a logarithmic scale.
        </div>
      )}
    </div>
  );
}
