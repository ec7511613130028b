/** The overview: the table in numbers, what may be wrong with it, its columns, and how they go together. */
import { formatBytes, formatNumber, plural } from '../../format';
import type { FindingGroup, Profile } from '../../models/insight';
import { findingGroups, formatShare, missingReport } from '../../models/insight';
import { Card } from '../cards';
import { Note } from '../parts';
import { ColumnTable, ShareBar } from './columns';
import { Correlations } from './heatmap';

export function DataOverview(props: { profile: Profile }): JSX.Element {
  const { profile } = props;
  return (
    <>
      <Summary profile={profile} />
      {profile.measured_rows < profile.rows && (
        <Note kind="info">
          The table is large: statistics are of {formatNumber(profile.measured_rows)} rows chosen at random of{' '}
          {formatNumber(profile.rows)}. Missing and distinct values are counted over all of them.
        </Note>
      )}
      <Findings profile={profile} />
      <ColumnTable profile={profile} />
      <MissingValues profile={profile} />
      <Correlations profile={profile} />
    </>
  );
}

function Summary(props: { profile: Profile }): JSX.Element {
  const { profile } = props;
  const cells = profile.rows * profile.columns.length;
  const kinds = new Map<string, number>();
  profile.columns.forEach(({ kind }) => kinds.set(kind, (kinds.get(kind) ?? 0) + 1));
  const tiles: [string, string, string?][] = [
    ['Rows', formatNumber(profile.rows)],
    [
      'Columns',
      formatNumber(profile.columns.length),
      [...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ')
    ],
    [
      'Missing values',
      formatNumber(profile.missing_cells),
      formatShare(profile.missing_cells / Math.max(1, cells))
    ],
    [
      'Duplicate rows',
      profile.duplicate_rows === null ? 'not counted' : formatNumber(profile.duplicate_rows),
      profile.duplicate_rows === null
        ? 'the table is too large'
        : formatShare(profile.duplicate_rows / Math.max(1, profile.rows))
    ],
    ['In memory', formatBytes(profile.memory_bytes)]
  ];
  return (
    <dl className="orr-Metrics" data-testid="orrery-insight-summary">
      {tiles.map(([title, value, detail]) => (
        <div key={title} className="orr-Metric">
          <dt>{title}</dt>
          <dd>{value}</dd>
          {detail && <dd className="orr-Insight-detail">{detail}</dd>}
        </div>
      ))}
    </dl>
  );
}

function Findings(props: { profile: Profile }): JSX.Element {
  const { profile } = props;
  return (
    <Card title="Data quality" testId="orrery-insight-findings">
      {profile.findings.length === 0 ? (
        <div className="orr-Muted">Nothing questionable was found.</div>
      ) : (
        <ul className="orr-Findings">
          {findingGroups(profile).map((group, index) => (
            <li key={index} data-severity={group.severity} data-code={group.code}>
              <span className="orr-Finding-word">{group.severity === 'warning' ? 'Check' : 'Note'}</span>
              <div>
                {group.count === 1 ? <div>{group.message}</div> : <Alike group={group} profile={profile} />}
                <div className="orr-Muted">{group.remedy}</div>
              </div>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

/** Several findings in one line; unfolded, each of them. */
function Alike(props: { group: FindingGroup; profile: Profile }): JSX.Element {
  const { group, profile } = props;
  const left = group.count - group.findings.length;
  return (
    <details>
      <summary>{group.message}</summary>
      <ul>
        {group.findings.map(place => (
          <li key={place}>{profile.findings[place]?.message}</li>
        ))}
        {left > 0 && <li className="orr-Muted">… and {formatNumber(left)} more</li>}
      </ul>
    </details>
  );
}

const MOST_MISSING = 50;

function MissingValues(props: { profile: Profile }): JSX.Element {
  const report = missingReport(props.profile);
  return (
    <Card title="Missing values" testId="orrery-insight-missing">
      {report.length === 0 ? (
        <div className="orr-Muted">No value is missing.</div>
      ) : (
        <>
          <p className="orr-Muted">
            {plural(report.length, 'column')} of {formatNumber(props.profile.columns.length)} miss values.
          </p>
          <table className="orr-Table">
            <thead>
              <tr>
                <th scope="col">Column</th>
                <th scope="col" className="orr-Number">
                  Missing
                </th>
                <th scope="col">Share</th>
              </tr>
            </thead>
            <tbody>
              {report.slice(0, MOST_MISSING).map(({ name, missing, share }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td className="orr-Number">{formatNumber(missing)}</td>
                  <td>
                    <ShareBar share={share} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {report.length > MOST_MISSING && (
            <div className="orr-Muted">… and {formatNumber(report.length - MOST_MISSING)} more.</div>
          )}
        </>
      )}
    </Card>
  );
}
