/** How fields, groups of fields and lists of fields are laid out: label with help, the input, its errors. */
import type { ArrayFieldTemplateProps, FieldTemplateProps, ObjectFieldTemplateProps } from '@rjsf/utils';
import { closeIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';
import { useEffect, useState } from 'react';
import type { Schema } from '../api-types';
import { humanize } from '../format';
import { writeDuration } from '../models/durations';
import { emitted, rangeOf } from '../models/algorithms';
import { Button, IconButton } from '../widgets/parts';
import { Help } from './help';
import type { FormContext } from './inputs';
import { typeOf } from './schema';

const number = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 10 });

/** One field: its label, its "?", the input and what is wrong with it. */
export function FieldTemplate(props: FieldTemplateProps): JSX.Element {
  const schema = props.schema as Schema;
  const type = typeOf(schema);
  const custom = props.uiSchema?.['ui:field'] ?? props.uiSchema?.['ui:widget'];
  if (props.hidden) {
    return <div hidden>{props.children}</div>;
  }
  if ((type === 'object' || type === 'array' || schema.anyOf) && !custom) {
    return <div className="orr-Field-nested">{props.children}</div>;
  }
  const errors = props.rawErrors ?? [];
  const isNumber = type === 'number' || type === 'integer';
  const range = isNumber ? rangeOf(schema, schema['x-orrery-duration'] ? writeDuration : number) : '';
  const unit = schema['x-orrery-unit'] ?? '';
  const isCheckbox = type === 'boolean';
  const isGrouped = ['columns', 'uploads', 'pairs', 'space', 'objectives'].includes(String(custom));
  const labelId = `${props.id}__label`;
  return (
    <div
      className="orr-Field"
      data-type={isCheckbox ? 'boolean' : type}
      data-invalid={errors.length > 0 || undefined}
    >
      <div className="orr-Field-label">
        {isGrouped ? (
          <span id={labelId} className="orr-Label">
            {props.label}
          </span>
        ) : (
          <label id={labelId} htmlFor={props.id} className="orr-Label">
            {props.label}
          </label>
        )}
        {props.required && (
          <span className="orr-Required" title="Needed">
            *
          </span>
        )}
        {schema.description && (
          <Help id={`${props.id}__description`} label={props.label} text={schema.description} />
        )}
        {(unit || range) && <span className="orr-Range">{unit || range}</span>}
      </div>
      <div className="orr-Field-input">{props.children}</div>
      {schema['x-orrery-ref'] === 'algorithm' && <Emits context={props.formContext as FormContext} />}
      {errors.length > 0 && (
        <div id={`${props.id}__error`} className="orr-Field-error" role="alert">
          {[...new Set(errors)].map(error => (
            <div key={error}>{error}</div>
          ))}
        </div>
      )}
    </div>
  );
}

/** Below the choice of an algorithm: what its runs will report. */
function Emits(props: { context: FormContext }): JSX.Element | null {
  const { metrics } = props.context;
  return metrics.length === 0 ? null : (
    <div className="orr-Muted" data-testid="orrery-emits">
      Emits: {emitted(metrics)}
    </div>
  );
}

/** An object: its fields by group (`x-orrery-group`); a group named "Advanced" is folded. */
export function ObjectFieldTemplate(props: ObjectFieldTemplateProps): JSX.Element {
  const properties = props.schema.properties as Record<string, Schema> | undefined;
  const groups = new Map<string, JSX.Element[]>();
  for (const property of props.properties) {
    const name = properties?.[property.name]?.['x-orrery-group'] ?? '';
    groups.set(name, [...(groups.get(name) ?? []), property.content]);
  }
  const isBare = props.uiSchema?.['ui:options']?.bare === true || !props.idSchema.$id.includes('_');
  const title = isBare ? '' : props.title;
  // Below the spec itself groups are only headings: frames in frames are hard to read.
  const isDeep = props.idSchema.$id.split('_').length > 2;
  const body = foldedLast([...groups.entries()]).map(([name, fields]) =>
    name === '' || isOnlyItself(name, fields, properties) ? (
      <div key={name} className="orr-Fields">
        {fields}
      </div>
    ) : isFolded(name) ? (
      <Folded key={name} title={humanize(name)} hidesErrors={hasErrors(props, name)}>
        {fields}
      </Folded>
    ) : (
      <fieldset key={name} className={isDeep ? 'orr-Subgroup' : 'orr-Group'}>
        <legend>{humanize(name)}</legend>
        <div className="orr-Fields">{fields}</div>
      </fieldset>
    )
  );
  if (!title) {
    return <>{body}</>;
  }
  if (props.properties.length === 0) {
    return <></>;
  }
  return (
    <fieldset className="orr-Group">
      <legend>
        {title}
        {props.schema.description && (
          <Help id={`${props.idSchema.$id}__description`} label={title} text={props.schema.description} />
        )}
      </legend>
      {body}
    </fieldset>
  );
}

/** It opens by itself where it hides what is wrong, and stays open once that is mended. */
function Folded(props: { title: string; hidesErrors: boolean; children: ReactNode }): JSX.Element {
  const [isOpen, setOpen] = useState(props.hidesErrors);
  useEffect(() => {
    if (props.hidesErrors) {
      setOpen(true);
    }
  }, [props.hidesErrors]);
  return (
    <details className="orr-Group" open={isOpen} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>{props.title}</summary>
      <div className="orr-Fields">{props.children}</div>
    </details>
  );
}

/** A group of one field that has the group's own name needs no frame around it. */
function isOnlyItself(
  group: string,
  fields: JSX.Element[],
  properties: Record<string, Schema> | undefined
): boolean {
  return fields.length === 1 && properties?.[String(fields[0]?.key ?? '')]?.title === group;
}

/** What is folded away stands below what is not. */
function foldedLast<T>(groups: [string, T][]): [string, T][] {
  return [...groups].sort(([a], [b]) => Number(isFolded(a)) - Number(isFolded(b)));
}

function isFolded(group: string): boolean {
  return ['advanced', 'sharing and tags'].includes(group.toLowerCase());
}

/** A folded group opens where it hides what is wrong. */
function hasErrors(props: ObjectFieldTemplateProps, group: string): boolean {
  const properties = props.schema.properties as Record<string, Schema>;
  return Object.keys(props.errorSchema ?? {}).some(
    name => (properties[name]?.['x-orrery-group'] ?? '') === group
  );
}

/** A list of things with several fields each: the deployments of an endpoint. */
export function ArrayFieldTemplate(props: ArrayFieldTemplateProps): JSX.Element {
  const { title, items } = props;
  const errors = (props.rawErrors ?? []).filter((error, index, all) => all.indexOf(error) === index);
  return (
    <fieldset className="orr-Group" id={props.idSchema.$id}>
      <legend>
        {title}
        {props.schema.description && (
          <Help id={`${props.idSchema.$id}__description`} label={title} text={props.schema.description} />
        )}
      </legend>
      {items.map(item => (
        <div key={item.key} className="orr-Item" role="group" aria-label={`${title} ${item.index + 1}`}>
          <div className="orr-Item-fields">{item.children}</div>
          {item.hasRemove && (
            <IconButton
              label={`Remove ${title} ${item.index + 1}`}
              icon={closeIcon}
              onClick={() => item.onDropIndexClick(item.index)()}
            />
          )}
        </div>
      ))}
      {errors.length > 0 && (
        <div className="orr-Field-error" role="alert">
          {errors.map(error => (
            <div key={error}>{error}</div>
          ))}
        </div>
      )}
      {props.canAdd && (
        <Button
          label={items.length > 0 ? 'Add another' : `Add to ${title.toLowerCase()}`}
          onClick={() => props.onAddClick()}
        />
      )}
    </fieldset>
  );
}

/** Errors are drawn by the field's template: nothing of its own here. */
export function NoTemplate(): JSX.Element {
  return <></>;
}
