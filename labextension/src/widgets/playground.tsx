/** The playground: fill in a form, paste a table or write JSON; see what the model answers, and how programs ask it. */
import { useEffect, useMemo, useRef } from 'react';
import type { Resource } from '../api-types';
import { formatDuration, plural } from '../format';
import { summaryOf } from '../models/answers';
import { isFileKind } from '../models/inputs';
import { useModel } from '../models/model';
import type { Call, Mode } from '../models/playground';
import { PlaygroundModel, deploymentsOf } from '../models/playground';
import { Card } from './cards';
import { usePanel } from './context';
import { Busy, Button } from './parts';
import { JsonInput, RowForm, TableInput } from './playground-input';
import { AnswerView } from './playground-answer';

const MODES: Record<Mode, string> = { form: 'Form', table: 'Table', json: 'JSON' };

export function Playground(props: { endpoint: Resource; onlyModel?: string | null }): JSX.Element {
  const orrery = usePanel();
  const { endpoint, onlyModel = null } = props;
  const model = useMemo(
    () => new PlaygroundModel(orrery, endpoint, onlyModel),
    // Made once an endpoint: what is typed stays when the endpoint changes.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [endpoint.id, onlyModel]
  );
  useEffect(() => () => model.dispose(), [model]);
  model.endpoint = endpoint;
  useModel(model);
  if (!model.isLoaded) {
    return <Busy />;
  }
  return (
    <div className="orr-Try" data-testid="orrery-playground">
      <Question model={model} isFixed={onlyModel !== null} />
      <div>
        <Card title="Answer">
          {model.shown ? (
            <AnswerView call={model.shown} model={model} />
          ) : (
            <p className="orr-Muted">What the model answers appears here.</p>
          )}
        </Card>
        {model.calls.length > 0 && <History model={model} />}
      </div>
    </div>
  );
}

function Question(props: { model: PlaygroundModel; isFixed: boolean }): JSX.Element {
  const { model } = props;
  const isTabular = model.fields.every(({ kind }) => !isFileKind(kind) && kind !== 'series');
  const modes: Mode[] =
    model.fields.length === 0 ? ['json'] : isTabular ? ['form', 'table', 'json'] : ['form', 'json'];
  const deployments = deploymentsOf(model.endpoint);
  const general = model.problems.filter(problem => problem.field === '' || model.mode !== 'form');
  const box = useRef<HTMLFormElement>(null);
  return (
    <form
      ref={box}
      className="orr-Try-question"
      noValidate
      onSubmit={event => {
        event.preventDefault();
        void model.submit().then(() => focusFirstProblem(box.current));
      }}
    >
      <div className="orr-Try-bar">
        {modes.length > 1 && (
          <div className="orr-Segments" role="radiogroup" aria-label="How to write the input">
            {modes.map(mode => (
              <label key={mode} data-chosen={mode === model.mode || undefined}>
                <input
                  type="radio"
                  name="mode"
                  value={mode}
                  checked={mode === model.mode}
                  onChange={() => model.setMode(mode)}
                />
                {MODES[mode]}
              </label>
            ))}
          </div>
        )}
        {deployments.length > 1 && !props.isFixed && (
          <select
            className="orr-Select"
            aria-label="Which model answers"
            value={model.deployment}
            onChange={event => model.chooseDeployment(event.target.value)}
          >
            <option value="">By traffic</option>
            {deployments.map(item => (
              <option key={item.id} value={item.id}>
                {item.model} ({item.traffic} %)
              </option>
            ))}
          </select>
        )}
      </div>
      {model.mode === 'form' && <RowForm model={model} />}
      {model.mode === 'table' && <TableInput model={model} />}
      {model.mode === 'json' && <JsonInput model={model} />}
      {general.length > 0 && (
        <div className="orr-Note" data-kind="error" role="alert" data-testid="orrery-try-problems">
          {general.slice(0, 5).map((problem, index) => (
            <div key={index}>
              {problem.row !== undefined && `Row ${problem.row + 1}, `}
              {problem.field && `${problem.field}: `}
              {problem.message}
            </div>
          ))}
          {general.length > 5 && <div>and {plural(general.length - 5, 'more problem')}</div>}
        </div>
      )}
      <div className="orr-Actions">
        <Button
          label={model.isBusy ? 'Asking …' : 'Submit'}
          kind="accept"
          type="submit"
          disabled={model.isBusy}
          testId="orrery-try-submit"
        />
        <Button label="Example" onClick={() => model.useExample()} title="Fill in the model's own example" />
        <Button label="Clear" onClick={() => model.clear()} />
      </div>
    </form>
  );
}

function focusFirstProblem(box: HTMLElement | null): void {
  // After React has marked the fields.
  requestAnimationFrame(() => box?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
}

function History(props: { model: PlaygroundModel }): JSX.Element {
  const { model } = props;
  return (
    <Card title="Last calls" testId="orrery-try-history">
      <ol className="orr-PlainList orr-Try-history">
        {model.calls.map(call => (
          <li key={call.number}>
            <button
              type="button"
              className="orr-Link"
              aria-current={call === model.shown}
              title="Show this call again, with its input"
              onClick={() => model.show(call)}
            >
              {call.at.toLocaleTimeString()}
            </button>
            <span className="orr-Muted">{MODES[call.mode]}</span>
            <span className="orr-Ellipsis">{outcomeOf(call)}</span>
            <span className="orr-Number orr-Muted">{formatDuration(call.seconds)}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}

function outcomeOf(call: Call): JSX.Element {
  return call.error ? (
    <span>
      <span className="orr-Dot" data-state="Failed" role="img" aria-label="failed" />{' '}
      {call.status > 0 ? call.status : 'no answer'}
    </span>
  ) : (
    <span>
      <span className="orr-Dot" data-state="Completed" role="img" aria-label="answered" />{' '}
      {call.answer ? summaryOf(call.answer) : ''}
    </span>
  );
}
