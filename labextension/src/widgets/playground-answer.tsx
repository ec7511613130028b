/** An answer, drawn for what it is. */
import { useMemo, useState } from 'react';
import type { Json, JsonObject } from '../api-types';
import { formatDuration, formatNumber, plainText, plural } from '../format';
import type { Answer, Box, ClassRow } from '../models/answers';
import { answerTable, toCsv, withHistory } from '../models/answers';
import { contentOf } from '../models/inputs';
import type { Call, PlaygroundModel } from '../models/playground';
import { deploymentsOf } from '../models/playground';
import { Chart } from './chart';
import { Button, CopyButton, Note } from './parts';
import { saveFile } from './save';

const SHOWN_CLASSES = 12;
const SHOWN_ROWS = 200;
/** Beside each prediction, as many of the inputs. */
const SHOWN_INPUTS = 4;

export function AnswerView(props: { call: Call; model: PlaygroundModel }): JSX.Element {
  const { call, model } = props;
  const by = deploymentsOf(model.endpoint).find(item => item.id === call.answeredBy);
  return (
    <div aria-live="polite">
      <p className="orr-Muted orr-Try-took" data-testid="orrery-try-latency">
        {call.error ? 'Refused' : 'Answered'} in {formatDuration(call.seconds)}
        {call.rows.length > 1 && `, ${plural(call.rows.length, 'row')}`}
        {by && `, by ${by.model}`}
      </p>
      {call.error ? (
        <Failure call={call} />
      ) : (
        call.answer && <Drawn call={call} answer={call.answer} model={model} />
      )}
    </div>
  );
}

/** The server's own words; those about a field stand at the field as well. */
function Failure(props: { call: Call }): JSX.Element {
  const { error, status } = props.call;
  const rest = Object.entries(error?.details ?? {}).filter(([key]) => key !== 'row' && key !== 'column');
  return (
    <Note kind="error">
      <div data-testid="orrery-try-error">
        {status > 0 && <strong>{status} </strong>}
        {error?.message}
      </div>
      {rest.length > 0 && <pre className="orr-Pre">{JSON.stringify(Object.fromEntries(rest), null, 2)}</pre>}
    </Note>
  );
}

function Drawn(props: { call: Call; answer: Answer; model: PlaygroundModel }): JSX.Element {
  const { call, answer, model } = props;
  const table = answerTable(answer);
  const picture = pictureOf(call, model);
  const history = historyOf(call, model);
  return (
    <div data-testid="orrery-try-result">
      {picture && answer.kind !== 'boxes' && (
        <img src={picture} alt="What was asked about" className="orr-Try-image" />
      )}
      {answer.kind === 'boxes' &&
        answer.rows.map((boxes, index) => (
          <Found key={index} boxes={boxes} picture={index === 0 ? picture : null} />
        ))}
      {answer.kind === 'classes' && answer.rows.length === 1 && answer.rows[0] && (
        <OneClass row={answer.rows[0]} />
      )}
      {answer.kind === 'classes' && answer.rows.length > 1 && <ClassCounts rows={answer.rows} />}
      {answer.kind === 'numbers' && answer.rows.length === 1 && (
        <div className="orr-Try-number">
          {answer.rows[0] == null ? 'not a number' : formatNumber(answer.rows[0])}
        </div>
      )}
      {answer.kind === 'texts' &&
        answer.rows.map((text, index) => (
          <blockquote key={index} className="orr-Try-text">
            {text}
          </blockquote>
        ))}
      {answer.kind === 'forecast' && <Chart title="Forecast" {...withHistory(answer, history)} />}
      {answer.kind === 'other' && <Raw body={answer.body} />}
      {table && table.rows.length > 1 && answer.kind !== 'texts' && <Rows call={call} table={table} />}
    </div>
  );
}

/** The picture that one row asks about, as an address; null where there is none. */
function pictureOf(call: Call, model: PlaygroundModel): string | null {
  const field = call.rows.length === 1 ? model.fields.find(({ kind }) => kind === 'image') : undefined;
  const content = field ? contentOf(call.rows[0]?.[field.name]) : null;
  return content ? `data:image;base64,${content}` : null;
}

/** The series that a forecast goes on from. */
function historyOf(call: Call, model: PlaygroundModel): (number | null)[] {
  const field = call.rows.length === 1 ? model.fields.find(({ kind }) => kind === 'series') : undefined;
  const series = field ? call.rows[0]?.[field.name] : null;
  return Array.isArray(series) ? series.map(value => (typeof value === 'number' ? value : null)) : [];
}

/** The boxes over the picture, and what they are as a table. */
function Found(props: { boxes: Box[]; picture: string | null }): JSX.Element {
  const { boxes, picture } = props;
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  return (
    <>
      {picture && (
        <div className="orr-Try-found">
          <img
            src={picture}
            alt={`A picture with ${plural(boxes.length, 'box', 'boxes')} drawn in it`}
            onLoad={event =>
              setSize({ width: event.currentTarget.naturalWidth, height: event.currentTarget.naturalHeight })
            }
          />
          {size && (
            <svg viewBox={`0 0 ${size.width} ${size.height}`} aria-hidden="true">
              {boxes.map((box, index) => (
                <rect
                  key={index}
                  x={box.left}
                  y={box.top}
                  width={box.right - box.left}
                  height={box.bottom - box.top}
                  vectorEffect="non-scaling-stroke"
                />
              ))}
            </svg>
          )}
        </div>
      )}
      {boxes.length === 0 ? (
        <p>Nothing was found.</p>
      ) : (
        <table className="orr-Table orr-mod-data">
          <thead>
            <tr>
              <th scope="col">#</th>
              <th scope="col">Found</th>
              <th scope="col">Score</th>
              <th scope="col">Left, top to right, bottom</th>
            </tr>
          </thead>
          <tbody>
            {boxes.map((box, index) => (
              <tr key={index}>
                <th scope="row">{index + 1}</th>
                <td>{box.label}</td>
                <td className="orr-Number">{box.score === null ? '' : percent(box.score)}</td>
                <td>
                  {box.left}, {box.top} to {box.right}, {box.bottom}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** The winner by name, and every class with its probability as a bar. */
function OneClass(props: { row: ClassRow }): JSX.Element {
  const { winner, probabilities } = props.row;
  const first = probabilities[0];
  return (
    <>
      <div className="orr-Try-winner">
        <strong>{winner}</strong>
        {first && <span className="orr-Muted"> with {percent(first.value)}</span>}
      </div>
      {probabilities.length > 0 && (
        <dl className="orr-Try-bars">
          {probabilities.slice(0, SHOWN_CLASSES).map(item => (
            <div key={item.name} data-winner={item.name === winner || undefined}>
              <dt className="orr-Ellipsis">{item.name}</dt>
              <dd>
                <span className="orr-SplitBar" aria-hidden="true">
                  <span data-part="use" style={{ width: `${item.value * 100}%` }} />
                </span>
                <span className="orr-Number">{percent(item.value)}</span>
              </dd>
            </div>
          ))}
        </dl>
      )}
      {probabilities.length > SHOWN_CLASSES && (
        <p className="orr-Muted">
          and {plural(probabilities.length - SHOWN_CLASSES, 'less probable class', 'less probable classes')}
        </p>
      )}
    </>
  );
}

export function percent(fraction: number): string {
  const value = fraction * 100;
  return `${value !== 0 && value !== 100 && (value < 1 || value > 99) ? value.toFixed(2) : value.toFixed(1)} %`;
}

function ClassCounts(props: { rows: ClassRow[] }): JSX.Element {
  const counts = new Map<string, number>();
  for (const { winner } of props.rows) {
    counts.set(winner, (counts.get(winner) ?? 0) + 1);
  }
  const total = props.rows.length;
  return (
    <dl className="orr-Try-bars">
      {[...counts.entries()]
        .sort((a, b) => b[1] - a[1])
        .slice(0, SHOWN_CLASSES)
        .map(([name, count]) => (
          <div key={name}>
            <dt className="orr-Ellipsis">{name}</dt>
            <dd>
              <span className="orr-SplitBar" aria-hidden="true">
                <span data-part="use" style={{ width: `${(count / total) * 100}%` }} />
              </span>
              <span className="orr-Number">{plural(count, 'row')}</span>
            </dd>
          </div>
        ))}
    </dl>
  );
}

function Rows(props: {
  call: Call;
  table: { columns: string[]; rows: (string | number | null)[][] };
}): JSX.Element {
  const { call, table } = props;
  const inputs = useMemo(() => Object.keys(call.rows[0] ?? {}), [call]);
  const shown = inputs.slice(0, SHOWN_INPUTS);
  const download = (): void => {
    const lines = table.rows.map((row, index) => [
      ...inputs.map(name => cellOf(call.rows[index], name)),
      ...row
    ]);
    saveFile(
      'predictions.csv',
      new Blob([toCsv([[...inputs, ...table.columns], ...lines])], { type: 'text/csv' })
    );
  };
  return (
    <>
      <div className="orr-Scroll orr-Try-rows" tabIndex={0} role="region" aria-label="Predictions">
        <table className="orr-Table orr-mod-data">
          <thead>
            <tr>
              <th scope="col">#</th>
              {table.columns.map(name => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
              {shown.map(name => (
                <th key={`input ${name}`} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.slice(0, SHOWN_ROWS).map((row, index) => (
              <tr key={index}>
                <th scope="row">{index + 1}</th>
                {row.map((value, place) => (
                  <td key={place} className={typeof value === 'number' ? 'orr-Number' : undefined}>
                    {table.columns[place] === 'probability' && typeof value === 'number'
                      ? percent(value)
                      : plainText(value)}
                  </td>
                ))}
                {shown.map(name => (
                  <td key={`input ${name}`} className="orr-Muted">
                    {plainText(call.rows[index]?.[name])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="orr-Actions">
        <Button label="Download CSV" onClick={download} />
        {table.rows.length > SHOWN_ROWS && (
          <span className="orr-Muted">The first {SHOWN_ROWS} are shown; the file has all of them.</span>
        )}
      </div>
    </>
  );
}

function cellOf(row: JsonObject | undefined, name: string): string | number | boolean | null {
  const value = row?.[name];
  return value === undefined || value === null || typeof value === 'object' ? null : value;
}

function Raw(props: { body: Json }): JSX.Element {
  const text = typeof props.body === 'string' ? props.body : JSON.stringify(props.body, null, 2);
  return (
    <>
      <pre className="orr-CodeBlock orr-mod-wrap" tabIndex={0} aria-label="Answer as JSON">
        {text}
      </pre>
      <CopyButton text={text} label="Copy the answer" />
    </>
  );
}
