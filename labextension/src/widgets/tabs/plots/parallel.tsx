/** Parallel coordinates of the trials; each axis has a brush, drawn with the pointer or moved with the arrow keys. */
import type { KeyboardEvent, PointerEvent } from 'react';
import { useEffect, useMemo, useReducer, useRef, useState } from 'react';
import type { Objective } from '../../../api-types';
import { plural } from '../../../format';
import type { Axis, Brushes, ParallelLine, ParallelPlot } from '../../../models/trial-plots';
import { brushed, trialTable } from '../../../models/trial-plots';
import { usePanel } from '../../context';
import { Button } from '../../parts';
import { FoldedTable, cut, useWidth } from './frame';

const HEIGHT = 300;
const TOP = 34;
const BOTTOM = 16;
const SIDE = 60;
const LEAST_STEP = 76;
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
        <div className="orr-Parallel-drawing" style={{ width }}>
          <Lines plot={plot} inside={inside} width={width} step={step} />
          <svg width={width} height={HEIGHT} className="orr-Plot-parallel" role="group" aria-label="Axes">
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

/**
 * On a canvas: thousands of long strokes are painted there one by one, while as a path of an SVG they take seconds.
 * What is outside is pale and below, the best are above.
 */
function Lines(props: { plot: ParallelPlot; inside: Set<number>; width: number; step: number }): JSX.Element {
  const { plot, inside, width, step } = props;
  const { themeChanged } = usePanel();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [theme, retheme] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const slot = (): void => retheme();
    themeChanged?.connect(slot);
    return () => {
      themeChanged?.disconnect(slot);
    };
  }, [themeChanged]);
  useEffect(() => {
    const node = canvas.current;
    const pen = node?.getContext('2d');
    if (!node || !pen) {
      return;
    }
    const ratio = window.devicePixelRatio;
    node.width = width * ratio;
    node.height = HEIGHT * ratio;
    pen.scale(ratio, ratio);
    const style = getComputedStyle(node);
    const rankOf = (line: ParallelLine): number => (inside.has(line.trial.number) ? line.rank + 1 : 0);
    for (let rank = 0; rank <= RANKS; rank += 1) {
      pen.strokeStyle = style.getPropertyValue(rank === 0 ? '--jp-border-color2' : '--orr-series-1').trim();
      pen.globalAlpha = rank === 0 ? 0.6 : 0.2 + (0.8 * (rank - 1)) / (RANKS - 1);
      for (const line of plot.lines) {
        if (rankOf(line) === rank) {
          stroke(pen, line.places, step);
        }
      }
    }
  }, [plot, inside, width, step, theme]);
  return (
    <canvas
      ref={canvas}
      className="orr-Parallel-lines"
      style={{ width, height: HEIGHT }}
      aria-hidden="true"
    />
  );
}

/** A parameter that its conditions ruled out leaves a gap. */
function stroke(pen: CanvasRenderingContext2D, places: readonly (number | null)[], step: number): void {
  let isOpen = false;
  pen.beginPath();
  places.forEach((place, at) => {
    if (place === null) {
      isOpen = false;
    } else if (isOpen) {
      pen.lineTo(SIDE + at * step, yOf(place));
    } else {
      pen.moveTo(SIDE + at * step, yOf(place));
      isOpen = true;
    }
  });
  pen.stroke();
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
