/** Files: dropped or picked, each with its progress; then, of a dataset's, its purpose. */
import type { FieldProps } from '@rjsf/utils';
import { closeIcon, refreshIcon } from '@jupyterlab/ui-components';
import type { DragEvent } from 'react';
import { useRef, useState } from 'react';
import type { UploadedFile } from '../api-types';
import { errorMessage } from '../api';
import { formatBytes, plural } from '../format';
import { uploadIcon } from '../icons';
import type { Gathered } from '../models/folders';
import { MAX_FILES, gatherDropped, gatherPicked, refusalOf, shown } from '../models/folders';
import { useModel } from '../models/model';
import type { UploadTask } from '../models/upload';
import { Button, Icon, IconButton, ProgressBar } from '../widgets/parts';
import type { FormContext } from './inputs';

/** A page stays quick; what is not shown is there all the same. */
const MOST_SHOWN = 200;
const PURPOSES = ['training', 'validation', 'testing'];

export function UploadsField(props: FieldProps): JSX.Element {
  const { model } = props.formContext as FormContext;
  const { uploads } = model;
  const isData = model.kind.kind === 'dataset';
  useModel(uploads);
  const picker = useRef<HTMLInputElement>(null);
  const folderPicker = useRef<HTMLInputElement | null>(null);
  const [isOver, setOver] = useState(false);
  const [refusal, setRefusal] = useState('');
  const [left, setLeft] = useState<string[]>([]);
  const files = (props.formData ?? []) as UploadedFile[];
  const set = (next: UploadedFile[]): void => {
    props.onChange(next);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    gatherDropped(event.dataTransfer.items).then(take, error => setRefusal(errorMessage(error)));
  };
  const take = (gathered: Gathered): void => {
    const found = refusalOf(gathered, files.length + uploads.tasks.length);
    setRefusal(found);
    setLeft(found === '' ? gathered.left : []);
    if (found === '') {
      model.addFiles(gathered.files, gathered.folder);
    }
  };
  return (
    <div className="orr-Uploads" role="group" aria-labelledby={`${props.idSchema.$id}__label`}>
      <div
        className="orr-Drop"
        data-over={isOver || undefined}
        onDragOver={event => {
          event.preventDefault();
          event.stopPropagation();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
        data-testid="orrery-drop"
      >
        <Icon icon={uploadIcon} size={28} />
        <div>
          Drop files here, or{' '}
          <button type="button" className="orr-Link" onClick={() => picker.current?.click()}>
            choose files
          </button>{' '}
          or{' '}
          <button type="button" className="orr-Link" onClick={() => folderPicker.current?.click()}>
            a folder
          </button>
        </div>
        {isData && <div className="orr-Muted">CSV, TSV, Parquet, JSON, JSON Lines or Excel, of any size</div>}
        <div className="orr-Muted">
          At most {MAX_FILES.toLocaleString('en-US')} files; of a folder, hidden files and caches are left out
        </div>
        <input
          ref={folder => {
            folderPicker.current = folder;
            // React does not know it
            folder?.setAttribute('webkitdirectory', '');
          }}
          type="file"
          multiple
          hidden
          aria-label="Folder"
          data-testid="orrery-folder-input"
          onChange={event => {
            take(gatherPicked(event.target.files ?? []));
            event.target.value = '';
          }}
        />
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label="Files"
          data-testid="orrery-file-input"
          onChange={event => {
            take(gatherPicked(event.target.files ?? []));
            event.target.value = '';
          }}
        />
      </div>
      {refusal !== '' && (
        <div className="orr-Field-error" role="alert">
          {refusal}
        </div>
      )}
      {left.length > 0 && (
        <div className="orr-Muted" role="status" data-testid="orrery-left-out">
          Left out: {shown(left)}
        </div>
      )}
      {uploads.tasks.length > 1 && (
        <Together tasks={uploads.tasks} onCancel={() => void uploads.cancelAll()} />
      )}
      {(files.length > 0 || uploads.tasks.length > 0) && (
        <ul className="orr-Files">
          {files.slice(0, MOST_SHOWN).map((file, index) => (
            <li key={file.path} data-testid={`orrery-file-${file.path}`}>
              <span className="orr-Ellipsis" title={file.path}>
                {file.path}
              </span>
              <span className="orr-Muted">{formatBytes(file.size)}</span>
              {isData && (
                <select
                  className="orr-Select"
                  aria-label={`Purpose of ${file.path}`}
                  value={file.purpose ?? ''}
                  onChange={event =>
                    set(
                      files.map((other, at) =>
                        at === index ? { ...other, purpose: event.target.value || null } : other
                      )
                    )
                  }
                >
                  <option value="">any purpose</option>
                  {PURPOSES.map(purpose => (
                    <option key={purpose} value={purpose}>
                      {purpose}
                    </option>
                  ))}
                </select>
              )}
              <IconButton
                label={`Remove ${file.path}`}
                icon={closeIcon}
                onClick={() => set(files.filter((_, at) => at !== index))}
              />
            </li>
          ))}
          {uploads.tasks.slice(0, MOST_SHOWN).map(task => (
            <Sending
              key={task.key}
              task={task}
              onCancel={() => void uploads.cancel(task.key)}
              onRetry={() => uploads.retry(task.key)}
            />
          ))}
          {files.length > MOST_SHOWN && (
            <li className="orr-Muted">and {plural(files.length - MOST_SHOWN, 'file')} more</li>
          )}
        </ul>
      )}
    </div>
  );
}

/** How far all of them are, where several are sent. */
function Together(props: { tasks: readonly UploadTask[]; onCancel: () => void }): JSX.Element {
  const { tasks } = props;
  const size = tasks.reduce((sum, task) => sum + task.size, 0);
  const sent = tasks.reduce((sum, task) => sum + task.sent, 0);
  return (
    <div className="orr-Word-line" role="status" data-testid="orrery-uploads-left">
      <span>
        {plural(tasks.length, 'file')} to send, {formatBytes(size - sent)}
      </span>
      <Button label="Cancel all" onClick={props.onCancel} testId="orrery-uploads-cancel" />
    </div>
  );
}

function Sending(props: { task: UploadTask; onCancel: () => void; onRetry: () => void }): JSX.Element {
  const { task } = props;
  const left = task.rate > 0 ? (task.size - task.sent) / task.rate : null;
  const progress = {
    fraction: task.size === 0 ? 0 : task.sent / task.size,
    epoch: null,
    epochs: null,
    step: null,
    steps: null,
    message: null,
    eta_seconds: left
  };
  return (
    <li data-testid={`orrery-upload-${task.path}`} data-state={task.state}>
      <span className="orr-Ellipsis" title={task.path}>
        {task.path}
      </span>
      {task.state === 'failed' ? (
        <span className="orr-Field-error">{task.error} Choose it again to go on where it stopped.</span>
      ) : (
        <>
          <ProgressBar progress={progress} label={`Uploading ${task.path}`} />
          <span className="orr-Muted orr-Nowrap">
            {task.state === 'waiting' ? 'waiting' : `${formatBytes(task.sent)} of ${formatBytes(task.size)}`}
          </span>
        </>
      )}
      {task.state === 'failed' && (
        <IconButton label={`Try ${task.path} again`} icon={refreshIcon} onClick={props.onRetry} />
      )}
      <IconButton label={`Cancel ${task.path}`} icon={closeIcon} onClick={props.onCancel} />
    </li>
  );
}
