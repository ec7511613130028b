/** "Several runs" of the training form: values and datasets that are tried, one run for every combination. */
import { closeIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import type { Schema } from '../api-types';
import { plural } from '../format';
import type { FormModel } from '../models/form';
import { useModel } from '../models/model';
import { isSearchable } from '../models/search-space';
import type { Sweep } from '../models/sweep';
import { MAX_RUNS, describePlan, isSwept } from '../models/sweep';
import { Button, IconButton } from '../widgets/parts';
import { ReferenceWidget } from './reference';

export function SweepPart(props: { model: FormModel }): JSX.Element | null {
  const { model } = props;
  // the form library does not draw its children again for what is not its own
  useModel(model);
  const [isOpen, setOpen] = useState(isSwept(model.sweep));
  const { searchable } = model;
  if (!model.canSweep || searchable === null) {
    return null;
  }
  const { sweep, plan } = model;
  const { problems } = plan;
  return (
    <details
      id={`${model.idPrefix}_sweep`}
      className="orr-Group orr-Sweep"
      open={isOpen}
      onToggle={event => setOpen(event.currentTarget.open)}
      data-testid="orrery-sweep"
    >
      <summary>Several runs</summary>
      <div className="orr-Fields">
        <p className="orr-Muted">
          A training for every combination of these, under one experiment: at most {MAX_RUNS}, made together
          or not at all.
        </p>
        <Values model={model} declared={searchable} />
        <Datasets model={model} />
        {isSwept(sweep) && (
          <div role="status" data-testid="orrery-sweep-runs">
            {problems.length > 0 ? (
              problems.map(({ message }) => (
                <div key={message} className="orr-Field-error">
                  {message}
                </div>
              ))
            ) : (
              <>
                <strong>{plural(plan.runs, 'run')}</strong>
                <span className="orr-Muted">: {describePlan(plan)}</span>
              </>
            )}
          </div>
        )}
      </div>
    </details>
  );
}

interface PartProps {
  model: FormModel;
}

function Values(props: PartProps & { declared: Schema }): JSX.Element {
  const { model, declared } = props;
  const rows = model.sweep.parameters;
  const set = (parameters: Sweep['parameters']): void => {
    void model.setSweep({ ...model.sweep, parameters });
  };
  const names = Object.entries(declared.properties ?? {})
    .filter(([, schema]) => isSearchable(schema))
    .map(([name]) => name);
  const free = names.filter(name => !rows.some(row => row.name === name));
  return (
    <>
      {rows.map((row, index) => {
        const id = `${model.idPrefix}_sweep_${row.name || index}`;
        const values = row.name === '' ? `Values ${index + 1}` : `Values of ${row.name}`;
        return (
          <div key={index} className="orr-Pair" role="group" aria-label={values}>
            <select
              id={row.name === '' ? id : undefined}
              className="orr-Select"
              aria-label={`Hyperparameter ${index + 1}`}
              value={row.name}
              onChange={event =>
                set(rows.map((other, at) => (at === index ? renamed(other, event.target.value) : other)))
              }
            >
              {row.name === '' && <option value="">Choose a hyperparameter</option>}
              {names
                .filter(name => name === row.name || free.includes(name))
                .map(name => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
            </select>
            <input
              id={row.name === '' ? undefined : id}
              className="orr-Input"
              aria-label={values}
              placeholder="2, 4, 8 or 2..10:2"
              value={row.text}
              onKeyDown={event => {
                if (event.key === 'Enter') {
                  // the whole form is not meant
                  event.preventDefault();
                }
              }}
              onChange={event =>
                set(rows.map((other, at) => (at === index ? { ...other, text: event.target.value } : other)))
              }
            />
            <IconButton
              label={row.name === '' ? `Remove line ${index + 1}` : `Do not vary ${row.name}`}
              icon={closeIcon}
              onClick={() => set(rows.filter((_, at) => at !== index))}
            />
          </div>
        );
      })}
      {rows.length < names.length && (
        <div>
          <Button
            label="Vary a hyperparameter"
            onClick={() => set([...rows, { name: '', text: '' }])}
            testId="orrery-sweep-add-values"
          />
        </div>
      )}
    </>
  );
}

type Row = Sweep['parameters'][number];

/** What was typed for another hyperparameter does not stay. */
function renamed(row: Row, name: string): Row {
  return { name, text: row.name === '' ? row.text : '' };
}

function Datasets(props: PartProps): JSX.Element | null {
  const { model } = props;
  const rows = model.sweep.datasets;
  const roles = model.datasetRoles;
  const [first] = Object.keys(roles);
  const set = (datasets: Sweep['datasets']): void => {
    void model.setSweep({ ...model.sweep, datasets });
  };
  if (first === undefined) {
    return null;
  }
  return (
    <>
      {rows.map((row, index) => {
        const schema = roles[row.role];
        return (
          <div key={index} className="orr-Pair" role="group" aria-label={`Dataset tried ${index + 1}`}>
            <select
              className="orr-Select"
              aria-label={`Role of dataset ${index + 1}`}
              value={row.role}
              onChange={event =>
                set(rows.map((other, at) => (at === index ? { ...other, role: event.target.value } : other)))
              }
            >
              {Object.keys(roles).map(role => (
                <option key={role} value={role}>
                  {role}
                </option>
              ))}
            </select>
            {schema && (
              <ReferenceWidget
                id={`${model.idPrefix}_sweep_dataset_${index}`}
                schema={schema}
                label={`Dataset tried ${index + 1}`}
                value={row.dataset}
                required
                isInRow
                onChange={(dataset: unknown) =>
                  set(
                    rows.map((other, at) =>
                      at === index ? { ...other, dataset: typeof dataset === 'string' ? dataset : '' } : other
                    )
                  )
                }
              />
            )}
            <IconButton
              label={`Do not try dataset ${index + 1}`}
              icon={closeIcon}
              onClick={() => set(rows.filter((_, at) => at !== index))}
            />
          </div>
        );
      })}
      <div>
        <Button
          label="Try another dataset besides"
          onClick={() => set([...rows, { role: first, dataset: '' }])}
          testId="orrery-sweep-add-dataset"
        />
      </div>
    </>
  );
}
