import { CommandRegistry } from '@lumino/commands';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject, Kind, Schema } from '../src/api-types';
import { CommandIDs } from '../src/tokens';
import { Navigator } from '../src/widgets/context';
import { FormPanel } from '../src/widgets/form';
import { ALGORITHM, MemoryPlatform, TRAINING, XGBOOST, makeResource, until } from './platform';

const text = (more: Schema = {}): Schema => ({ type: 'string', ...more });

const KIND: Kind = {
  ...TRAINING,
  spec_schema: {
    type: 'object',
    required: ['algorithm'],
    properties: {
      ...TRAINING.spec_schema.properties,
      environment: {
        type: 'object',
        title: 'Environment',
        additionalProperties: text(),
        'x-orrery-group': 'Advanced'
      },
      secrets: {
        type: 'object',
        title: 'Secrets',
        additionalProperties: text({ 'x-orrery-name-of': 'secret' }),
        'x-orrery-group': 'Advanced'
      },
      metrics: {
        type: 'array',
        title: 'Metrics',
        items: {
          type: 'object',
          required: ['name'],
          properties: {
            name: text({ title: 'Metric' }),
            goal: text({
              enum: ['maximize', 'minimize'],
              'x-orrery-goal-of': 'name',
              'x-orrery-minimized': '(^|_)(loss|error)($|_)'
            })
          }
        }
      }
    }
  }
};

let panel: FormPanel | null = null;

async function openPanel(platform: MemoryPlatform, kind = KIND): Promise<HTMLElement> {
  platform.on('GET', '/instance-types', () => ({ body: { items: [] } }));
  platform.on('GET', '/algorithms/by-name/orrery/xgboost', () => ({ body: XGBOOST }));
  const commands = new CommandRegistry();
  commands.addCommand(CommandIDs.open, {
    execute: () => undefined,
    describedBy: { args: { type: 'object' } }
  });
  const context = {
    ...platform.make([kind, ALGORITHM]),
    go: new Navigator(commands),
    state: null,
    themeChanged: null
  };
  const opened = new FormPanel(context, null, { kind: kind.kind, draft: 'draft' }, false, () =>
    Promise.resolve([])
  );
  panel = opened;
  Widget.attach(opened, document.body);
  opened.activate();
  await until(() => opened.node.querySelector('form') !== null, 'the form');
  await settle();
  return opened.node;
}

afterEach(() => {
  panel?.dispose();
  panel = null;
});

/** As somebody types or chooses. */
async function fill(input: Element | null, value: string): Promise<void> {
  const prototype = input instanceof HTMLSelectElement ? HTMLSelectElement : HTMLInputElement;
  const setter = Object.getOwnPropertyDescriptor(prototype.prototype, 'value')?.set;
  setter?.call(input, value);
  input?.dispatchEvent(new Event(input instanceof HTMLSelectElement ? 'change' : 'input', { bubbles: true }));
  await settle();
}

async function settle(): Promise<void> {
  MessageLoop.flush();
  await new Promise(resolve => setTimeout(resolve, 20));
}

async function press(node: HTMLElement, label: string, at = 0): Promise<void> {
  [...node.querySelectorAll('button')].filter(button => button.textContent === label)[at]?.click();
  await settle();
}

const labelled = (node: HTMLElement, label: string): HTMLInputElement | null =>
  node.querySelector(`[aria-label="${label}"]`);

describe('Rows of names and values', () => {
  it('keep text as it is typed, also what looks like a number', async () => {
    const platform = new MemoryPlatform();
    const sent: JsonObject[] = [];
    platform.on('POST', '/trainings', call => {
      sent.push(call.body ?? {});
      return { status: 201, body: makeResource() };
    });
    const node = await openPanel(platform);
    await panel?.model?.setData({
      name: 'a',
      spec: { algorithm: 'orrery/xgboost', datasets: { train: 'b' } }
    });
    for (const [name, value] of [
      ['SPEED', '1'],
      ['SPEED_UP', 'true'],
      ['NOTHING', 'null'],
      ['EMPTY', '']
    ] as const) {
      await press(node, 'Add');
      expect(document.activeElement?.getAttribute('placeholder')).toBe('Name');
      // through SPEED, which another row has already
      for (let length = 1; length <= name.length; length += 1) {
        await fill(document.activeElement, name.slice(0, length));
      }
      await fill(labelled(node, `Value of ${name}`), value);
    }
    await panel?.model?.submit();
    expect(panel?.model?.problems).toEqual([]);
    expect((sent[0]?.spec as JsonObject).environment).toEqual({
      SPEED: '1',
      SPEED_UP: 'true',
      NOTHING: 'null',
      EMPTY: ''
    });
  });

  it('have what the platform refuses said at their row, whatever their name', async () => {
    const platform = new MemoryPlatform();
    const message = "'1.X' cannot be set: use letters, digits and '_'";
    platform.on('POST', '/trainings', () => ({
      status: 422,
      body: {
        error: {
          code: 'invalid',
          message,
          details: { fields: [{ path: 'spec.environment.1.X', message }] }
        }
      }
    }));
    const node = await openPanel(platform);
    await panel?.model?.setData({
      name: 'a',
      spec: {
        algorithm: 'orrery/xgboost',
        datasets: { train: 'b' },
        environment: { GOOD: '', '1.X': 'a' }
      }
    });
    await press(node, 'Start training');
    const wrong = node.querySelectorAll('.orr-Pair[data-invalid]');
    expect([...wrong].map(row => row.querySelector('.orr-Field-error')?.textContent)).toEqual([message]);
    expect(document.activeElement).toBe(labelled(node, 'Name 2'));
    expect(panel?.model?.problems.map(({ label }) => label)).toEqual(['1.X']);
    // mended, it is wrong no more
    await fill(labelled(node, 'Name 2'), 'ONE');
    expect(node.querySelector('.orr-Pair[data-invalid]')).toBeNull();
  });

  it('begin empty in the row that was added, and are marked where they are wrong', async () => {
    const node = await openPanel(new MemoryPlatform());
    await press(node, 'Add');
    await press(node, 'Add a secret');
    expect(document.activeElement).toBe(labelled(node, 'Variable 1'));
    // a row that has no name yet is enough
    await press(node, 'Add a secret');
    expect(labelled(node, 'Variable 2')).toBeNull();
    await fill(labelled(node, 'Variable 1'), 'TOKEN');
    await press(node, 'Add a secret');
    await fill(labelled(node, 'Variable 2'), 'OTHER');
    await panel?.model?.setData({
      ...panel.model.data,
      spec: { ...panel.model.spec, secrets: { TOKEN: 'mine', OTHER: '' }, environment: { '': 'lost' } }
    });
    await panel?.model?.submit();
    await settle();
    const wrong = [...node.querySelectorAll('.orr-Pair[data-invalid]')];
    expect(wrong.map(row => row.querySelector('.orr-Field-error')?.textContent)).toEqual([
      'Choose a secret for OTHER, or remove the row.'
    ]);
    expect(panel?.model?.problems.map(({ message }) => message)).toContain(
      'Name the row of lost, or remove it.'
    );
    await fill(labelled(node, 'Variable 2'), 'TOKEN');
    expect(node.querySelector('.orr-Pair[data-invalid]')?.textContent).toContain('TOKEN stands twice');
  });
});

describe('The goal of a metric', () => {
  it('is told by its name as long as nobody says it', async () => {
    const node = await openPanel(new MemoryPlatform());
    await press(node, 'Add to metrics');
    const name = node.querySelector('[id$="_spec_metrics_0_name"]');
    const goal = (): HTMLSelectElement | null => node.querySelector('[id$="_spec_metrics_0_goal"]');
    const shown = (): string | undefined => goal()?.selectedOptions[0]?.textContent ?? undefined;
    expect(shown()).toBe('automatic');
    await fill(name, 'validation_Loss');
    expect(shown()).toBe('automatic (minimize)');
    await fill(name, 'accuracy');
    expect(shown()).toBe('automatic (maximize)');
    expect(panel?.model?.draft.spec).toMatchObject({ metrics: [{ name: 'accuracy' }] });
    await fill(goal(), '1');
    expect(panel?.model?.spec.metrics).toEqual([{ name: 'accuracy', goal: 'minimize' }]);
  });
});

describe('The keyboard', () => {
  it('sends the form by Ctrl+Enter from any field, with what was typed last', async () => {
    const platform = new MemoryPlatform();
    const sent: JsonObject[] = [];
    platform.on('POST', '/trainings', call => {
      sent.push(call.body ?? {});
      return { status: 201, body: makeResource() };
    });
    const node = await openPanel(platform);
    const send = async (): Promise<void> => {
      document.activeElement?.dispatchEvent(
        new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true, bubbles: true })
      );
      await settle();
    };
    await send();
    // refused: the name is missing
    expect([sent.length, document.activeElement?.id]).toEqual([0, node.querySelector('[id$="_name"]')?.id]);
    await panel?.model?.setData({
      name: 'a',
      spec: { algorithm: 'orrery/xgboost', datasets: { train: 'b' } }
    });
    const tags = [...node.querySelectorAll('input')].find(input => input.placeholder === 'Add, then Enter');
    tags?.focus();
    await fill(tags ?? null, 'fast');
    await send();
    expect(sent.map(({ name, tags: words }) => [name, words])).toEqual([['a', ['fast']]]);
  });

  it('is led into the name of a form that opens', async () => {
    const node = await openPanel(new MemoryPlatform());
    expect(document.activeElement).toBe(node.querySelector('[id$="_name"]'));
  });

  it('is led to the first field that is wrong once the form was refused, also where it is folded away', async () => {
    const node = await openPanel(new MemoryPlatform());
    await press(node, 'Start training');
    expect(document.activeElement).toBe(node.querySelector('[id$="_name"]'));
    await panel?.model?.setData({
      name: 'a',
      spec: { algorithm: 'orrery/xgboost', datasets: { train: 'b' }, secrets: { TOKEN: '' } }
    });
    await settle();
    node.querySelectorAll('details').forEach(group => (group.open = false));
    await press(node, 'Start training');
    const wrong = labelled(node, 'Variable 1');
    expect(document.activeElement).toBe(wrong);
    expect(wrong?.closest('details')?.open).toBe(true);
  });
});
