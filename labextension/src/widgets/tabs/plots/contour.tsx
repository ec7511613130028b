/** The metric over two parameters, in bands; the trials from which it is known lie over it. */
import type { Objective } from '../../../api-types';
import { formatNumber, plural } from '../../../format';
import type { Surface } from '../../../models/trial-plots';
import { BANDS } from '../../../models/trial-plots';
import { Axes, boxOf, colorOf, useWidth } from './frame';
import { Pointed } from './scatter';

const HEIGHT = 320;
const WEAKEST = 10;
const STRONGEST = 88;

function bandColor(band: number): string {
  return colorOf(1, WEAKEST + ((STRONGEST - WEAKEST) * band) / (BANDS - 1));
}

export function Contour(props: { surface: Surface; objectives: Objective[] }): JSX.Element {
  const { surface } = props;
  const [node, width] = useWidth<HTMLDivElement>();
  const box = boxOf(width, HEIGHT);
  const rows = surface.bands.length;
  return (
    <figure className="orr-Plot-figure">
      <ul className="orr-Plot-legend" aria-label="Colours">
        {surface.levels.map((level, band) => (
          <li key={band}>
            <span style={{ background: bandColor(band) }} aria-hidden="true" />
            {`from ${formatNumber(+level.toPrecision(3))}`}
          </li>
        ))}
      </ul>
      <div ref={node}>
        <Pointed box={box} points={surface.points} objectives={props.objectives}>
          <svg
            width={width}
            height={HEIGHT}
            className="orr-Contour"
            data-density={densityOf(surface.points.length)}
            role="img"
            aria-label={`${surface.title}: ${plural(surface.points.length, 'trial')}; the table below has the numbers`}
          >
            {surface.bands.map((bands, row) =>
              runsOf(bands).map(({ from, to, band }) => (
                <rect
                  key={`${row} ${from}`}
                  x={box.x(from / bands.length)}
                  width={box.x(to / bands.length) - box.x(from / bands.length) + 0.5}
                  y={box.y((row + 1) / rows)}
                  height={box.y(row / rows) - box.y((row + 1) / rows) + 0.5}
                  fill={bandColor(band)}
                />
              ))
            )}
            <Axes box={box} x={surface.x} y={surface.y} />
            <path
              className="orr-Contour-rims"
              d={surface.points
                .map(({ x, y }) => `M${box.x(x).toFixed(1)} ${box.y(y).toFixed(1)}h0`)
                .join('')}
            />
            <path
              className="orr-Contour-points"
              d={surface.points
                .map(({ x, y }) => `M${box.x(x).toFixed(1)} ${box.y(y).toFixed(1)}h0`)
                .join('')}
            />
          </svg>
        </Pointed>
      </div>
    </figure>
  );
}

/** Many points must not hide the bands between them. */
function densityOf(count: number): 'few' | 'many' | 'very many' {
  return count <= 300 ? 'few' : count <= 1500 ? 'many' : 'very many';
}

/** Neighbours of one band are one rectangle. */
function runsOf(bands: number[]): { from: number; to: number; band: number }[] {
  const runs: { from: number; to: number; band: number }[] = [];
  bands.forEach((band, at) => {
    const last = runs.at(-1);
    if (last?.band === band) {
      last.to = at + 1;
    } else {
      runs.push({ from: at, to: at + 1, band });
    }
  });
  return runs;
}
