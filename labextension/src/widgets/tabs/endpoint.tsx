/** Calling an endpoint: its service card, a place to try it, and how programs call it. */
import { useEffect, useState } from 'react';
import type { Json, JsonObject, PlatformStatus, Resource } from '../../api-types';
import { isObject, plainText } from '../../format';
import { useModel } from '../../models/model';
import { curlSnippet, javaScriptSnippet, pythonSnippet } from '../../models/snippets';
import { Card } from '../cards';
import { usePanel } from '../context';
import { CopyButton, Note } from '../parts';
import { Playground } from '../playground';
import type { TabProps } from './props';

export function EndpointTab(props: TabProps): JSX.Element {
  const { resource } = props;
  const state = resource.status.state;
  return (
    <div className="orr-Endpoint">
      {state !== 'Active' && (
        <Note kind="warn">
          {state === 'Stopped'
            ? 'This endpoint is stopped: start it, and it answers.'
            : 'This endpoint does not answer yet; it does when it is active.'}
        </Note>
      )}
      <Playground endpoint={resource} />
      <HowToCall resource={resource} />
    </div>
  );
}

/** Where programs find the platform: on one machine its own port, under a hub the hub's public address. */
export function publicUrl(status: PlatformStatus, origin = window.location.origin): string {
  const url = new URL(status.url ?? '/', origin);
  return (status.mode === 'hub' ? origin + url.pathname : url.href).replace(/\/+$/, '');
}

/** The example of the first model behind it, as the body of a call. */
function useExample(resource: Resource): Json {
  const { api, kinds } = usePanel();
  const [example, setExample] = useState<JsonObject | null>(null);
  const reference = resource.references.find(found => found.kind === 'model')?.id;
  useEffect(() => {
    const kind = kinds.get('model');
    let isWanted = true;
    if (kind && reference) {
      api.get(kind.plural, reference).then(
        found => {
          const { example: body } = found.status.outputs;
          if (isWanted && isObject(body)) {
            setExample(body);
          }
        },
        () => undefined // Not readable for this user: the calls are shown with an empty row.
      );
    }
    return () => {
      isWanted = false;
    };
  }, [api, kinds, reference]);
  return example ?? { instances: [{}] };
}

function HowToCall(props: { resource: Resource }): JSX.Element {
  const { resource } = props;
  const { platform } = usePanel();
  useModel(platform);
  const body = useExample(resource);
  const path = plainText(resource.status.outputs.url);
  const url = `${publicUrl(platform.status)}${path}/v1/models/${resource.name}:predict`;
  const target = { url, owner: resource.owner, name: resource.name, body };
  const snippets = [
    { title: 'curl', label: 'curl command', text: curlSnippet(target) },
    { title: 'Python', label: 'Python code', text: pythonSnippet(target) },
    { title: 'JavaScript', label: 'JavaScript code', text: javaScriptSnippet(target) }
  ];
  return (
    <div className="orr-Cards" data-testid="orrery-how-to-call">
      <Card title="Address" action={<CopyButton text={url} label="Copy the address" />}>
        <pre className="orr-CodeBlock orr-mod-wrap" tabIndex={0} aria-label="Address">
          {url}
        </pre>
        <Replicas outputs={resource.status.outputs} />
      </Card>
      {snippets.map(({ title, label, text }) => (
        <Card key={title} title={title} action={<CopyButton text={text} label={`Copy the ${label}`} />}>
          <pre className="orr-CodeBlock" tabIndex={0} aria-label={label}>
            {text}
          </pre>
        </Card>
      ))}
    </div>
  );
}

function Replicas(props: { outputs: JsonObject }): JSX.Element | null {
  const { replicas } = props.outputs;
  return isObject(replicas) ? (
    <p data-testid="orrery-replicas">
      {plainText(replicas.ready)} of {plainText(replicas.wanted)} replicas ready
    </p>
  ) : null;
}
