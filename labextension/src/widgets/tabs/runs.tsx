/** The trainings of a workflow, newest first: with what each was trained, how it stands, what it reached. */
import { useEffect } from 'react';
import type { Kind, Resource } from '../../api-types';
import { formatAgo, formatNumber, formatTime, plainText, plural, valueAt } from '../../format';
import { kindIcon } from '../../icons';
import { useModel } from '../../models/model';
import { usePanel } from '../context';
import { Busy, Empty, Note, PhaseBadge, ReferenceLink } from '../parts';
import type { TabProps } from './props';

export function RunsTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { isShown } = model;
  const { runs } = model.part;
  const { kinds } = usePanel();
  useModel(runs);
  useEffect(() => {
    runs.watch(isShown);
    return () => runs.watch(false);
  }, [runs, isShown]);
  const training = kinds.get('training');
  if (!runs.value || !training) {
    return runs.error ? <Note kind="warn">{runs.error}</Note> : <Busy />;
  }
  if (runs.value.length === 0) {
    return (
      <Empty icon={kindIcon('training')} title="No runs yet">
        The first begins when a version of the dataset is published, or with Run now.
      </Empty>
    );
  }
  const counts = valueAt(resource, 'status.outputs.runs.total');
  return (
    <div className="orr-Trials">
      {runs.error && <Note kind="warn">{runs.error}</Note>}
      <div className="orr-Trials-bar">
        <strong role="status" data-testid="orrery-run-counts">
          {plural(typeof counts === 'number' ? counts : 0, 'run')} ended
        </strong>
      </div>
      <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Runs">
        <table className="orr-Table" data-testid="orrery-workflow-runs">
          <thead>
            <tr>
              <th scope="col">Training</th>
              <th scope="col">Status</th>
              <th scope="col">Dataset</th>
              <th scope="col" className="orr-Number">
                {plainText(resource.spec.metric)}
              </th>
              <th scope="col">Model</th>
              <th scope="col">Begun</th>
            </tr>
          </thead>
          <tbody>
            {runs.value.map(run => (
              <Run key={run.id} run={run} workflow={resource} kind={training} />
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function Run(props: { run: Resource; workflow: Resource; kind: Kind }): JSX.Element {
  const { run, workflow, kind } = props;
  const { go } = usePanel();
  const dataset = run.references.find(({ path }) => path === `datasets.${plainText(workflow.spec.role)}`);
  const { metrics, model } = run.status.outputs;
  const value = valueAt(metrics, plainText(workflow.spec.metric));
  const isBest = valueAt(workflow, 'status.outputs.best.training') === run.id;
  return (
    <tr aria-current={isBest || undefined}>
      <th scope="row">
        <ReferenceLink kind="training" reference={run} /> {isBest && <span className="orr-Tag">best</span>}
      </th>
      <td>
        <PhaseBadge kind={kind} resource={run} />
      </td>
      <td>{dataset && <ReferenceLink kind={dataset.kind} reference={dataset} />}</td>
      <td className="orr-Number">{typeof value === 'number' ? formatNumber(value) : ''}</td>
      <td>
        {typeof model === 'string' && (
          <button
            type="button"
            className="orr-Link"
            aria-label={`Open the model of ${run.name}`}
            onClick={() => go.open('model', model)}
          >
            Open
          </button>
        )}
      </td>
      <td>
        <time title={formatTime(run.created_at)}>{formatAgo(run.created_at)}</time>
      </td>
    </tr>
  );
}
