/** JSON objects as readable names and values, with what they refer to as links. */
import type { ReactNode } from 'react';
import type { Json, JsonObject, Reference, Schema } from '../api-types';
import {
  asTyped,
  formatBytes,
  formatDuration,
  formatNumber,
  formatTime,
  humanize,
  isObject,
  plainText,
  propertyTitle
} from '../format';
import { ReferenceLink } from './parts';

export function Pairs(props: { children: ReactNode }): JSX.Element {
  return <dl className="orr-KeyValues">{props.children}</dl>;
}

export function Pair(props: { name: string; children: ReactNode }): JSX.Element {
  return (
    <>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </>
  );
}

/** Outputs carry no schema: these keys hold references, by convention. */
const NO_LINKS = new Map<string, Reference>();
export const OUTPUT_REFERENCES: Record<string, string> = {
  model: 'model',
  training: 'training',
  dataset: 'dataset'
};

/** Of environment variables. */
const OF_VARIABLES = new Set(['environment', 'secrets']);

interface ObjectPairsProps {
  value: JsonObject;
  schema?: Schema | undefined;
  hidden?: string[];
  references?: Record<string, string>;
  /** What the values at these paths refer to. */
  links?: Map<string, Reference>;
  path?: string;
  /** The keys are somebody's own names. */
  areKeysOwn?: boolean;
  /** They are hyperparameters: written as they were typed, whatever their names end with. */
  isTyped?: boolean;
}

/** An object as readable lines; objects inside it follow with their own names. */
export function ObjectPairs(props: ObjectPairsProps): JSX.Element {
  const { value, schema, hidden = [], references = {}, links = NO_LINKS, path = '', isTyped = false } = props;
  const titleOf = (key: string): string =>
    props.areKeysOwn ? key : (schema?.properties?.[key]?.title ?? (key === 'bytes' ? 'Size' : humanize(key)));
  const entries = Object.entries(value).filter(
    ([key, item]) =>
      !hidden.includes(key) && item !== null && item !== '' && !(Array.isArray(item) && item.length === 0)
  );
  return (
    <>
      {entries.map(([key, item]) => {
        const property = schema?.properties?.[key];
        const title = titleOf(key);
        const here = path + key;
        const typed = isTyped || property?.['x-orrery-parameters-of'] !== undefined;
        if (isObject(item)) {
          return Object.keys(item).length > 0 ? (
            <NestedPairs key={key} title={title}>
              <ObjectPairs
                value={item}
                schema={property}
                links={links}
                path={`${here}.`}
                isTyped={typed}
                areKeysOwn={OF_VARIABLES.has(key)}
              />
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
              isTyped={typed}
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
  isTyped?: boolean;
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
  if (props.isTyped) {
    return <>{asTyped(value)}</>;
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
  if (typeof value === 'string' && /(_at|^last_activity)$/.test(name)) {
    return <time dateTime={value}>{formatTime(value)}</time>;
  }
  return /_id$/.test(name) ? <code>{plainText(value)}</code> : <>{plainText(value)}</>;
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
