/** What a run used of the machine over time: curves on one time axis, one for each rank, and what they say in figures. */
import type { UsageAnswer, UsageSample } from '../api-types';
import { formatBytes, formatNumber } from '../format';

type Measure = 'cores' | 'memory_bytes' | 'gpus' | 'gpu_memory_bytes';

export interface UsageChart {
  measure: Measure;
  title: string;
  curves: { label: string; values: (number | null)[]; dash: number }[];
}

export interface UsageCharts {
  /** Seconds since 1970, the same for all charts. */
  x: number[];
  charts: UsageChart[];
}

const CHARTS: [Measure, string][] = [
  ['cores', 'Cores in use'],
  ['memory_bytes', 'Memory'],
  ['gpus', 'GPUs in use'],
  ['gpu_memory_bytes', 'GPU memory']
];
/** As many curves as there are colours are told apart by these, the others by their dashes as well. */
const COLORS = 6;

export function formatMeasure(measure: Measure, value: number | null | undefined): string {
  if (value === null || value === undefined) {
    return '–';
  }
  return measure.endsWith('bytes') ? formatBytes(value) : formatNumber(Math.round(value * 1000) / 1000);
}

/** The last sample of what has ended may be of nobody any more. */
export function withoutEnd(samples: UsageSample[]): UsageSample[] {
  const last = samples[samples.length - 1];
  return samples.length > 1 && last?.memory_bytes === 0 ? samples.slice(0, -1) : samples;
}

/** The run itself where it is one process, else each of its ranks; of a tuning its trials, in the order of their numbers. */
function membersOf(answer: UsageAnswer): { label: string; samples: UsageSample[] }[] {
  if (answer.trials && answer.trials.length > 0) {
    return [...answer.trials]
      .sort((a, b) => a.number - b.number)
      .map(({ number, samples }) => ({ label: `trial ${number}`, samples: withoutEnd(samples) }));
  }
  return answer.ranks.length > 0
    ? answer.ranks.map(({ rank, samples }) => ({ label: `rank ${rank}`, samples }))
    : [{ label: answer.trials ? 'all trials' : 'run', samples: withoutEnd(answer.samples) }];
}

/** A tuning's trials as one: their sum alone. */
export function together(answer: UsageAnswer): UsageAnswer {
  return { ...answer, trials: [] };
}

/** Charts of what is known: without a GPU there are none of it. A rank's curve begins and ends as it did. */
export function usageCharts(answer: UsageAnswer): UsageCharts {
  const members = membersOf(answer);
  const moments = [...new Set(members.flatMap(({ samples }) => samples.map(sample => sample.at)))].sort(
    (a, b) => Date.parse(a) - Date.parse(b)
  );
  const place = new Map(moments.map((at, index) => [at, index]));
  const charts = CHARTS.map(([measure, title]) => ({
    measure,
    title,
    curves: members.map(({ label, samples }, index) => {
      const values: (number | null)[] = moments.map(() => null);
      samples.forEach(sample => {
        values[place.get(sample.at) ?? 0] = sample[measure];
      });
      return { label, values, dash: Math.floor(index / COLORS) };
    })
  }));
  return {
    x: moments.map(at => Date.parse(at) / 1000),
    charts: charts.filter(({ curves }) => curves.some(({ values }) => values.some(value => value !== null)))
  };
}

export interface UsageRow {
  label: string;
  cells: string[];
}

/** The last, the mean and the most of all together and of each rank. */
export function usageSummary(answer: UsageAnswer): { titles: string[]; rows: UsageRow[] } {
  const hasMembers = answer.ranks.length > 0 || (answer.trials?.length ?? 0) > 0;
  const whole = answer.trials ? 'all trials' : 'all';
  const all = {
    label: hasMembers || answer.trials ? whole : 'run',
    samples: withoutEnd(answer.samples)
  };
  const members = hasMembers ? [all, ...membersOf(answer)] : [all];
  const known = CHARTS.filter(([measure]) => all.samples.some(sample => sample[measure] !== null));
  return {
    titles: known.flatMap(([measure, title]) =>
      isHeld(measure) ? [`${title}, last`, 'most'] : [`${title}, last`, 'mean', 'most']
    ),
    rows: members.map(({ label, samples }) => ({
      label,
      cells: known.flatMap(([measure]) => {
        const last = formatMeasure(measure, samples[samples.length - 1]?.[measure]);
        const values = samples.flatMap(sample => sample[measure] ?? []);
        const most = formatMeasure(measure, values.length > 0 ? Math.max(...values) : null);
        return isHeld(measure)
          ? [last, most]
          : [last, formatMeasure(measure, meanOf(samples, measure)), most];
      })
    }))
  };
}

function isHeld(measure: Measure): boolean {
  return measure.endsWith('bytes');
}

/** Each value counts for the time since the sample before it. */
export function meanOf(samples: UsageSample[], measure: Measure): number | null {
  let [sum, seconds] = [0, 0];
  samples.forEach((sample, index) => {
    const before = samples[index - 1];
    const value = sample[measure];
    if (before && value !== null) {
      const passed = (Date.parse(sample.at) - Date.parse(before.at)) / 1000;
      sum += value * passed;
      seconds += passed;
    }
  });
  return seconds > 0 ? sum / seconds : null;
}

/** All that is drawn as one table: a line for each moment. */
export function usageTable({ x, charts }: UsageCharts): { titles: string[]; rows: (number | null)[][] } {
  return {
    titles: [
      'Time',
      ...charts.flatMap(({ title, curves }) =>
        curves.map(({ label }) => (curves.length > 1 ? `${title}, ${label}` : title))
      )
    ],
    rows: x.map((at, index) => [
      at,
      ...charts.flatMap(({ curves }) => curves.map(({ values }) => values[index] ?? null))
    ])
  };
}

/** The same in words that people read. */
export function usageTexts(drawn: UsageCharts): { titles: string[]; rows: string[][] } {
  const { titles, rows } = usageTable(drawn);
  const measures = drawn.charts.flatMap(({ measure, curves }) => curves.map(() => measure));
  return {
    titles,
    rows: rows.map(([at, ...values]) => [
      new Date((at ?? 0) * 1000).toLocaleTimeString(),
      ...values.map((value, index) => formatMeasure(measures[index] ?? 'cores', value))
    ])
  };
}
