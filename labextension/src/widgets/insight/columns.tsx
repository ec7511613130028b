/** Every column in one line: statistics, what is missing, and its distribution drawn small. */
import { useState } from 'react';
import { formatNumber } from '../../format';
import type { ColumnProfile, Profile, SortKey, Sorting } from '../../models/insight';
import { describeHistogram, formatShare, sortColumns, toggleSorting } from '../../models/insight';
import { Card } from '../cards';
import { Button } from '../parts';

const PAGE = 100;
const HEADINGS: { key: SortKey; title: string; isNumber: boolean }[] = [
  { key: 'name', title: 'Column', isNumber: false },
  { key: 'kind', title: 'Kind', isNumber: false },
  { key: 'missing', title: 'Missing', isNumber: false },
  { key: 'distinct', title: 'Distinct', isNumber: true },
  { key: 'mean', title: 'Mean', isNumber: true },
  { key: 'std', title: 'Std. dev.', isNumber: true },
  { key: 'minimum', title: 'Lowest', isNumber: true },
  { key: 'maximum', title: 'Highest', isNumber: true }
];

export function ColumnTable(props: { profile: Profile }): JSX.Element {
  const { profile } = props;
  const [sorting, sort] = useState<Sorting>({ key: 'place', isDescending: false });
  const [text, search] = useState('');
  const [most, show] = useState(PAGE);
  const columns = sortColumns(profile.columns, sorting, text);
  return (
    <Card
      title="Columns"
      testId="orrery-insight-columns"
      action={
        <input
          type="search"
          className="orr-Input"
          placeholder="Find a column"
          aria-label="Find a column"
          value={text}
          onChange={event => search(event.target.value)}
        />
      }
    >
      <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Columns in numbers">
        <table className="orr-Table orr-mod-data orr-Insight-columns">
          <thead>
            <tr>
              {HEADINGS.map(({ key, title, isNumber }) => (
                <th
                  key={key}
                  scope="col"
                  className={isNumber ? 'orr-Number' : undefined}
                  aria-sort={
                    sorting.key === key ? (sorting.isDescending ? 'descending' : 'ascending') : undefined
                  }
                >
                  <button type="button" onClick={() => sort(toggleSorting(sorting, key))}>
                    {title}
                    <span aria-hidden="true">
                      {sorting.key === key ? (sorting.isDescending ? ' ▾' : ' ▴') : ''}
                    </span>
                  </button>
                </th>
              ))}
              <th scope="col">Distribution</th>
              <th scope="col">Most frequent</th>
            </tr>
          </thead>
          <tbody>
            {columns.slice(0, most).map(column => (
              <ColumnRow key={column.name} column={column} rows={profile.rows} target={profile.target} />
            ))}
          </tbody>
        </table>
        {columns.length === 0 && <p className="orr-Muted">No column is called so.</p>}
      </div>
      {columns.length > most && (
        <Button
          label={`Show ${formatNumber(Math.min(PAGE, columns.length - most))} more of ${formatNumber(columns.length - most)}`}
          onClick={() => show(most + PAGE)}
        />
      )}
    </Card>
  );
}

function ColumnRow(props: { column: ColumnProfile; rows: number; target: string | null }): JSX.Element {
  const { column, rows } = props;
  const frequent = (column.top ?? []).slice(0, 3);
  return (
    <tr>
      <th scope="row">
        {column.name}
        {column.name === props.target && (
          <span className="orr-Tag" title="Called like a target, or the last column">
            likely target
          </span>
        )}
      </th>
      <td>{column.kind}</td>
      <td>
        <ShareBar share={column.missing / Math.max(1, rows)} />
      </td>
      <td className="orr-Number">{formatNumber(column.distinct)}</td>
      {[column.mean, column.std, column.minimum, column.maximum].map((value, index) => (
        <td key={index} className="orr-Number">
          {typeof value === 'number' ? formatNumber(value) : (value ?? '').replace('T00:00:00', '')}
        </td>
      ))}
      <td>
        <MiniHistogram column={column} />
      </td>
      <td title={frequent.map(({ value, count }) => `${value}: ${count}`).join(', ')}>
        {frequent.map(({ value, count }) => `${value} (${formatNumber(count)})`).join(', ')}
      </td>
    </tr>
  );
}

const [WIDTH, HEIGHT] = [104, 26];

function MiniHistogram(props: { column: ColumnProfile }): JSX.Element {
  const { column } = props;
  const counts = column.histogram?.counts ?? column.top?.map(({ count }) => count) ?? [];
  const highest = Math.max(1, ...counts);
  const width = WIDTH / Math.max(8, counts.length);
  return (
    <svg
      className="orr-Mini"
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={`Distribution of ${column.name}: ${describeHistogram(column)}`}
    >
      {counts.map((count, bin) => {
        const height = count > 0 ? Math.max(1, (count / highest) * (HEIGHT - 1)) : 0;
        return (
          <rect
            key={bin}
            x={bin * width}
            y={HEIGHT - height}
            width={Math.max(1, width - 1)}
            height={height}
          />
        );
      })}
    </svg>
  );
}

export function ShareBar(props: { share: number }): JSX.Element {
  return (
    <span className="orr-Share">
      {props.share > 0 && (
        <span className="orr-Share-track" aria-hidden="true">
          <span style={{ width: `${Math.min(100, props.share * 100)}%` }} />
        </span>
      )}
      {props.share === 0 ? '0' : formatShare(props.share)}
    </span>
  );
}
