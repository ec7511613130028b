/** An object without declared properties, as rows of a name and a value: environment variables, secrets, datasets. */
import { closeIcon } from '@jupyterlab/ui-components';
import { JSONExt } from '@lumino/coreutils';
import type { ErrorSchema, FieldProps } from '@rjsf/utils';
import { useEffect, useRef, useState } from 'react';
import type { Json, JsonObject, Schema } from '../api-types';
import { humanize } from '../format';
import { Button, IconButton } from '../widgets/parts';
import type { FormContext } from './inputs';
import { parseLoosely } from './inputs';
import { ReferenceWidget } from './reference';
import { typeOf } from './schema';

type Row = [name: string, value: Json];

export function PairsField(props: FieldProps): JSX.Element {
  const values = (props.formData ?? {}) as JsonObject;
  const schema = props.schema as Schema;
  const source = schema['x-orrery-parameters-of'];
  const entry = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {};
  const named = entry['x-orrery-name-of'];
  const reference = named || entry['x-orrery-ref'] ? entry : null;
  const { model } = props.formContext as FormContext;
  // an object has one value a name; while names are typed, two rows may have the same
  const [kept, keep] = useState<Row[]>([]);
  const rows = JSONExt.deepEqual(Object.fromEntries(kept), values) ? kept : Object.entries(values);
  const box = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(-1);
  useEffect(() => {
    if (focused >= 0) {
      box.current?.querySelectorAll<HTMLElement>('[data-row-name]')[focused]?.focus();
      setFocused(-1);
    }
  }, [focused]);
  if (source && !model.spec[source]) {
    return <div className="orr-Muted">Choose the {source} first: its parameters appear here.</div>;
  }
  const { $id } = props.idSchema;
  const isText = typeOf(entry) === 'string';
  const set = (next: Row[]): void => {
    keep(next);
    props.onChange(Object.fromEntries(next));
  };
  const change = (index: number, row: Row): void =>
    set(rows.map((other, at) => (at === index ? row : other)));
  const add = (): void => {
    const unnamed = rows.findIndex(([name]) => name === '');
    if (unnamed < 0) {
      set([...rows, ['', '']]);
    }
    setFocused(unnamed < 0 ? rows.length : unnamed);
  };
  return (
    <div ref={box} id={$id} className="orr-Pairs" role="group" aria-labelledby={`${$id}__label`}>
      {rows.map(([name, value], index) => {
        const problems = problemsOf(rows, index, props.errorSchema);
        const errorId = `${$id}_${index}__error`;
        const described = problems.length > 0 ? errorId : undefined;
        return (
          <div key={index} className="orr-Pair" data-invalid={problems.length > 0 || undefined}>
            <input
              id={name === '' || reference ? undefined : `${$id}_${name}`}
              className="orr-Input"
              aria-label={named ? `Variable ${index + 1}` : `Name ${index + 1}`}
              placeholder={named ? 'Variable' : 'Name'}
              value={name}
              data-row-name
              aria-invalid={problems.length > 0}
              aria-describedby={described}
              onChange={event => change(index, [event.target.value, value])}
            />
            {reference ? (
              <ReferenceWidget
                id={`${$id}_${index}`}
                schema={reference}
                label={
                  named ? `${humanize(named)} for ${name || `row ${index + 1}`}` : valueLabel(name, index)
                }
                value={value}
                required
                isInRow
                onChange={(chosen: string) =>
                  change(index, [named ? variableFor(name, chosen, values) : name, chosen])
                }
              />
            ) : (
              <input
                className="orr-Input"
                aria-label={valueLabel(name, index)}
                placeholder="Value"
                value={typeof value === 'string' ? value : JSON.stringify(value)}
                aria-invalid={problems.length > 0}
                aria-describedby={described}
                onChange={event => {
                  const { value: text } = event.target;
                  change(index, [name, isText ? text : (parseLoosely(text) ?? '')]);
                }}
              />
            )}
            <IconButton
              label={name === '' ? `Remove row ${index + 1}` : `Remove ${name}`}
              icon={closeIcon}
              onClick={() => set(rows.filter((_, at) => at !== index))}
            />
            {problems.length > 0 && (
              <div id={errorId} className="orr-Field-error" role="alert">
                {problems.map(problem => (
                  <div key={problem}>{problem}</div>
                ))}
              </div>
            )}
          </div>
        );
      })}
      <Button label={named ? `Add a ${named}` : 'Add'} onClick={add} />
    </div>
  );
}

function valueLabel(name: string, index: number): string {
  return `Value of ${name || `row ${index + 1}`}`;
}

/** What is wrong with one row. */
function problemsOf(rows: Row[], index: number, errors: ErrorSchema | undefined): string[] {
  const name = rows[index]?.[0] ?? '';
  const isTwice = name !== '' && rows.slice(0, index).some(([other]) => other === name);
  const found = name === '' ? [] : (errors?.[name]?.__errors ?? []);
  return [...new Set([...found, ...(isTwice ? [`${name} stands twice: only the last one counts.`] : [])])];
}

/** A variable that has no name yet is called as the secret chosen for it: `hf-token` is `HF_TOKEN`. */
export function variableFor(variable: string, secret: string, values: JsonObject): string {
  const proposed = secret.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
  const isFree = !(proposed in values) && /^[A-Z_]/.test(proposed) && !/^(EM|ORRERY)_/.test(proposed);
  return variable === '' && isFree ? proposed : variable;
}
