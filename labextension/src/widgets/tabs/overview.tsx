/** What was asked, what came of it, and what it has to do with others. */
import type { ReactNode } from 'react';
import type { Json, JsonObject, Kind, Reference, Resource, Schema } from '../../api-types';
import {
  formatBytes,
  formatDuration,
  formatNumber,
  formatTime,
  humanize,
  plainText,
  propertyTitle
} from '../../format';
import { plainSchema } from '../../forms/schema';
import { usePanel, useTick } from '../context';
import { ReferenceLink } from '../parts';
import type { TabProps } from './registry';

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
      <Deployments value={resource.status.outputs.deployments} />
      <div className="orr-Cards">
        <Card title="Status">
          <Pairs>
            <StatusPairs resource={resource} kind={kind} />
          </Pairs>
        </Card>
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
        {isObject(logged) && Object.keys(logged).length > 0 && (
          <Card title="Logged parameters">
            <Pairs>
              <ObjectPairs value={logged} />
            </Pairs>
          </Card>
        )}
      </div>
    </div>
  );
}

/** Shown in a place of their own. */
const HIDDEN_SPEC = ['metrics', 'content', 'notebook', 'parameters_schema'];
const HIDDEN_OUTPUTS = [
  ...[
    'metrics',
    'preview',
    'columns',
    'queue',
    'parameters_schema',
    'warnings',
    'content',
    'example',
    'artifacts',
    'parameters'
  ],
  ...['inputs', 'outputs', 'model_files', 'output_files', 'notebook', 'deployments', 'replicas']
];

function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

export function Card(props: {
  title: string;
  children: ReactNode;
  testId?: string;
  action?: ReactNode;
}): JSX.Element {
  return (
    <section className="orr-Card" data-testid={props.testId}>
      <div className="orr-Card-head">
        <h2>{props.title}</h2>
        {props.action}
      </div>
      {props.children}
    </section>
  );
}

export function Metrics(props: { values: JsonObject }): JSX.Element {
  return (
    <dl className="orr-Metrics" data-testid="orrery-metrics">
      {Object.entries(props.values)
        .filter(([, value]) => !isObject(value) && !Array.isArray(value))
        .map(([name, value]) => (
          <div key={name} className="orr-Metric">
            <dt>{humanize(name)}</dt>
            <dd>{typeof value === 'number' ? formatNumber(value) : plainText(value)}</dd>
          </div>
        ))}
    </dl>
  );
}

function Pairs(props: { children: ReactNode }): JSX.Element {
  return <dl className="orr-KeyValues">{props.children}</dl>;
}

function Pair(props: { name: string; children: ReactNode }): JSX.Element {
  return (
    <>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </>
  );
}

function StatusPairs(props: { resource: Resource; kind: Kind }): JSX.Element {
  const { resource } = props;
  const { status } = resource;
  const end = status.ended_at ? Date.parse(status.ended_at) : Date.now();
  return (
    <>
      <Pair name="Phase">
        {status.phase} ({status.state})
      </Pair>
      {status.reason && <Pair name="Reason">{status.reason}</Pair>}
      {status.message && <Pair name="Message">{status.message}</Pair>}
      {status.started_at && <Pair name="Started">{formatTime(status.started_at)}</Pair>}
      {status.started_at && status.ended_at && <Pair name="Ended">{formatTime(status.ended_at)}</Pair>}
      {status.started_at && (
        <Pair name="Took">{formatDuration((end - Date.parse(status.started_at)) / 1000)}</Pair>
      )}
      {resource.description && <Pair name="Description">{resource.description}</Pair>}
      <ObjectPairs value={status.outputs} hidden={HIDDEN_OUTPUTS} references={OUTPUT_REFERENCES} />
      <Pair name="Id">
        <code>{resource.id}</code>
      </Pair>
    </>
  );
}

/** Outputs carry no schema: these keys hold references, by convention. */
const NO_LINKS = new Map<string, Reference>();
const OUTPUT_REFERENCES: Record<string, string> = {
  model: 'model',
  training: 'training',
  dataset: 'dataset'
};

interface ObjectPairsProps {
  value: JsonObject;
  schema?: Schema | undefined;
  hidden?: string[];
  references?: Record<string, string>;
  /** What the values at these paths refer to. */
  links?: Map<string, Reference>;
  path?: string;
}

/** An object as readable lines; objects inside it follow with their own names. */
function ObjectPairs(props: ObjectPairsProps): JSX.Element {
  const { value, schema, hidden = [], references = {}, links = NO_LINKS, path = '' } = props;
  const entries = Object.entries(value).filter(
    ([key, item]) =>
      !hidden.includes(key) && item !== null && item !== '' && !(Array.isArray(item) && item.length === 0)
  );
  return (
    <>
      {entries.map(([key, item]) => {
        const property = schema?.properties?.[key];
        const title = property?.title ?? humanize(key);
        const here = path + key;
        if (isObject(item)) {
          return Object.keys(item).length > 0 ? (
            <NestedPairs key={key} title={title}>
              <ObjectPairs value={item} schema={property} links={links} path={`${here}.`} />
            </NestedPairs>
          ) : null;
        }
        return (
          <Pair key={key} name={title}>
            <Value
              name={key}
              value={item}
              reference={references[key]}
              schema={property}
              links={links}
              path={here}
            />
          </Pair>
        );
      })}
    </>
  );
}

function NestedPairs(props: { title: string; children: ReactNode }): JSX.Element {
  return (
    <>
      <dt className="orr-KeyValues-group">{props.title}</dt>
      <dd className="orr-KeyValues-nested">
        <Pairs>{props.children}</Pairs>
      </dd>
    </>
  );
}

interface ValueProps {
  name: string;
  value: Json;
  /** The kind that it refers to, where only the name of the key says so. */
  reference?: string | undefined;
  schema: Schema | undefined;
  links: Map<string, Reference>;
  path: string;
}

function Value(props: ValueProps): JSX.Element {
  const { name, value, reference } = props;
  const link = props.links.get(props.path);
  if (link) {
    return <ReferenceLink kind={link.kind} reference={link} />;
  }
  if (reference && typeof value === 'string') {
    return <ReferenceLink kind={reference} reference={value} />;
  }
  if (Array.isArray(value)) {
    return <List {...props} items={value} />;
  }
  if (typeof value === 'number') {
    if (/bytes$|^size$/.test(name)) {
      return <>{formatBytes(value)}</>;
    }
    return <>{/seconds$/.test(name) ? formatDuration(value) : formatNumber(value)}</>;
  }
  return <>{plainText(value)}</>;
}

function List(props: ValueProps & { items: Json[] }): JSX.Element {
  const { items, name, links, path } = props;
  const schema = Array.isArray(props.schema?.items) ? undefined : props.schema?.items;
  if (items.every(item => !isObject(item))) {
    return (
      <>
        {items.map((item, index) => (
          <span key={index}>
            {index > 0 && ', '}
            <Value name={name} value={item} schema={schema} links={links} path={`${path}.${index}`} />
          </span>
        ))}
      </>
    );
  }
  return (
    <ul className="orr-PlainList">
      {items.map((item, index) => (
        <li key={index}>
          <Line item={item} schema={schema} links={links} path={`${path}.${index}`} />
        </li>
      ))}
    </ul>
  );
}

/** One object of a list, in one line; content hashes are for programs. */
function Line(props: {
  item: Json;
  schema: Schema | undefined;
  links: Map<string, Reference>;
  path: string;
}): JSX.Element {
  const { item, schema, links, path } = props;
  if (!isObject(item)) {
    return <Value name="" value={item} schema={schema} links={links} path={path} />;
  }
  const shown = Object.entries(item).filter(
    ([key, value]) => value !== null && value !== '' && key !== 'oid'
  );
  return (
    <>
      {shown.map(([key, value], at) => (
        <span key={key}>
          {at > 0 && ' · '}
          {at > 0 && (
            <span className="orr-Muted">{propertyTitle(key, schema?.properties?.[key]?.title)} </span>
          )}
          <Value
            name={key}
            value={value}
            reference={OUTPUT_REFERENCES[key]}
            schema={schema?.properties?.[key]}
            links={links}
            path={`${path}.${key}`}
          />
        </span>
      ))}
    </>
  );
}

/** What stands behind an endpoint now. */
function Deployments(props: { value: Json | undefined }): JSX.Element | null {
  const deployments = Array.isArray(props.value) ? props.value.filter(isObject) : [];
  if (deployments.length === 0) {
    return null;
  }
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
            <th scope="col">Message</th>
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
              <td>{plainText(deployment.message)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

const IMAGE = /\.(png|jpe?g|gif|webp|svg)$/i;

/** The plots that a run made, and links to what else it left. */
function Plots(props: { resource: Resource; plural: string }): JSX.Element | null {
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
