/** A tuning drawn: how it went, which parameters matter, how the metric depends on them. */
import { useEffect, useId, useMemo, useState } from 'react';
import type { Importances, Objective, Trial } from '../../api-types';
import { plural } from '../../format';
import { kindIcon } from '../../icons';
import { useModel } from '../../models/model';
import type { Space } from '../../models/search-space';
import { spaceOf } from '../../models/search-space';
import {
  contourPlot,
  historyPlot,
  parallelPlot,
  paretoPlot,
  slicePlot,
  trialTable
} from '../../models/trial-plots';
import { lastOf, searchedNames, targetOf } from '../../models/trials';
import { Card } from '../cards';
import { Busy, Empty, Note } from '../parts';
import { Contour } from './plots/contour';
import { FoldedTable } from './plots/frame';
import { ImportanceBars } from './plots/importances';
import { Parallel } from './plots/parallel';
import { Scatter } from './plots/scatter';
import type { TabProps } from './props';
import { useTrials } from './trials';

/** As many parameters are drawn at once, those that matter most. */
const MOST_SLICES = 12;
const MOST_AXES = 16;

export function PlotsTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const trials = useTrials(props);
  const { importances } = model.part;
  useModel(importances);
  const { isShown } = model;
  useEffect(() => {
    importances.watch(isShown);
    return () => importances.watch(false);
  }, [importances, isShown]);
  const { items, objectives } = trials;
  const [chosen, setChosen] = useState(0);
  const place = chosen < objectives.length ? chosen : 0;
  const objective = objectives[place];
  const known = useMemo(() => items.filter(trial => targetOf(trial, place) !== null), [items, place]);
  const names = useMemo(() => searchedNames(resource.spec.space, items), [resource.spec.space, items]);
  const space = useMemo(() => spaceOf(resource.spec.space), [resource.spec.space]);
  if (trials.error && !trials.isLoaded) {
    return <Note kind="warn">{trials.error}</Note>;
  }
  if (!trials.isLoaded) {
    return <Busy />;
  }
  if (!objective || known.length === 0) {
    return (
      <Empty icon={kindIcon('tuning')} title="Nothing to draw yet">
        {resource.status.settled
          ? 'No trial reached the metric; the Trials tab tells why.'
          : 'The plots appear as soon as a trial has succeeded.'}
      </Empty>
    );
  }
  const share = importances.value?.find(({ metric }) => metric === objective.metric);
  const drawn: Drawn = {
    trials: known,
    objective,
    objectives,
    place,
    names: byImportance(names, share),
    space
  };
  const reached = items.filter(trial => targetOf(trial, place) !== null || lastOf(trial, place) !== null);
  const left = items.length - reached.length;
  return (
    <div className="orr-Overview">
      {objectives.length > 1 && (
        <Choice
          label="Objective"
          value={String(place)}
          options={objectives.map(({ metric }, at) => [String(at), metric])}
          onChange={value => setChosen(Number(value))}
        />
      )}
      {left > 0 && (
        <p className="orr-Muted">
          {plural(left, 'trial')} of {items.length.toLocaleString('en-US')} without {objective.metric}: not
          drawn.
        </p>
      )}
      {objectives.length > 1 && <ParetoCard {...drawn} />}
      <div className="orr-Cards">
        <Card title="Optimisation history" testId="orrery-plot-history">
          <Scatter plot={historyPlot(reached, objective, place)} objectives={objectives} />
          <FoldedTable label="History" make={() => trialTable(reached, objectives, [])} />
        </Card>
        <Card title="Importance of the parameters" testId="orrery-plot-importances">
          <ImportanceBars shares={share ?? null} error={importances.error} isLoading={!importances.value} />
        </Card>
      </div>
      <SliceCard {...drawn} />
      {names.length > 1 && <ContourCard {...drawn} />}
      <ParallelCard {...drawn} />
    </div>
  );
}

interface Drawn {
  trials: Trial[];
  objective: Objective;
  objectives: Objective[];
  place: number;
  names: string[];
  space: Space;
}

function byImportance(names: string[], share: Importances | undefined): string[] {
  const of = (name: string): number => share?.importances[name] ?? 0;
  return [...names].sort((a, b) => of(b) - of(a));
}

function ParetoCard(props: Drawn): JSX.Element | null {
  const { trials, objectives } = props;
  const [pair, setPair] = useState<[number, number]>([0, 1]);
  const plot = useMemo(() => paretoPlot(trials, objectives, pair), [trials, objectives, pair]);
  const options = objectives.map(({ metric }, at): [string, string] => [String(at), metric]);
  return plot ? (
    <Card title="Pareto front" testId="orrery-plot-pareto">
      {objectives.length > 2 && (
        <div className="orr-Plot-choices">
          <Choice
            label="Across"
            value={String(pair[0])}
            options={options.filter(([at]) => Number(at) !== pair[1])}
            onChange={value => setPair([Number(value), pair[1]])}
          />
          <Choice
            label="Upwards"
            value={String(pair[1])}
            options={options.filter(([at]) => Number(at) !== pair[0])}
            onChange={value => setPair([pair[0], Number(value)])}
          />
        </div>
      )}
      <Scatter plot={plot} objectives={objectives} height={320} />
      <FoldedTable
        label="Trials on the front"
        make={() =>
          trialTable(plot.groups[1]?.points.map(({ trial }) => trial) ?? [], objectives, props.names)
        }
      />
    </Card>
  ) : null;
}

function SliceCard(props: Drawn): JSX.Element {
  const { trials, names, space, objective, place } = props;
  const shown = names.slice(0, MOST_SLICES);
  return (
    <Card title="Slices" testId="orrery-plot-slice">
      <p className="orr-Muted">
        {objective.metric} by each parameter; later trials are stronger.
        {names.length > shown.length && ` The ${shown.length} that matter most of ${names.length} are drawn.`}
      </p>
      <div className="orr-Slices">
        {shown.map(name => (
          <Scatter
            key={name}
            plot={slicePlot(trials, name, space[name], objective, place)}
            objectives={props.objectives}
            height={210}
            hasLegend={false}
          />
        ))}
      </div>
      <FoldedTable label="Slices" make={() => trialTable(trials, [objective], names)} />
    </Card>
  );
}

function ContourCard(props: Drawn): JSX.Element {
  const { trials, names, space, objective, place } = props;
  const [first, setFirst] = useState('');
  const [second, setSecond] = useState('');
  const x = names.includes(first) ? first : (names[0] ?? '');
  const y = names.includes(second) && second !== x ? second : (names.find(name => name !== x) ?? '');
  const surface = useMemo(
    () => contourPlot(trials, [x, y], space, objective, place),
    [trials, x, y, space, objective, place]
  );
  const options = names.map((name): [string, string] => [name, name]);
  return (
    <Card title="Contour" testId="orrery-plot-contour">
      <div className="orr-Plot-choices">
        <Choice label="Across" value={x} options={options} onChange={setFirst} />
        <Choice
          label="Upwards"
          value={y}
          options={options.filter(([name]) => name !== x)}
          onChange={setSecond}
        />
      </div>
      {surface ? (
        <>
          <p className="orr-Muted">{surface.title}; between the trials it is estimated from those around.</p>
          <Contour surface={surface} objectives={props.objectives} />
          <FoldedTable label={surface.title} make={() => trialTable(trials, [objective], [x, y])} />
        </>
      ) : (
        <p className="orr-Muted">It is drawn once three trials have both of these parameters.</p>
      )}
    </Card>
  );
}

function ParallelCard(props: Drawn): JSX.Element {
  const { trials, names, space, objectives, place } = props;
  const shown = useMemo(() => names.slice(0, MOST_AXES), [names]);
  const plot = useMemo(
    () => parallelPlot(trials, objectives, shown, space, place),
    [trials, objectives, shown, space, place]
  );
  return (
    <Card title="Parallel coordinates" testId="orrery-plot-parallel">
      <Parallel plot={plot} objectives={objectives} names={shown} />
    </Card>
  );
}

function Choice(props: {
  label: string;
  value: string;
  options: [value: string, title: string][];
  onChange: (value: string) => void;
}): JSX.Element {
  const id = useId();
  return (
    <div className="orr-Insight-choice">
      <label htmlFor={id}>{props.label}</label>
      <select
        id={id}
        className="orr-Select"
        value={props.value}
        onChange={event => props.onChange(event.target.value)}
      >
        {props.options.map(([value, title]) => (
          <option key={value} value={value}>
            {title}
          </option>
        ))}
      </select>
    </div>
  );
}
