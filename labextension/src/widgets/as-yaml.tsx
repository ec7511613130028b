/** What a resource or a form says, as YAML that `orrery apply` and "Import YAML …" take. */
import { yamlIcon } from '@jupyterlab/ui-components';
import { Notification } from '@jupyterlab/apputils';
import type { Kind, Resource } from '../api-types';
import type { FormModel } from '../models/form';
import { draftYaml } from '../models/manifests';
import { CommandIDs } from '../tokens';
import { usePanel } from './context';
import { showError } from './dialogs';
import { Button } from './parts';
import { Popover } from './popover';
import { saveFile } from './save';

export function AsYaml(props: { kind: Kind; resource: Resource }): JSX.Element {
  const { go } = usePanel();
  const { kind, resource } = props;
  const run = (copy: boolean): void => {
    const ids = [resource.id];
    void go.execute(CommandIDs.exportYaml, { kind: kind.kind, ids, name: resource.name, copy });
  };
  return <YamlMenu run={run} />;
}

/** Forms of what is said in fields alone: no files, and no secrets. */
const WRITTEN = new Set(['training', 'tuning', 'template', 'workflow', 'endpoint', 'experiment']);

export function FormAsYaml(props: { model: FormModel }): JSX.Element | null {
  const { model } = props;
  const { api } = usePanel();
  if (model.options.editOf || !WRITTEN.has(model.kind.kind)) {
    return null;
  }
  const run = async (copy: boolean): Promise<void> => {
    try {
      const { draft } = model;
      const text = await draftYaml(api, model.kind.kind, draft);
      if (copy) {
        await navigator.clipboard.writeText(text);
        Notification.info('The YAML was copied.', { autoClose: 2500 });
      } else {
        const name = typeof draft.name === 'string' ? draft.name : model.kind.kind;
        saveFile(`${name}.yaml`, new Blob([text], { type: 'application/yaml' }));
      }
    } catch (error) {
      await showError('It could not be exported', error);
    }
  };
  return <YamlMenu run={copy => void run(copy)} />;
}

function YamlMenu(props: { run: (copy: boolean) => void }): JSX.Element {
  return (
    <Popover label="YAML" icon={yamlIcon} testId="orrery-yaml">
      <Button label="Export as YAML" onClick={() => props.run(false)} testId="orrery-export-yaml" />
      <Button label="Copy as YAML" onClick={() => props.run(true)} testId="orrery-copy-yaml" />
    </Popover>
  );
}
