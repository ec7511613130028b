/** On an algorithm's page: the hyperparameters that it takes and the metrics that it emits. */
import type { Resource } from '../api-types';
import { plural } from '../format';
import { declaredBy } from '../models/algorithms';
import { Card } from './cards';

export function DeclaredByAlgorithm(props: { resource: Resource }): JSX.Element | null {
  if (props.resource.kind !== 'algorithm') {
    return null;
  }
  const { parameters, metrics } = declaredBy(props.resource);
  return (
    <>
      {parameters.length > 0 && (
        <Card title={plural(parameters.length, 'hyperparameter')} testId="orrery-declared-parameters">
          <div className="orr-Scroll" tabIndex={0} role="region" aria-label="Hyperparameters">
            <table className="orr-Table orr-Parameters">
              <thead>
                <tr>
                  <th scope="col">Hyperparameter</th>
                  <th scope="col">Type</th>
                  <th scope="col">Default</th>
                  <th scope="col">Range</th>
                  <th scope="col">What it does</th>
                </tr>
              </thead>
              <tbody>
                {parameters.map(parameter => (
                  <tr key={parameter.name}>
                    <th scope="row">
                      {parameter.title} <code className="orr-Muted">{parameter.name}</code>
                    </th>
                    <td>{parameter.type}</td>
                    <td>
                      {parameter.default ||
                        (parameter.isRequired ? 'needed' : <span className="orr-Missing">none</span>)}
                    </td>
                    <td>{parameter.range}</td>
                    <td className="orr-Muted">{parameter.help}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
      {metrics.length > 0 && (
        <Card title={`Emits ${plural(metrics.length, 'metric')}`} testId="orrery-declared-metrics">
          <ul className="orr-PlainList">
            {metrics.map(({ name, title, goal }) => (
              <li key={name}>
                <code>{name}</code> {title && title !== name && <span>{title}</span>}
                {goal && (
                  <span className="orr-Muted">
                    {' '}
                    · {goal === 'maximize' ? 'higher is better' : 'lower is better'}
                  </span>
                )}
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}
