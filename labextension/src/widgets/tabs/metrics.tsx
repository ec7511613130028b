/** The metric curves of a run, as they come. */
import { useEffect, useMemo } from 'react';
import type { Series } from '../../api-types';
import { plural } from '../../format';
import { trainingChartIcon } from '../../icons';
import { useModel } from '../../models/model';
import { makeCharts, singleValues } from '../../models/series';
import { Chart } from '../chart';
import { Busy, Empty, Note } from '../parts';
import { Metrics } from '../cards';
import type { TabProps } from './registry';

const NO_SERIES: Series[] = [];

export function MetricsTab(props: TabProps): JSX.Element {
  const loader = props.model.part.metrics;
  useModel(loader);
  const { isShown } = props.model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  const series = loader.value ?? NO_SERIES;
  const charts = useMemo(() => makeCharts(series), [series]);
  const singles = useMemo(() => singleValues(series), [series]);
  if (loader.error && !loader.value) {
    return <Note kind="warn">{loader.error}</Note>;
  }
  if (!loader.value) {
    return <Busy />;
  }
  if (series.length === 0) {
    return (
      <Empty icon={trainingChartIcon} title="No metrics yet">
        They appear here as the run reports them.
      </Empty>
    );
  }
  return (
    <div className="orr-Overview">
      {Object.keys(singles).length > 0 && <Metrics values={singles} />}
      <div className="orr-Charts">
        {charts.map(chart => (
          <div key={chart.title}>
            <Chart title={chart.title} xLabel="step" x={chart.x} curves={chart.curves} />
            {chart.unavailable > 0 && (
              <div className="orr-Muted">{plural(chart.unavailable, 'value')} not a number, left out.</div>
            )}
          </div>
        ))}
      </div>
    </div>
  );
}
