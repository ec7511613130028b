/** Trials as points, with lines over them; the one nearest to the pointer is told of, and opened by a click. */
import type { MouseEvent } from 'react';
import { useState } from 'react';
import type { Objective } from '../../../api-types';
import { plural } from '../../../format';
import type { Line, Point, ScatterPlot } from '../../../models/trial-plots';
import { describeTrial } from '../../../models/trial-plots';
import { usePanel } from '../../context';
import type { Box } from './frame';
import { Axes, boxOf, colorOf, useWidth } from './frame';

/** Pixels within which the pointer finds a point. */
const REACH = 16;

export function Scatter(props: {
  plot: ScatterPlot;
  objectives: Objective[];
  height?: number;
  hasLegend?: boolean;
}): JSX.Element {
  const { plot, height = 260 } = props;
  const [node, width] = useWidth<HTMLDivElement>(200);
  const box = boxOf(width, height);
  const count = plot.groups.reduce((sum, group) => sum + group.points.length, 0);
  const named = [...plot.groups.filter(({ points }) => points.length > 0), ...plot.lines];
  return (
    <figure className="orr-Plot-figure">
      {props.hasLegend !== false && (
        <ul className="orr-Plot-legend" aria-label="Colours">
          {named.map(item => (
            <li key={item.label}>
              <span
                style={{ background: colorOf(item.color, 'strength' in item ? item.strength : 100) }}
                aria-hidden="true"
              />
              {item.label}
            </li>
          ))}
        </ul>
      )}
      <div ref={node}>
        <Pointed box={box} points={plot.groups.flatMap(({ points }) => points)} objectives={props.objectives}>
          <svg
            width={width}
            height={height}
            role="img"
            aria-label={`${plot.title}: ${plural(count, 'trial')}; the table below has the numbers`}
          >
            <Axes box={box} x={plot.x} y={plot.y} />
            {plot.groups.map(group => (
              <path
                key={group.label}
                className="orr-Trial-points"
                stroke={colorOf(group.color, group.strength)}
                d={group.points
                  .map(({ x, y }) => `M${box.x(x).toFixed(1)} ${box.y(y).toFixed(1)}h0`)
                  .join('')}
              />
            ))}
            {plot.lines.map(line => (
              <path
                key={line.label}
                className="orr-Plot-line"
                stroke={colorOf(line.color)}
                d={pathOf(line, box)}
              />
            ))}
          </svg>
        </Pointed>
      </div>
    </figure>
  );
}

function pathOf(line: Line, box: Box): string {
  return line.points
    .map(({ x, y }, at) => {
      const [left, top] = [box.x(x).toFixed(1), box.y(y).toFixed(1)];
      return at === 0 ? `M${left} ${top}` : line.isStep ? `H${left}V${top}` : `L${left} ${top}`;
    })
    .join('');
}

/** What lies nearest to the pointer, in words; the Trials tab has the same by keyboard. */
export function Pointed(props: {
  box: Box;
  points: Point[];
  objectives: Objective[];
  children: JSX.Element;
}): JSX.Element {
  const { box, points } = props;
  const { go } = usePanel();
  const [near, setNear] = useState<Point | null>(null);
  const find = (event: MouseEvent<HTMLDivElement>): void => {
    const frame = event.currentTarget.getBoundingClientRect();
    setNear(nearest(points, box, event.clientX - frame.left, event.clientY - frame.top));
  };
  const training = near?.trial.training;
  return (
    <div
      className="orr-Pointed"
      data-near={near !== null || undefined}
      onMouseMove={find}
      onMouseLeave={() => setNear(null)}
      onClick={() => {
        if (training && !training.deleted) {
          go.open('training', training.id);
        }
      }}
    >
      {props.children}
      {near && (
        <>
          <span
            className="orr-Pointed-mark"
            style={{ left: box.x(near.x), top: box.y(near.y) }}
            aria-hidden="true"
          />
          <div
            className="orr-Pointed-words"
            data-side={near.x > 0.5 ? 'left' : 'right'}
            style={{ left: box.x(near.x), top: box.y(near.y) }}
          >
            {describeTrial(near.trial, props.objectives)}
          </div>
        </>
      )}
    </div>
  );
}

export function nearest(points: Point[], box: Box, left: number, top: number): Point | null {
  let found: Point | null = null;
  let least = REACH ** 2;
  for (const point of points) {
    const distance = (box.x(point.x) - left) ** 2 + (box.y(point.y) - top) ** 2;
    if (distance < least) {
      least = distance;
      found = point;
    }
  }
  return found;
}
