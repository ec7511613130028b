/** A plot as SVG in the theme's colours, with axes; many points are one path, so that thousands draw at once. */
import type { ReactNode } from 'react';
import { useEffect, useRef, useState } from 'react';
import { plural } from '../../format';
import type { Box, Group, Plot } from '../../models/plots';
import { extent, formatValue, ticks } from '../../models/plots';

const HEIGHT = 380;
const EDGE = { left: 74, right: 14, top: 10, bottom: 46 };
/** Labels of bars turn when there is no room for them. */
const LABEL_WIDTH = 64;

interface Scale {
  (value: number): number;
  ticks: { at: number; text: string }[];
}

export function PlotView(props: { plot: Plot }): JSX.Element {
  const { plot } = props;
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(760);
  useEffect(() => {
    const node = box.current;
    if (!node) {
      return undefined;
    }
    const observer = new ResizeObserver(() => setWidth(Math.max(280, node.clientWidth)));
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  const labels = barLabels(plot);
  const isTurned = labels !== null && (width - EDGE.left) / labels.length < LABEL_WIDTH;
  const bottom = EDGE.bottom + (isTurned ? 64 : 0);
  const [right, base] = [width - EDGE.right, HEIGHT - bottom];
  const x = labels ? bandScale(labels, EDGE.left, right) : xScale(plot, EDGE.left, right);
  const y = linear(...yRange(plot), base, EDGE.top, plot.isTimeY);
  const groups = plot.kind === 'boxes' ? [] : plot.groups;
  return (
    <figure className="orr-Plot-figure">
      {groups.some(group => group.label) && <Legend groups={groups} />}
      <div ref={box}>
        <svg width={width} height={HEIGHT} role="img" aria-label={describe(plot)}>
          <Axes x={x} y={y} width={width} base={base} isTurned={isTurned} />
          <Marks
            plot={plot}
            x={x}
            y={y}
            base={base}
            step={labels ? (right - EDGE.left) / labels.length : 0}
          />
          <text x={(EDGE.left + right) / 2} y={HEIGHT - 6} textAnchor="middle">
            {plot.xTitle}
          </text>
          <text transform={`translate(14 ${(EDGE.top + base) / 2}) rotate(-90)`} textAnchor="middle">
            {plot.yTitle}
          </text>
        </svg>
      </div>
    </figure>
  );
}

function Legend(props: { groups: Group[] }): JSX.Element {
  return (
    <ul className="orr-Plot-legend" aria-label="Colours">
      {props.groups.map((group, index) => (
        <li key={group.label}>
          <span style={{ background: series(index) }} aria-hidden="true" />
          {group.label}
        </li>
      ))}
    </ul>
  );
}

function Axes(props: { x: Scale; y: Scale; width: number; base: number; isTurned: boolean }): JSX.Element {
  const { x, y, width, base, isTurned } = props;
  return (
    <g className="orr-Plot-axes">
      {y.ticks.map(({ at, text }) => (
        <g key={`${at} ${text}`}>
          <line x1={EDGE.left} x2={width - EDGE.right} y1={at} y2={at} />
          <text x={EDGE.left - 6} y={at + 4} textAnchor="end">
            {text}
          </text>
        </g>
      ))}
      {x.ticks.map(({ at, text }) => (
        <text
          key={`${at} ${text}`}
          transform={`translate(${at} ${base + 16})${isTurned ? ' rotate(-35)' : ''}`}
          textAnchor={isTurned ? 'end' : 'middle'}
        >
          {text.length > 18 ? `${text.slice(0, 17)}…` : text}
          <title>{text}</title>
        </text>
      ))}
      <line x1={EDGE.left} x2={width - EDGE.right} y1={base} y2={base} className="orr-mod-base" />
    </g>
  );
}

function Marks(props: { plot: Plot; x: Scale; y: Scale; base: number; step: number }): JSX.Element {
  const { plot, x, y, base, step } = props;
  switch (plot.kind) {
    case 'points':
      return (
        <>
          {plot.groups.map((group, index) => (
            <path
              key={group.label}
              className="orr-Plot-points"
              stroke={series(index)}
              d={group.points.map(([a, b]) => `M${x(a).toFixed(1)} ${y(b).toFixed(1)}h0`).join('')}
            />
          ))}
        </>
      );
    case 'lines':
      return (
        <>
          {plot.groups.map((group, index) => (
            <polyline
              key={group.label}
              className="orr-Plot-line"
              stroke={series(index)}
              points={group.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(' ')}
            />
          ))}
        </>
      );
    case 'bars':
      return <Bars plot={plot} y={y} place={bar => x(bar) - step * 0.4} width={step * 0.8} />;
    case 'bins': {
      const at = (bin: number): number => x(plot.edges[bin] ?? 0);
      return <Stacks groups={plot.groups} y={y} base={base} at={at} />;
    }
    case 'boxes':
      return (
        <>
          {plot.boxes.map((one, index) => (
            <BoxMark key={one.label} box={one} centre={x(index)} width={Math.min(80, step * 0.6)} y={y} />
          ))}
        </>
      );
  }
}

function Bars(props: {
  plot: Plot & { kind: 'bars' };
  y: Scale;
  place: (bar: number) => number;
  width: number;
}): JSX.Element {
  const { plot, y, place } = props;
  const width = props.width / plot.groups.length;
  const marks: ReactNode[] = plot.groups.flatMap((group, index) =>
    group.points.map(([bar, height]) => (
      <rect
        key={`${index} ${bar}`}
        x={place(bar) + index * width}
        width={Math.max(1, width - 1)}
        y={Math.min(y(height), y(0))}
        height={Math.abs(y(height) - y(0))}
        fill={series(index)}
      >
        <title>{`${plot.labels[bar] ?? ''} ${group.label}: ${formatValue(height, plot.isTimeY)}`}</title>
      </rect>
    ))
  );
  return <>{marks}</>;
}

/** The groups' counts stand on each other. */
function Stacks(props: {
  groups: Group[];
  y: Scale;
  base: number;
  at: (bin: number) => number;
}): JSX.Element {
  const { groups, y, at } = props;
  const heights = new Map<number, number>();
  const marks = groups.flatMap((group, index) =>
    group.points.map(([bin, count]) => {
      const from = heights.get(bin) ?? 0;
      heights.set(bin, from + count);
      return (
        <rect
          key={`${index} ${bin}`}
          x={at(bin)}
          width={Math.max(1, at(bin + 1) - at(bin) - 1)}
          y={y(from + count)}
          height={Math.max(0, y(from) - y(from + count))}
          fill={series(index)}
        >
          <title>{`${group.label} ${plural(count, 'row')}`}</title>
        </rect>
      );
    })
  );
  return <>{marks}</>;
}

function BoxMark(props: { box: Box; centre: number; width: number; y: Scale }): JSX.Element {
  const { box, centre, width, y } = props;
  const [left, right] = [centre - width / 2, centre + width / 2];
  return (
    <g className="orr-Plot-box">
      <line x1={centre} x2={centre} y1={y(box.low)} y2={y(box.q1)} />
      <line x1={centre} x2={centre} y1={y(box.q3)} y2={y(box.high)} />
      <rect x={left} width={width} y={y(box.q3)} height={Math.max(1, y(box.q1) - y(box.q3))}>
        <title>{`${box.label}: median ${formatValue(box.median, false)}, ${plural(box.rows, 'row')}`}</title>
      </rect>
      <line x1={left} x2={right} y1={y(box.median)} y2={y(box.median)} className="orr-mod-median" />
      <path d={box.outliers.map(value => `M${centre.toFixed(1)} ${y(value).toFixed(1)}h0`).join('')} />
    </g>
  );
}

function series(index: number): string {
  return `var(--orr-series-${(index % 6) + 1})`;
}

function barLabels(plot: Plot): string[] | null {
  return plot.kind === 'bars'
    ? plot.labels
    : plot.kind === 'boxes'
      ? plot.boxes.map(({ label }) => label)
      : null;
}

function bandScale(labels: string[], from: number, to: number): Scale {
  const step = (to - from) / labels.length;
  const scale = (value: number): number => from + step * (value + 0.5);
  return Object.assign(scale, { ticks: labels.map((text, index) => ({ at: scale(index), text })) });
}

function xScale(plot: Plot, from: number, to: number): Scale {
  if (plot.kind === 'bins') {
    const [low = 0, high = 1] = [plot.edges[0], plot.edges.at(-1)];
    return linear(low, high, from, to, plot.isTime);
  }
  const values =
    plot.kind === 'points' || plot.kind === 'lines' ? plot.groups.flatMap(group => group.points) : [];
  return linear(...padded(extent(values.map(([value]) => value))), from, to, plot.isTime);
}

function yRange(plot: Plot): [number, number] {
  switch (plot.kind) {
    case 'points':
    case 'lines':
      return padded(extent(plot.groups.flatMap(group => group.points.map(([, value]) => value))));
    case 'boxes':
      return padded(
        extent(
          plot.boxes.flatMap(box => [
            box.low,
            box.high,
            box.q1,
            box.q3,
            ...extent([...box.outliers, box.median])
          ])
        )
      );
    case 'bins': {
      const totals = new Map<number, number>();
      plot.groups.forEach(group =>
        group.points.forEach(([bin, count]) => totals.set(bin, (totals.get(bin) ?? 0) + count))
      );
      return [0, Math.max(1, ...totals.values()) * 1.04];
    }
    case 'bars': {
      const [low, high] = extent(plot.groups.flatMap(group => group.points.map(([, value]) => value)));
      return [Math.min(0, low * 1.04), Math.max(0, high * 1.04) || 1];
    }
  }
}

function padded([low, high]: [number, number]): [number, number] {
  const room = (high - low) * 0.03 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

function linear(low: number, high: number, from: number, to: number, isTime: boolean): Scale {
  const scale = (value: number): number => from + ((value - low) / (high - low || 1)) * (to - from);
  const marks = ticks(low, high).map(value => ({ at: scale(value), text: formatValue(value, isTime) }));
  return Object.assign(scale, { ticks: marks });
}

function describe(plot: Plot): string {
  const words = {
    points: 'Scatter plot',
    lines: 'Line chart',
    bars: 'Bar chart',
    bins: 'Histogram',
    boxes: 'Box plot'
  };
  return `${words[plot.kind]} of ${plot.yTitle} by ${plot.xTitle}, ${plural(plot.rows, 'row')}; the table below has the numbers`;
}
