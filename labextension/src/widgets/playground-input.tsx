/** The three ways to write what a model is asked: one row as a form, many as a table, anything as JSON. */
import type { DragEvent } from 'react';
import { useId, useState } from 'react';
import { formatBytes, formatNumber, plainText, plural } from '../format';
import type { Field, Value } from '../models/inputs';
import { cellText, isFileKind } from '../models/inputs';
import type { PlaygroundModel } from '../models/playground';

/** As many as a list shows well; more are typed, with suggestions. */
const MOST_CHOICES = 40;
const MOST_FILE_BYTES = 16 << 20;
const PREVIEW_ROWS = 20;

export function RowForm(props: { model: PlaygroundModel }): JSX.Element {
  const { model } = props;
  return (
    <div className="orr-Try-fields" data-testid="orrery-try-form">
      {model.fields.map(field => (
        <FieldInput
          key={field.name}
          field={field}
          value={model.values[field.name] ?? ''}
          problem={model.problems.find(problem => problem.field === field.name)?.message}
          onChange={value => model.setValue(field.name, value)}
        />
      ))}
    </div>
  );
}

interface InputProps {
  field: Field;
  value: Value;
  problem: string | undefined;
  onChange: (value: Value) => void;
}

function hintOf(field: Field): string {
  const range =
    field.minimum !== null && field.maximum !== null
      ? `${formatNumber(field.minimum)} to ${formatNumber(field.maximum)}`
      : '';
  return range;
}

function FieldInput(props: InputProps): JSX.Element {
  const { field, problem } = props;
  const id = useId();
  const hint = hintOf(field);
  return (
    <div className="orr-Try-field" data-invalid={problem !== undefined || undefined}>
      <label htmlFor={id} className="orr-Ellipsis" title={field.name}>
        {field.name}
        {!field.isNullable && (
          <span title="The model needs a value here" aria-hidden="true">
            {' '}
            *
          </span>
        )}
      </label>
      <Control {...props} id={id} describedBy={`${id}-note`} />
      <div id={`${id}-note`} className={problem ? 'orr-Try-problem' : 'orr-Muted'}>
        {problem ?? hint}
      </div>
    </div>
  );
}

function Control(props: InputProps & { id: string; describedBy: string }): JSX.Element {
  const { field, id, value, problem, onChange } = props;
  const shared = {
    id,
    'aria-describedby': props.describedBy,
    'aria-invalid': problem !== undefined,
    'aria-required': !field.isNullable
  };
  const text = typeof value === 'string' ? value : '';
  const set = (event: { target: { value: string } }): void => onChange(event.target.value);
  if (isFileKind(field.kind)) {
    return <FileInput {...props} />;
  }
  if (field.kind === 'boolean' || (field.kind === 'category' && field.categories.length <= MOST_CHOICES)) {
    const choices = field.kind === 'boolean' ? ['true', 'false'] : field.categories;
    return (
      <select {...shared} className="orr-Select" value={text} onChange={set}>
        <option value="">{field.isNullable ? '(missing)' : 'Choose …'}</option>
        {text !== '' && !choices.includes(text) && <option value={text}>{text}</option>}
        {choices.map(choice => (
          <option key={choice} value={choice}>
            {choice}
          </option>
        ))}
      </select>
    );
  }
  if (field.kind === 'text' || field.kind === 'series') {
    return <textarea {...shared} className="orr-Input" rows={4} value={text} onChange={set} />;
  }
  return (
    <>
      <input
        {...shared}
        className="orr-Input"
        inputMode={field.kind === 'number' ? 'decimal' : undefined}
        list={field.kind === 'category' ? `${id}-choices` : undefined}
        placeholder={field.isNullable ? '(missing)' : ''}
        value={text}
        onChange={set}
        autoComplete="off"
      />
      {field.kind === 'category' && (
        <datalist id={`${id}-choices`}>
          {field.categories.map(choice => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
    </>
  );
}

const ACCEPTED: Record<string, string> = { image: 'image/*', audio: 'audio/*' };

/** A file of an image, a sound or other bytes, chosen or dropped; it is sent as base64. */
function FileInput(props: InputProps & { id: string; describedBy: string }): JSX.Element {
  const { field, value, onChange, id } = props;
  const [refusal, setRefusal] = useState('');
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) {
      return;
    }
    if (file.size > MOST_FILE_BYTES) {
      setRefusal(
        `${file.name} has ${formatBytes(file.size)}; a call carries at most ${formatBytes(MOST_FILE_BYTES)}`
      );
      return;
    }
    setRefusal('');
    onChange({ b64: await toBase64(file), name: file.name });
  };
  const chosen = typeof value === 'object' ? value : null;
  return (
    <DropZone onFile={file => void take(file)}>
      <input
        id={id}
        type="file"
        accept={ACCEPTED[field.kind]}
        aria-describedby={props.describedBy}
        onChange={event => void take(event.target.files?.[0])}
      />
      {chosen && <div className="orr-Muted">{chosen.name}</div>}
      {chosen && field.kind === 'image' && (
        <img alt={chosen.name} src={`data:image;base64,${chosen.b64}`} className="orr-Try-image" />
      )}
      {chosen && field.kind === 'audio' && (
        <audio controls aria-label={chosen.name} src={`data:audio/wav;base64,${chosen.b64}`} />
      )}
      {refusal && <div className="orr-Try-problem">{refusal}</div>}
    </DropZone>
  );
}

export async function toBase64(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

function DropZone(props: {
  onFile: (file: File | undefined) => void;
  children: React.ReactNode;
}): JSX.Element {
  const [isOver, setOver] = useState(false);
  const over = (event: DragEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    setOver(true);
  };
  return (
    <div
      className="orr-Try-drop"
      data-over={isOver || undefined}
      onDragEnter={over}
      onDragOver={over}
      onDragLeave={() => setOver(false)}
      onDrop={event => {
        event.preventDefault();
        event.stopPropagation();
        setOver(false);
        props.onFile(event.dataTransfer.files[0]);
      }}
    >
      {props.children}
    </div>
  );
}

export function TableInput(props: { model: PlaygroundModel }): JSX.Element {
  const { model } = props;
  const id = useId();
  const { table } = model;
  const target = plainText(model.model?.status.outputs.target);
  const leftOut = table.leftOut.filter(name => name !== target);
  const read = (file: File | undefined): void => {
    void file?.text().then(text => model.setText(text));
  };
  return (
    <div className="orr-Try-table">
      <label htmlFor={id}>
        Rows as CSV or TSV, the columns&apos; names in the first line; paste, type, or drop a file
      </label>
      <DropZone onFile={read}>
        <textarea
          id={id}
          className="orr-Input orr-Code"
          rows={9}
          spellCheck={false}
          wrap="off"
          value={model.tableText}
          onChange={event => model.setText(event.target.value)}
          data-testid="orrery-try-table"
        />
        <input
          type="file"
          accept=".csv,.tsv,.txt,text/csv,text/tab-separated-values"
          aria-label="A file of rows"
          onChange={event => read(event.target.files?.[0])}
          data-testid="orrery-try-table-file"
        />
      </DropZone>
      <div className="orr-Muted" role="status">
        {plural(table.rows.length, 'row')}
        {table.leftOut.includes(target) && `; ${target} is what the model predicts, so it is left out`}
        {leftOut.length > 0 && `; left out, as the model does not take them: ${leftOut.join(', ')}`}
        {table.missing.length > 0 && `; missing: ${table.missing.join(', ')}`}
      </div>
      {table.rows.length > 0 && <TablePreview model={model} />}
    </div>
  );
}

function TablePreview(props: { model: PlaygroundModel }): JSX.Element {
  const { model } = props;
  const { rows } = model.table;
  const wrong = new Map(
    model.problems.map(problem => [`${problem.row ?? 0} ${problem.field}`, problem.message])
  );
  return (
    <div
      className="orr-Scroll orr-Try-preview"
      tabIndex={0}
      role="region"
      aria-label="The rows as they are read"
    >
      <table className="orr-Table orr-mod-data">
        <thead>
          <tr>
            <th scope="col">#</th>
            {model.fields.map(field => (
              <th key={field.name} scope="col">
                {field.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, PREVIEW_ROWS).map((row, index) => (
            <tr key={index}>
              <th scope="row">{index + 1}</th>
              {model.fields.map(field => {
                const problem = wrong.get(`${index} ${field.name}`);
                const value = row[field.name];
                return (
                  <td key={field.name} data-invalid={problem !== undefined || undefined} title={problem}>
                    {value === null || value === undefined ? (
                      <span className="orr-Missing">missing</span>
                    ) : (
                      cellText(value)
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function JsonInput(props: { model: PlaygroundModel }): JSX.Element {
  const { model } = props;
  const id = useId();
  return (
    <div className="orr-Try-table">
      <label htmlFor={id}>The body, as JSON: rows by column name under &quot;instances&quot;</label>
      <textarea
        id={id}
        className="orr-Input orr-Code"
        rows={16}
        spellCheck={false}
        value={model.jsonText}
        onChange={event => model.setText(event.target.value)}
        data-testid="orrery-try-input"
      />
    </div>
  );
}
