/** Changing what may be changed of a resource: its name, description, tags and who may see it. */
import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { JsonObject, Kind, Resource, Visibility } from '../api-types';
import type { IOrrery } from '../tokens';
import { showError } from './dialogs';

interface Change {
  name: string;
  description: string;
  tags: string;
  visibility: Visibility;
  group: string | null;
}

class EditBody extends ReactWidget implements Dialog.IBodyWidget<Change> {
  private change: Change;

  constructor(
    private readonly kind: Kind,
    resource: Resource,
    private readonly groups: string[]
  ) {
    super();
    this.change = {
      name: resource.name,
      description: resource.description,
      tags: resource.tags.join(', '),
      visibility: resource.visibility,
      group: resource.group
    };
  }

  getValue(): Change {
    return this.change;
  }

  protected render(): JSX.Element {
    const set = (change: Partial<Change>): void => {
      this.change = { ...this.change, ...change };
      this.update();
    };
    const can = (field: string): boolean => this.kind.mutable.includes(field);
    const { change } = this;
    return (
      <div className="orr-Edit">
        {can('name') && (
          <label>
            Name
            <input
              className="orr-Input"
              value={change.name}
              onChange={event => set({ name: event.target.value })}
            />
          </label>
        )}
        {can('description') && (
          <label>
            Description
            <textarea
              className="orr-Input"
              rows={3}
              value={change.description}
              onChange={event => set({ description: event.target.value })}
            />
          </label>
        )}
        {can('tags') && (
          <label>
            Tags, separated by commas
            <input
              className="orr-Input"
              value={change.tags}
              onChange={event => set({ tags: event.target.value })}
            />
          </label>
        )}
        {can('visibility') && (
          <label>
            Visibility
            <select
              className="orr-Select"
              value={change.visibility}
              onChange={event => set({ visibility: event.target.value as Visibility })}
            >
              <option value="private">Private: only you</option>
              {this.groups.length > 0 && <option value="group">Group: the members of a group</option>}
              <option value="public">Public: everyone who can sign in</option>
            </select>
          </label>
        )}
        {can('visibility') && change.visibility === 'group' && (
          <label>
            Group
            <select
              className="orr-Select"
              value={change.group ?? ''}
              onChange={event => set({ group: event.target.value })}
            >
              <option value="">Choose a group</option>
              {this.groups.map(group => (
                <option key={group}>{group}</option>
              ))}
            </select>
          </label>
        )}
      </div>
    );
  }
}

export async function editResource(orrery: IOrrery, kind: Kind, resource: Resource): Promise<void> {
  const answer = await showDialog({
    title: `Edit ${kind.title.toLowerCase()}`,
    body: new EditBody(kind, resource, orrery.kinds.user?.groups ?? []),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Save' })]
  });
  if (!answer.button.accept || !answer.value) {
    return;
  }
  const { name, description, visibility, group } = answer.value;
  const tags = answer.value.tags
    .split(',')
    .map(tag => tag.trim())
    .filter(tag => tag !== '');
  const wanted: JsonObject = { name, description, tags, visibility };
  if (visibility === 'group') {
    wanted.group = group;
  }
  const change: JsonObject = {};
  for (const [key, value] of Object.entries(wanted)) {
    if (JSON.stringify(value) !== JSON.stringify(resource[key as keyof Resource])) {
      change[key] = value;
    }
  }
  if (Object.keys(change).length === 0) {
    return;
  }
  try {
    const changed = await orrery.api.patch(kind.plural, resource.id, change, resource.etag);
    orrery.events.publish({ type: 'updated', resource: changed });
  } catch (error) {
    await showError('The change was not saved', error);
  }
}
