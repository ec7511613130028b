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
