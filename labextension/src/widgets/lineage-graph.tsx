/** The lineage drawn: columns from what came first to what came of it, boxes that open, lines between them. */
import { displayName } from '../format';
import { kindIcon } from '../icons';
import type { Lineage, LineageNode } from '../models/lineage';
import { usePanel } from './context';
import { Icon } from './parts';

const WIDTH = 150;
const HEIGHT = 48;
const GAP_X = 32;
const GAP_Y = 14;

export function LineageGraph(props: { lineage: Lineage; selfId: string }): JSX.Element {
  const { lineage } = props;
  const columns = [...new Set(lineage.nodes.map(node => node.column))].sort((a, b) => a - b);
  const tallest = Math.max(...columns.map(column => inColumn(lineage, column).length));
  const height = tallest * (HEIGHT + GAP_Y) - GAP_Y;
  const width = columns.length * (WIDTH + GAP_X) - GAP_X;
  const placeOf = (node: LineageNode): { x: number; y: number } => {
    const count = inColumn(lineage, node.column).length;
    const top = (height - (count * (HEIGHT + GAP_Y) - GAP_Y)) / 2;
    return { x: columns.indexOf(node.column) * (WIDTH + GAP_X), y: top + node.row * (HEIGHT + GAP_Y) };
  };
  const places = new Map(lineage.nodes.map(node => [node.summary.id, placeOf(node)]));
  const ordered = [...lineage.nodes].sort((a, b) => a.column - b.column || a.row - b.row);
  return (
    <div className="orr-Graph" tabIndex={0} role="region" aria-label="Lineage, drawn">
      <div className="orr-Graph-sheet" style={{ width, height }} data-testid="orrery-graph">
        <svg width={width} height={height} aria-hidden="true">
          {lineage.edges.map(([from, to]) => {
            const start = places.get(from);
            const end = places.get(to);
            return start && end ? <path key={`${from} ${to}`} d={curve(start, end)} /> : null;
          })}
        </svg>
        {ordered.map(node => (
          <Box
            key={node.summary.id}
            node={node}
            place={placeOf(node)}
            isSelf={node.summary.id === props.selfId}
          />
        ))}
      </div>
    </div>
  );
}

function inColumn(lineage: Lineage, column: number): LineageNode[] {
  return lineage.nodes.filter(node => node.column === column);
}

/** From the right edge of one box to the left edge of the other. */
function curve(from: { x: number; y: number }, to: { x: number; y: number }): string {
  const x1 = from.x + WIDTH;
  const y1 = from.y + HEIGHT / 2;
  const x2 = to.x;
  const y2 = to.y + HEIGHT / 2;
  const bend = Math.max(24, Math.abs(x2 - x1) / 2);
  return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
}

function Box(props: { node: LineageNode; place: { x: number; y: number }; isSelf: boolean }): JSX.Element {
  const { node, place, isSelf } = props;
  const { go, kinds } = usePanel();
  const { summary } = node;
  const title = kinds.get(summary.kind)?.title ?? summary.kind;
  const name = kinds.isMine(summary) ? displayName(summary) : `${summary.owner}/${displayName(summary)}`;
  const content = (
    <>
      <Icon icon={kindIcon(summary.kind)} size={18} />
      <span className="orr-Graph-text">
        <span className="orr-Ellipsis">{name}</span>
        <span className="orr-Muted">{title}</span>
      </span>
    </>
  );
  const style = { left: place.x, top: place.y, width: WIDTH, height: HEIGHT };
  return isSelf ? (
    <div className="orr-Graph-box orr-mod-self" style={style} title={name} aria-current="true">
      {content}
    </div>
  ) : (
    <button
      type="button"
      className="orr-Graph-box"
      style={style}
      title={`Open ${title.toLowerCase()} ${name}`}
      onClick={() => go.open(summary.kind, summary.id)}
      data-testid={`orrery-node-${summary.name}`}
    >
      {content}
    </button>
  );
}
