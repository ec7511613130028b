/** Calling an endpoint: its address, how programs call it, and a box to try it with. */
import { useEffect, useId, useState } from 'react';
import { ApiError, errorMessage } from '../../api';
import type { Json, JsonObject, PlatformStatus, Resource } from '../../api-types';
import { formatDuration, plainText, pythonLiteral } from '../../format';
import { usePanel } from '../context';
import { Button, CopyButton, Note } from '../parts';
import { Card } from '../cards';
import type { TabProps } from './registry';

interface Answer {
  body: string;
  seconds: number;
  isError: boolean;
}

/** The first deployed model. */
function firstModel(resource: Resource): string | null {
  return resource.references.find(reference => reference.kind === 'model')?.id ?? null;
}

export function EndpointTab(props: TabProps): JSX.Element {
  const { resource } = props;
  const { api, kinds, platform } = usePanel();
  const [model, setModel] = useState<Resource | null>(null);
  const reference = firstModel(resource);
  useEffect(() => {
    const kind = kinds.get('model');
    let isWanted = true;
    if (kind && reference) {
      api.get(kind.plural, reference).then(
        found => {
          if (isWanted) {
            setModel(found);
          }
        },
        () => undefined // Not readable for this user: the box starts empty.
      );
    }
    return () => {
      isWanted = false;
    };
  }, [api, kinds, reference]);
  const path = plainText(resource.status.outputs.url);
  const example = model?.status.outputs.example;
  const body = example && typeof example === 'object' ? example : { instances: [{}] };
  return (
    <div className="orr-Endpoint">
      <div className="orr-Overview">
        <TryIt key={model?.id ?? 'none'} path={`${path}/v1/models/${resource.name}:predict`} example={body} />
      </div>
      <HowToCall
        url={`${publicUrl(platform.status)}${path}/v1/models/${resource.name}:predict`}
        body={body}
        resource={resource}
      />
    </div>
  );
}

/** Where programs find the platform: on one machine its own port, under a hub the hub's public address. */
export function publicUrl(status: PlatformStatus, origin = window.location.origin): string {
  const url = new URL(status.url ?? '/', origin);
  return (status.mode === 'hub' ? origin + url.pathname : url.href).replace(/\/+$/, '');
}

function TryIt(props: { path: string; example: Json }): JSX.Element {
  const { api } = usePanel();
  const inputId = useId();
  const [text, setText] = useState(() => JSON.stringify(props.example, null, 2));
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (error) {
      setAnswer({ body: `This is not JSON: ${errorMessage(error)}`, seconds: 0, isError: true });
      return;
    }
    setBusy(true);
    const startedAt = performance.now();
    const took = (): number => (performance.now() - startedAt) / 1000;
    try {
      const response = await api.fetch('POST', api.platformUrl(props.path), { body });
      const result = await response.text();
      setAnswer({ body: pretty(result), seconds: took(), isError: false });
    } catch (error) {
      const details =
        error instanceof ApiError && Object.keys(error.details).length > 0
          ? `\n${JSON.stringify(error.details, null, 2)}`
          : '';
      setAnswer({ body: `${errorMessage(error)}${details}`, seconds: took(), isError: true });
    }
    setBusy(false);
  };
  return (
    <Card title="Try it">
      <div className="orr-Try">
        <div>
          <label htmlFor={inputId} className="orr-Label">
            Rows, as JSON
          </label>
          <textarea
            id={inputId}
            className="orr-Input orr-Code"
            rows={14}
            spellCheck={false}
            value={text}
            onChange={event => setText(event.target.value)}
            data-testid="orrery-try-input"
          />
          <div className="orr-Actions">
            <Button
              label={isBusy ? 'Asking …' : 'Submit'}
              kind="accept"
              disabled={isBusy}
              onClick={() => void submit()}
              testId="orrery-try-submit"
            />
            <Button
              label="Reset to the example"
              onClick={() => setText(JSON.stringify(props.example, null, 2))}
            />
          </div>
        </div>
        <div>
          <div className="orr-Label">
            Answer
            {answer && !answer.isError && (
              <span className="orr-Muted"> in {formatDuration(answer.seconds)}</span>
            )}
          </div>
          <div aria-live="polite">
            {answer === null ? (
              <div className="orr-Muted">The predictions appear here.</div>
            ) : answer.isError ? (
              <Note kind="error">
                <pre className="orr-Pre">{answer.body}</pre>
              </Note>
            ) : (
              <pre className="orr-CodeBlock" tabIndex={0} data-testid="orrery-try-result">
                {answer.body}
              </pre>
            )}
          </div>
        </div>
      </div>
    </Card>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text) as Json, null, 2);
  } catch {
    return text;
  }
}

function HowToCall(props: { url: string; body: Json; resource: Resource }): JSX.Element {
  const { url, body, resource } = props;
  const payload = JSON.stringify(body);
  const curl = `curl -X POST '${url}' \\\n  -H "Authorization: Bearer $ORRERY_TOKEN" \\\n  -H 'Content-Type: application/json' \\\n  -d '${payload.replace(/'/g, "'\\''")}'`;
  const python = `import orrery\n\nclient = orrery.Client()\nanswer = client.predict("${resource.owner}/${resource.name}", ${pythonLiteral(body)})\nprint(answer)`;
  return (
    <div className="orr-Cards">
      <Card title="Address" action={<CopyButton text={url} label="Copy the address" />}>
        <pre className="orr-CodeBlock orr-mod-wrap" tabIndex={0} aria-label="Address">
          {url}
        </pre>
        <Replicas outputs={resource.status.outputs} />
      </Card>
      <Card title="curl" action={<CopyButton text={curl} label="Copy the curl command" />}>
        <pre className="orr-CodeBlock" tabIndex={0} aria-label="curl command">
          {curl}
        </pre>
      </Card>
      <Card title="Python" action={<CopyButton text={python} label="Copy the Python code" />}>
        <pre className="orr-CodeBlock" tabIndex={0} aria-label="Python code">
          {python}
        </pre>
      </Card>
    </div>
  );
}

function Replicas(props: { outputs: JsonObject }): JSX.Element | null {
  const { replicas } = props.outputs;
  if (replicas === null || typeof replicas !== 'object' || Array.isArray(replicas)) {
    return null;
  }
  return (
    <p data-testid="orrery-replicas">
      {plainText(replicas.ready)} of {plainText(replicas.wanted)} replicas ready
    </p>
  );
}
