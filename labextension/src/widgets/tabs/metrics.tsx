/** The metric curves of a run, as they come. */
import { useEffect, useMemo } from 'react';
import type { Series } from '../../api-types';
import { trainingChartIcon } from '../../icons';
import { useModel } from '../../models/model';
import { singleValues } from '../../models/series';
import { Metrics } from '../cards';
import { Curves } from '../curves';
import { Busy, Empty, Note } from '../parts';
import type { TabProps } from './props';

const NO_SERIES: Series[] = [];

export function MetricsTab(props: TabProps): JSX.Element {
  const loader = props.model.part.metrics;
  const { name } = props.resource;
  useModel(loader);
  const { isShown } = props.model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  const series = loader.value ?? NO_SERIES;
  const runs = useMemo(() => [{ label: name, series }], [name, series]);
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
      <Curves runs={runs} name={name} />
    </div>
  );
}
