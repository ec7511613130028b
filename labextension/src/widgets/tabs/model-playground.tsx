/** A model is tried through the endpoints that serve it. */
import { useEffect, useState } from 'react';
import type { Resource } from '../../api-types';
import { kindIcon } from '../../icons';
import { useModel } from '../../models/model';
import { usePanel } from '../context';
import { Busy, Button, Empty, Note, PhaseBadge } from '../parts';
import { Playground } from '../playground';
import type { TabProps } from './props';

export function ModelPlaygroundTab(props: TabProps): JSX.Element {
  const { resource, model } = props;
  const { api, kinds, go } = usePanel();
  const loader = model.part.dependents;
  useModel(loader);
  const [endpoints, setEndpoints] = useState<Resource[] | null>(null);
  const [chosen, setChosen] = useState('');
  useEffect(() => {
    loader.watch(model.isShown);
    return () => loader.watch(false);
  }, [loader, model.isShown]);
  const summaries = loader.value?.items;
  useEffect(() => {
    const kind = kinds.get('endpoint');
    const wanted = (summaries ?? []).filter(item => item.kind === 'endpoint');
    let isWanted = true;
    if (summaries && kind) {
      Promise.all(wanted.map(item => api.get(kind.plural, item.id))).then(
        found => isWanted && setEndpoints(found),
        () => isWanted && setEndpoints([]) // gone meanwhile: the next change loads them again
      );
    }
    return () => {
      isWanted = false;
    };
  }, [api, kinds, summaries]);
  if (!endpoints) {
    return loader.error ? <Note kind="warn">{loader.error}</Note> : <Busy />;
  }
  const active = endpoints.filter(endpoint => endpoint.status.state === 'Active');
  const endpoint = active.find(item => item.id === chosen) ?? active[0];
  if (!endpoint) {
    return (
      <Empty icon={kindIcon('endpoint')} title="No active endpoint serves this model">
        <p>Deploy it, and try it here.</p>
        {endpoints.map(item => (
          <p key={item.id}>
            <button type="button" className="orr-Link" onClick={() => go.open('endpoint', item.id)}>
              {item.name}
            </button>{' '}
            <PhaseBadge kind={kinds.get('endpoint')} resource={item} />
          </p>
        ))}
      </Empty>
    );
  }
  return (
    <div className="orr-Endpoint">
      <div className="orr-Bar">
        <label>
          Through endpoint{' '}
          <select
            className="orr-Select"
            value={endpoint.id}
            onChange={event => setChosen(event.target.value)}
          >
            {active.map(item => (
              <option key={item.id} value={item.id}>
                {item.owner}/{item.name}
              </option>
            ))}
          </select>
        </label>
        <Button label="Open the endpoint" onClick={() => go.open('endpoint', endpoint.id)} />
      </div>
      <Playground key={endpoint.id} endpoint={endpoint} onlyModel={resource.id} />
    </div>
  );
}
