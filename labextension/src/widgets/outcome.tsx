/** What came of a resource: an endpoint's deployments, the plots of a run. */
import type { Json, Resource } from '../api-types';
import { isObject, plainText } from '../format';
import { Card } from './cards';
import { usePanel } from './context';
import { ReferenceLink } from './parts';

/** What stands behind an endpoint now. */
export function Deployments(props: { value: Json | undefined }): JSX.Element | null {
  const deployments = Array.isArray(props.value) ? props.value.filter(isObject) : [];
  if (deployments.length === 0) {
    return null;
  }
  const hasMessages = deployments.some(deployment => plainText(deployment.message) !== '');
  return (
    <Card title="Deployments" testId="orrery-deployments">
      <table className="orr-Table">
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col" className="orr-Number">
              Traffic
            </th>
            <th scope="col" className="orr-Number">
              Replicas ready
            </th>
            {hasMessages && <th scope="col">Message</th>}
          </tr>
        </thead>
        <tbody>
          {deployments.map((deployment, index) => (
            <tr key={index}>
              <th scope="row">
                <ReferenceLink kind="model" reference={plainText(deployment.model)} />
              </th>
              <td className="orr-Number">{plainText(deployment.traffic)} %</td>
              <td className="orr-Number">
                {plainText(deployment.ready)} of {plainText(deployment.wanted)}
              </td>
              {hasMessages && <td>{plainText(deployment.message)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

const IMAGE = /\.(png|jpe?g|gif|webp|svg)$/i;

/** The plots that a run made, and links to what else it left. */
export function Plots(props: { resource: Resource; plural: string }): JSX.Element | null {
  const { resource } = props;
  const { api } = usePanel();
  const artifacts = resource.status.outputs.artifacts;
  if (!Array.isArray(artifacts) || artifacts.length === 0) {
    return null;
  }
  return (
    <div className="orr-Plots" data-testid="orrery-artifacts">
      {artifacts.filter(isObject).map(artifact => {
        const path = plainText(artifact.path);
        const title = plainText(artifact.title) || path;
        const url = api.fileUrl(props.plural, resource.id, path);
        return IMAGE.test(path) ? (
          <figure key={path} className="orr-Plot">
            <figcaption>{title}</figcaption>
            <a href={url} target="_blank" rel="noreferrer" aria-label={`${title}, full size`}>
              <img src={url} alt={title} loading="lazy" />
            </a>
          </figure>
        ) : (
          <a key={path} className="orr-Link" href={url} download={path.split('/').pop()}>
            {title}
          </a>
        );
      })}
    </div>
  );
}
