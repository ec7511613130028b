/** The plain inputs of a form: text, number, choice, switch, words, columns of a dataset, JSON. */
import type { WidgetProps } from '@rjsf/utils';
import { useState } from 'react';
import type { InstanceType, Json, Schema } from '../api-types';
import { plainText, valueAt } from '../format';
import type { FormModel } from '../models/form';
import { useModel } from '../models/model';
import type { DatasetColumn } from '../models/form-sources';
import { Tags } from '../widgets/parts';
import type { DeclaredMetric } from './make-form';
import { typeOf } from './schema';

/** The form library draws a field again only where this differs: what widgets show of the model is named here. */
export interface FormContext {
  model: FormModel;
  columns: DatasetColumn[] | null;
  isReadingColumns: boolean;
  instanceTypes: InstanceType[];
  /** The parameters that a tuning may search; null while no algorithm is chosen. */
  searchable: Schema | null;
  metrics: DeclaredMetric[];
  takesOtherMetrics: boolean;
}

const described = (id: string): string => `${id}__error`;

export function TextInput(props: WidgetProps): JSX.Element {
  const schema = props.schema as Schema;
  const example = schema.examples?.[0];
  const isSecret = schema.format === 'password';
  return (
    <input
      id={props.id}
      className="orr-Input"
      type={isSecret ? 'password' : 'text'}
      autoComplete={isSecret ? 'new-password' : undefined}
      value={typeof props.value === 'string' ? props.value : ''}
      required={props.required}
      disabled={props.disabled || props.readonly}
      placeholder={typeof example === 'string' ? `e.g. ${example}` : undefined}
      aria-describedby={described(props.id)}
      onChange={event => props.onChange(event.target.value === '' ? undefined : event.target.value)}
    />
  );
}

/** A number is kept as text while it is typed ("1e-", "0."), and handed on as a number when it is one. */
export function NumberInput(props: WidgetProps): JSX.Element {
  const schema = props.schema as Schema;
  const [typing, setTyping] = useState<string | null>(null);
  const value: unknown = props.value;
  const shown = typing ?? (typeof value === 'number' || typeof value === 'string' ? String(value) : '');
  const change = (text: string): void => {
    setTyping(text);
    const number = Number(text);
    props.onChange(text.trim() === '' ? undefined : Number.isNaN(number) ? text : number);
  };
  return (
    <input
      id={props.id}
      className="orr-Input orr-mod-number"
      type="text"
      inputMode={typeOf(schema) === 'integer' ? 'numeric' : 'decimal'}
      value={shown}
      disabled={props.disabled || props.readonly}
      placeholder={plainText(schema.default) || undefined}
      aria-describedby={described(props.id)}
      onChange={event => change(event.target.value)}
      onBlur={() => setTyping(null)}
    />
  );
}

/** A moment: picked in local time, kept with its zone. */
export function MomentInput(props: WidgetProps): JSX.Element {
  const change = (text: string): void => {
    const moment = new Date(text);
    props.onChange(Number.isNaN(moment.getTime()) ? undefined : moment.toISOString());
  };
  const isFixed = props.disabled || props.readonly;
  return (
    <>
      <input
        id={props.id}
        className="orr-Input"
        type="datetime-local"
        value={typeof props.value === 'string' ? localMinute(new Date(props.value)) : ''}
        disabled={isFixed}
        aria-describedby={described(props.id)}
        onChange={event => change(event.target.value)}
      />
      <span className="orr-Moments">
        {Object.entries(LATER).map(([label, later]) => (
          <button
            key={label}
            type="button"
            className="orr-Link"
            disabled={isFixed}
            onClick={() => props.onChange(later(new Date()).toISOString())}
          >
            {label}
          </button>
        ))}
      </span>
    </>
  );
}

const HOUR = 3600_000;
/** What is often meant by later. */
const LATER: Record<string, (now: Date) => Date> = {
  'In 1 hour': now => new Date(now.getTime() + HOUR),
  'At 22:00': now => nextTime(now, 22)
};

/** The next time that it is this hour by the clock here. */
export function nextTime(now: Date, hour: number): Date {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate(), hour);
  const isPast = today.getTime() <= now.getTime();
  return isPast ? new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, hour) : today;
}

/** `2026-01-31T22:00` by the clock here; empty for what is no moment. */
export function localMinute(moment: Date): string {
  const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return Number.isNaN(local.getTime()) ? '' : local.toISOString().slice(0, 16);
}

export function TextArea(props: WidgetProps): JSX.Element {
  return (
    <textarea
      id={props.id}
      className="orr-Input"
      rows={props.options.rows ?? 3}
      value={typeof props.value === 'string' ? props.value : ''}
      disabled={props.disabled || props.readonly}
      aria-describedby={described(props.id)}
      onChange={event => props.onChange(event.target.value === '' ? undefined : event.target.value)}
    />
  );
}

export function Choice(props: WidgetProps): JSX.Element {
  const options = (props.options.enumOptions ?? []) as { value: Json; label: string }[];
  const chosen = options.findIndex(option => option.value === props.value);
  const none =
    props.placeholder ||
    ((props.schema as Schema)['x-orrery-none'] ?? (props.required ? 'Choose' : 'automatic'));
  return (
    <select
      id={props.id}
      className="orr-Select"
      value={chosen}
      disabled={props.disabled || props.readonly}
      aria-describedby={described(props.id)}
      onChange={event => props.onChange(options[Number(event.target.value)]?.value)}
    >
      {(chosen < 0 || !props.required) && <option value={-1}>{none}</option>}
      {options.map((option, index) => (
        <option key={index} value={index}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

/** Which way a metric is better; where nobody says, what will be taken for its name. */
export function GoalInput(props: WidgetProps): JSX.Element {
  const { model } = props.formContext as FormContext;
  const { 'x-orrery-goal-of': field, 'x-orrery-minimized': minimized } = props.schema as Schema;
  // the name stands in another field
  useModel(model);
  const path = props.id.slice(model.idPrefix.length + 1).split('_');
  const name = valueAt(model.data, [...path.slice(0, -1), field ?? ''].join('.'));
  return <Choice {...props} placeholder={`automatic${guessedGoal(name, minimized)}`} />;
}

/** ` (minimize)`; nothing as long as there is no name. `minimized`: what the names of such metrics have, as a pattern. */
export function guessedGoal(name: Json | undefined, minimized: string | undefined): string {
  if (typeof name !== 'string' || name === '' || minimized === undefined) {
    return '';
  }
  return new RegExp(minimized, 'i').test(name) ? ' (minimize)' : ' (maximize)';
}

export function Switch(props: WidgetProps): JSX.Element {
  return (
    <input
      id={props.id}
      type="checkbox"
      checked={props.value === true}
      disabled={props.disabled || props.readonly}
      aria-describedby={described(props.id)}
      onChange={event => props.onChange(event.target.checked)}
    />
  );
}

/** A named size of the machine, with what it holds; what does not fit here cannot be chosen. */
export function InstanceInput(props: WidgetProps): JSX.Element {
  const { instanceTypes } = props.formContext as FormContext;
  const value = typeof props.value === 'string' ? props.value : '';
  return (
    <select
      id={props.id}
      className="orr-Select"
      value={value}
      disabled={props.disabled || props.readonly}
      aria-describedby={described(props.id)}
      onChange={event => props.onChange(event.target.value)}
    >
      {!instanceTypes.some(type => type.name === value) && <option value={value}>{value}</option>}
      {instanceTypes.map(type => (
        <option key={type.name} value={type.name} disabled={!type.fits}>
          {`${type.name}: ${type.title}${type.fits ? '' : ' (more than this machine has)'}`}
        </option>
      ))}
    </select>
  );
}

/** Words, one after the other: tags. */
export function Words(props: WidgetProps): JSX.Element {
  const words = Array.isArray(props.value) ? (props.value as string[]) : [];
  const [text, setText] = useState('');
  const add = (): void => {
    const word = text.trim().replace(/,$/, '');
    if (word !== '' && !words.includes(word)) {
      props.onChange([...words, word]);
    }
    setText('');
  };
  return (
    <div className="orr-Words">
      <Tags tags={words} onRemove={word => props.onChange(words.filter(other => other !== word))} />
      <input
        id={props.id}
        className="orr-Input"
        type="text"
        value={text}
        placeholder="Add, then Enter"
        onChange={event => setText(event.target.value)}
        onBlur={add}
        onKeyDown={event => {
          if (event.key === 'Enter' || event.key === ',') {
            event.preventDefault();
            add();
          }
        }}
      />
    </div>
  );
}

/** One column of the chosen dataset; typed by hand where the columns are not known. */
export function ColumnInput(props: WidgetProps): JSX.Element {
  const { columns, isReadingColumns } = props.formContext as FormContext;
  const value = typeof props.value === 'string' ? props.value : '';
  if (isReadingColumns) {
    return (
      <select
        id={props.id}
        className="orr-Select"
        value={value}
        disabled
        aria-describedby={described(props.id)}
      >
        <option value={value}>{value || 'Reading the columns…'}</option>
      </select>
    );
  }
  if (!columns) {
    return <TextInput {...props} />;
  }
  return (
    <select
      id={props.id}
      className="orr-Select"
      value={value}
      aria-describedby={described(props.id)}
      onChange={event => props.onChange(event.target.value === '' ? undefined : event.target.value)}
    >
      <option value="">{props.required ? 'Choose a column' : ''}</option>
      {value !== '' && !columns.some(column => column.name === value) && (
        <option value={value}>{value} (not in the dataset)</option>
      )}
      {columns.map(column => (
        <option key={column.name} value={column.name}>
          {column.type ? `${column.name}  (${column.type})` : column.name}
        </option>
      ))}
    </select>
  );
}

/** Several columns of the chosen dataset. */
export function ColumnsInput(props: WidgetProps): JSX.Element {
  const { columns } = props.formContext as FormContext;
  const chosen = Array.isArray(props.value) ? (props.value as string[]) : [];
  if (!columns) {
    return <Words {...props} />;
  }
  return (
    <div className="orr-Checks" role="group" aria-labelledby={`${props.id}__label`}>
      {columns.map(column => (
        <label key={column.name}>
          <input
            type="checkbox"
            checked={chosen.includes(column.name)}
            onChange={event =>
              props.onChange(
                event.target.checked ? [...chosen, column.name] : chosen.filter(name => name !== column.name)
              )
            }
          />
          {column.name}
        </label>
      ))}
    </div>
  );
}

/** A value of any shape, written as JSON; plain words are taken as text. */
export function JsonInput(props: WidgetProps): JSX.Element {
  const [typing, setTyping] = useState<string | null>(null);
  const value = props.value as Json | undefined;
  const shown =
    typing ?? (value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value));
  return (
    <input
      id={props.id}
      className="orr-Input"
      value={shown}
      onChange={event => {
        setTyping(event.target.value);
        props.onChange(parseLoosely(event.target.value));
      }}
      onBlur={() => setTyping(null)}
    />
  );
}

export function parseLoosely(text: string): Json | undefined {
  if (text.trim() === '') {
    return undefined;
  }
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
