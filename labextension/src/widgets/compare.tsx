/** Runs side by side: what was set differently, what came of it, the curves over each other, the plots in a row. */
import { closeIcon, refreshIcon } from '@jupyterlab/ui-components';
import { useMemo } from 'react';
import type { Resource } from '../api-types';
import { displayName, plural } from '../format';
import { trainingChartIcon } from '../icons';
import { CompareModel } from '../models/compare';
import type { ComparisonRow } from '../models/comparison';
import { plotsOf, shownValue } from '../models/comparison';
import { useModel } from '../models/model';
import { Card } from './cards';
import { ParallelCoordinates } from './compare-parallel';
import type { PanelContext } from './context';
import { usePanel } from './context';
import { SERIES_COLORS } from './chart';
import { Curves } from './curves';
import { Busy, Empty, Icon, IconButton, Note, PhaseBadge, ReferenceLink } from './parts';
import { PlatformPanel } from './platform-panel';

export class ComparePanel extends PlatformPanel<CompareModel> {
  constructor(
    context: PanelContext,
    kind: string,
    ids: string[],
    readonly name: string
  ) {
    super(context, new CompareModel(context, kind, ids), {
      label: `Compare ${ids.length}`,
      icon: trainingChartIcon
    });
    this.id = `orrery-compare-${name}`;
    this.node.dataset.testid = 'orrery-compare';
    this.model.chosenChanged.connect(() => {
      this.title.label = `Compare ${this.model.ids.length}`;
    });
    this.model.changed.connect(() => {
      this.title.caption = `Compare ${this.model.runs.map(displayName).join(', ')}`;
    });
  }

  /** Whether it compares exactly these. */
  isOf(kind: string, ids: string[]): boolean {
    const own = new Set(this.model.ids);
    return this.model.kindName === kind && own.size === new Set(ids).size && ids.every(id => own.has(id));
  }

  protected content(): JSX.Element {
    return <Compare model={this.model} />;
  }
}

export function swatch(index: number): { background: string } {
  return { background: `var(--orr-series-${(index % SERIES_COLORS) + 1})` };
}

function Compare(props: { model: CompareModel }): JSX.Element {
  const { model } = props;
  useModel(model);
  const { runs, error, rows, curves } = model;
  const hasCurves = curves.some(run => run.series.some(one => one.points.length > 1));
  if (!model.isLoaded) {
    return error ? <Note kind="error">{error}</Note> : <Busy />;
  }
  if (runs.length < 2) {
    return (
      <Empty icon={trainingChartIcon} title="Nothing to compare">
        {runs.length === 1
          ? 'Only one of these runs is left. Choose at least two in the list of trainings.'
          : 'Choose at least two runs in the list of trainings, then Compare.'}
      </Empty>
    );
  }
  return (
    <div className="orr-Home" tabIndex={0} role="region" aria-label="Comparison">
      <div className="orr-Home-head">
        <Icon icon={trainingChartIcon} size={24} />
        <h1>Compare {plural(runs.length, 'run')}</h1>
        <span className="orr-Spring" />
        <label>
          <input
            type="checkbox"
            checked={model.onlyDifferences}
            onChange={event => model.setOnlyDifferences(event.target.checked)}
          />{' '}
          Only what differs
        </label>
        <IconButton label="Refresh" icon={refreshIcon} onClick={() => model.refresh()} />
      </div>
      {error && <Note kind="warn">{error}</Note>}
      {model.gone.length > 0 && (
        <Note kind="info">{plural(model.gone.length, 'run')} no longer there, or not yours to see.</Note>
      )}
      <Table model={model} rows={rows} />
      {hasCurves && (
        <Card title="Curves" testId="orrery-compare-curves">
          <Curves runs={curves} name="comparison" />
        </Card>
      )}
      <ParallelCoordinates runs={runs} rows={rows} />
      <Plots runs={runs} kindName={model.kindName} />
    </div>
  );
}

function Table(props: { model: CompareModel; rows: ComparisonRow[] }): JSX.Element {
  const { model } = props;
  const { kinds } = usePanel();
  const { runs } = model;
  const kind = kinds.get(model.kindName);
  const rows = model.onlyDifferences ? props.rows.filter(row => row.differs) : props.rows;
  const sections = (['Run', 'Parameters', 'Metrics'] as const).map(section => ({
    section,
    rows: rows.filter(row => row.section === section)
  }));
  return (
    <div
      className="orr-Card orr-Compare-table"
      tabIndex={0}
      role="region"
      aria-label="Parameters and metrics"
    >
      <table className="orr-Table" data-testid="orrery-compare-table">
        <thead>
          <tr>
            <td />
            {runs.map((run, index) => (
              <th key={run.id} scope="col">
                <span className="orr-Compare-run">
                  <span className="orr-Swatch" style={swatch(index)} aria-hidden="true" />
                  <ReferenceLink kind={run.kind} reference={run} />
                  <IconButton
                    label={`Take ${displayName(run)} out of the comparison`}
                    icon={closeIcon}
                    onClick={() => model.remove(run.id)}
                  />
                </span>
                <PhaseBadge kind={kind} resource={run} />
              </th>
            ))}
          </tr>
        </thead>
        {sections.map(
          ({ section, rows: members }) =>
            members.length > 0 && (
              <tbody key={section}>
                <tr>
                  <th scope="rowgroup" colSpan={runs.length + 1} className="orr-Compare-section">
                    {section}
                  </th>
                </tr>
                {members.map(row => (
                  <Row key={row.key} row={row} />
                ))}
              </tbody>
            )
        )}
      </table>
      {rows.length === 0 && <p className="orr-Muted">These runs differ in nothing that was recorded.</p>}
    </div>
  );
}

function Row(props: { row: ComparisonRow }): JSX.Element {
  const { row } = props;
  return (
    <tr data-differs={row.differs || undefined}>
      <th scope="row" title={row.key}>
        {row.title}
      </th>
      {row.values.map((value, index) => (
        <td
          key={index}
          className={typeof value === 'number' ? 'orr-Compare-number' : undefined}
          data-best={row.best.includes(index) || undefined}
        >
          <Value row={row} index={index} />
          {row.best.includes(index) && (
            <span className="orr-Compare-best" role="img" aria-label="best" title="Best of these runs">
              {' '}
              ★
            </span>
          )}
        </td>
      ))}
    </tr>
  );
}

/** A hyperparameter says where its value is from, unless it was given. */
function Value(props: { row: ComparisonRow; index: number }): JSX.Element {
  const { row, index } = props;
  const text = shownValue(row, row.values[index]);
  const origin = row.origins?.[index];
  if (row.origins && origin === undefined) {
    return (
      <span className="orr-Muted" title="It was not given, and what this run is of declares no such one.">
        {text}
        <span className="orr-Hidden">: no such hyperparameter</span>
      </span>
    );
  }
  return origin === 'default' || origin === 'logged' ? (
    <span className={origin === 'default' ? 'orr-Muted' : undefined}>
      {text}{' '}
      <span className="orr-Compare-origin" title={ORIGINS[origin]}>
        {origin}
      </span>
    </span>
  ) : (
    <>{text}</>
  );
}

const ORIGINS = {
  default: 'It was left to its default.',
  logged: 'The run told it of itself; it was not given.'
};

/** Confusion matrices, ROC curves and what else the runs drew: one row a plot, one column a run. */
function Plots(props: { runs: Resource[]; kindName: string }): JSX.Element | null {
  const { runs, kindName } = props;
  const { api, kinds } = usePanel();
  const plots = useMemo(() => plotsOf(runs), [runs]);
  const kind = kinds.get(kindName);
  if (plots.length === 0 || !kind) {
    return null;
  }
  return (
    <Card title="Plots side by side" testId="orrery-compare-plots">
      <div className="orr-Compare-plots" tabIndex={0} role="region" aria-label="Plots side by side">
        {plots.map(plot => (
          <section key={plot.path} aria-label={plot.title}>
            <h3>{plot.title}</h3>
            <div className="orr-Compare-plotRow">
              {runs.map((run, index) => (
                <figure key={run.id}>
                  <figcaption>
                    <span className="orr-Swatch" style={swatch(index)} aria-hidden="true" />{' '}
                    {displayName(run)}
                  </figcaption>
                  {plot.has[index] ? (
                    <a
                      href={api.fileUrl(kind.plural, run.id, plot.path)}
                      target="_blank"
                      rel="noreferrer"
                      aria-label={`${plot.title} of ${displayName(run)}, full size`}
                    >
                      <img
                        src={api.fileUrl(kind.plural, run.id, plot.path)}
                        alt={`${plot.title} of ${displayName(run)}`}
                        loading="lazy"
                      />
                    </a>
                  ) : (
                    <span className="orr-Muted">not drawn by this run</span>
                  )}
                </figure>
              ))}
            </div>
          </section>
        ))}
      </div>
    </Card>
  );
}
