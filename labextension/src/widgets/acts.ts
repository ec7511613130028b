/** What can be done with one resource: its page's buttons and the menu of its row in a list are made from the same. */
import type { Action, App, Kind, Resource } from '../api-types';
import { displayName } from '../format';
import { Deletion } from '../models/deletion';
import { offeredActions } from '../models/kinds';
import { NEW } from '../models/links';
import { CommandIDs } from '../tokens';
import type { PanelContext } from './context';
import { act, deleteResource, showError } from './dialogs';
import { editResource } from './edit';

/** Done elsewhere, with a form of their own. */
const OWN_BUTTONS = new Set(['copy', 'delete', 'restore']);

export interface Act {
  label: string;
  run: () => void;
  isAccept?: boolean;
  testId?: string;
}

/** Whether the one who looks may change it. */
export function mayChange(context: PanelContext, resource: Resource): boolean {
  return context.kinds.isMine(resource) || context.kinds.user?.admin === true;
}

/** The kind's own actions that are possible now. */
export function ownActions(context: PanelContext, kind: Kind, resource: Resource): Action[] {
  return mayChange(context, resource)
    ? offeredActions(kind, resource).filter(action => !OWN_BUTTONS.has(action.name))
    : [];
}

/** Do it, and show what it made. */
export async function perform(
  context: PanelContext,
  kind: Kind,
  action: Action,
  resource: Resource
): Promise<void> {
  const answer = await act(context, kind, action, resource);
  if (answer && answer.id !== resource.id) {
    context.go.open(answer.kind, answer.id);
  }
}

export function edit(context: PanelContext, kind: Kind, resource: Resource): void {
  if (kind.mutable.some(field => field.startsWith('spec.'))) {
    context.go.create(kind.kind, { editOf: resource.id });
  } else {
    void editResource(context, kind, resource);
  }
}

export function restore(context: PanelContext, resource: Resource, done: () => void): void {
  new Deletion(context).restore([resource]).then(done, error => showError('Restore', error));
}

/** Its web applications with their addresses; none while it is stopped. */
export function appsOf(context: PanelContext, resource: Resource): (App & { url: string })[] {
  const kind = context.kinds.get(resource.kind);
  if (!kind?.app || resource.status.state === 'Stopped') {
    return [];
  }
  return [kind.app, ...(kind.more_apps ?? [])].map(app => ({
    ...app,
    url: context.api.platformUrl(`apps/${resource.id}${app.suffix}/`)
  }));
}

/** What most people do next with it. */
export function nextSteps(context: PanelContext, resource: Resource): Act[] {
  const { go, kinds } = context;
  const { outputs } = resource.status;
  const name = `${resource.owner}/${displayName(resource)}`;
  const isTable = resource.kind === 'dataset-version' || outputs.latest_version != null;
  if (resource.kind.startsWith('dataset') && isTable && kinds.get('training')) {
    const prefill = { spec: { datasets: { train: name } } };
    const run = (): void => go.create('training', { prefill });
    return [{ label: 'Train', isAccept: true, run, testId: 'orrery-train' }];
  }
  if (resource.kind === 'algorithm' && resource.status.state === 'Active') {
    const prefill = { spec: { algorithm: name } };
    const begin = (kind: string) => (): void => go.create(kind, { prefill });
    const train: Act = { label: 'Train', isAccept: true, run: begin('training'), testId: 'orrery-train' };
    const tune: Act = { label: 'Tune', run: begin('tuning'), testId: 'orrery-tune' };
    return [...(kinds.get('training') ? [train] : []), ...(kinds.get('tuning') ? [tune] : [])];
  }
  if (resource.kind === 'training' && typeof outputs.model === 'string') {
    const { model } = outputs;
    const run = (): void => go.open('model', model);
    return [{ label: 'Open the model', isAccept: true, run, testId: 'orrery-open-model' }];
  }
  if (resource.kind === 'template') {
    const link = { plural: 'trainings', ref: NEW, template: resource.id };
    return [
      ...(kinds.get('tuning')
        ? [{ label: 'Tune with it', run: () => go.create('tuning', { template: resource.id }) }]
        : []),
      {
        label: 'Copy a link to begin with it',
        run: () => void go.execute(CommandIDs.copyLink, link),
        testId: 'orrery-copy-template-link'
      },
      {
        label: 'Use template',
        isAccept: true,
        run: () => go.create('training', { template: resource.id }),
        testId: 'orrery-use-template'
      }
    ];
  }
  if (resource.kind === 'model' && kinds.get('endpoint')) {
    const deployments = [{ model: name, replicas: 1, traffic: 100 }];
    const run = (): void =>
      go.create('endpoint', { prefill: { name: resource.name, spec: { deployments } } });
    return [{ label: 'Deploy', isAccept: true, run, testId: 'orrery-deploy' }];
  }
  return [];
}

/** All of it, in the groups of a menu. */
export function allActs(context: PanelContext, kind: Kind, resource: Resource): Act[][] {
  const { go } = context;
  const open = { label: 'Open', run: () => go.open(kind.kind, resource.id) };
  if (resource.deleted_at) {
    return [
      [open],
      mayChange(context, resource)
        ? [{ label: 'Restore', run: () => restore(context, resource, () => undefined) }]
        : []
    ];
  }
  const isMine = mayChange(context, resource);
  const exported = { kind: kind.kind, ids: [resource.id], name: resource.name };
  const yaml = (copy: boolean): Act => ({
    label: copy ? 'Copy as YAML' : 'Export as YAML',
    run: () => void go.execute(CommandIDs.exportYaml, { ...exported, copy })
  });
  return [
    [open, ...nextSteps(context, resource)],
    [
      ...ownActions(context, kind, resource).map(action => ({
        label: action.schema ? `${action.title}…` : action.title,
        run: () => void perform(context, kind, action, resource)
      })),
      ...appsOf(context, resource).map(app => ({
        label: app.title,
        run: () => void window.open(app.url, '_blank', 'noopener')
      }))
    ],
    [
      ...(isMine ? [{ label: 'Edit…', run: () => edit(context, kind, resource) }] : []),
      ...(kind.creatable
        ? [{ label: 'Copy as new…', run: () => go.create(kind.kind, { copyOf: resource.id }) }]
        : []),
      {
        label: 'Copy a link',
        run: () => void go.execute(CommandIDs.copyLink, { plural: kind.plural, ref: resource.id })
      },
      ...(kind.creatable ? [yaml(false), yaml(true)] : [])
    ],
    isMine ? [{ label: 'Delete…', run: () => void deleteResource(context, kind, resource) }] : []
  ];
}
