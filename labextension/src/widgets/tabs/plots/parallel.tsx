/** Parallel coordinates of the trials; each axis has a brush, drawn with the pointer or moved with the arrow keys. */
import type { KeyboardEvent, PointerEvent } from 'react';
import { useMemo, useState } from 'react';
import type { Objective } from '../../../api-types';
import { plural } from '../../../format';
import type { Axis, Brushes, ParallelPlot } from '../../../models/trial-plots';
import { brushed, trialTable } from '../../../models/trial-plots';
import { Button } from '../../parts';
import { FoldedTable, colorOf, cut, useWidth } from './frame';

const HEIGHT = 300;
const TOP = 34;
const BOTTOM = 16;
const SIDE = 60;
const LEAST_STEP = 96;
/** How far an arrow key moves the end of a brush. */
const KEY_STEP = 0.05;
const KEY_LEAP = 0.25;
const RANKS = 5;

export function Parallel(props: {
  plot: ParallelPlot;
  objectives: Objective[];
  names: string[];
}): JSX.Element {
  const { plot, objectives, names } = props;
  const [brushes, setBrushes] = useState<Brushes>({});
  const [node, space] = useWidth<HTMLDivElement>();
  const inside = useMemo(() => brushed(plot, brushes), [plot, brushes]);
  const isBrushed = Object.keys(brushes).length > 0;
  const step = Math.max(LEAST_STEP, (space - SIDE * 2) / Math.max(1, plot.axes.length - 1));
  const width = SIDE * 2 + step * (plot.axes.length - 1);
  const x = (axis: number): number => SIDE + axis * step;
  const setBrush = (key: string, brush: [number, number] | null): void => {
    const others = Object.fromEntries(Object.entries(brushes).filter(([other]) => other !== key));
    setBrushes(brush === null || (brush[0] <= 0 && brush[1] >= 1) ? others : { ...others, [key]: brush });
  };
  const kept = plot.lines.filter(({ trial }) => inside.has(trial.number)).map(({ trial }) => trial);
  return (
    <>
      <p className="orr-Muted orr-Parallel-words">
        <span role="status" data-testid="orrery-parallel-count">
          {isBrushed
            ? `${inside.size.toLocaleString('en-US')} of ${plural(plot.lines.length, 'trial')} within the chosen parts.`
            : `${plural(plot.lines.length, 'trial')}; the better, the stronger.`}
        </span>{' '}
        Draw along an axis to choose a part of it, or move its ends with the arrow keys.
        {isBrushed && <Button label="Show all" onClick={() => setBrushes({})} />}
      </p>
      <div ref={node} className="orr-Scroll" role="region" aria-label="Parallel coordinates" tabIndex={0}>
        <svg width={width} height={HEIGHT} className="orr-Plot-parallel" role="group" aria-label="Axes">
          <Lines plot={plot} inside={inside} x={x} />
          {plot.axes.map((axis, at) => (
            <BrushAxis
              key={axis.key}
              axis={axis}
              x={x(at)}
              brush={brushes[axis.key] ?? null}
              onBrush={brush => setBrush(axis.key, brush)}
            />
          ))}
        </svg>
      </div>
      <FoldedTable
        label={isBrushed ? 'The trials within' : 'All trials'}
        make={() => trialTable(kept, objectives, names)}
      />
    </>
  );
}

function yOf(place: number): number {
  return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);
}

/** What is outside is one pale path; what is inside is one for each fifth, the best above. */
function Lines(props: { plot: ParallelPlot; inside: Set<number>; x: (axis: number) => number }): JSX.Element {
  const { plot, inside, x } = props;
  const paths = useMemo(() => {
    const parts: string[][] = Array.from({ length: RANKS + 1 }, () => []);
    for (const { trial, places, rank } of plot.lines) {
      let isOpen = false;
      const line = places.map((place, at) => {
        if (place === null) {
          // A parameter that its conditions ruled out.
          isOpen = false;
          return '';
        }
        const point = `${isOpen ? 'L' : 'M'}${x(at).toFixed(1)} ${yOf(place).toFixed(1)}`;
        isOpen = true;
        return point;
      });
      parts[inside.has(trial.number) ? rank + 1 : 0]?.push(line.join(''));
    }
    return parts.map(part => part.join(''));
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [plot, inside, x(1)]);
  return (
    <g aria-hidden="true">
      {paths.map((d, at) => (
        <path
          key={at}
          className="orr-Parallel-lines"
          d={d}
          stroke={at === 0 ? 'var(--jp-border-color2)' : colorOf(1, 20 + (80 * (at - 1)) / (RANKS - 1))}
        />
      ))}
    </g>
  );
}

interface BrushAxisProps {
  axis: Axis;
  x: number;
  brush: [number, number] | null;
  onBrush: (brush: [number, number] | null) => void;
}

function BrushAxis(props: BrushAxisProps): JSX.Element {
  const { axis, x, onBrush } = props;
  const [low, high] = props.brush ?? [0, 1];
  const [start, setStart] = useState<number | null>(null);
  const placeAt = (event: PointerEvent<SVGElement>): number => {
    const top = event.currentTarget.ownerSVGElement?.getBoundingClientRect().top ?? 0;
    const place = (HEIGHT - BOTTOM - (event.clientY - top)) / (HEIGHT - TOP - BOTTOM);
    return Math.min(1, Math.max(0, place));
  };
  const draw = (event: PointerEvent<SVGElement>): void => {
    if (start !== null) {
      const place = placeAt(event);
      // A click alone takes the brush away.
      onBrush(Math.abs(place - start) < 0.01 ? null : [Math.min(start, place), Math.max(start, place)]);
    }
  };
  return (
    <g>
      <text className="orr-Parallel-title" x={x} y={14} textAnchor="middle" aria-hidden="true">
        {cut(axis.title, 16)}
        <title>{axis.title}</title>
      </text>
      <line className="orr-Parallel-axis" x1={x} x2={x} y1={yOf(0)} y2={yOf(1)} aria-hidden="true" />
      {props.brush && (
        <rect className="orr-Brush" x={x - 7} width={14} y={yOf(high)} height={yOf(low) - yOf(high)} />
      )}
      {axis.ticks.map(({ place, text }) => (
        <text key={text} className="orr-Parallel-tick" x={x + 8} y={yOf(place) + 4} aria-hidden="true">
          {cut(text, 10)}
        </text>
      ))}
      <rect
        className="orr-Brush-area"
        data-testid={`orrery-axis-${axis.title}`}
        x={x - 12}
        width={24}
        y={yOf(1)}
        height={yOf(0) - yOf(1)}
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setStart(placeAt(event));
        }}
        onPointerMove={draw}
        onPointerUp={event => {
          draw(event);
          setStart(null);
        }}
        onPointerCancel={() => setStart(null)}
      />
      <BrushEnd
        label={`Least ${axis.title}`}
        axis={axis}
        x={x}
        place={low}
        isLow
        onMove={place => onBrush([Math.min(place, high), high])}
        onReset={() => onBrush(null)}
      />
      <BrushEnd
        label={`Greatest ${axis.title}`}
        axis={axis}
        x={x}
        place={high}
        onMove={place => onBrush([low, Math.max(place, low)])}
        onReset={() => onBrush(null)}
      />
    </g>
  );
}

const KEYS: Record<string, number> = {
  ArrowUp: KEY_STEP,
  ArrowRight: KEY_STEP,
  ArrowDown: -KEY_STEP,
  ArrowLeft: -KEY_STEP,
  PageUp: KEY_LEAP,
  PageDown: -KEY_LEAP,
  Home: -1,
  End: 1
};

function BrushEnd(props: {
  label: string;
  axis: Axis;
  x: number;
  place: number;
  isLow?: boolean;
  onMove: (place: number) => void;
  onReset: () => void;
}): JSX.Element {
  const { axis, x, place, isLow = false } = props;
  const onKeyDown = (event: KeyboardEvent<SVGElement>): void => {
    const move = KEYS[event.key];
    if (move !== undefined) {
      props.onMove(Math.min(1, Math.max(0, +(place + move).toFixed(4))));
    } else if (event.key === 'Escape') {
      props.onReset();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const y = yOf(place);
  return (
    <g
      role="slider"
      tabIndex={0}
      className="orr-Brush-end"
      aria-label={props.label}
      aria-orientation="vertical"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(place * 100)}
      aria-valuetext={axis.textAt(place)}
      onKeyDown={onKeyDown}
    >
      <path d={`M${x - 7} ${y}h14l-7 ${isLow ? 8 : -8}z`} />
    </g>
  );
}
