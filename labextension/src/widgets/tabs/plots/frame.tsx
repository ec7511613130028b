/** What the drawings of trials share: the frame with its axes, the width that there is, and the table behind each. */
import type { RefObject } from 'react';
import { useEffect, useRef, useState } from 'react';
import { formatNumber } from '../../../format';
import type { Axis, Table } from '../../../models/trial-plots';

export const EDGE = { left: 84, right: 14, top: 10, bottom: 42 };
const MOST_ROWS = 200;
/** Pixels of a character of the axes, about. */
const CHARACTER = 6.4;
/** Least pixels from label to label of the x axis. */
const LEAST_ROOM = 46;

export function useWidth<T extends HTMLElement>(least = 260): [RefObject<T>, number] {
  const box = useRef<T>(null);
  const [width, setWidth] = useState(560);
  useEffect(() => {
    const node = box.current;
    if (!node) {
      return undefined;
    }
    const observer = new ResizeObserver(() => setWidth(Math.max(least, Math.floor(node.clientWidth))));
    observer.observe(node);
    return () => observer.disconnect();
  }, [least]);
  return [box, width];
}

/** From places (0 to 1) to pixels. */
export interface Box {
  x: (place: number) => number;
  y: (place: number) => number;
  width: number;
  height: number;
}

export function boxOf(width: number, height: number): Box {
  const [right, base] = [width - EDGE.right, height - EDGE.bottom];
  return {
    x: place => EDGE.left + place * (right - EDGE.left),
    y: place => base - place * (base - EDGE.top),
    width,
    height
  };
}

export function Axes(props: { box: Box; x: Axis; y: Axis }): JSX.Element {
  const { box, x, y } = props;
  const base = box.y(0);
  // Labels of the x axis are cut, and left out where too little of them would be left.
  const { every, most } = roomOf(x.ticks.length, box.x(1) - box.x(0));
  return (
    <g className="orr-Plot-axes" aria-hidden="true">
      {y.ticks.map(({ place, text }) => (
        <g key={text}>
          <line x1={box.x(0)} x2={box.x(1)} y1={box.y(place)} y2={box.y(place)} />
          <text x={EDGE.left - 6} y={box.y(place) + 4} textAnchor="end">
            {cut(text, 9)}
          </text>
        </g>
      ))}
      {x.ticks
        .filter((_, at) => at % every === 0)
        .map(({ place, text }) => {
          const written = cut(text, most);
          // The last one must not go beyond the edge.
          const isOver = box.x(place) + (written.length * CHARACTER) / 2 > box.width;
          return (
            <text
              key={text}
              x={isOver ? box.width - 2 : box.x(place)}
              y={base + 16}
              textAnchor={isOver ? 'end' : 'middle'}
            >
              {written}
              {written !== text && <title>{text}</title>}
            </text>
          );
        })}
      <line x1={box.x(0)} x2={box.x(1)} y1={base} y2={base} className="orr-mod-base" />
      <text x={box.x(0.5)} y={box.height - 6} textAnchor="middle">
        {cut(x.title, 40)}
      </text>
      <text transform={`translate(13 ${box.y(0.5)}) rotate(-90)`} textAnchor="middle">
        {cut(y.title, 30)}
      </text>
    </g>
  );
}

/** Every how many of so many labels are written along an axis of this length, and with how many characters at most. */
export function roomOf(count: number, length: number): { every: number; most: number } {
  const every = Math.max(1, Math.ceil((count * LEAST_ROOM) / length));
  const room = (length / Math.max(1, count)) * every - 8;
  return { every, most: Math.max(5, Math.min(16, Math.floor(room / CHARACTER))) };
}

export function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** One of the theme's curve colours; `strength` per cent of it, the rest the background. */
export function colorOf(color: number, strength = 100): string {
  const name = `var(--orr-series-${color})`;
  return strength >= 100 ? name : `color-mix(in srgb, ${name} ${strength}%, var(--jp-layout-color1))`;
}

/** Made when it is opened: of ten thousand trials there is no need to before. */
export function FoldedTable(props: {
  label: string;
  make: () => Table;
  /** Where the rest of a long one is. */
  rest?: string;
}): JSX.Element {
  const [isOpen, open] = useState(false);
  const table = isOpen ? props.make() : null;
  return (
    <details className="orr-Plot-table" onToggle={event => open(event.currentTarget.open)}>
      <summary>Show as a table</summary>
      {table && (
        <div className="orr-Scroll" tabIndex={0} role="region" aria-label={`${props.label}, as a table`}>
          <table className="orr-Table orr-mod-data">
            <thead>
              <tr>
                {table.titles.map((title, at) => (
                  <th key={at} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.slice(0, MOST_ROWS).map((row, index) => (
                <tr key={index}>
                  {row.map((cell, at) => (
                    <td key={at}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {table.rows.length > MOST_ROWS && (
            <p className="orr-Muted">
              … and {formatNumber(table.rows.length - MOST_ROWS)} more;{' '}
              {props.rest ?? 'the Trials tab has all of them'}.
            </p>
          )}
        </div>
      )}
    </details>
  );
}
