/** Which way a metric is better: what its algorithm declares, else what its name says by the words of the platform. */
import type { DeclaredMetric } from '../forms/make-form';

/** Regular expressions, without regard to case, as `GET /kinds` answers. */
export interface GoalWords {
  minimize: string;
  maximize: string;
}

/** -1: less is better, 1: more is better, 0: it is not known which. */
export type Direction = -1 | 0 | 1;

export class Goals {
  private readonly words: [Direction, RegExp][];

  /** `null`: as long as the platform has not answered. */
  constructor(words: GoalWords | null) {
    this.words = words
      ? [
          [-1, new RegExp(words.minimize, 'i')],
          [1, new RegExp(words.maximize, 'i')]
        ]
      : [];
  }

  /** `declared`: by the algorithms that report it; where they contradict each other it is not known. */
  directionOf(metric: string, declared: readonly DeclaredMetric[] = []): Direction {
    const said = new Set(declared.flatMap(({ name, goal }) => (name === metric && goal ? [goal] : [])));
    if (said.size > 0) {
      return said.size > 1 ? 0 : said.has('minimize') ? -1 : 1;
    }
    return this.words.find(([, words]) => words.test(metric))?.[0] ?? 0;
  }
}
