/** Any two columns of the sample, drawn: choose X, Y, colour and the type of chart. */
import { useId, useMemo, useState } from 'react';
import { formatNumber } from '../../format';
import type { Profile } from '../../models/insight';
import type { ChartType, Plot } from '../../models/plots';
import { CHARTS, firstChoice, makePlot, tableOf } from '../../models/plots';
import { Card } from '../cards';
import { Note } from '../parts';
import { PlotView } from './plot';

export function Visualize(props: { profile: Profile }): JSX.Element {
  const { profile } = props;
  const [choice, choose] = useState(() => firstChoice(profile));
  const plot = useMemo(() => makePlot(profile, choice), [profile, choice]);
  const names = profile.columns.map(({ name }) => name);
  const needsY = CHARTS.find(({ type }) => type === choice.chart)?.needsY ?? true;
  const { sample } = profile;
  return (
    <Card title="Visualize" testId="orrery-insight-plot">
      <div className="orr-Insight-choices">
        <Select
          label="Chart"
          value={choice.chart}
          options={CHARTS.map(({ type, title }) => [type, title])}
          onChange={value => choose({ ...choice, chart: value as ChartType })}
        />
        <Select
          label="X axis"
          value={choice.x}
          options={names.map(name => [name, name])}
          onChange={x => choose({ ...choice, x })}
        />
        <Select
          label="Y axis"
          value={needsY ? choice.y : ''}
          isDisabled={!needsY}
          options={needsY ? names.map(name => [name, name]) : [['', 'number of rows']]}
          onChange={y => choose({ ...choice, y })}
        />
        <Select
          label="Colour"
          value={choice.chart === 'box' ? '' : choice.colour}
          isDisabled={choice.chart === 'box'}
          options={[['', 'one colour'], ...names.map((name): [string, string] => [name, name])]}
          onChange={colour => choose({ ...choice, colour })}
        />
      </div>
      {typeof plot === 'string' ? (
        <Note kind="info">{plot}</Note>
      ) : (
        <>
          <PlotView plot={plot} />
          <div className="orr-Muted" data-testid="orrery-insight-rows">
            {sample.rows < sample.of
              ? `A random sample: ${formatNumber(sample.rows)} of ${formatNumber(sample.of)} rows`
              : `All ${formatNumber(sample.of)} rows`}
            {plot.rows < sample.rows && `, of which ${formatNumber(plot.rows)} have a value here`}.
          </div>
          <PlotTable plot={plot} />
        </>
      )}
    </Card>
  );
}

function Select(props: {
  label: string;
  value: string;
  options: [string, string][];
  isDisabled?: boolean;
  onChange: (value: string) => void;
}): JSX.Element {
  const id = useId();
  return (
    <div className="orr-Insight-choice">
      <label htmlFor={id}>{props.label}</label>
      <select
        id={id}
        className="orr-Input"
        value={props.value}
        disabled={props.isDisabled}
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

function PlotTable(props: { plot: Plot }): JSX.Element {
  const [isOpen, open] = useState(false);
  const table = isOpen ? tableOf(props.plot) : null;
  return (
    <details onToggle={event => open(event.currentTarget.open)}>
      <summary>Show as a table</summary>
      {table && (
        <div className="orr-Scroll" tabIndex={0} role="region" aria-label="What is drawn, as a table">
          <table className="orr-Table orr-mod-data">
            <thead>
              <tr>
                {table.titles.map(title => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row, index) => (
                <tr key={index}>
                  {row.map((cell, at) => (
                    <td key={at}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {table.left > 0 && <p className="orr-Muted">… and {formatNumber(table.left)} more.</p>}
        </div>
      )}
    </details>
  );
}
