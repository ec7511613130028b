/** What a tuning has found: its best trials with their parameters, and what is done with them. */
import type { Json, Resource } from '../api-types';
import { isObject, plainText } from '../format';
import { offeredActions } from '../models/kinds';
import { describeDimension } from '../models/search-space';
import type { Found } from '../models/trials';
import { foundBest, objectivesOf, shown } from '../models/trials';
import { Card, Metrics } from './cards';
import { usePanel } from './context';
import { act } from './dialogs';
import { Pair, Pairs } from './key-values';
import { Button } from './parts';

/** Shown here, not among the other outputs. */
export const FOUND_OUTPUTS = ['best', 'front', 'trials'];

export function FoundByTuning(props: { resource: Resource }): JSX.Element | null {
  const { resource } = props;
  const { trials } = resource.status.outputs;
  if (resource.kind !== 'tuning' || !isObject(trials)) {
    return null;
  }
  const found = foundBest(resource);
  const hasSeveral = objectivesOf(resource).length > 1;
  return (
    <>
      <Metrics values={trials} />
      <Card
        title={hasSeveral ? 'Best trials' : 'Best trial'}
        testId="orrery-found"
        action={<Study resource={resource} hasBegun={Number(trials.total) > 0} />}
      >
        {found.length === 0 ? (
          <p className="orr-Muted">
            {resource.status.settled
              ? 'No trial succeeded; the trials tell why.'
              : 'It appears as soon as a trial has succeeded.'}
          </p>
        ) : hasSeveral ? (
          <Front resource={resource} found={found} />
        ) : (
          found[0] && <Best resource={resource} found={found[0]} />
        )}
      </Card>
    </>
  );
}

function Best(props: { resource: Resource; found: Found }): JSX.Element {
  const { resource, found } = props;
  return (
    <>
      <Pairs>
        {objectivesOf(resource).map(({ metric }, at) => (
          <Pair key={metric} name={metric}>
            <strong>{shown(found.values[at])}</strong>
          </Pair>
        ))}
        <Pair name="Trial">{found.trial}</Pair>
        <Pair name="Training">
          <TrainingLink found={found} />
        </Pair>
        {Object.entries(found.parameters).map(([name, value]) => (
          <Pair key={name} name={name}>
            {shown(value)}
          </Pair>
        ))}
      </Pairs>
      <CreateModel resource={resource} trial={found.trial} />
    </>
  );
}

function Front(props: { resource: Resource; found: Found[] }): JSX.Element {
  const { resource, found } = props;
  const objectives = objectivesOf(resource);
  return (
    <>
      <p className="orr-Muted">No other trial beats one of these in every objective.</p>
      <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Best trials">
        <table className="orr-Table">
          <thead>
            <tr>
              <th scope="col">Trial</th>
              {objectives.map(({ metric }) => (
                <th key={metric} scope="col" className="orr-Number">
                  {metric}
                </th>
              ))}
              <th scope="col">Parameters</th>
              <th scope="col">Training</th>
              <th scope="col">
                <span className="orr-Hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {found.map(item => (
              <tr key={item.trial}>
                <th scope="row">{item.trial}</th>
                {objectives.map(({ metric }, at) => (
                  <td key={metric} className="orr-Number">
                    {shown(item.values[at])}
                  </td>
                ))}
                <td>{describeParameters(item.parameters)}</td>
                <td>
                  <TrainingLink found={item} />
                </td>
                <td>
                  <CreateModel resource={resource} trial={item.trial} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function TrainingLink(props: { found: Found }): JSX.Element {
  const { go } = usePanel();
  const { training, trial, name } = props.found;
  return (
    <button
      type="button"
      className="orr-Link"
      title={`Open the training of trial ${trial}`}
      onClick={() => go.open('training', training)}
    >
      {name}
    </button>
  );
}

function describeParameters(parameters: Record<string, Json>): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(', ');
}

/** Of a tuning that is complete, the model of one of its trials. */
function CreateModel(props: { resource: Resource; trial: number }): JSX.Element | null {
  const { resource, trial } = props;
  const orrery = usePanel();
  const kind = orrery.kinds.get(resource.kind);
  const isMine = orrery.kinds.isMine(resource) || orrery.kinds.user?.admin === true;
  const action =
    kind && isMine && offeredActions(kind, resource).find(({ name }) => name === 'register-model');
  if (!kind || !action) {
    return null;
  }
  // At once, called as the tuning is: the page's own "Create model" asks for another name.
  const create = async (): Promise<void> => {
    const model = await act(orrery, kind, { ...action, schema: null }, resource, { trial });
    if (model) {
      orrery.go.open(model.kind, model.id);
    }
  };
  return (
    <div className="orr-Found-actions">
      <Button
        label={action.title}
        title={`Create a model called ${resource.name} from trial ${trial}`}
        kind="accept"
        onClick={() => void create()}
        testId={`orrery-create-model-${trial}`}
      />
    </div>
  );
}

function Study(props: { resource: Resource; hasBegun: boolean }): JSX.Element | null {
  const { api } = usePanel();
  const { resource } = props;
  return props.hasBegun ? (
    <a
      className="orr-Link"
      href={api.url(`/tunings/${resource.id}/journal`)}
      download={`${resource.name}-journal.log`}
      title="The study as Optuna's journal: optuna-dashboard FILE opens it"
      data-testid="orrery-download-study"
    >
      Download study for optuna-dashboard
    </a>
  ) : null;
}

/** The space in the short notation of the command line. */
export function SearchSpace(props: { resource: Resource }): JSX.Element | null {
  const { space } = props.resource.spec;
  if (props.resource.kind !== 'tuning' || !isObject(space)) {
    return null;
  }
  return (
    <Card title="Search space" testId="orrery-space">
      <Pairs>
        {Object.entries(space).map(([name, dimension]) => (
          <Pair key={name} name={name}>
            <code>{isObject(dimension) ? describeDimension(dimension) : plainText(dimension)}</code>
          </Pair>
        ))}
      </Pairs>
    </Card>
  );
}
