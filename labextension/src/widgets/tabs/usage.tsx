/** What a run used of the machine over time; of an endpoint, what its gateway counted. */
import { useEffect, useMemo, useState } from 'react';
import type { Json, JsonObject, UsageAnswer } from '../../api-types';
import {
  formatBytes,
  formatDuration,
  formatNumber,
  humanize,
  isObject,
  plainText,
  plural,
  safeFileName
} from '../../format';
import { trainingChartIcon } from '../../icons';
import { toCsv } from '../../models/answers';
import { useModel } from '../../models/model';
import {
  formatMeasure,
  together,
  usageCharts,
  usageSummary,
  usageTable,
  usageTexts
} from '../../models/usage';
import { Card } from '../cards';
import { Chart } from '../chart';
import { usePanel } from '../context';
import { Busy, Empty, Note } from '../parts';
import { saveFile } from '../save';
import { FoldedTable } from './plots/frame';
import type { TabProps } from './props';

const COUNT_EVERY = 5000;

export function UsageTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const loader = model.part.usage;
  useModel(loader);
  const { isShown } = model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  const isMoving = isObject(loader.value?.statistics) || !resource.status.settled;
  useEffect(() => {
    // Neither requests to an endpoint nor what a run uses changes a resource, so no event tells of them.
    const timer = isShown && isMoving ? setInterval(() => void loader.load(), COUNT_EVERY) : undefined;
    return () => clearInterval(timer);
  }, [loader, isShown, isMoving]);
  if (loader.error && !loader.value) {
    return <Note kind="warn">{loader.error}</Note>;
  }
  if (!loader.value) {
    return <Busy />;
  }
  const { samples, ranks, trials, statistics } = loader.value;
  return (
    <div className="orr-Overview">
      {Array.isArray(samples) &&
        Array.isArray(ranks) &&
        (Array.isArray(trials) ? (
          <TuningUsage
            answer={loader.value as unknown as UsageAnswer}
            name={resource.name}
            id={resource.id}
          />
        ) : (
          <RunUsage answer={loader.value as unknown as UsageAnswer} name={resource.name} id={resource.id} />
        ))}
      {isObject(statistics) && <Statistics values={statistics} />}
      {statistics === null && (
        <div className="orr-Muted">No requests yet: they are counted from the first one on.</div>
      )}
    </div>
  );
}

interface RunUsageProps {
  answer: UsageAnswer;
  name: string;
  id: string;
}

/** All trials of a tuning as one curve, or the newest of them one by one. */
function TuningUsage(props: RunUsageProps): JSX.Element {
  const { answer } = props;
  const [isByTrial, setByTrial] = useState(false);
  const shown = useMemo(() => (isByTrial ? answer : together(answer)), [answer, isByTrial]);
  const { trials = [], counted = 0, total = 0 } = answer;
  const curves = isByTrial ? trials.length : counted;
  return (
    <>
      <div className="orr-Bar">
        <div className="orr-Actions" role="group" aria-label="Curves">
          {[false, true].map(choice => (
            <button
              key={String(choice)}
              type="button"
              className="orr-Button orr-mod-plain"
              aria-pressed={isByTrial === choice}
              onClick={() => setByTrial(choice)}
              data-testid={choice ? 'orrery-usage-by-trial' : 'orrery-usage-together'}
            >
              {choice ? 'By trial' : 'All trials together'}
            </button>
          ))}
        </div>
        <span className="orr-Muted" role="status">
          {curves < total ? `The newest ${curves} of ${plural(total, 'trial')}` : `${plural(total, 'trial')}`}
          {!isByTrial && ', memory as the mean over each stretch'}
        </span>
      </div>
      <RunUsage {...props} answer={shown} />
    </>
  );
}

function RunUsage(props: RunUsageProps): JSX.Element {
  const { answer, name, id } = props;
  const word = answer.trials ? 'Trial' : answer.ranks.length > 0 ? 'Rank' : 'Processes';
  const hasParts = answer.ranks.length > 0 || (answer.trials?.length ?? 0) > 0;
  const drawn = useMemo(() => usageCharts(answer), [answer]);
  const summary = useMemo(() => usageSummary(answer), [answer]);
  if (drawn.x.length === 0) {
    return (
      <Empty icon={trainingChartIcon} title="No samples yet">
        They are taken while it runs.
      </Empty>
    );
  }
  const save = (): void => {
    const { titles, rows } = usageTable(drawn);
    saveFile(`${safeFileName(name)}-usage.csv`, new Blob([toCsv([titles, ...rows])], { type: 'text/csv' }));
  };
  return (
    <>
      <Card
        title={hasParts ? `By ${word.toLowerCase()}` : 'In all'}
        testId="orrery-usage-summary"
        action={
          <button
            type="button"
            className="orr-Button orr-mod-small"
            aria-label="Save what it used as CSV"
            onClick={save}
          >
            CSV
          </button>
        }
      >
        <div className="orr-Scroll" tabIndex={0} role="region" aria-label="What it used">
          <table className="orr-Table orr-mod-data">
            <thead>
              <tr>
                <th scope="col">{word}</th>
                {summary.titles.map((title, at) => (
                  <th key={at} scope="col" className="orr-Number">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {summary.rows.map(({ label, cells }) => (
                <tr key={label}>
                  <th scope="row">
                    <Part label={label} answer={answer} />
                  </th>
                  {cells.map((cell, at) => (
                    <td key={at} className="orr-Number">
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
      <div className="orr-Charts" data-testid="orrery-usage-charts">
        {drawn.charts.map(({ measure, title, curves }) => (
          <Chart
            key={measure}
            title={title}
            xLabel="time"
            isTime
            isAmount
            isBytes={measure.endsWith('bytes')}
            together={`usage ${id}`}
            x={drawn.x}
            curves={curves}
            format={value => formatMeasure(measure, value)}
          />
        ))}
      </div>
      <FoldedTable
        label="What it used over time"
        make={() => usageTexts(drawn)}
        rest="the CSV has all of them"
      />
    </>
  );
}

/** A trial leads to its training. */
function Part(props: { label: string; answer: UsageAnswer }): JSX.Element {
  const { go } = usePanel();
  const words = props.label.replace(/^(rank|trial) /, '');
  const trial = props.answer.trials?.find(({ number }) => props.label === `trial ${number}`);
  return trial?.name ? (
    <button
      type="button"
      className="orr-Link"
      title={`Open ${trial.name}`}
      onClick={() => go.open('training', trial.training)}
    >
      {words}
    </button>
  ) : (
    <>{words}</>
  );
}

/** Counters as tiles, their nested numbers (latencies) too; what is counted for each deployment as a table. */
export function Statistics(props: { values: JsonObject }): JSX.Element {
  const { deployments, ...counters } = props.values;
  const tiles = Object.entries(counters).flatMap(([key, value]): [string, Json][] =>
    isObject(value)
      ? Object.entries(value).map(([name, item]) => [`${key.replace(/_seconds$/, '')} ${name}`, item])
      : [[key, value]]
  );
  const rows = rowsOf(deployments);
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))];
  return (
    <>
      <dl className="orr-Metrics" data-testid="orrery-statistics">
        {tiles
          .filter(([, value]) => typeof value === 'number')
          .map(([key, value]) => (
            <div key={key} className="orr-Metric">
              <dt>{humanize(key)}</dt>
              <dd>{shown(key, value)}</dd>
            </div>
          ))}
      </dl>
      {rows.length > 0 && (
        <Card title="By deployment">
          <div className="orr-Scroll" tabIndex={0} role="region" aria-label="By deployment">
            <table className="orr-Table orr-mod-data">
              <thead>
                <tr>
                  {columns.map(column => (
                    <th key={column} scope="col">
                      {humanize(column)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((row, index) => (
                  <tr key={index}>
                    {columns.map(column => (
                      <td key={column} className={typeof row[column] === 'number' ? 'orr-Number' : undefined}>
                        {shown(column, row[column])}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
    </>
  );
}

/** One row a deployment, its nested numbers written beside the others. */
function rowsOf(deployments: Json | undefined): JsonObject[] {
  const list = Array.isArray(deployments)
    ? deployments
    : isObject(deployments)
      ? Object.values(deployments)
      : [];
  return list
    .filter(isObject)
    .map(row =>
      Object.fromEntries(
        Object.entries(row).flatMap(([key, value]): [string, Json][] =>
          isObject(value)
            ? Object.entries(value).map(([name, item]) => [`${key.replace(/_seconds$/, '')} ${name}`, item])
            : [[key, value]]
        )
      )
    );
}

function shown(key: string, value: Json | undefined): string {
  if (typeof value !== 'number') {
    return plainText(value);
  }
  if (/latency/.test(key)) {
    return formatDuration(value);
  }
  return /bytes/.test(key) ? formatBytes(value) : formatNumber(value);
}
