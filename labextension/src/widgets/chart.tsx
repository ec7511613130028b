/** Curves, drawn by uPlot in the theme's colours; what is no number is written where it would be. */
import type { ReactNode } from 'react';
import { useEffect, useReducer, useRef } from 'react';
import uPlot from 'uplot';
import { formatNumber } from '../format';
import { usePanel } from './context';

export interface Curve {
  label: string;
  values: (number | null)[];
  /** Drawn thinner and paler: what a smoothed curve was made from. */
  isFaint?: boolean;
  /** The same number gives the same colour; left out, its place among the curves. */
  color?: number;
  /** 0: drawn through; the others are told apart by their dashes. */
  dash?: number;
  /** What was reported there and is no number. */
  special?: { x: number; value: SpecialNumber }[];
}

export type SpecialNumber = 'NaN' | 'Infinity' | '-Infinity';

export interface ChartProps {
  title: string;
  /** What the x axis counts; times are given in seconds. */
  xLabel: string;
  isTime?: boolean;
  x: number[];
  curves: Curve[];
  format?: (value: number) => string;
  height?: number;
  isLog?: boolean;
  /** Charts of the same name over the same x show where the pointer is in any of them. */
  together?: string;
  /** The ends of the y axis; left out, those of the values. */
  range?: [number, number];
  /** Amounts, whose axis begins at zero. */
  isAmount?: boolean;
  /** Bytes: the axis goes up in powers of two, which are round in KiB, MiB and GiB. */
  isBytes?: boolean;
  /** Buttons beside the title; `image` makes the drawing a PNG. */
  tools?: (image: () => Promise<Blob | null>) => ReactNode;
}

export const SERIES_COLORS = 6;
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
/** Pixels that the labels of the y axis take, and how many characters have room there. */
const AXIS_WIDTH = 62;
const MOST_CHARACTERS = 8;
const POWERS_OF_TWO = Array.from({ length: 52 }, (_, power) => 2 ** power);
const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });

/** A label of the y axis: one that would be cut is written shorter. */
export function tickText(value: number, format: (value: number) => string): string {
  const text = format(value);
  return text.length > MOST_CHARACTERS && format === formatNumber ? COMPACT.format(value) : text;
}

/** Where the pointer is, or nothing while it is elsewhere. */
function x0(value: number | null, isTime = false): string {
  if (value === null) {
    return '–';
  }
  return isTime ? new Date(value * 1000).toLocaleTimeString() : formatNumber(value);
}

function countOf(curve: Curve): number {
  return curve.values.reduce<number>((count, value) => count + (value === null ? 0 : 1), 0);
}

function css(node: HTMLElement, name: string): string {
  return getComputedStyle(node).getPropertyValue(name).trim();
}

function colorOf(node: HTMLElement, curve: Curve, index: number): string {
  return css(node, `--orr-series-${((curve.color ?? index) % SERIES_COLORS) + 1}`);
}

export function Chart(props: ChartProps): JSX.Element {
  const { themeChanged } = usePanel();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [theme, retheme] = useReducer((count: number) => count + 1, 0);
  const { x, curves, title, isTime, isLog, xLabel, height = 220, isAmount, isBytes } = props;
  const format = props.format ?? formatNumber;
  const range = props.range?.join(' ') ?? '';
  // A curve of one point is drawn as a point: its shape changes with the second.
  const labels = curves
    .map(
      curve =>
        `${curve.label} ${curve.color ?? ''} ${curve.isFaint ?? ''}${countOf(curve) < 2 ? ' point' : ''}`
    )
    .join('\n');
  const data = (): uPlot.AlignedData => [
    x,
    // On a logarithmic scale there is no place for zero and below.
    ...curves.map(curve =>
      isLog ? curve.values.map(value => (value !== null && value > 0 ? value : null)) : curve.values
    )
  ];

  useEffect(() => {
    const slot = (): void => retheme();
    themeChanged?.connect(slot);
    return () => {
      themeChanged?.disconnect(slot);
    };
  }, [themeChanged]);

  // Made anew when its shape or the theme changes; new points only change its data (below).
  useEffect(() => {
    const node = box.current;
    if (!node) {
      return undefined;
    }
    const ink = css(node, '--jp-ui-font-color2');
    const grid = { stroke: css(node, '--jp-border-color2'), width: 1 };
    const font = `11px ${css(node, '--jp-ui-font-family')}`;
    const axis: uPlot.Axis = { stroke: ink, grid, ticks: grid, font, labelFont: font };
    const ends: uPlot.Range.MinMax | uPlot.Scale.Range | undefined =
      latest.current.range ??
      (isAmount && !isLog
        ? (_: uPlot, __: number | null, most: number | null): uPlot.Range.MinMax => [
            0,
            (most ?? 0) * 1.08 || 1
          ]
        : undefined);
    const made = new uPlot(
      {
        width: Math.max(200, node.clientWidth),
        height,
        scales: {
          x: { time: isTime ?? false },
          y: { ...(isLog ? { distr: 3 } : {}), ...(ends ? { range: ends } : {}) }
        },
        axes: [
          { ...axis, ...(isTime ? {} : { label: xLabel, labelSize: 18 }) },
          {
            ...axis,
            size: AXIS_WIDTH,
            ...(isBytes ? { incrs: POWERS_OF_TWO } : {}),
            values: (_, ticks) => ticks.map(tick => (tick === null ? '' : tickText(tick, format)))
          }
        ],
        series: [
          { label: isTime ? 'time' : xLabel, value: (_, value: number | null) => x0(value, isTime) },
          ...curves.map((curve, index) => ({
            label: curve.label,
            stroke: colorOf(node, curve, index),
            width: curve.isFaint ? 1 : 2,
            alpha: curve.isFaint ? 0.35 : 1,
            dash: DASHES[(curve.dash ?? 0) % DASHES.length] ?? [],
            spanGaps: true,
            points: { show: countOf(curve) < 2, size: 7 },
            value: (_: uPlot, value: number | null) => (value === null ? '–' : format(value))
          }))
        ],
        legend: { show: true, live: true },
        cursor: {
          points: { size: 7 },
          ...(latest.current.together ? { sync: { key: latest.current.together } } : {})
        },
        hooks: { draw: [(drawn: uPlot) => writeSpecial(drawn, node, latest.current.curves)] }
      },
      data(),
      node
    );
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: Math.max(200, node.clientWidth), height })
    );
    observer.observe(node);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [labels, theme, isTime, isLog, height, xLabel, range, isAmount, isBytes]);

  useEffect(() => {
    plot.current?.setData(data());
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [x, curves]);

  const image = (): Promise<Blob | null> =>
    new Promise(resolve => {
      const node = box.current;
      if (!node || !plot.current) {
        resolve(null);
        return;
      }
      const source = plot.current.ctx.canvas;
      const target = document.createElement('canvas');
      target.width = source.width;
      target.height = source.height;
      const context = target.getContext('2d');
      if (!context) {
        resolve(null);
        return;
      }
      context.fillStyle = css(node, '--jp-layout-color1');
      context.fillRect(0, 0, target.width, target.height);
      context.drawImage(source, 0, 0);
      target.toBlob(resolve, 'image/png');
    });

  return (
    <figure className="orr-Chart">
      <figcaption>
        <span>{title}</span>
        {props.tools?.(image)}
      </figcaption>
      <div ref={box} role="img" aria-label={describe(props, format)} />
    </figure>
  );
}

/** Infinities at the edge that they went beyond, NaN at the bottom. */
function writeSpecial(plot: uPlot, node: HTMLElement, curves: Curve[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${10 * devicePixelRatio}px ${css(node, '--jp-ui-font-family')}`;
  ctx.textAlign = 'center';
  curves.forEach((curve, index) => {
    ctx.fillStyle = colorOf(node, curve, index);
    for (const { x, value } of curve.special ?? []) {
      const left = plot.valToPos(x, 'x', true);
      if (left >= bbox.left && left <= bbox.left + bbox.width) {
        const top = value === 'Infinity';
        ctx.textBaseline = top ? 'top' : 'bottom';
        const text = value === 'NaN' ? 'NaN' : top ? '+∞' : '−∞';
        ctx.fillText(text, left, top ? bbox.top + 2 : bbox.top + bbox.height - 2);
      }
    }
  });
  ctx.restore();
}

/** What a screen reader hears of the chart: where each curve ended. */
function describe(props: ChartProps, format: (value: number) => string): string {
  const ends = props.curves
    .filter(curve => !curve.isFaint)
    .map(curve => {
      const last = [...curve.values].reverse().find((value): value is number => value !== null);
      const special = curve.special?.length ? `, ${curve.special.length} not finite` : '';
      return `${curve.label}: last ${last === undefined ? 'none' : format(last)}${special}`;
    });
  return `${props.title} over ${props.xLabel}, ${props.x.length} points. ${ends.join('; ')}`;
}
