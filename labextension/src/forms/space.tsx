/** The search space of a tuning: a row for each hyperparameter that is searched, with what may be tried for it. */
import type { FieldProps } from '@rjsf/utils';
import { closeIcon } from '@jupyterlab/ui-components';
import type { FocusEvent } from 'react';
import { useEffect, useRef, useState } from 'react';
import type { Json, Schema } from '../api-types';
import { isObject, propertyTitle } from '../format';
import type { Dimension, Space } from '../models/search-space';
import {
  choicesOf,
  isRange,
  isSearchable,
  newDimension,
  rangeType,
  spaceOf,
  writeValue
} from '../models/search-space';
import { Button, IconButton } from '../widgets/parts';
import { Help } from './help';
import type { FormContext } from './inputs';
import { Choices, Condition, Range, Values } from './space-inputs';

export function SpaceField(props: FieldProps): JSX.Element {
  const { model, searchable } = props.formContext as FormContext;
  const base = props.idSchema.$id;
  const space = spaceOf(props.formData as Json | undefined);
  const names = Object.keys(space);
  const box = useRef<HTMLDivElement>(null);
  const [added, setAdded] = useState<string | null>(null);
  useEffect(() => {
    if (added !== null) {
      document
        .getElementById(`${base}_${added}`)
        ?.querySelector<HTMLElement>('.orr-Space-inputs input, .orr-Space-inputs select')
        ?.focus();
      setAdded(null);
    }
  }, [added, base]);
  const source = (props.schema as Schema)['x-orrery-space-of'] ?? 'algorithm';
  if (!model.spec[source]) {
    return (
      <div className="orr-Muted">Choose the {source} first: its hyperparameters can be searched then.</div>
    );
  }
  const set = (next: Space): void => {
    props.onChange(next);
  };
  const leave = (event: FocusEvent<HTMLElement>, name: string): void => {
    // Between the inputs of one row nothing is wrong yet.
    if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) {
      model.leave(`${base}_${name}`);
    }
  };
  return (
    <div
      className="orr-Space"
      role="group"
      aria-labelledby={`${base}__label`}
      ref={box}
      data-testid="orrery-space"
    >
      {names.map(name => (
        <div
          key={name}
          id={`${base}_${name}`}
          className="orr-Space-row"
          role="group"
          tabIndex={-1}
          aria-label={name}
          data-testid={`orrery-space-${name}`}
          onBlur={event => leave(event, name)}
        >
          <DimensionRow
            id={`${base}_${name}`}
            name={name}
            dimension={space[name] ?? {}}
            declared={searchable?.properties?.[name]}
            space={space}
            errors={errorsIn(props.errorSchema?.[name])}
            onChange={dimension => set({ ...space, [name]: dimension })}
            onRemove={() => {
              set(withoutConditionsOn(without(space, name), name));
              box.current?.querySelector<HTMLElement>('.orr-Space-add select, .orr-Space-add input')?.focus();
            }}
          />
        </div>
      ))}
      <Add
        base={base}
        searchable={searchable}
        taken={names}
        onAdd={name => {
          set({ ...space, [name]: newDimension(searchable?.properties?.[name]) });
          setAdded(name);
        }}
      />
    </div>
  );
}

/** What is said of a parameter or of anything within it. */
function errorsIn(errors: unknown): string[] {
  if (!isObject(errors as Json)) {
    return [];
  }
  return Object.entries(errors as Record<string, unknown>).flatMap(([key, value]) =>
    key === '__errors' ? (value as string[]) : errorsIn(value)
  );
}

function without<T>(record: Record<string, T>, gone: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== gone));
}

function withoutConditionsOn(space: Space, gone: string): Space {
  return Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => {
      const { when } = dimension;
      return [name, when ? { ...dimension, when: without(when, gone) } : dimension];
    })
  );
}

const TYPE_WORDS = { int: 'whole number', float: 'number', categorical: 'choice' };

interface RowProps {
  id: string;
  name: string;
  dimension: Dimension;
  declared: Schema | undefined;
  space: Space;
  errors: string[];
  onChange: (dimension: Dimension) => void;
  onRemove: () => void;
}

function DimensionRow(props: RowProps): JSX.Element {
  const { id, name, dimension, declared, errors, onChange } = props;
  const type = rangeType(declared);
  const choices = choicesOf(declared);
  const change = (part: Dimension): void => onChange({ ...dimension, ...part });
  // Only a number can have either; of an unknown parameter nothing is fixed.
  const hasBoth = choices === null && type !== 'categorical';
  return (
    <>
      <div className="orr-Space-head">
        <span className="orr-Label">{name}</span>
        <span className="orr-Muted">{type ? TYPE_WORDS[type] : 'any type'}</span>
        {declared?.description && (
          <Help id={`${id}__help`} label={propertyTitle(name, declared.title)} text={declared.description} />
        )}
        {declared?.default !== undefined && declared.default !== null && (
          <span className="orr-Muted">default {writeValue(declared.default)}</span>
        )}
        <IconButton label={`Do not search ${name}`} icon={closeIcon} onClick={props.onRemove} />
      </div>
      <div className="orr-Space-inputs" aria-describedby={`${id}__error`}>
        {hasBoth && (
          <label>
            Try
            <select
              className="orr-Select"
              aria-label={`How ${name} is searched`}
              value={isRange(dimension) ? 'range' : 'values'}
              onChange={event =>
                onChange({
                  ...(event.target.value === 'range' ? { low: null, high: null } : { values: [] }),
                  ...(dimension.when ? { when: dimension.when } : {})
                })
              }
            >
              <option value="range">a range</option>
              <option value="values">these values</option>
            </select>
          </label>
        )}
        {choices ? (
          <Choices name={name} choices={choices} dimension={dimension} onChange={change} />
        ) : isRange(dimension) ? (
          <Range name={name} dimension={dimension} declared={declared} onChange={change} />
        ) : (
          <Values name={name} dimension={dimension} declared={declared} onChange={change} />
        )}
      </div>
      <Condition name={name} dimension={dimension} space={props.space} onChange={change} />
      {errors.length > 0 && (
        <div id={`${id}__error`} className="orr-Field-error" role="alert">
          {[...new Set(errors)].map(error => (
            <div key={error}>{error}</div>
          ))}
        </div>
      )}
    </>
  );
}

/** One more of those that the algorithm declares; where it takes others too, any name. */
function Add(props: {
  base: string;
  searchable: Schema | null;
  taken: string[];
  onAdd: (name: string) => void;
}): JSX.Element {
  const { searchable, taken } = props;
  const [chosen, setChosen] = useState('');
  const [typed, setTyped] = useState('');
  const offered = Object.entries(searchable?.properties ?? {}).filter(
    ([name, declared]) => isSearchable(declared) && !taken.includes(name)
  );
  const takesOthers = searchable?.additionalProperties !== false;
  const name = offered.some(([other]) => other === chosen) ? chosen : (offered[0]?.[0] ?? '');
  const other = typed.trim();
  return (
    <div className="orr-Space-add">
      {offered.length > 0 && (
        <>
          <select
            id={props.base}
            className="orr-Select"
            aria-label="Hyperparameter to search"
            value={name}
            onChange={event => setChosen(event.target.value)}
          >
            {offered.map(([key]) => (
              <option key={key} value={key}>
                {key}
              </option>
            ))}
          </select>
          <Button label="Add" onClick={() => props.onAdd(name)} testId="orrery-space-add" />
        </>
      )}
      {offered.length === 0 && !takesOthers && (
        <span className="orr-Muted">Every hyperparameter that can be searched is in the list.</span>
      )}
      {takesOthers && (
        <>
          <input
            id={offered.length > 0 ? undefined : props.base}
            className="orr-Input"
            type="text"
            aria-label="Name of another hyperparameter"
            placeholder="another name"
            value={typed}
            onChange={event => setTyped(event.target.value)}
          />
          <Button
            label="Add this name"
            disabled={other === '' || taken.includes(other)}
            onClick={() => {
              props.onAdd(other);
              setTyped('');
            }}
          />
        </>
      )}
    </div>
  );
}
