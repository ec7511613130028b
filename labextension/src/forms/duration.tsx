/** A time that something may take: a number and its unit, kept in seconds. */
import type { WidgetProps } from '@rjsf/utils';
import { useState } from 'react';
import type { Unit } from '../models/durations';
import { UNITS, unitOf } from '../models/durations';

export function DurationInput(props: WidgetProps): JSX.Element {
  const value: unknown = props.value;
  const seconds = typeof value === 'number' ? value : null;
  const [unit, setUnit] = useState<Unit>(seconds === null ? UNITS[2] : unitOf(seconds));
  const [typing, setTyping] = useState<string | null>(null);
  const shown =
    typing ?? (seconds !== null ? String(seconds / unit.seconds) : typeof value === 'string' ? value : '');
  const change = (text: string, by: Unit): void => {
    const number = Number(text);
    props.onChange(
      text.trim() === '' ? undefined : Number.isNaN(number) ? text : Math.round(number * by.seconds)
    );
  };
  return (
    <div className="orr-Duration">
      <input
        id={props.id}
        className="orr-Input orr-mod-number"
        type="text"
        inputMode="decimal"
        value={shown}
        disabled={props.disabled || props.readonly}
        aria-describedby={`${props.id}__error`}
        onChange={event => {
          setTyping(event.target.value);
          change(event.target.value, unit);
        }}
        onBlur={() => setTyping(null)}
      />
      <select
        className="orr-Select"
        aria-label={`${props.label}: unit`}
        value={unit.name}
        disabled={props.disabled || props.readonly}
        onChange={event => {
          const next = UNITS.find(one => one.name === event.target.value) ?? unit;
          // the number stays, and means more or less
          setUnit(next);
          change(shown, next);
        }}
      >
        {UNITS.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
