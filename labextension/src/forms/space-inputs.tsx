/** The inputs of one searched hyperparameter: its range or values, and where it is searched at all. */
import { useState } from 'react';
import type { Json, Schema } from '../api-types';
import type { Dimension, Space } from '../models/search-space';
import { parseValues, rangeOf, writeValue } from '../models/search-space';

interface InputProps {
  name: string;
  dimension: Dimension;
  declared?: Schema | undefined;
  onChange: (part: Dimension) => void;
}

export function Range(props: InputProps): JSX.Element {
  const { name, dimension, declared, onChange } = props;
  const least = declared?.minimum ?? declared?.exclusiveMinimum;
  const most = declared?.maximum ?? declared?.exclusiveMaximum;
  return (
    <>
      <NumberBox
        label="Min"
        name={name}
        value={dimension.low}
        hint={least === undefined ? '' : declared?.minimum === undefined ? `> ${least}` : `≥ ${least}`}
        onChange={low => onChange({ low })}
      />
      <NumberBox
        label="Max"
        name={name}
        value={dimension.high}
        hint={most === undefined ? '' : declared?.maximum === undefined ? `< ${most}` : `≤ ${most}`}
        onChange={high => onChange({ high })}
      />
      <NumberBox
        label="Step"
        name={name}
        value={dimension.step}
        hint="none"
        onChange={step => onChange({ step })}
      />
      <label className="orr-Space-log" title="Try each order of magnitude as often as another">
        <input
          type="checkbox"
          aria-label={`${name}: logarithmic`}
          checked={dimension.log === true}
          onChange={event => onChange({ log: event.target.checked })}
        />
        log
      </label>
      {declared && rangeOf(declared) !== '' && (
        <span className="orr-Range orr-Space-range">{rangeOf(declared).trim()}</span>
      )}
    </>
  );
}

/** Kept as text while it is typed ("1e-", "0."). */
function NumberBox(props: {
  label: string;
  name: string;
  value: Json | undefined;
  hint: string;
  onChange: (value: Json) => void;
}): JSX.Element {
  const [typing, setTyping] = useState<string | null>(null);
  const change = (text: string): void => {
    setTyping(text);
    const number = Number(text);
    props.onChange(text.trim() === '' ? null : Number.isNaN(number) ? text : number);
  };
  return (
    <label>
      {props.label}
      <input
        className="orr-Input orr-mod-number"
        type="text"
        inputMode="decimal"
        aria-label={`${props.name}: ${props.label}`}
        placeholder={props.hint}
        value={typing ?? writeValue(props.value)}
        onChange={event => change(event.target.value)}
        onBlur={() => setTyping(null)}
      />
    </label>
  );
}

export function Values(props: InputProps): JSX.Element {
  const { name, dimension, declared, onChange } = props;
  const [typing, setTyping] = useState<string | null>(null);
  return (
    <label className="orr-Space-values">
      Values
      <input
        className="orr-Input"
        type="text"
        aria-label={`${name}: values, separated by commas`}
        placeholder="separated by commas: sgd, adam"
        value={typing ?? (dimension.values ?? []).map(writeValue).join(', ')}
        onChange={event => {
          setTyping(event.target.value);
          onChange({ values: parseValues(event.target.value, declared) });
        }}
        onBlur={() => setTyping(null)}
      />
    </label>
  );
}

export function Choices(props: InputProps & { choices: Json[] }): JSX.Element {
  const { name, dimension, choices, onChange } = props;
  const chosen = dimension.values ?? [];
  return (
    <div className="orr-Checks" role="group" aria-label={`${name}: values`}>
      {choices.map(choice => (
        <label key={writeValue(choice)}>
          <input
            type="checkbox"
            checked={chosen.includes(choice)}
            onChange={event =>
              onChange({
                values: choices.filter(other =>
                  other === choice ? event.target.checked : chosen.includes(other)
                )
              })
            }
          />
          {writeValue(choice)}
        </label>
      ))}
    </div>
  );
}

/** Only where another searched parameter has one of these values. */
export function Condition(props: InputProps & { space: Space }): JSX.Element | null {
  const { name, dimension, space, onChange: change } = props;
  const others = Object.keys(space).filter(other => other !== name);
  const conditions = Object.entries(dimension.when ?? {});
  const [on, values] = conditions[0] ?? ['', []];
  const [typing, setTyping] = useState<string | null>(null);
  if (others.length === 0 && conditions.length === 0) {
    return null;
  }
  const rest = Object.fromEntries(conditions.slice(1));
  const listed = space[on]?.values;
  return (
    <details className="orr-Space-more" open={conditions.length > 0 || undefined}>
      <summary>More</summary>
      <div className="orr-Space-inputs">
        <label>
          Only where
          <select
            className="orr-Select"
            aria-label={`${name}: only where`}
            value={on}
            onChange={event =>
              change({ when: event.target.value === '' ? rest : { [event.target.value]: [], ...rest } })
            }
          >
            <option value="">always</option>
            {[...new Set([...others, ...(on ? [on] : [])])].map(other => (
              <option key={other} value={other}>
                {other}
              </option>
            ))}
          </select>
        </label>
        {on !== '' &&
          (listed ? (
            <div className="orr-Checks" role="group" aria-label={`${name}: where ${on} is`}>
              {listed.map(value => (
                <label key={writeValue(value)}>
                  <input
                    type="checkbox"
                    checked={values.includes(value)}
                    onChange={event =>
                      change({
                        when: {
                          [on]: event.target.checked
                            ? [...values, value]
                            : values.filter(other => other !== value),
                          ...rest
                        }
                      })
                    }
                  />
                  {writeValue(value)}
                </label>
              ))}
            </div>
          ) : (
            <label className="orr-Space-values">
              is one of
              <input
                className="orr-Input"
                type="text"
                aria-label={`${name}: values of ${on}, separated by commas`}
                value={typing ?? values.map(writeValue).join(', ')}
                onChange={event => {
                  setTyping(event.target.value);
                  change({ when: { [on]: parseValues(event.target.value, { type: 'number' }), ...rest } });
                }}
                onBlur={() => setTyping(null)}
              />
            </label>
          ))}
        {conditions.slice(1).map(([other, allowed]) => (
          <span key={other} className="orr-Muted">
            and {other} is {allowed.map(writeValue).join(' or ')}
          </span>
        ))}
      </div>
    </details>
  );
}
