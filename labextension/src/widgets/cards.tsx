/** The frames that a page's contents are laid out in: cards, and tiles for numbers. */
import type { ReactNode } from 'react';
import type { JsonObject } from '../api-types';
import { formatNumber, humanize, isObject, plainText } from '../format';

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

/** A tile for each number; nothing where there is none. */
export function Metrics(props: { values: JsonObject }): JSX.Element | null {
  const shown = Object.entries(props.values).filter(([, value]) => !isObject(value) && !Array.isArray(value));
  if (shown.length === 0) {
    return null;
  }
  return (
    <dl className="orr-Metrics" data-testid="orrery-metrics">
      {shown.map(([name, value]) => (
        <div key={name} className="orr-Metric">
          <dt>{humanize(name)}</dt>
          <dd>{typeof value === 'number' ? formatNumber(value) : plainText(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
