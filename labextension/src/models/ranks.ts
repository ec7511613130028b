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

/** The lines of one rank without its label; all of them, as they are, for null. `before`: lines that are held no longer. */
export function linesOf(lines: string[], rank: number | null, before = 0): LogLine[] {
  const numbered = lines.map((text, index) => ({ text, number: before + index + 1 }));
  if (rank === null) {
    return numbered;
  }
  const label = `[rank ${rank}] `;
  return numbered
    .filter(line => line.text.startsWith(label))
    .map(line => ({ text: line.text.slice(label.length), number: line.number }));
}

/** A line apart from the label of whose it is. `known`: of this rank alone, whose lines have none. */
export function rankOf(text: string, known: number | null): { rank: number | null; text: string } {
  const label = known === null ? /^\[rank (\d+)\] /.exec(text) : null;
  return label ? { rank: Number(label[1]), text: text.slice(label[0].length) } : { rank: known, text };
}
