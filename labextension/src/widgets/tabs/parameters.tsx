/** The hyperparameters that a run had: what was chosen, or is searched, stands out from what was left at its default. */
import { useEffect, useState } from 'react';
import type { Json } from '../../api-types';
import { asTyped, plural } from '../../format';
import { trainingChartIcon } from '../../icons';
import type { Hyperparameter } from '../../models/hyperparameters';
import { hyperparameters, parameterPlace } from '../../models/hyperparameters';
import { useModel } from '../../models/model';
import { Busy, Empty, Note, ReferenceLink } from '../parts';
import type { TabProps } from './props';

export function ParametersTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const loader = model.part.parameters;
  useModel(loader);
  const [onlyChanged, setOnlyChanged] = useState(false);
  const { isShown } = model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  const place = parameterPlace(model.kind);
  if (!place || (!loader.value && !loader.error)) {
    return <Busy />;
  }
  const all = hyperparameters(resource, place, loader.value ?? null);
  const changed = all.filter(parameter => parameter.isChanged);
  const source = resource.references.find(reference => reference.path === place.sourcePath);
  if (all.length === 0) {
    return (
      <Empty icon={trainingChartIcon} title="No hyperparameters">
        What it ran declares none, and none were given.
      </Empty>
    );
  }
  return (
    <div>
      {loader.error && <Note kind="warn">The defaults could not be read: {loader.error}</Note>}
      <div className="orr-Bar">
        <span className="orr-Muted">
          {changed.length} of {plural(all.length, 'hyperparameter')} not at the default
          {source && (
            <>
              {' '}
              of <ReferenceLink kind={source.kind} reference={source} />
            </>
          )}
        </span>
        <span className="orr-Spring" />
        <label className="orr-Check">
          <input
            type="checkbox"
            checked={onlyChanged}
            onChange={event => setOnlyChanged(event.target.checked)}
          />
          Only what was changed
        </label>
      </div>
      <table className="orr-Table orr-Parameters" data-testid="orrery-parameters">
        <thead>
          <tr>
            <th scope="col">Hyperparameter</th>
            <th scope="col">Value</th>
            <th scope="col">Default</th>
            <th scope="col">What it does</th>
          </tr>
        </thead>
        <tbody>
          {(onlyChanged ? changed : all).map(parameter => (
            <tr key={parameter.name} data-changed={parameter.isChanged || undefined}>
              <th scope="row">
                {parameter.title} <code className="orr-Muted">{parameter.name}</code>
              </th>
              <td>
                {parameter.searched === '' ? (
                  <Value value={parameter.value} />
                ) : (
                  <code>{parameter.searched} </code>
                )}
                <Origin parameter={parameter} />
              </td>
              <td className="orr-Muted">
                <Value value={parameter.default} />
              </td>
              <td className="orr-Muted">{parameter.help}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Origin(props: { parameter: Hyperparameter }): JSX.Element {
  const { isChanged, searched } = props.parameter;
  if (!isChanged) {
    return <span className="orr-Muted">default</span>;
  }
  return <span className="orr-Tag">{searched === '' ? 'changed' : 'searched'}</span>;
}

function Value(props: { value: Json | undefined }): JSX.Element {
  const { value } = props;
  if (value === undefined || value === null) {
    return <span className="orr-Missing">none</span>;
  }
  return <span>{asTyped(value)} </span>;
}
