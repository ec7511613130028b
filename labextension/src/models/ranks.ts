/** Runs of several processes: how many there are, and the log of one. Each line begins with whose it is. */
import type { Resource } from '../api-types';

export interface LogLine {
  text: string;
  /** Counted in the whole log. */
  number: number;
}

/** 1 for what knows no nodes. */
export function countRanks(resource: Resource): number {
  const { nodes, processes_per_node: processes } = resource.spec;
  return (typeof nodes === 'number' ? nodes : 1) * (typeof processes === 'number' ? processes : 1);
}

/** The lines of one rank without its label; all of them, as they are, for null. */
export function linesOf(lines: string[], rank: number | null): LogLine[] {
  const numbered = lines.map((text, index) => ({ text, number: index + 1 }));
  if (rank === null) {
    return numbered;
  }
  const label = `[rank ${rank}] `;
  return numbered
    .filter(line => line.text.startsWith(label))
    .map(line => ({ text: line.text.slice(label.length), number: line.number }));
}
