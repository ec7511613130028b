import { describe, expect, it } from 'vitest';
import type { Resource } from '../src/api-types';
import { dashboardUrl } from '../src/models/dashboards';
import { endingsOf } from '../src/models/endings';
import { parseLink, shareableUrl, withLink } from '../src/models/links';
import { DATASET, MemoryPlatform, TRAINING, event, makeResource, until } from './platform';

function makeRun(id: string, state: string, change: Partial<Resource> = {}): Resource {
  const run = makeResource({ id, name: id, ...change });
  run.status = { ...run.status, state, settled: !['Running', 'Pending'].includes(state) };
  return run;
}

describe('ActivityModel', () => {
  const start = async (open: Resource[]): Promise<[MemoryPlatform, ReturnType<MemoryPlatform['make']>]> => {
    const platform = new MemoryPlatform();
    platform.on('GET', '/trainings', () => ({ body: { items: open, next: null, total: null } }));
    const orrery = platform.make([TRAINING]);
    await orrery.activity.load();
    return [platform, orrery];
  };

  it("counts the user's runs that run and that wait, and follows them", async () => {
    const [, { activity, events }] = await start([makeRun('a', 'Running'), makeRun('b', 'Pending')]);
    expect([activity.countRunning(), activity.countWaiting()]).toEqual([1, 1]);
    events.publish(event('created', makeRun('c', 'Running')));
    events.publish(event('created', makeRun('d', 'Running', { owner: 'bob' })));
    expect(activity.countRunning('training')).toBe(2);
    expect(activity.runs.map(run => run.id)).toEqual(['a', 'c', 'b']);
  });

  it('tells of what was seen to run and ends, and of nothing that had ended before', async () => {
    const [, { activity, events }] = await start([makeRun('a', 'Running')]);
    const ended: string[] = [];
    activity.ended.connect((_, run) => ended.push(run.id));
    events.publish(event('updated', makeRun('old', 'Completed')));
    events.publish(event('updated', makeRun('a', 'Completed')));
    events.publish(event('updated', makeRun('a', 'Completed')));
    expect(ended).toEqual(['a']);
  });

  it('tells of what ended while the stream was away', async () => {
    let open = [makeRun('a', 'Running')];
    const platform = new MemoryPlatform();
    platform.on('GET', '/trainings', () => ({ body: { items: open, next: null, total: null } }));
    platform.on('GET', '/trainings/a', () => ({ body: makeRun('a', 'Failed') }));
    const { activity, events } = platform.make([TRAINING]);
    await activity.load();
    const ended: string[] = [];
    activity.ended.connect((_, run) => ended.push(`${run.id} ${run.status.state}`));
    open = [];
    events.reset.emit();
    await until(() => ended.length > 0, 'the end');
    expect(ended).toEqual(['a Failed']);
  });
});

describe('endings', () => {
  const ended = (states: string[]): { kind: typeof TRAINING; resource: Resource }[] =>
    states.map((state, index) => ({ kind: TRAINING, resource: makeRun(`r${index}`, state) }));

  it('says each alone, with its first metric or the reason', () => {
    const [good, bad] = ended(['Completed', 'Failed']);
    if (good && bad) {
      good.resource.status.outputs = { metrics: { roc_auc: 0.991 } };
      bad.resource.status.message = "column 'x' is missing";
      expect(endingsOf([good, bad]).map(({ type, message, ref }) => [type, message, ref])).toEqual([
        ['success', 'Training r0 is complete. ROC AUC: 0.991.', 'r0'],
        ['error', "Training r1 failed. column 'x' is missing", 'r1']
      ]);
    }
    expect.assertions(1);
  });

  it('folds many into one', () => {
    const trial = makeRun('trn_9', 'Completed', { spec: { trial: { tuning: 'tun_1', number: 3 } } });
    expect(endingsOf([{ kind: TRAINING, resource: trial }])).toEqual([]);
    const many = endingsOf(ended(['Completed', 'Completed', 'Failed', 'Completed', 'Cancelled']));
    expect(many).toEqual([
      {
        type: 'error',
        message: '5 trainings ended: 3 completed, 1 failed, 1 cancelled.',
        kind: 'training',
        ref: null
      }
    ]);
  });
});

describe('links', () => {
  it('name a list, a page by id, or a page by name', () => {
    expect(parseLink('?orrery=trainings')).toEqual({ plural: 'trainings', ref: '' });
    expect(parseLink('?reset&orrery=trainings/trn_1')).toEqual({ plural: 'trainings', ref: 'trn_1' });
    expect(parseLink('?orrery=dataset-versions%2Falice%2Firis%402')).toEqual({
      plural: 'dataset-versions',
      ref: 'alice/iris@2'
    });
    expect(parseLink('?orrery=')).toBeNull();
    expect(parseLink('?orrery=javascript:alert(1)')).toBeNull();
  });

  it('name the form of a new one, and the template that it begins with', () => {
    const target = { plural: 'trainings', ref: 'new', template: 'alice/quick one' };
    expect(parseLink('?orrery=trainings/new')).toEqual({ plural: 'trainings', ref: 'new' });
    const address = shareableUrl(target, { origin: 'http://x', baseUrl: '/', hubPrefix: '' });
    expect(address).toBe('http://x/lab?orrery=trainings/new&template=alice/quick%20one');
    expect(parseLink(new URL(address).search)).toEqual(target);
    // somebody else's parameter of that name stays
    expect(parseLink('?orrery=trainings/trn_1&template=a')).toEqual({ plural: 'trainings', ref: 'trn_1' });
    expect(withLink(new URL('http://x/lab?template=a&orrery=models'), null)).toBe('/lab?template=a');
    expect(withLink(new URL(address), null)).toBe('/lab');
  });

  it('change only their own part of an address', () => {
    const url = new URL('http://x/lab/tree/a?token=t&orrery=models#h');
    expect(withLink(url, { plural: 'trainings', ref: 'trn_1' })).toBe(
      '/lab/tree/a?token=t&orrery=trainings/trn_1#h'
    );
    expect(withLink(url, null)).toBe('/lab/tree/a?token=t#h');
  });

  it('lead everyone to their own server behind a hub', () => {
    const target = { plural: 'trainings', ref: 'trn_1' };
    const place = { origin: 'http://x', baseUrl: '/user/alice/', hubPrefix: '' };
    expect(shareableUrl(target, place)).toBe('http://x/user/alice/lab?orrery=trainings/trn_1');
    expect(shareableUrl(target, { ...place, hubPrefix: '/hub/' })).toBe(
      'http://x/hub/user-redirect/lab?orrery=trainings/trn_1'
    );
  });
});

describe('dashboards', () => {
  const dashboard = { name: 'card', title: 'Model card', description: '', for: 'model', url: '/d/card' };

  it('are offered on pages of their kind', async () => {
    const platform = new MemoryPlatform();
    platform.on('GET', '/orrery-extension/dashboards', () => ({ body: { items: [dashboard] } }));
    const { dashboards } = platform.make();
    await dashboards.load();
    expect(dashboards.of('model').map(one => one.name)).toEqual(['card']);
    expect(dashboards.of('training')).toEqual([]);
    expect(dashboardUrl(dashboard, 'mdl_1')).toBe('/d/card?id=mdl_1');
    expect(dashboardUrl({ ...dashboard, url: '/d/card?theme=dark' }, 'mdl_1')).toBe(
      '/d/card?theme=dark&id=mdl_1'
    );
  });

  it('are none where the server has none', async () => {
    const { dashboards } = new MemoryPlatform().make();
    await dashboards.load();
    expect(dashboards.items).toEqual([]);
  });
});

it('orders the sections of the side bar as a console does, and leaves out those of nothing', () => {
  const kinds = new MemoryPlatform().make([
    { ...TRAINING, section: 'serving', order: 1 },
    { ...TRAINING, kind: 'x', section: 'weather', order: 2 },
    { ...DATASET, section: 'data', order: 3 }
  ]).kinds;
  expect(kinds.sections().map(section => section.title)).toEqual(['Data', 'Serving', 'Weather']);
});
