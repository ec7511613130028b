/** What was asked, what came of it, and what it has to do with others. */
import type { ReactNode } from 'react';
import type { Json, JsonObject, Kind, Resource, Schema } from '../../api-types';
import { formatBytes, formatDuration, formatNumber, formatTime, humanize, readableSpec } from '../../format';
import { plainSchema } from '../../forms/schema';
import { useTick } from '../context';
import { plainText } from '../cells';
import { ReferenceLink } from '../parts';
import type { TabProps } from './registry';

export function OverviewTab(props: TabProps): JSX.Element {
  const { resource, model } = props;
  const { kind } = model;
  const metrics = resource.status.outputs.metrics ?? resource.spec.metrics;
  useTick(1000, resource.status.started_at !== null && resource.status.ended_at === null);
  return (
    <div className="orr-Overview">
      {isObject(metrics) && Object.keys(metrics).length > 0 && <Metrics values={metrics} />}
      <div className="orr-Cards">
        <Card title="Status">
          <Pairs>
            <StatusPairs resource={resource} kind={kind} />
          </Pairs>
        </Card>
        <Card title="Specification">
          <Pairs>
            <ObjectPairs value={readableSpec(resource)} schema={plainSchema(kind.spec_schema)} hidden={HIDDEN_SPEC} />
          </Pairs>
        </Card>
      </div>
    </div>
  );
}

/** Shown in a place of their own. */
const HIDDEN_SPEC = ['metrics', 'content', 'notebook', 'parameters_schema'];
const HIDDEN_OUTPUTS = [
  ...['metrics', 'preview', 'columns', 'queue', 'parameters_schema', 'warnings', 'content', 'example'],
  ...['inputs', 'outputs', 'model_files', 'notebook']
];

function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

export function Card(props: { title: string; children: ReactNode; testId?: string }): JSX.Element {
  return (
    <section className="orr-Card" data-testid={props.testId}>
      <h2>{props.title}</h2>
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
      {status.ended_at && <Pair name="Ended">{formatTime(status.ended_at)}</Pair>}
      {status.started_at && <Pair name="Took">{formatDuration((end - Date.parse(status.started_at)) / 1000)}</Pair>}
      {resource.description && <Pair name="Description">{resource.description}</Pair>}
      <ObjectPairs value={status.outputs} hidden={HIDDEN_OUTPUTS} references={OUTPUT_REFERENCES} />
      <Pair name="Id">
        <code>{resource.id}</code>
      </Pair>
    </>
  );
}

/** Outputs carry no schema: these keys hold references, by convention. */
const OUTPUT_REFERENCES: Record<string, string> = { model: 'model', training: 'training', dataset: 'dataset' };

interface ObjectPairsProps {
  value: JsonObject;
  schema?: Schema | undefined;
  hidden?: string[];
  references?: Record<string, string>;
}

/** An object as readable lines; objects inside it follow with their own names. */
function ObjectPairs(props: ObjectPairsProps): JSX.Element {
  const { value, schema, hidden = [], references = {} } = props;
  const entries = Object.entries(value).filter(
    ([key, item]) => !hidden.includes(key) && item !== null && item !== '' && !(Array.isArray(item) && item.length === 0)
  );
  return (
    <>
      {entries.map(([key, item]) => {
        const property = schema?.properties?.[key];
        const title = property?.title ?? humanize(key);
        const reference = property?.['x-orrery-ref'] ?? references[key];
        if (isObject(item)) {
          return Object.keys(item).length > 0 ? (
            <NestedPairs key={key} title={title} value={item} schema={property} />
          ) : null;
        }
        return (
          <Pair key={key} name={title}>
            <Value name={key} value={item} reference={reference} schema={property} />
          </Pair>
        );
      })}
    </>
  );
}

function NestedPairs(props: { title: string; value: JsonObject; schema: Schema | undefined }): JSX.Element {
  return (
    <>
      <dt className="orr-KeyValues-group">{props.title}</dt>
      <dd className="orr-KeyValues-nested">
        <Pairs>
          <ObjectPairs value={props.value} schema={props.schema} />
        </Pairs>
      </dd>
    </>
  );
}

interface ValueProps {
  name: string;
  value: Json;
  reference: string | undefined;
  schema: Schema | undefined;
}

function Value(props: ValueProps): JSX.Element {
  const { name, value, reference, schema } = props;
  if (reference && typeof value === 'string') {
    return <ReferenceLink kind={reference} reference={value} />;
  }
  if (Array.isArray(value)) {
    return <List name={name} items={value} schema={schema} />;
  }
  if (typeof value === 'number') {
    if (/bytes$|^size$/.test(name)) {
      return <>{formatBytes(value)}</>;
    }
    return <>{/seconds$/.test(name) ? formatDuration(value) : formatNumber(value)}</>;
  }
  return <>{plainText(value)}</>;
}

function List(props: { name: string; items: Json[]; schema: Schema | undefined }): JSX.Element {
  const items = Array.isArray(props.schema?.items) ? undefined : props.schema?.items;
  if (props.items.every(item => !isObject(item))) {
    const reference = items?.['x-orrery-ref'];
    return (
      <>
        {props.items.map((item, index) => (
          <span key={index}>
            {index > 0 && ', '}
            <Value name={props.name} value={item} reference={reference} schema={items} />
          </span>
        ))}
      </>
    );
  }
  return (
    <ul className="orr-PlainList">
      {props.items.map((item, index) => (
        <li key={index}>
          {isObject(item) ? (
            Object.entries(item)
              .filter(([key, value]) => value !== null && value !== '' && !/^(oid|sha256)$/.test(key))
              .map(([key, value], at) => (
                <span key={key}>
                  {at > 0 && ' · '}
                  {at > 0 && <span className="orr-Muted">{items?.properties?.[key]?.title ?? humanize(key)} </span>}
                  <Value
                    name={key}
                    value={value}
                    reference={items?.properties?.[key]?.['x-orrery-ref'] ?? OUTPUT_REFERENCES[key]}
                    schema={items?.properties?.[key]}
                  />
                </span>
              ))
          ) : (
            <Value name={props.name} value={item} reference={undefined} schema={items} />
          )}
        </li>
      ))}
    </ul>
  );
}
