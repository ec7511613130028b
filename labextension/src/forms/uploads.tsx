/** Files: dropped or picked, each with its progress; then, of a dataset's, its purpose. */
import type { FieldProps } from '@rjsf/utils';
import { closeIcon, refreshIcon } from '@jupyterlab/ui-components';
import type { DragEvent } from 'react';
import { useRef, useState } from 'react';
import type { UploadedFile } from '../api-types';
import { formatBytes } from '../format';
import { uploadIcon } from '../icons';
import { useModel } from '../models/model';
import type { UploadTask } from '../models/upload';
import { Icon, IconButton, ProgressBar } from '../widgets/parts';
import type { FormContext } from './inputs';

const PURPOSES = ['training', 'validation', 'testing'];

export function UploadsField(props: FieldProps): JSX.Element {
  const { model } = props.formContext as FormContext;
  const { uploads } = model;
  const isData = model.kind.kind === 'dataset';
  useModel(uploads);
  const picker = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const files = (props.formData ?? []) as UploadedFile[];
  const set = (next: UploadedFile[]): void => {
    props.onChange(next);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    uploads.add([...event.dataTransfer.files]);
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
          </button>
        </div>
        {isData && <div className="orr-Muted">CSV, TSV, Parquet, JSON, JSON Lines or Excel, of any size</div>}
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label="Files"
          data-testid="orrery-file-input"
          onChange={event => {
            uploads.add([...(event.target.files ?? [])]);
            event.target.value = '';
          }}
        />
      </div>
      {(files.length > 0 || uploads.tasks.length > 0) && (
        <ul className="orr-Files">
          {files.map((file, index) => (
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
          {uploads.tasks.map(task => (
            <Sending
              key={task.key}
              task={task}
              onCancel={() => void uploads.cancel(task.key)}
              onRetry={() => uploads.retry(task.key)}
            />
          ))}
        </ul>
      )}
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
