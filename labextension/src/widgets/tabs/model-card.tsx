/** What a model is, expects and achieved. */
import type { Json, JsonObject } from '../../api-types';
import { formatNumber, plainText, plural } from '../../format';
import { ReferenceLink } from '../parts';
import { Card, Metrics } from '../cards';
import { Versions } from '../versions';
import type { TabProps } from './props';

function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value)
    ? value.filter(
        (item): item is JsonObject => item !== null && typeof item === 'object' && !Array.isArray(item)
      )
    : [];
}

export function ModelCardTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { outputs } = resource.status;
  const inputs = objects(outputs.inputs);
  const classes = Array.isArray(outputs.classes) ? outputs.classes : [];
  const training = resource.references.find(reference => reference.kind === 'training');
  const { metrics } = outputs;
  return (
    <div className="orr-Overview" data-testid="orrery-model-card">
      <p className="orr-Lead">
        {resource.description && <>{resource.description} </>}
        {outputs.framework ? (
          <>
            A {plainText(outputs.task).replace(/_/g, ' ')} model made with {plainText(outputs.framework)}{' '}
            {plainText(outputs.framework_version)}
            {outputs.target ? (
              <>
                {' '}
                that predicts <strong>{plainText(outputs.target)}</strong>
              </>
            ) : null}
            {inputs.length > 0 && <> from {plural(inputs.length, 'column')}</>}.
          </>
        ) : (
          'Its files are being read.'
        )}
        {training && (
          <>
            {' '}
            Trained by <ReferenceLink kind="training" reference={training} />.
          </>
        )}
      </p>
      {metrics && typeof metrics === 'object' && !Array.isArray(metrics) && <Metrics values={metrics} />}
      <Versions model={model} resource={resource} />
      {classes.length > 0 && (
        <Card title="Classes">
          <div>{classes.map(plainText).join(', ')}</div>
        </Card>
      )}
      {inputs.length > 0 && (
        <Card title="Input">
          <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Input columns">
            <table className="orr-Table orr-mod-data">
              <thead>
                <tr>
                  <th scope="col">Column</th>
                  <th scope="col">Kind</th>
                  <th scope="col">May be missing</th>
                  <th scope="col">Values seen in training</th>
                </tr>
              </thead>
              <tbody>
                {inputs.map(input => (
                  <tr key={plainText(input.name)}>
                    <th scope="row">{plainText(input.name)}</th>
                    <td>{plainText(input.kind)}</td>
                    <td>{plainText(input.nullable)}</td>
                    <td>{valuesSeen(input)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
      {outputs.example != null && (
        <Card title="Example request">
          <pre className="orr-CodeBlock" tabIndex={0} aria-label="Example request">
            {JSON.stringify(outputs.example, null, 2)}
          </pre>
        </Card>
      )}
    </div>
  );
}

function valuesSeen(input: JsonObject): string {
  if (Array.isArray(input.categories)) {
    return input.categories.map(plainText).join(', ');
  }
  const { minimum, maximum } = input;
  return typeof minimum === 'number' && typeof maximum === 'number'
    ? `${formatNumber(minimum)} to ${formatNumber(maximum)}`
    : '';
}
