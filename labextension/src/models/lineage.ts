/** What a resource was made from and what was made from it, some steps both ways, laid out in columns. */
import type { Summary } from '../api-types';
import type { IOrrery } from '../tokens';

export interface LineageNode {
  summary: Summary;
  /** Negative: it comes before; 0 is the resource itself. */
  column: number;
  row: number;
}

export interface Lineage {
  nodes: LineageNode[];
  /** From what is used to what uses it, by id. */
  edges: [from: string, to: string][];
  /** There is more than is shown. */
  isCut: boolean;
}

const STEPS = 4;
const MOST_NODES = 40;

/** Follow the references back and the dependents on; each resource is shown once, where it is first met. */
export async function readLineage(orrery: IOrrery, self: Summary): Promise<Lineage> {
  const lineage: Lineage = { nodes: [{ summary: self, column: 0, row: 0 }], edges: [], isCut: false };
  await walk(orrery, lineage, self, -1);
  await walk(orrery, lineage, self, 1);
  return lineage;
}

async function walk(orrery: IOrrery, lineage: Lineage, self: Summary, direction: 1 | -1): Promise<void> {
  let frontier = [self];
  for (let step = 1; step <= STEPS && frontier.length > 0; step += 1) {
    const found = await Promise.all(frontier.map(summary => neighbours(orrery, summary, direction)));
    const next: Summary[] = [];
    found.forEach((items, index) => {
      const from = frontier[index];
      for (const item of from ? items : []) {
        const isKnown = lineage.nodes.some(node => node.summary.id === item.id);
        if (!isKnown && lineage.nodes.length >= MOST_NODES) {
          lineage.isCut = true;
          continue;
        }
        if (!isKnown) {
          const column = step * direction;
          const row = lineage.nodes.filter(node => node.column === column).length;
          lineage.nodes.push({ summary: item, column, row });
          next.push(item);
        }
        addEdge(lineage, direction < 0 ? [item.id, from?.id ?? ''] : [from?.id ?? '', item.id]);
      }
    });
    frontier = next;
  }
  lineage.isCut ||= frontier.length > 0 && (await hasMore(orrery, frontier, direction));
}

function addEdge(lineage: Lineage, edge: [string, string]): void {
  if (!lineage.edges.some(known => known[0] === edge[0] && known[1] === edge[1])) {
    lineage.edges.push(edge);
  }
}

async function hasMore(orrery: IOrrery, frontier: Summary[], direction: 1 | -1): Promise<boolean> {
  const beyond = await Promise.all(frontier.map(summary => neighbours(orrery, summary, direction)));
  return beyond.some(items => items.length > 0);
}

async function neighbours(orrery: IOrrery, summary: Summary, direction: 1 | -1): Promise<Summary[]> {
  const kind = orrery.kinds.get(summary.kind);
  if (!kind) {
    return [];
  }
  const { api } = orrery;
  const answer = await (direction < 0
    ? api.references(kind.plural, summary.id)
    : api.dependents(kind.plural, summary.id));
  return answer.items;
}
