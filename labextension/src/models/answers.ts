/** What an endpoint answered, told apart by what it is: classes with their probabilities, numbers, texts, a forecast. */
import type { Json } from '../api-types';
import { isObject, plainText } from '../format';

export interface ClassRow {
  winner: string;
  /** The most probable first; empty where the model gives no probabilities. */
  probabilities: { name: string; value: number }[];
}

/** Something found in a picture; places in the picture's own pixels. */
export interface Box {
  label: string;
  score: number | null;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export type Answer =
  | { kind: 'classes'; rows: ClassRow[] }
  | { kind: 'numbers'; rows: (number | null)[] }
  | { kind: 'texts'; rows: string[] }
  | { kind: 'forecast'; isTime: boolean; x: number[]; curves: { label: string; values: (number | null)[] }[] }
  | { kind: 'boxes'; rows: Box[][] }
  | { kind: 'other'; body: Json };

const TIMES = ['timestamp', 'time', 'date', 'ds'];

export function readAnswer(body: Json, task: string, classes: Json[]): Answer {
  const predictions = isObject(body) ? body.predictions : undefined;
  if (!isObject(body) || !Array.isArray(predictions) || predictions.length === 0) {
    return { kind: 'other', body };
  }
  const boxes = predictions.map(readBoxes);
  if (
    boxes.every((found): found is Box[] => found !== null) &&
    (boxes.some(found => found.length > 0) || /detection/.test(task))
  ) {
    return { kind: 'boxes', rows: boxes };
  }
  const forecast = readForecast(predictions, /forecast|time.?series/.test(task));
  if (forecast) {
    return forecast;
  }
  if (/classification$/.test(task) && predictions.every(isScalar)) {
    const { probabilities } = body;
    return {
      kind: 'classes',
      rows: predictions.map((prediction, index) => ({
        winner: plainText(prediction),
        probabilities: ranked(classes, Array.isArray(probabilities) ? probabilities[index] : null)
      }))
    };
  }
  if (predictions.every((value): value is number | null => value === null || typeof value === 'number')) {
    return { kind: 'numbers', rows: predictions };
  }
  if (predictions.every((value): value is string => typeof value === 'string')) {
    return { kind: 'texts', rows: predictions };
  }
  return { kind: 'other', body };
}

/** A list of `{label, score, box: {xmin, ymin, xmax, ymax}}`; null for anything else. */
function readBoxes(prediction: Json): Box[] | null {
  if (!Array.isArray(prediction)) {
    return null;
  }
  const found: Box[] = [];
  for (const item of prediction) {
    const box = isObject(item) ? item.box : null;
    if (!isObject(item) || !isObject(box)) {
      return null;
    }
    const [left, top, right, bottom] = [box.xmin, box.ymin, box.xmax, box.ymax].map(numberOf);
    if (left == null || top == null || right == null || bottom == null) {
      return null;
    }
    found.push({ label: plainText(item.label), score: numberOf(item.score), left, top, right, bottom });
  }
  return found;
}

function isScalar(value: Json): boolean {
  return value === null || typeof value !== 'object';
}

function ranked(classes: Json[], probabilities: Json | undefined): { name: string; value: number }[] {
  if (!Array.isArray(probabilities)) {
    return [];
  }
  return probabilities
    .map((value, index) => ({
      name: plainText(classes[index] ?? `class ${index}`),
      value: typeof value === 'number' ? value : 0
    }))
    .sort((a, b) => b.value - a.value);
}

/** Rows with a time and numbers, or, of a model that forecasts, a plain list of numbers. */
function readForecast(predictions: Json[], isForecast: boolean): Answer | null {
  if (predictions.every(isObject)) {
    const rows = predictions;
    const time = TIMES.find(name => rows.every(row => name in row));
    if (!time) {
      return null;
    }
    const x = rows.map(row => Date.parse(plainText(row[time])) / 1000);
    const isTime = x.every(Number.isFinite);
    const labels = Object.keys(rows[0] ?? {}).filter(
      name => name !== time && rows.some(row => typeof row[name] === 'number')
    );
    return labels.length === 0
      ? null
      : {
          kind: 'forecast',
          isTime,
          x: isTime ? x : rows.map((_, index) => index),
          curves: labels.map(label => ({ label, values: rows.map(row => numberOf(row[label])) }))
        };
  }
  const lists = predictions.every(Array.isArray)
    ? (predictions as Json[][])
    : isForecast
      ? [predictions]
      : [];
  if (!isForecast || lists.length === 0) {
    return null;
  }
  const longest = Math.max(...lists.map(list => list.length));
  return {
    kind: 'forecast',
    isTime: false,
    x: Array.from({ length: longest }, (_, index) => index + 1),
    curves: lists.map((list, index) => ({
      label: lists.length === 1 ? 'forecast' : `series ${index + 1}`,
      values: Array.from({ length: longest }, (_, place) => numberOf(list[place]))
    }))
  };
}

/** A forecast of one series without times, drawn after the values that it goes on from. */
export function withHistory(
  answer: Answer & { kind: 'forecast' },
  history: (number | null)[]
): { xLabel: string; isTime: boolean; x: number[]; curves: { label: string; values: (number | null)[] }[] } {
  const { isTime, x, curves } = answer;
  const xLabel = isTime ? 'time' : 'step';
  if (isTime || history.length === 0 || curves.length !== 1) {
    return { xLabel, isTime, x, curves };
  }
  const [values, ahead] = [curves[0]?.values ?? [], x.length];
  // Joined to the last value that is known, so that the line goes on.
  const before = history.map((_, index) => (index === history.length - 1 ? (history[index] ?? null) : null));
  return {
    xLabel,
    isTime,
    x: [...history, ...values].map((_, index) => index + 1),
    curves: [
      { label: 'given', values: [...history, ...Array<null>(ahead).fill(null)] },
      { label: 'forecast', values: [...before, ...values] }
    ]
  };
}

function numberOf(value: Json | undefined): number | null {
  return typeof value === 'number' ? value : null;
}

/** One word for the list of calls. */
export function summaryOf(answer: Answer): string {
  switch (answer.kind) {
    case 'classes':
      return answer.rows.length === 1 ? (answer.rows[0]?.winner ?? '') : `${answer.rows.length} rows`;
    case 'numbers':
      return answer.rows.length === 1 ? plainText(answer.rows[0]) : `${answer.rows.length} rows`;
    case 'texts':
      return answer.rows.length === 1 ? (answer.rows[0] ?? '').slice(0, 40) : `${answer.rows.length} texts`;
    case 'boxes':
      return answer.rows.length === 1
        ? `${answer.rows[0]?.length ?? 0} found`
        : `${answer.rows.length} pictures`;
    case 'forecast':
      return `forecast of ${answer.x.length}`;
    default:
      return 'answered';
  }
}

export interface AnswerTable {
  columns: string[];
  rows: (string | number | null)[][];
}

/** The answer to many rows, one line each; null where it is no list of rows. */
export function answerTable(answer: Answer): AnswerTable | null {
  if (answer.kind === 'classes') {
    const hasProbabilities = answer.rows.some(row => row.probabilities.length > 0);
    return {
      columns: hasProbabilities ? ['prediction', 'probability'] : ['prediction'],
      rows: answer.rows.map(row => [
        row.winner,
        ...(hasProbabilities ? [row.probabilities[0]?.value ?? null] : [])
      ])
    };
  }
  return answer.kind === 'numbers' || answer.kind === 'texts'
    ? { columns: ['prediction'], rows: answer.rows.map(row => [row]) }
    : null;
}

/** Cells as CSV, quoted where they must be. */
export function toCsv(rows: (string | number | boolean | null)[][]): string {
  const cell = (value: string | number | boolean | null): string => {
    const text = value === null ? '' : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return rows.map(row => row.map(cell).join(',')).join('\n') + '\n';
}
