/** Parallel coordinates: one axis a parameter or metric, one line a run. */
import { useMemo, useState } from 'react';
import type { Resource } from '../api-types';
import { displayName } from '../format';
import type { ComparisonRow, ParallelAxis } from '../models/comparison';
import { makeAxis, shownValue } from '../models/comparison';
import { Card } from './cards';
import { SERIES_COLORS } from './chart';

const HEIGHT = 240;
const TOP = 34;
const BOTTOM = 14;
const STEP = 150;
const SIDE = 60;
/** As many axes are chosen at the beginning. */
const FIRST_AXES = 6;

function isOfAll(one: { axis: ParallelAxis }): boolean {
  return one.axis.places.every(place => place !== null);
}

export function ParallelCoordinates(props: { runs: Resource[]; rows: ComparisonRow[] }): JSX.Element | null {
  const { runs, rows } = props;
  const possible = useMemo(
    () =>
      rows
        .filter(row => row.section !== 'Run' || row.key === 'duration_seconds')
        .flatMap(row => {
          const axis = makeAxis(row, value => shownValue(row, value));
          return axis ? [{ row, axis }] : [];
        }),
    [rows]
  );
  const [chosen, setChosen] = useState<string[] | null>(null);
  const [active, setActive] = useState<string | null>(null);
  if (possible.length < 2) {
    return null;
  }
  // Those that every run has a place on come first: of different algorithms few hyperparameters are common.
  const differing = possible.filter(({ row }) => row.differs);
  const first = [...differing.filter(isOfAll), ...differing.filter(one => !isOfAll(one))].map(
    ({ axis }) => axis.key
  );
  const keys = chosen ?? first.slice(0, FIRST_AXES);
  const axes = possible.map(({ axis }) => axis).filter(axis => keys.includes(axis.key));
  const toggle = (key: string, isOn: boolean): void =>
    setChosen(isOn ? [...keys, key] : keys.filter(other => other !== key));
  return (
    <Card title="Parallel coordinates" testId="orrery-compare-parallel">
      <details className="orr-Details">
        <summary>
          {axes.length} of {possible.length} axes
        </summary>
        <div className="orr-Compare-axes" role="group" aria-label="Axes">
          {possible.map(({ axis, row }) => (
            <label key={`${row.section} ${axis.key}`}>
              <input
                type="checkbox"
                checked={keys.includes(axis.key)}
                onChange={event => toggle(axis.key, event.target.checked)}
              />{' '}
              {axis.title}
            </label>
          ))}
        </div>
      </details>
      {axes.length < 2 ? (
        <p className="orr-Muted">Choose at least two axes.</p>
      ) : (
        <div className="orr-Compare-parallel" tabIndex={0} role="region" aria-label="Parallel coordinates">
          <Drawing runs={runs} axes={axes} active={active} setActive={setActive} rows={rows} />
        </div>
      )}
      <p className="orr-Muted">The table above holds the same values.</p>
    </Card>
  );
}

function Drawing(props: {
  runs: Resource[];
  axes: ParallelAxis[];
  rows: ComparisonRow[];
  active: string | null;
  setActive: (id: string | null) => void;
}): JSX.Element {
  const { runs, axes, rows, active, setActive } = props;
  const width = SIDE * 2 + STEP * (axes.length - 1);
  const x = (index: number): number => SIDE + index * STEP;
  const y = (place: number): number => HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);
  const words = (run: number): string =>
    axes
      .map(axis => {
        const row = rows.find(found => found.key === axis.key);
        return `${axis.title} ${row ? shownValue(row, row.values[run]) : '–'}`;
      })
      .join(', ');
  return (
    <svg width={width} height={HEIGHT} role="list" aria-label="Runs as lines over the axes">
      {axes.map((axis, index) => (
        <g key={axis.key} aria-hidden="true">
          <line className="orr-Parallel-axis" x1={x(index)} x2={x(index)} y1={TOP} y2={HEIGHT - BOTTOM} />
          <text className="orr-Parallel-title" x={x(index)} y={14} textAnchor="middle">
            {axis.title.length > 22 ? `${axis.title.slice(0, 21)}…` : axis.title}
          </text>
          {axis.ticks.map(tick => (
            <text key={tick.label} x={x(index) + 6} y={y(tick.place) + (tick.place > 0.9 ? 10 : -3)}>
              {tick.label.length > 18 ? `${tick.label.slice(0, 17)}…` : tick.label}
            </text>
          ))}
        </g>
      ))}
      {runs.map((run, at) => {
        const points = axes.flatMap((axis, index) => {
          const place = axis.places[at];
          return place === null || place === undefined ? [] : [`${x(index)},${y(place)}`];
        });
        return (
          <g
            key={run.id}
            role="listitem"
            tabIndex={0}
            className="orr-Parallel-run"
            aria-label={`${displayName(run)}: ${words(at)}`}
            data-faded={(active !== null && active !== run.id) || undefined}
            onMouseEnter={() => setActive(run.id)}
            onMouseLeave={() => setActive(null)}
            onFocus={() => setActive(run.id)}
            onBlur={() => setActive(null)}
            style={{ color: `var(--orr-series-${(at % SERIES_COLORS) + 1})` }}
          >
            <title>
              {displayName(run)}: {words(at)}
            </title>
            <polyline points={points.join(' ')} />
            {points.map(point => {
              const [cx, cy] = point.split(',');
              return <circle key={point} cx={cx} cy={cy} r={3.5} />;
            })}
          </g>
        );
      })}
    </svg>
  );
}
