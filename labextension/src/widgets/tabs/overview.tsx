/** What was asked, what came of it, and what it has to do with others. */
import type { Kind, Resource } from '../../api-types';
import { formatDuration, formatTime, isObject } from '../../format';
import { plainSchema } from '../../forms/schema';
import { secondsRun } from '../../models/durations';
import { Card, Metrics } from '../cards';
import { useTick } from '../context';
import { DeclaredByAlgorithm } from '../declared';
import { ObjectPairs, OUTPUT_REFERENCES, Pair, Pairs } from '../key-values';
import { FOUND_OUTPUTS, FoundByTuning, SearchSpace } from '../found';
import { Deployments, Plots } from '../outcome';
import { Versions } from '../versions';
import { WORKFLOW_OUTPUTS, WorkflowCards } from '../workflow';
import type { TabProps } from './props';

export function OverviewTab(props: TabProps): JSX.Element {
  const { resource, model } = props;
  const { kind } = model;
  const metrics = resource.status.outputs.metrics ?? resource.spec.metrics;
  const logged = resource.status.outputs.parameters;
  const links = new Map(resource.references.map(reference => [reference.path, reference]));
  useTick(1000, resource.status.started_at !== null && resource.status.ended_at === null);
  return (
    <div className="orr-Overview">
      {isObject(metrics) && Object.keys(metrics).length > 0 && <Metrics values={metrics} />}
      <Plots resource={resource} plural={kind.plural} />
      <FoundByTuning resource={resource} />
      <DeclaredByAlgorithm resource={resource} />
      <Deployments value={resource.status.outputs.deployments} />
      {kind.versioned && <Versions model={model} resource={resource} />}
      <div className="orr-Cards">
        <Card title="Status">
          <Pairs>
            <StatusPairs resource={resource} kind={kind} />
          </Pairs>
        </Card>
        {Object.keys(resource.spec).length > 0 && (
          <Card title="Specification">
            <Pairs>
              <ObjectPairs
                value={resource.spec}
                schema={plainSchema(kind.spec_schema)}
                hidden={HIDDEN_SPEC}
                links={links}
              />
            </Pairs>
          </Card>
        )}
        <SearchSpace resource={resource} />
        <WorkflowCards resource={resource} />
        {isObject(logged) && Object.keys(logged).length > 0 && (
          <Card title="Logged parameters">
            <Pairs>
              <ObjectPairs value={logged} isTyped />
            </Pairs>
          </Card>
        )}
      </div>
    </div>
  );
}

/** Shown in a place of their own. */
const HIDDEN_SPEC = ['metrics', 'content', 'notebook', 'parameters_schema', 'space', 'meanwhile_of'];
const HIDDEN_OUTPUTS = [
  ...FOUND_OUTPUTS,
  ...WORKFLOW_OUTPUTS,
  ...(
    'notice metrics preview columns queue parameters_schema warnings content example artifacts parameters inputs ' +
    'outputs model_files output_files checkpoint_files notebook entry_point deployments replicas meanwhile'
  ).split(' ')
];

/** They tell something only where it went wrong. */
const OF_FAILURES = ['exit_code', 'exit_reason'];

function StatusPairs(props: { resource: Resource; kind: Kind }): JSX.Element {
  const { resource } = props;
  const { status } = resource;
  // A failure's reason stands at the top of the page.
  const isFailed = status.state === 'Failed';
  const seconds = secondsRun(status);
  return (
    <>
      <Pair name="Phase">
        <code>{status.phase}</code>
      </Pair>
      {!isFailed && status.reason && <Pair name="Reason">{status.reason}</Pair>}
      {!isFailed && status.message && <Pair name="Message">{status.message}</Pair>}
      {status.started_at && <Pair name="Started">{formatTime(status.started_at)}</Pair>}
      {status.started_at && status.ended_at && <Pair name="Ended">{formatTime(status.ended_at)}</Pair>}
      {seconds !== null && <Pair name="Took">{formatDuration(seconds)}</Pair>}
      {resource.description && <Pair name="Description">{resource.description}</Pair>}
      <ObjectPairs
        value={status.outputs}
        hidden={isFailed ? HIDDEN_OUTPUTS : [...HIDDEN_OUTPUTS, ...OF_FAILURES]}
        references={OUTPUT_REFERENCES}
      />
      <Pair name="ID">
        <code>{resource.id}</code>
      </Pair>
    </>
  );
}
