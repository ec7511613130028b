/** The notebook of a run (as executed, even while it runs) or of an algorithm (as it will be run). */
import { notebookIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { savedKernel } from '../../models/resume-notebook';
import { runOptions } from '../../models/notebooks';
import { usePanel } from '../context';
import { showError } from '../dialogs';
import { Button, Icon } from '../parts';
import type { TabProps } from './props';
import { SavedKernelCard } from './saved-kernel';

export function NotebookTab(props: TabProps): JSX.Element {
  const saved = savedKernel(props.resource);
  return (
    <>
      {saved && <SavedKernelCard {...props} saved={saved} />}
      <ExecutedNotebook {...props} />
    </>
  );
}

function ExecutedNotebook(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { go, api } = usePanel();
  const [isOpening, setOpening] = useState(false);
  const isSource = resource.kind === 'algorithm';
  const open = async (isFork = false): Promise<void> => {
    setOpening(true);
    try {
      await (isFork
        ? go.forkNotebook(resource.kind, resource.id, `${resource.name}-fork`, runOptions(resource))
        : go.openNotebook(resource.kind, resource.id, resource.name));
    } catch (error) {
      await showError('The notebook could not be opened', error);
    }
    setOpening(false);
  };
  return (
    <div className="orr-Empty">
      <Icon icon={notebookIcon} size={48} />
      <h2>{isSource ? 'The notebook that it will run' : 'The executed notebook'}</h2>
      <p>
        {isSource
          ? 'Read it, or take your copy as the start of an algorithm of your own.'
          : 'Every cell with its output, as this run left it: a report to read, to keep, or to change and run again.'}
      </p>
      <div className="orr-Actions">
        <Button
          label={isSource ? 'Open the notebook it will run' : 'Open executed notebook'}
          kind="accept"
          disabled={isOpening}
          onClick={() => void open()}
          testId="orrery-open-notebook"
        />
        {!isSource && (
          <Button
            label="Fork this notebook"
            disabled={isOpening}
            onClick={() => void open(true)}
            testId="orrery-fork-notebook"
          />
        )}
        <a
          className="orr-Link"
          href={api.url(`/${model.kind.plural}/${resource.id}/notebook`)}
          download={`${resource.name}.ipynb`}
        >
          Download
        </a>
      </div>
      <p className="orr-Muted">
        Your copy is saved in the folder orrery/ of your files.
        {!isSource &&
          ' A fork has this run’s values and no outputs: change it, then press “Run as job” in its toolbar to run it on the same data.'}
      </p>
    </div>
  );
}
