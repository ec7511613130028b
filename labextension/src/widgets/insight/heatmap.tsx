/** How columns go together, as a table of coloured cells: it is the heat map and its own alternative in one. */
import type { KeyboardEvent } from 'react';
import { useId, useRef, useState } from 'react';
import { plural } from '../../format';
import type { Matrix, Profile } from '../../models/insight';
import { Card } from '../cards';

interface Measure {
  name: string;
  title: string;
  columns: string[];
  matrix: Matrix;
  note: string;
}

/** From this many columns on the values are shown only where one points. */
const MOST_WRITTEN = 12;

export function Correlations(props: { profile: Profile }): JSX.Element {
  const measures = measuresOf(props.profile);
  const id = useId();
  const [chosen, choose] = useState('pearson');
  const measure = measures.find(({ name }) => name === chosen) ?? measures[0];
  if (!measure) {
    return (
      <Card title="Correlations" testId="orrery-insight-correlations">
        <div className="orr-Muted">There are no two columns that could be compared.</div>
      </Card>
    );
  }
  return (
    <Card
      title="Correlations"
      testId="orrery-insight-correlations"
      action={
        <div className="orr-Insight-choice">
          <label htmlFor={id}>Measure</label>
          <select
            id={id}
            className="orr-Input"
            value={measure.name}
            onChange={event => choose(event.target.value)}
          >
            {measures.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </div>
      }
    >
      <HeatMap key={measure.name} measure={measure} />
    </Card>
  );
}

function measuresOf(profile: Profile): Measure[] {
  const { correlations, associations } = profile;
  const found: Measure[] = [];
  if (correlations) {
    const { columns, rows, left_out: left } = correlations;
    const rest = left > 0 ? ` ${plural(left, 'further column')} left out.` : '';
    const note = `Of ${plural(columns.length, 'numeric column')}, over ${plural(rows, 'row')}.${rest}`;
    found.push(
      { name: 'pearson', title: 'Pearson (straight line)', columns, matrix: correlations.pearson, note },
      { name: 'spearman', title: 'Spearman (ranks)', columns, matrix: correlations.spearman, note }
    );
  }
  if (associations) {
    const { columns, rows, cramers_v: matrix } = associations;
    const note = `Of ${plural(columns.length, 'category', 'categories')}, over ${plural(rows, 'row')}; from 0 to 1.`;
    found.push({ name: 'cramer', title: 'Cramér’s V (categories)', columns, matrix, note });
  }
  return found;
}

function HeatMap(props: { measure: Measure }): JSX.Element {
  const { columns, matrix, note, title } = props.measure;
  const [[row, column], point] = useState<[number, number]>([0, Math.min(1, columns.length - 1)]);
  const table = useRef<HTMLTableElement>(null);
  const isWritten = columns.length <= MOST_WRITTEN;
  const last = columns.length - 1;
  const onKeyDown = (event: KeyboardEvent<HTMLTableElement>): void => {
    const moves: Record<string, [number, number]> = {
      ArrowUp: [Math.max(0, row - 1), column],
      ArrowDown: [Math.min(last, row + 1), column],
      ArrowLeft: [row, Math.max(0, column - 1)],
      ArrowRight: [row, Math.min(last, column + 1)],
      Home: [row, 0],
      End: [row, last]
    };
    const next = moves[event.key];
    if (next) {
      event.preventDefault();
      point(next);
      table.current?.querySelector<HTMLElement>(`[data-cell="${next[0]}-${next[1]}"]`)?.focus();
    }
  };
  return (
    <>
      <div className="orr-Heat-read" data-testid="orrery-insight-reading">
        <strong>{columns[row]}</strong> and <strong>{columns[column]}</strong>:{' '}
        {written(matrix[row]?.[column] ?? null)}
      </div>
      <div className="orr-Scroll">
        <table
          ref={table}
          className="orr-Heat"
          role="grid"
          aria-label={`${title}. Arrow keys move from cell to cell.`}
          onKeyDown={onKeyDown}
        >
          <thead>
            <tr>
              <th scope="col">
                <span className="orr-Unseen">Column</span>
              </th>
              {columns.map(name => (
                <th key={name} scope="col" title={name}>
                  <span>{name}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {columns.map((name, y) => (
              <tr key={name}>
                <th scope="row" title={name}>
                  {name}
                </th>
                {columns.map((other, x) => {
                  const value = matrix[y]?.[x] ?? null;
                  const isPointed = y === row && x === column;
                  return (
                    <td
                      key={other}
                      data-cell={`${y}-${x}`}
                      tabIndex={isPointed ? 0 : -1}
                      style={{ background: colour(value) }}
                      onMouseEnter={() => point([y, x])}
                      onFocus={() => point([y, x])}
                    >
                      <span className={isWritten ? undefined : 'orr-Unseen'}>{written(value)}</span>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="orr-Heat-scale">
        <span>−1</span>
        <span className="orr-Heat-bar" aria-hidden="true" />
        <span>1</span>
        <span className="orr-Muted">{note}</span>
      </div>
    </>
  );
}

function written(value: number | null): string {
  return value === null ? 'none' : value.toFixed(2).replace('-', '−');
}

/** Never so strong that the theme's text would not be readable on it. */
function colour(value: number | null): string {
  const hue = (value ?? 0) < 0 ? 'var(--jp-warn-color1)' : 'var(--jp-brand-color1)';
  return `color-mix(in srgb, ${hue} ${Math.round(Math.abs(value ?? 0) * 55)}%, var(--jp-layout-color1))`;
}
