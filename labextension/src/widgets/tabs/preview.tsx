/** The first rows of a dataset, its columns, and what the check found. */
import type { Json, JsonObject, Resource } from '../../api-types';
import { formatBytes, formatNumber, plainText, plural, valueAt } from '../../format';
import { kindIcon } from '../../icons';
import { Empty, Note } from '../parts';
import { Card } from '../cards';
import type { TabProps } from './props';

/** Long, or said elsewhere. */
const HIDDEN_FACTS = new Set(['classes', 'smallest_class', 'rows', 'dtype']);

interface ColumnInfo {
  name: string;
  facts: Record<string, Json>;
}

/** What inspecting the files found: a dataset's outputs, or what a published version has of them. */
function contentOf(resource: Resource): JsonObject {
  const candidates = [resource.spec.content, resource.status.outputs.content, resource.status.outputs];
  return (
    candidates.find((content): content is JsonObject => Array.isArray(valueAt(content, 'columns'))) ?? {}
  );
}

function columnsIn(content: JsonObject): ColumnInfo[] {
  const { columns } = content;
  if (!Array.isArray(columns)) {
    return [];
  }
  return columns.map(column => {
    if (column !== null && typeof column === 'object' && !Array.isArray(column)) {
      const { name = '', ...facts } = column;
      return { name: plainText(name), facts };
    }
    return { name: plainText(column), facts: {} };
  });
}

function rowsIn(content: JsonObject, columns: ColumnInfo[]): Json[][] {
  const { preview } = content;
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

export function PreviewTab(props: TabProps): JSX.Element {
  const { resource } = props;
  const content = contentOf(resource);
  const columns = columnsIn(content);
  const rows = rowsIn(content, columns);
  const bytes = resource.status.outputs.bytes;
  const warnings = Array.isArray(content.warnings) ? content.warnings : [];
  const facts = [...new Set(columns.flatMap(column => Object.keys(column.facts)))].filter(
    fact => !HIDDEN_FACTS.has(fact)
  );
  if (columns.length === 0) {
    return (
      <Empty icon={kindIcon('dataset')} title="Nothing to show yet">
        The first rows and the columns appear here once the files have been read.
      </Empty>
    );
  }
  return (
    <div className="orr-Overview">
      {warnings.map((warning, index) => (
        <Note key={index} kind="warn">
          {plainText(
            typeof warning === 'object' && warning && !Array.isArray(warning)
              ? (warning.message ?? warning)
              : warning
          )}
        </Note>
      ))}
      <div className="orr-Muted">
        {typeof content.rows === 'number' && `${plural(content.rows, 'row')}, `}
        {plural(columns.length, 'column')}
        {typeof bytes === 'number' && `, ${formatBytes(bytes)}`}
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
                        {value === null ? <span className="orr-Missing">missing</span> : raw(value)}
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

/** Data is shown as it is, not rounded. */
function raw(value: Json): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
