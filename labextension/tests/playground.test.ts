import { describe, expect, it } from 'vitest';
import type { Json } from '../src/api-types';
import { answerTable, readAnswer, toCsv, withHistory } from '../src/models/answers';
import type { Field } from '../src/models/inputs';
import { fieldsOf, makeRow, parseTable, readTable, typedValues } from '../src/models/inputs';
import { PlaygroundModel } from '../src/models/playground';
import { curlSnippet, javaScriptSnippet, pythonSnippet } from '../src/models/snippets';
import { ALGORITHM, MemoryPlatform, makeResource, until } from './platform';

const NUMBER: Field = {
  name: 'width',
  kind: 'number',
  isNullable: false,
  categories: [],
  minimum: 0,
  maximum: 9
};
const COLOUR: Field = {
  name: 'colour',
  kind: 'category',
  isNullable: true,
  categories: ['red', 'blue'],
  minimum: null,
  maximum: null
};
const FLAG: Field = { ...COLOUR, name: 'flag', kind: 'boolean', categories: [] };

describe('what is typed', () => {
  it('is sent as what the model takes, and a missing value as null', () => {
    expect(makeRow([NUMBER, COLOUR, FLAG], { width: ' 1.5e2 ', colour: '', flag: 'yes' })).toEqual({
      row: { width: 150, colour: null, flag: true },
      problems: []
    });
  });

  it('is refused at its field, with the value', () => {
    const { problems } = makeRow([NUMBER, FLAG], { width: 'wide', flag: 'perhaps' });
    expect(problems).toEqual([
      { field: 'width', message: '"wide" is not a number' },
      { field: 'flag', message: '"perhaps" is neither true nor false' }
    ]);
    expect(makeRow([NUMBER], {}).problems[0]?.message).toBe('the model needs a value here');
  });

  it('of a file goes as base64', () => {
    const image: Field = { ...NUMBER, name: 'picture', kind: 'image' };
    expect(makeRow([image], { picture: { b64: 'AAEC', name: 'a.png' } }).row).toEqual({
      picture: { b64: 'AAEC' }
    });
    expect(makeRow([image], { picture: 'x' }).problems[0]?.message).toBe('choose a file');
  });
});

describe('a pasted table', () => {
  it('is read as spreadsheets write it', () => {
    expect(parseTable('a;b\r\n"1;2";"say ""so"""\n\n')).toEqual([
      ['a', 'b'],
      ['1;2', 'say "so"']
    ]);
    expect(parseTable('a\tb,c\n1\t2')).toEqual([
      ['a', 'b,c'],
      ['1', '2']
    ]);
  });

  it('is taken by the names of its columns, and says what it left out', () => {
    const table = readTable([NUMBER, COLOUR, FLAG], 'species,colour,width\niris,red,2\nrose,NA,x');
    expect(table.rows).toEqual([
      { width: 2, colour: 'red', flag: null },
      { colour: null, flag: null }
    ]);
    expect(table.leftOut).toEqual(['species']);
    expect(table.missing).toEqual(['flag']);
    expect(table.problems).toEqual([{ field: 'width', row: 1, message: '"x" is not a number' }]);
  });

  it('without names is taken by place, if it has as many columns as the model', () => {
    expect(readTable([NUMBER, COLOUR], '1,red\n2,blue').rows).toHaveLength(2);
    expect(readTable([NUMBER, COLOUR], '1,2,3').problems[0]?.message).toContain('the model, which takes 2');
  });
});

describe('an answer', () => {
  it('of a classifier names the winner and ranks the classes', () => {
    const body = { predictions: ['b'], probabilities: [[0.2, 0.7, 0.1]] };
    expect(readAnswer(body, 'multiclass_classification', ['a', 'b', 'c'])).toEqual({
      kind: 'classes',
      rows: [
        {
          winner: 'b',
          probabilities: [
            { name: 'b', value: 0.7 },
            { name: 'a', value: 0.2 },
            { name: 'c', value: 0.1 }
          ]
        }
      ]
    });
  });

  it('is told apart: numbers, texts, a forecast, and what is none of these', () => {
    expect(readAnswer({ predictions: [1.5, null] }, 'regression', []).kind).toBe('numbers');
    expect(readAnswer({ predictions: ['Hello.'] }, 'text_generation', []).kind).toBe('texts');
    const rows = [
      { ds: '2026-01-01', yhat: 3 },
      { ds: '2026-01-02', yhat: 4 }
    ];
    const forecast = readAnswer({ predictions: rows as Json[] }, '', []);
    expect(forecast).toMatchObject({
      kind: 'forecast',
      isTime: true,
      curves: [{ label: 'yhat', values: [3, 4] }]
    });
    expect(readAnswer({ predictions: [[1, 2, 3]] }, 'forecasting', [])).toMatchObject({ x: [1, 2, 3] });
    expect(readAnswer({ outputs: [] }, 'regression', []).kind).toBe('other');
    expect(readAnswer({ predictions: [[0, 1]] }, 'object_detection', []).kind).toBe('other');
  });

  it('to many rows becomes a table that a spreadsheet reads', () => {
    const table = answerTable(readAnswer({ predictions: ['say "a", b', 'c'] }, 'classification', []));
    expect(table?.columns).toEqual(['prediction']);
    expect(toCsv(table?.rows ?? [])).toBe('"say ""a"", b"\nc\n');
  });
});

it('shows the same call for three languages, and never a token', () => {
  const target = { url: 'http://x/p', owner: 'al', name: 'm', body: { instances: [{ a: "it's", b: null }] } };
  expect(curlSnippet(target)).toContain(`-d '{"instances":[{"a":"it'\\''s","b":null}]}'`);
  expect(pythonSnippet(target)).toContain(
    'client.predict("al/m", {"instances": [{"a": "it\'s", "b": None}]})'
  );
  expect(javaScriptSnippet(target)).toContain('process.env.ORRERY_TOKEN');
});

describe('PlaygroundModel', () => {
  const MODEL = { ...ALGORITHM, kind: 'model', plural: 'models' };
  const model = makeResource({ id: 'mdl_1', kind: 'model' });
  model.status.outputs = {
    task: 'binary_classification',
    classes: ['no', 'yes'],
    inputs: [{ name: 'width', kind: 'number', nullable: false }],
    outputs: [{ name: 'prediction' }, { name: 'probabilities' }],
    example: { instances: [{ width: 2.5 }] }
  };
  const endpoint = makeResource({ id: 'epn_1', kind: 'endpoint', name: 'e' });
  endpoint.status.outputs = {
    url: '/endpoints/alice/e',
    deployments: [{ id: 'd1', model_id: 'mdl_1', traffic: 100 }]
  };

  async function make(): Promise<{ platform: MemoryPlatform; playground: PlaygroundModel }> {
    const platform = new MemoryPlatform();
    platform.on('GET', '/models/mdl_1', () => ({ body: model }));
    const playground = new PlaygroundModel(platform.make([MODEL]), endpoint);
    await until(() => playground.isLoaded, 'the model');
    return { platform, playground };
  }
  const path = '/orrery/endpoints/alice/e/v1/models/e:predict';

  it('begins with the example, asks for probabilities, and remembers the call', async () => {
    const { platform, playground } = await make();
    platform.on('POST', path, () => ({ body: { predictions: ['yes'], probabilities: [[0.1, 0.9]] } }));
    expect(fieldsOf(model)[0]?.name).toBe('width');
    await playground.submit();
    expect(platform.calls[platform.calls.length - 1]?.body).toEqual({
      instances: [{ width: 2.5 }],
      parameters: { probabilities: true }
    });
    expect(playground.shown?.answer).toMatchObject({ kind: 'classes', rows: [{ winner: 'yes' }] });
    playground.setValue('width', '7');
    playground.show(playground.calls[0]!);
    expect(playground.values.width).toBe('2.5');
  });

  it("puts the server's words at the field they name", async () => {
    const { platform, playground } = await make();
    const error = {
      code: 'wrong_type',
      message: "row 0, column 'width': too wide",
      details: { row: 0, column: 'width' }
    };
    platform.on('POST', path, () => ({ status: 400, body: { error } }));
    await playground.submit();
    expect(playground.problems).toEqual([{ field: 'width', row: 0, message: error.message }]);
    expect(playground.shown?.status).toBe(400);
  });

  it('asks nothing while something is wrong, and says what', async () => {
    const { platform, playground } = await make();
    const before = platform.calls.length;
    playground.setValue('width', '');
    await playground.submit();
    playground.setMode('json');
    playground.setText('{');
    await playground.submit();
    expect(playground.problems[0]?.message).toContain('This is not JSON');
    expect(platform.calls).toHaveLength(before);
  });
});

describe('pictures and series', () => {
  const image: Field = { ...NUMBER, name: 'picture', kind: 'image' };
  const series: Field = { ...NUMBER, name: 'history', kind: 'series' };

  it('fills the form with the example of a picture and of a series', () => {
    expect(typedValues([image, series], { picture: { b64: 'AAEC' }, history: [1, 2.5] })).toEqual({
      picture: { b64: 'AAEC', name: 'example' },
      history: '[1,2.5]'
    });
  });

  it('reads a series however its numbers are separated', () => {
    for (const text of ['1, 2.5, nan', '[1,2.5,null]', '1\n2.5\n NaN']) {
      expect(makeRow([series], { history: text }).row).toEqual({ history: [1, 2.5, null] });
    }
    expect(makeRow([series], { history: '1, two' }).problems[0]?.message).toContain('write numbers');
  });

  it('tells boxes in a picture from other lists', () => {
    const box = { xmin: 1, ymin: 2, xmax: 3, ymax: 4 };
    expect(readAnswer({ predictions: [[{ label: 'cat', score: 0.9, box }]] }, '', [])).toEqual({
      kind: 'boxes',
      rows: [[{ label: 'cat', score: 0.9, left: 1, top: 2, right: 3, bottom: 4 }]]
    });
    expect(readAnswer({ predictions: [[]] }, 'object_detection', [])).toEqual({ kind: 'boxes', rows: [[]] });
    expect(readAnswer({ predictions: [[{ label: 'cat' }]] }, '', []).kind).toBe('other');
  });

  it('draws a forecast after what it goes on from', () => {
    const answer = readAnswer({ predictions: [[3, 4]] }, 'forecasting', []);
    expect(answer.kind).toBe('forecast');
    if (answer.kind === 'forecast') {
      expect(withHistory(answer, [1, 2])).toMatchObject({
        x: [1, 2, 3, 4],
        curves: [
          { label: 'given', values: [1, 2, null, null] },
          { label: 'forecast', values: [null, 2, 3, 4] }
        ]
      });
      expect(withHistory(answer, []).curves).toEqual(answer.curves);
    }
  });
});
