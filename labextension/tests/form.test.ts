import { describe, expect, it } from 'vitest';
import type { IStateDB } from '@jupyterlab/statedb';
import type { InstanceType, JsonObject, Kind, Resource, Schema } from '../src/api-types';
import { FormModel } from '../src/models/form';
import type { FormOptions } from '../src/models/form-opening';
import { withRemedy } from '../src/models/memory-fit';
import { proposeRunName } from '../src/models/proposals';
import { DATASET, MemoryPlatform, TRAINING, XGBOOST, makeResource, until } from './platform';

function makeState(): { state: IStateDB; saved: Map<string, unknown> } {
  const saved = new Map<string, unknown>();
  const state = {
    fetch: (id: string) => Promise.resolve(saved.get(id)),
    save: (id: string, value: unknown) => Promise.resolve(void saved.set(id, value)),
    remove: (id: string) => Promise.resolve(void saved.delete(id))
  };
  return { state: state as unknown as IStateDB, saved };
}

async function openForm(
  platform: MemoryPlatform,
  kind: Kind,
  options: Partial<FormOptions> = {},
  state = makeState().state,
  instanceTypes: InstanceType[] = [],
  kinds?: Kind[]
): Promise<FormModel & { announce: (resource: Resource) => void }> {
  platform.on('GET', '/instance-types', () => ({ body: { items: instanceTypes } }));
  platform.on('GET', '/algorithms/by-name/orrery/xgboost', () => ({ body: XGBOOST }));
  platform.on('GET', '/datasets/by-name/alice/breast', () => ({
    body: makeResource({
      kind: 'dataset',
      spec: { content: { columns: [{ name: 'diagnosis', kind: 'category' }] } }
    })
  }));
  const orrery = platform.make(kinds);
  const form = new FormModel(orrery, kind, state, { draft: 'draft-1', ...options });
  await until(() => form.isReady, 'the form');
  const announce = (resource: Resource): void => orrery.events.publish({ type: 'created', resource });
  return Object.assign(form, { announce });
}

const specOf = (form: FormModel): Schema => (form.schemas.schema as Schema).properties?.spec ?? {};
const TRAIN = { algorithm: 'orrery/xgboost', datasets: { train: 'alice/breast' } };

describe('FormModel', () => {
  it('publishes new datasets unless told otherwise', async () => {
    const form = await openForm(new MemoryPlatform(), DATASET);
    expect(form.spec.publish).toBe(true);
  });

  it('brings the parameters and the datasets of the chosen algorithm, and its columns', async () => {
    const form = await openForm(new MemoryPlatform(), TRAINING);
    await form.setData({ ...form.data, spec: TRAIN });
    expect(Object.keys(specOf(form).properties?.parameters?.properties ?? {})).toEqual(['target', 'rounds']);
    expect(Object.keys(specOf(form).properties?.datasets?.properties ?? {})).toEqual(['train', 'validation']);
    expect((form.spec.parameters as JsonObject).rounds).toBe(300);
    expect(form.references.columns).toEqual([{ name: 'diagnosis', type: 'category' }]);
  });

  it('takes no column while those of a newly chosen dataset are being read', async () => {
    const form = await openForm(new MemoryPlatform(), TRAINING);
    const following = form.setData({ ...form.data, spec: TRAIN });
    expect(form.references.isReadingColumns).toBe(true);
    await following;
    expect(form.references.isReadingColumns).toBe(false);
  });

  it('begins from a template, whose name stays its own', async () => {
    const platform = new MemoryPlatform();
    const spec = { ...TRAIN, parameters: { rounds: 7 }, experiment: null, from_elsewhere: 1 };
    platform.on('GET', '/templates/tpl_1', () => ({
      body: makeResource({ kind: 'template', name: 'quick', spec })
    }));
    const form = await openForm(platform, TRAINING, { template: 'tpl_1' });
    expect(form.spec).toMatchObject(TRAIN);
    expect((form.spec.parameters as JsonObject).rounds).toBe(7);
    expect(Object.keys(form.spec)).not.toContain('from_elsewhere');
    expect(form.data.name).toBeUndefined();
  });

  it('proposes a name for a run of an algorithm, beside those that there are', async () => {
    const platform = new MemoryPlatform();
    const names = ['xgboost-2', 'xgboost-10', 'xgboost-1-7', 'xgboost-x'];
    platform.on('GET', '/trainings', ({ query }) => {
      expect([query.get('q'), query.get('owner')]).toEqual(['xgboost', 'alice']);
      return { body: { items: names.map(name => makeResource({ name })), next: null, total: null } };
    });
    const spec = { algorithm: 'orrery/xgboost' };
    expect((await openForm(platform, TRAINING, { prefill: { spec } })).data.name).toBe('xgboost-11');
    const named = await openForm(platform, TRAINING, { prefill: { name: 'mine', spec } });
    expect(named.data.name).toBe('mine');
    expect((await openForm(platform, TRAINING)).data.name).toBeUndefined();
    expect(proposeRunName('hill', ['xgboost-1'])).toBe('hill-1');
  });

  describe('begun plainly', () => {
    const TEMPLATE: Kind = { ...TRAINING, kind: 'template', plural: 'templates', title: 'Template' };
    const template = (name: string, spec: JsonObject): Resource =>
      makeResource({ kind: 'template', name, spec: { algorithm: 'orrery/xgboost', ...spec } });
    const made = [
      template('quick', { datasets: {}, parameters: { rounds: 7 }, max_seconds: 60 }),
      template('long', { datasets: { train: 'alice/breast' }, parameters: { rounds: 900 } })
    ];

    async function begin(templates = made, options: Partial<FormOptions> = {}): Promise<FormModel> {
      const platform = new MemoryPlatform();
      platform.on('GET', '/templates', () => ({ body: { items: templates.slice(0, 1), total: 2 } }));
      for (const one of templates) {
        platform.on('GET', `/templates/by-name/alice/${one.name}`, () => ({ body: one }));
      }
      return openForm(platform, TRAINING, options, makeState().state, [], [TRAINING, DATASET, TEMPLATE]);
    }
    const rounds = (form: FormModel): unknown => (form.spec.parameters as JsonObject).rounds;

    it('offers the templates that there are', async () => {
      expect((await begin()).template.isOffered).toBe(true);
      expect((await begin([])).template.isOffered).toBe(false);
      expect((await begin(made, { copyOf: 'trn_1' })).template.isOffered).toBe(false);
    });

    it('is filled in by a template, and what that leaves open stays', async () => {
      const form = await begin();
      await form.setData({ ...form.data, name: 'mine', spec: TRAIN });
      await form.setData({
        ...form.data,
        spec: { ...form.spec, parameters: { target: 'diagnosis', rounds: 5 } }
      });
      await form.takeTemplate('alice/quick');
      expect(form.template.ref).toBe('alice/quick');
      expect(form.data.name).toBe('mine');
      expect(form.spec).toMatchObject({
        ...TRAIN,
        parameters: { target: 'diagnosis', rounds: 7 },
        max_seconds: 60
      });
    });

    it('gives back what a template set once another or none is chosen, but for what was changed since', async () => {
      const form = await begin();
      await form.takeTemplate('alice/quick');
      await form.setData({ ...form.data, spec: { ...form.spec, datasets: { train: 'alice/breast' } } });
      await form.takeTemplate('alice/long');
      expect(rounds(form)).toBe(900);
      expect(form.spec.max_seconds).toBeUndefined();
      await form.takeTemplate('');
      expect(form.template.ref).toBe('');
      expect(form.spec.algorithm).toBeUndefined();
      expect(form.spec.datasets).toEqual({ train: 'alice/breast' });
    });

    it('says what is wrong with a template, and stays as it is', async () => {
      const form = await begin();
      await form.takeTemplate('alice/quick');
      await form.takeTemplate('alice/none');
      expect(form.template.error).toContain('/templates/by-name/alice/none');
      expect(form.template.ref).toBe('alice/quick');
      expect(rounds(form)).toBe(7);
    });
  });

  it("asks of a notebook nothing that is a script's, and sends none of it", async () => {
    const properties: Record<string, Schema> = {
      torchrun: { type: 'boolean', default: false, 'x-orrery-script': true },
      processes_per_node: { type: 'integer', default: 1, minimum: 1, 'x-orrery-script': true },
      nodes: { type: 'integer', default: 1 }
    };
    const schema = { ...TRAINING.spec_schema, additionalProperties: false };
    const kind = {
      ...TRAINING,
      spec_schema: { ...schema, properties: { ...schema.properties, ...properties } }
    };
    const platform = new MemoryPlatform();
    for (const entry_point of ['train.py', 'train.ipynb']) {
      const algorithm = makeResource({ kind: 'algorithm', spec: { entry_point } });
      platform.on('GET', `/algorithms/by-name/alice/${entry_point}`, () => ({ body: algorithm }));
    }
    platform.on('POST', '/trainings', call => ({
      body: makeResource({ spec: call.body?.spec as JsonObject })
    }));
    const form = await openForm(platform, kind);
    const filled = { torchrun: true, processes_per_node: 4, nodes: 2 };
    const hidden = (): unknown => (form.schemas.uiSchema.spec as JsonObject).torchrun;
    await form.setData({ name: 'mine', spec: { algorithm: 'alice/train.py', ...filled } });
    expect(hidden()).toEqual({});
    expect(form.spec).toMatchObject(filled);
    await form.setData({ ...form.data, spec: { ...form.spec, algorithm: 'alice/train.ipynb' } });
    expect(hidden()).toEqual({ 'ui:widget': 'hidden' });
    const datasets = { train: 'alice/breast' };
    await form.setData({ ...form.data, spec: { ...form.spec, datasets } });
    expect((await form.submit())?.spec).toMatchObject({ torchrun: false, processes_per_node: 1, nodes: 2 });
  });

  it('asks for no more than an algorithm where a kind may be left open', async () => {
    const platform = new MemoryPlatform();
    platform.on('POST', '/templates', call => ({
      status: 201,
      body: makeResource({ spec: call.body?.spec as JsonObject })
    }));
    const spec_schema = { ...TRAINING.spec_schema, 'x-orrery-open': true };
    const form = await openForm(platform, {
      ...TRAINING,
      kind: 'template',
      plural: 'templates',
      spec_schema
    });
    await form.setData({ name: 'open', spec: { algorithm: 'orrery/xgboost' } });
    expect(await form.submit()).not.toBeNull();
    expect(form.problems).toEqual([]);
  });

  it('asks for the data that the chosen algorithm needs', async () => {
    const form = await openForm(new MemoryPlatform(), TRAINING);
    await form.setData({ name: 'a', spec: { algorithm: 'orrery/xgboost', parameters: {} } });
    expect(await form.submit()).toBeNull();
    expect(form.problems.map(problem => [problem.label, problem.message])).toEqual([
      ['Training data', 'This is needed.']
    ]);
  });

  it('says at each field what is wrong before anything is sent', async () => {
    const platform = new MemoryPlatform();
    const form = await openForm(platform, TRAINING);
    await form.setData({ spec: { ...TRAIN, parameters: { rounds: 99999 } } });
    expect(await form.submit()).toBeNull();
    expect(form.problems.map(problem => [problem.label, problem.message])).toEqual([
      ['Name', 'This is needed.'],
      ['Rounds', 'Must be 10000 or less.']
    ]);
    expect(platform.calls.some(call => call.method === 'POST')).toBe(false);
  });

  it("shows the server's refusals at their fields", async () => {
    const platform = new MemoryPlatform();
    platform.on('POST', '/trainings', () => ({
      status: 422,
      body: {
        error: {
          code: 'invalid',
          message: 'invalid',
          details: { fields: [{ path: 'spec.parameters.target', message: "did you mean 'diagnosis'?" }] }
        }
      }
    }));
    const form = await openForm(platform, TRAINING);
    await form.setData({ name: 'a', spec: { ...TRAIN, parameters: { target: 'diagnose' } } });
    await form.submit();
    expect(form.problems[0]).toEqual({
      path: ['spec', 'parameters', 'target'],
      label: 'Target',
      message: "did you mean 'diagnosis'?",
      value: '"diagnose"'
    });
    expect(form.extraErrors).toMatchObject({
      spec: { parameters: { target: { __errors: ["did you mean 'diagnosis'?"] } } }
    });
    await form.setData({ ...form.data, spec: { ...TRAIN, parameters: { target: 'diagnosis' } } });
    expect([form.problems, form.extraErrors]).toEqual([[], {}]);
  });

  it('checks a field once somebody has left it, and again as it changes', async () => {
    const form = await openForm(new MemoryPlatform(), TRAINING);
    const errors = (): string[] | undefined => form.extraErrors.name?.__errors;
    await form.setData({ ...form.data, spec: TRAIN });
    expect(errors()).toBeUndefined();
    form.leave(`${form.idPrefix}_name`);
    await until(() => errors()?.[0] === 'This is needed.', 'the word at the name');
    expect(form.problems).toEqual([]);
    await form.setData({ ...form.data, name: 'a' });
    await until(() => errors() === undefined, 'the word to go');
  });

  it('finds the columns of a dataset once its first version is there', async () => {
    const platform = new MemoryPlatform();
    const form = await openForm(platform, TRAINING);
    platform.on('GET', '/datasets/by-name/alice/late', () => ({
      status: 404,
      body: { error: { code: 'not_found', message: 'no version' } }
    }));
    await form.setData({ ...form.data, spec: { ...TRAIN, datasets: { train: 'alice/late' } } });
    expect(form.references.columns).toBeNull();
    const late = makeResource({
      kind: 'dataset',
      name: 'late',
      spec: { content: { columns: [{ name: 'y', kind: 'integer' }] } }
    });
    platform.on('GET', '/datasets/by-name/alice/late', () => ({ body: late }));
    form.announce(late);
    await until(() => form.references.columns !== null, 'the columns');
    expect(form.references.columns).toEqual([{ name: 'y', type: 'integer' }]);
  });

  it('says what it takes, what comes first, and refuses what could never start', async () => {
    const platform = new MemoryPlatform();
    const kind: Kind = {
      ...TRAINING,
      spec_schema: {
        type: 'object',
        properties: {
          instance_type: { type: 'string', default: 'small', 'x-orrery-instance-type': true },
          priority: { type: 'string', default: 'NORMAL' }
        }
      }
    };
    const GIB = 1 << 30;
    const sizes = [
      { name: 'small', title: '', cores: 1, memory_bytes: GIB, gpus: 0, fits: true },
      { name: 'huge', title: '', cores: 64, memory_bytes: GIB, gpus: 0, fits: false }
    ];
    const total = { cores: 2, memory_bytes: 8 * GIB, gpus: 0 };
    const items = [{ resource: null, title: '', place: 1, priority: 'NORMAL', reason: '' }];
    platform.on('GET', '/queue', () => ({ body: { items, capacity: { total, held: total } } }));
    const form = await openForm(platform, kind, {}, makeState().state, sizes);
    expect([form.cost?.text, form.place]).toEqual([
      '1 core, 1.0 GiB',
      '1 job waits with this priority or a higher one; users take turns'
    ]);
    const template = { ...kind, spec_schema: { ...kind.spec_schema, 'x-orrery-open': true } };
    const open = await openForm(platform, template, {}, makeState().state, sizes);
    expect([open.cost?.text, open.place]).toEqual(['1 core, 1.0 GiB', null]);
    await form.setData({ name: 'a', spec: { instance_type: 'small', priority: 'HIGH' } });
    expect(form.place).toBe('waits until 1 core, 1.0 GiB are free (0 cores, 0 B are now)');
    await form.setData({ name: 'a', spec: { instance_type: 'huge' } });
    expect(await form.submit()).toBeNull();
    expect(form.problems[0]?.message).toBe(
      'huge needs 64 cores, 1.0 GiB. This machine has 2 cores, 8.0 GiB, so it could never start: choose small.'
    );
    expect(platform.calls.some(call => call.method === 'POST')).toBe(false);
  });

  it('tells what it takes of memory, and takes what would make it fit', async () => {
    const platform = new MemoryPlatform();
    const asked: JsonObject[] = [];
    platform.on('POST', '/trainings/estimate', call => {
      const { spec } = call.body as { spec: JsonObject };
      asked.push(spec);
      const fits = spec.instance_type === 'cpu-medium';
      const remedy = { title: 'Use cpu-medium', message: '', spec: { instance_type: 'cpu-medium' } };
      const verdict = fits ? 'fits' : 'exceeds';
      return { body: { verdict, message: '', remedies: fits ? [] : [remedy] } };
    });
    const form = await openForm(platform, TRAINING);
    await form.setData({ ...form.data, spec: { algorithm: 'orrery/xgboost', instance_type: 'cpu-small' } });
    expect(form.memory.estimate).toBeNull();
    await form.setData({ ...form.data, spec: { ...TRAIN, instance_type: 'cpu-small' } });
    await until(() => form.memory.estimate?.verdict === 'exceeds', 'the estimate');
    await form.takeRemedy(form.memory.estimate?.remedies[0]?.spec ?? {});
    await until(() => form.memory.estimate?.verdict === 'fits', 'the next estimate');
    expect(form.spec.instance_type).toBe('cpu-medium');
    expect(asked.map(spec => spec.instance_type)).toEqual(['cpu-small', 'cpu-medium']);
    expect(withRemedy({ parameters: { a: 1, b: 2 } }, { parameters: { a: 0 } })).toEqual({
      parameters: { a: 0, b: 2 }
    });
  });

  it('sends with the same key when the answer was lost, with a new one when the form has changed', async () => {
    const platform = new MemoryPlatform();
    platform.on('POST', '/trainings', () => ({ status: 503, body: {} }));
    const form = await openForm(platform, TRAINING);
    await form.setData({ name: 'a', spec: TRAIN });
    await form.submit();
    await form.submit();
    await form.setData({ name: 'b', spec: TRAIN });
    await form.submit();
    const [first, second, third] = platform.calls
      .filter(call => call.method === 'POST')
      .map(call => call.headers.get('Idempotency-Key'));
    expect(first).toBeTruthy();
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    form.dispose();
  });

  it('keeps what is varied with the draft, and takes its values out of the form', async () => {
    const platform = new MemoryPlatform();
    const { state, saved } = makeState();
    const form = await openForm(platform, TRAINING, {}, state);
    await form.setData({ name: 'grid', spec: TRAIN });
    await form.setSweep({ parameters: [{ name: 'rounds', text: '5, 6' }], datasets: [] });
    expect(form.plan.runs).toBe(2);
    expect(Object.keys(specOf(form).properties?.parameters?.properties ?? {})).toEqual(['target']);
    await until(() => JSON.stringify(saved.get('draft-1') ?? '').includes('5, 6'), 'the draft');
    const again = await openForm(platform, TRAINING, {}, state);
    expect(again.plan.parameters).toEqual({ rounds: [5, 6] });
    expect(again.data.sweep).toBeUndefined();
    await again.setData({ ...again.data, description: 'changed' });
    expect(again.plan.runs).toBe(2);
  });

  it('gives a hyperparameter that is no longer varied the value back that it had', async () => {
    const platform = new MemoryPlatform();
    const { state, saved } = makeState();
    const form = await openForm(platform, TRAINING, {}, state);
    const vary = (...names: string[]): Promise<void> =>
      form.setSweep({ parameters: names.map(name => ({ name, text: '5, 6' })), datasets: [] });
    await form.setData({ name: 'copy', spec: { ...TRAIN, parameters: { target: 'diagnosis', rounds: 60 } } });
    await vary('');
    expect(form.spec.parameters).toEqual({ target: 'diagnosis', rounds: 60 });
    expect(form.plan.problems[0]?.message).toContain('Choose the hyperparameter');
    await vary('rounds');
    expect(form.spec.parameters).toEqual({ target: 'diagnosis' });
    await until(() => JSON.stringify(saved.get('draft-1') ?? '').includes('60'), 'the draft');
    const again = await openForm(platform, TRAINING, {}, state);
    await again.setSweep({ parameters: [], datasets: [] });
    expect(again.spec.parameters).toEqual({ target: 'diagnosis', rounds: 60 });
    await vary('target');
    expect(form.spec.parameters).toEqual({ rounds: 60 });
    await vary();
    expect(form.spec.parameters).toEqual({ target: 'diagnosis', rounds: 60 });
    // one that was emptied by hand meanwhile stays empty
    await form.setData({ ...form.data, spec: { ...form.spec, parameters: { rounds: 60 } } });
    await vary('rounds');
    expect(form.spec.parameters).toEqual({});
  });

  it('keeps a draft until it is sent', async () => {
    const platform = new MemoryPlatform();
    const { state, saved } = makeState();
    const form = await openForm(platform, TRAINING, {}, state);
    await form.setData({ name: 'kept', spec: TRAIN });
    await until(() => saved.has('draft-1'), 'the draft');
    const again = await openForm(platform, TRAINING, {}, state);
    expect(again.data.name).toBe('kept');
    platform.on('POST', '/trainings', () => ({ status: 201, body: makeResource() }));
    expect((await again.submit())?.id).toBe('trn_1');
    expect(saved.has('draft-1')).toBe(false);
  });

  it('copies with names instead of pinned ids', async () => {
    const platform = new MemoryPlatform();
    const pinned = {
      path: 'datasets.train',
      kind: 'dataset',
      id: 'dst_9',
      owner: 'alice',
      name: 'breast',
      version: null,
      deleted: false
    };
    platform.on('GET', '/trainings/trn_1', () => ({
      body: makeResource({ spec: { ...TRAIN, datasets: { train: 'dst_9' } }, references: [pinned] })
    }));
    const form = await openForm(platform, TRAINING, { copyOf: 'trn_1' });
    expect(form.data.name).toBe('breast-copy');
    expect(form.spec.datasets).toEqual({ train: 'alice/breast' });
  });

  it('edits by a patch of what may be changed, against the version that was read', async () => {
    const platform = new MemoryPlatform();
    const files = [{ path: 'a.csv', oid: 'x', size: 1, purpose: null }];
    platform.on('GET', '/datasets/dst_1', () => ({
      body: makeResource({
        id: 'dst_1',
        kind: 'dataset',
        name: 'old',
        etag: '7',
        spec: { files, publish: true }
      })
    }));
    platform.on('PATCH', '/datasets/dst_1', () => ({
      body: makeResource({ id: 'dst_1', kind: 'dataset', name: 'new' })
    }));
    const form = await openForm(platform, DATASET, { editOf: 'dst_1' });
    await form.setData({ ...form.data, name: 'new' });
    expect((await form.submit())?.name).toBe('new');
    const patch = platform.calls.find(call => call.method === 'PATCH');
    expect(patch?.headers.get('If-Match')).toBe('7');
    expect(patch?.body).toEqual({
      name: 'new',
      description: '',
      spec: { files: [{ path: 'a.csv', oid: 'x', size: 1 }] }
    });
  });
});
