/** The first rows of a dataset, its columns, and what the check found. */
import type { Json, Resource } from '../../api-types';
import { formatBytes, formatNumber, plural, valueAt } from '../../format';
import { plainText } from '../cells';
import { Note } from '../parts';
import { Card } from './overview';
import type { TabProps } from './registry';

interface ColumnInfo {
  name: string;
  facts: Record<string, Json>;
}

function columnsIn(resource: Resource): ColumnInfo[] {
  const columns = valueAt(resource, 'status.outputs.columns') ?? valueAt(resource, 'spec.schema.columns');
  if (!Array.isArray(columns)) {
    return [];
  }
  return columns.map(column => {
    if (column !== null && typeof column === 'object' && !Array.isArray(column)) {
      const { name = '', ...facts } = column;
      return { name: String(name), facts };
    }
    return { name: String(column), facts: {} };
  });
}

function rowsIn(resource: Resource, columns: ColumnInfo[]): Json[][] {
  const preview = valueAt(resource, 'status.outputs.preview');
  if (!Array.isArray(preview)) {
    return [];
  }
  return preview.map(row => {
    if (Array.isArray(row)) {
      return row;
    }
    return row !== null && typeof row === 'object' ? columns.map(column => row[column.name] ?? null) : [row];
  });
}

export function hasPreview(resource: Resource): boolean {
  return columnsIn(resource).length > 0;
}

export function PreviewTab(props: TabProps): JSX.Element {
  const { resource } = props;
  const columns = columnsIn(resource);
  const rows = rowsIn(resource, columns);
  const { outputs } = resource.status;
  const warnings = Array.isArray(outputs.warnings) ? outputs.warnings : [];
  const facts = [...new Set(columns.flatMap(column => Object.keys(column.facts)))].slice(0, 8);
  return (
    <div className="orr-Overview">
      {warnings.map((warning, index) => (
        <Note key={index} kind="warn">
          {plainText(typeof warning === 'object' && warning && !Array.isArray(warning) ? (warning.message ?? warning) : warning)}
        </Note>
      ))}
      <div className="orr-Muted">
        {typeof outputs.rows === 'number' && `${plural(outputs.rows, 'row')}, `}
        {plural(columns.length, 'column')}
        {typeof outputs.bytes === 'number' && `, ${formatBytes(outputs.bytes)}`}
      </div>
      {rows.length > 0 && (
        <Card title={`First ${plural(rows.length, 'row')}`} testId="orrery-preview">
          <div className="orr-Scroll" tabIndex={0} role="region" aria-label="First rows">
            <table className="orr-Table orr-mod-data">
              <thead>
                <tr>
                  <th scope="col" className="orr-Number">
                    #
                  </th>
                  {columns.map(column => (
                    <th key={column.name} scope="col">
                      {column.name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((row, index) => (
                  <tr key={index}>
                    <th scope="row" className="orr-Number">
                      {index + 1}
                    </th>
                    {row.map((value, at) => (
                      <td key={at} className={typeof value === 'number' ? 'orr-Number' : undefined}>
                        {value === null ? <span className="orr-Missing">missing</span> : plainText(value)}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
      <Card title="Columns" testId="orrery-columns">
        <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Columns">
          <table className="orr-Table orr-mod-data">
            <thead>
              <tr>
                <th scope="col">Name</th>
                {facts.map(fact => (
                  <th key={fact} scope="col">
                    {fact.replace(/_/g, ' ')}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {columns.map(column => (
                <tr key={column.name}>
                  <th scope="row">{column.name}</th>
                  {facts.map(fact => {
                    const value = column.facts[fact];
                    return typeof value === 'number' ? (
                      <td key={fact} className="orr-Number">
                        {formatNumber(value)}
                      </td>
                    ) : (
                      <td key={fact}>{plainText(value)}</td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
    </div>
  );
}
