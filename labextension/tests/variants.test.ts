import { describe, expect, it } from 'vitest';
import type { IStateDB } from '@jupyterlab/statedb';
import type { JsonObject, Kind, Schema } from '../src/api-types';
import { variableFor } from '../src/forms/pairs';
import { FormModel } from '../src/models/form';
import type { FormOptions } from '../src/models/form-opening';
import { DATASET, MemoryPlatform, until } from './platform';

const text = (title: string, more: Schema = {}): Schema => ({ type: 'string', title, ...more });

/** As pydantic writes a union that is told apart by `type`. */
const ALGORITHM: Kind = {
  ...DATASET,
  kind: 'algorithm',
  plural: 'algorithms',
  title: 'Algorithm',
  mutable: ['name', 'spec.source', 'spec.files', 'spec.secrets'],
  spec_schema: {
    type: 'object',
    additionalProperties: false,
    $defs: {
      GitSource: {
        type: 'object',
        title: 'Git repository',
        additionalProperties: false,
        required: ['url'],
        properties: {
          type: text('Type', { const: 'git', default: 'git' }),
          url: text('Repository', { pattern: '^https://.+$' }),
          revision: text('Revision', { default: '' })
        }
      },
      ArchiveSource: {
        type: 'object',
        title: 'Archive',
        additionalProperties: false,
        required: ['type', 'url'],
        properties: {
          type: text('Type', { const: 'archive' }),
          url: text('Address'),
          sha256: text('SHA-256', { default: '' })
        }
      }
    },
    properties: {
      source: {
        title: 'Code from',
        default: null,
        'x-orrery-instead-of': 'files',
        'x-orrery-none': 'Uploaded files',
        anyOf: [
          {
            discriminator: { propertyName: 'type' },
            oneOf: [{ $ref: '#/$defs/GitSource' }, { $ref: '#/$defs/ArchiveSource' }]
          },
          { type: 'null' }
        ]
      },
      files: { type: 'array', title: 'Files', items: { type: 'object' }, 'x-orrery-upload': true },
      entry_point: text('Entry point', { default: '', 'x-orrery-entry-of': 'files' }),
      secrets: {
        type: 'object',
        title: 'Secrets',
        additionalProperties: { type: 'string', 'x-orrery-name-of': 'secret' }
      }
    }
  }
};

async function openForm(platform: MemoryPlatform, options: Partial<FormOptions> = {}): Promise<FormModel> {
  const saved = new Map<string, unknown>();
  const state = {
    fetch: (id: string) => Promise.resolve(saved.get(id)),
    save: (id: string, value: unknown) => Promise.resolve(void saved.set(id, value)),
    remove: (id: string) => Promise.resolve(void saved.delete(id))
  } as unknown as IStateDB;
  platform.on('GET', '/instance-types', () => ({ body: { items: [] } }));
  const form = new FormModel(platform.make(), ALGORITHM, state, { draft: 'draft', ...options });
  await until(() => form.isReady, 'the form');
  return form;
}

const specOf = (form: FormModel): Schema => (form.schemas.schema as Schema).properties?.spec ?? {};
const fieldsOf = (form: FormModel): string[] =>
  Object.keys(specOf(form).properties?.source?.properties ?? {});
const setSource = (form: FormModel, source: JsonObject): Promise<void> =>
  form.setData({ ...form.data, spec: { ...form.spec, source } });
const isHidden = (form: FormModel): boolean =>
  (form.schemas.uiSchema.spec as Record<string, JsonObject>).files?.['ui:widget'] === 'hidden';

describe('A value of one of several shapes', () => {
  it('is chosen by what each is called, and brings its fields', async () => {
    const form = await openForm(new MemoryPlatform());
    expect(fieldsOf(form)).toEqual(['type']);
    const chooser = specOf(form).properties?.source?.properties?.type;
    expect(chooser?.oneOf).toEqual([
      { const: 'git', title: 'Git repository' },
      { const: 'archive', title: 'Archive' }
    ]);
    expect(chooser?.title).toBe('Code from');
    await setSource(form, { type: 'git' });
    expect(fieldsOf(form)).toEqual(['type', 'url', 'revision']);
    expect(specOf(form).properties?.source?.required).toEqual(['url']);
  });

  it('keeps what another shape takes as well, and drops the rest', async () => {
    const form = await openForm(new MemoryPlatform());
    await setSource(form, { type: 'git', url: 'https://a.org/b.git', revision: 'v1' });
    await setSource(form, { ...(form.spec.source as JsonObject), type: 'archive' });
    expect(form.spec.source).toEqual({ type: 'archive', url: 'https://a.org/b.git', sha256: '' });
  });

  it('hides what it stands instead of', async () => {
    const form = await openForm(new MemoryPlatform());
    expect(isHidden(form)).toBe(false);
    await setSource(form, { type: 'archive' });
    expect(isHidden(form)).toBe(true);
    await setSource(form, {});
    expect(isHidden(form)).toBe(false);
  });

  it('is checked as the chosen one only', async () => {
    const form = await openForm(new MemoryPlatform());
    form.data = { ...form.data, name: 'forest' };
    await setSource(form, { type: 'git', url: 'nowhere' });
    expect(await form.submit()).toBeNull();
    expect(form.problems.map(problem => [problem.label, problem.message])).toEqual([
      ['Repository', 'It is not written as it must be: the "?" says how.']
    ]);
  });

  it('is sent as it was chosen', async () => {
    const platform = new MemoryPlatform();
    const sent: JsonObject[] = [];
    platform.on('POST', '/algorithms', request => {
      sent.push(request.body as JsonObject);
      return { status: 422, body: { error: { code: 'invalid', message: 'no', details: {} } } };
    });
    const form = await openForm(platform);
    form.data = { ...form.data, name: 'forest' };
    await setSource(form, { type: 'archive', url: 'https://a.org/b.zip' });
    await form.submit();
    expect((sent[0]?.spec as JsonObject).source).toEqual({ type: 'archive', url: 'https://a.org/b.zip' });
  });

  it('comes back with its fields when a form is opened with one', async () => {
    const source = { type: 'archive', url: 'https://a.org/b.zip' };
    const form = await openForm(new MemoryPlatform(), { prefill: { spec: { source } } });
    expect(fieldsOf(form)).toEqual(['type', 'url', 'sha256']);
    expect(form.spec.source).toMatchObject(source);
  });
});

describe('Variables from secrets', () => {
  it('are called as the secret where they have no name of their own', () => {
    expect(variableFor('', 'hf-token', {})).toBe('HF_TOKEN');
    expect(variableFor('TOKEN', 'hf-token', {})).toBe('TOKEN');
    expect(variableFor('', 'hf-token', { HF_TOKEN: 'x' })).toBe('');
    expect(variableFor('', '9-lives', {})).toBe('');
    expect(variableFor('', 'em-x', {})).toBe('');
  });

  it('are not left out without a word where no secret is chosen', async () => {
    const form = await openForm(new MemoryPlatform());
    form.data = { ...form.data, name: 'forest' };
    await form.setData({ ...form.data, spec: { ...form.spec, secrets: { TOKEN: '', OTHER: 'mine' } } });
    expect(await form.submit()).toBeNull();
    expect(form.problems.map(problem => problem.message)).toEqual([
      'Choose a secret for TOKEN, or remove the row.'
    ]);
  });
});

describe('Uploaded code', () => {
  const put = (form: FormModel, ...paths: string[]): Promise<void> =>
    form.setData({ ...form.data, spec: { ...form.spec, files: paths.map(path => ({ path })) } });

  it('proposes what is run, until somebody chooses', async () => {
    const form = await openForm(new MemoryPlatform());
    await put(form, 'helpers.py');
    expect(form.spec.entry_point).toBe('helpers.py');
    await put(form, 'helpers.py', 'train.py');
    expect(form.spec.entry_point).toBe('train.py');
    await form.setData({ ...form.data, spec: { ...form.spec, entry_point: 'helpers.py' } });
    await put(form, 'helpers.py', 'other.py');
    expect(form.spec.entry_point).toBe('helpers.py');
  });

  it('leaves open what is run where it cannot be told', async () => {
    const form = await openForm(new MemoryPlatform());
    await put(form, 'a.py', 'b.py');
    expect(form.spec.entry_point).toBe('');
  });

  it('is called as its folder', async () => {
    const form = await openForm(new MemoryPlatform());
    form.addFiles([], 'mytrain');
    expect(form.data.name).toBe('mytrain');
    form.addFiles([], 'other');
    expect(form.data.name).toBe('mytrain');
  });
});
