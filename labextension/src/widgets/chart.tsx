/** Curves, drawn by uPlot in the theme's colours. */
import { useEffect, useReducer, useRef } from 'react';
import uPlot from 'uplot';
import { formatNumber } from '../format';
import { usePanel } from './context';

export interface Curve {
  label: string;
  values: (number | null)[];
}

export interface ChartProps {
  title: string;
  /** What the x axis counts; times are given in seconds. */
  xLabel: string;
  isTime?: boolean;
  x: number[];
  curves: Curve[];
  format?: (value: number) => string;
  height?: number;
}

const SERIES = 6;

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

export function Chart(props: ChartProps): JSX.Element {
  const { themeChanged } = usePanel();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [theme, retheme] = useReducer((count: number) => count + 1, 0);
  const { x, curves, title, isTime, xLabel, height = 220 } = props;
  const format = props.format ?? formatNumber;
  // A curve of one point is drawn as a point: its shape changes with the second.
  const labels = curves.map(curve => `${curve.label}${countOf(curve) < 2 ? ' point' : ''}`).join('\n');

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
    const made = new uPlot(
      {
        width: Math.max(200, node.clientWidth),
        height,
        scales: { x: { time: isTime ?? false } },
        axes: [
          { ...axis, ...(isTime ? {} : { label: xLabel, labelSize: 18 }) },
          { ...axis, size: 62, values: (_, ticks) => ticks.map(tick => (tick === null ? '' : format(tick))) }
        ],
        series: [
          { label: isTime ? 'time' : xLabel, value: (_, value: number | null) => x0(value, isTime) },
          ...curves.map((curve, index) => ({
            label: curve.label,
            stroke: css(node, `--orr-series-${(index % SERIES) + 1}`),
            width: 2,
            spanGaps: true,
            points: { show: countOf(curve) < 2, size: 7 },
            value: (_: uPlot, value: number | null) => (value === null ? '–' : format(value))
          }))
        ],
        legend: { show: true, live: true },
        cursor: { points: { size: 7 } }
      },
      [x, ...curves.map(curve => curve.values)],
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
  }, [labels, theme, isTime, height, xLabel]);

  useEffect(() => {
    plot.current?.setData([x, ...curves.map(curve => curve.values)]);
  }, [x, curves]);

  return (
    <figure className="orr-Chart">
      <figcaption>{title}</figcaption>
      <div ref={box} role="img" aria-label={describe(props, format)} />
    </figure>
  );
}

/** What a screen reader hears of the chart: where each curve ended. */
function describe(props: ChartProps, format: (value: number) => string): string {
  const ends = props.curves.map(curve => {
    const last = [...curve.values].reverse().find((value): value is number => value !== null);
    return `${curve.label}: last ${last === undefined ? 'none' : format(last)}`;
  });
  return `${props.title} over ${props.xLabel}, ${props.x.length} points. ${ends.join('; ')}`;
}
