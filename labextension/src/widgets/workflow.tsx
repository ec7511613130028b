/** What a workflow has found so far, and what came of its last run. */
import type { Json, JsonObject, Resource } from '../api-types';
import { formatNumber, formatTime, isObject, plainText, plural } from '../format';
import { Card } from './cards';
import { usePanel } from './context';
import { Pair, Pairs } from './key-values';

/** Shown here. */
export const WORKFLOW_OUTPUTS = ['last_run', 'runs'];

export function WorkflowCards(props: { resource: Resource }): JSX.Element | null {
  const { kind, spec, status } = props.resource;
  if (kind !== 'workflow') {
    return null;
  }
  const { best, last_run, runs } = status.outputs;
  const metric = plainText(spec.metric);
  return (
    <>
      {isObject(best) && (
        <Card title="Best so far" testId="orrery-workflow-best">
          <Pairs>
            <Pair name={metric}>{shownValue(best.value)}</Pair>
            <Opened title="Model" kind="model" id={best.model} name={best.name} />
            <Pair name="Dataset version">{plainText(best.dataset_version)}</Pair>
          </Pairs>
        </Card>
      )}
      {isObject(last_run) && (
        <Card title="Last run" testId="orrery-workflow-last">
          <Pairs>
            <Opened title="Training" kind="training" id={last_run.training} name={last_run.name} />
            <Pair name="Dataset version">{plainText(last_run.dataset_version)}</Pair>
            {last_run.value !== null && <Pair name={metric}>{shownValue(last_run.value)}</Pair>}
            {last_run.verdict !== '' && <Pair name="Verdict">{plainText(last_run.verdict)}</Pair>}
            {typeof last_run.ended_at === 'string' && (
              <Pair name="Ended">{formatTime(last_run.ended_at)}</Pair>
            )}
            {isObject(runs) && <Pair name="In all">{describeRuns(runs)}</Pair>}
          </Pairs>
        </Card>
      )}
    </>
  );
}

function describeRuns(runs: JsonObject): string {
  const total = typeof runs.total === 'number' ? runs.total : 0;
  return `${plural(total, 'run')} ended, ${plainText(runs.failed)} without a result, ${plainText(runs.better)} better`;
}

function shownValue(value: Json | undefined): string {
  return typeof value === 'number' ? formatNumber(value) : plainText(value);
}

function Opened(props: {
  title: string;
  kind: string;
  id: Json | undefined;
  name: Json | undefined;
}): JSX.Element | null {
  const { go } = usePanel();
  const { id } = props;
  if (typeof id !== 'string') {
    return null;
  }
  return (
    <Pair name={props.title}>
      <button type="button" className="orr-Link" onClick={() => go.open(props.kind, id)}>
        {plainText(props.name)}
      </button>
    </Pair>
  );
}
