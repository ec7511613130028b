/** What a dataset's rows hold: an overview with findings, and plots of any two columns. */
import { useEffect, useState } from 'react';
import { kindIcon } from '../../icons';
import { useModel } from '../../models/model';
import { DataOverview } from '../insight/overview';
import { Visualize } from '../insight/visualize';
import { Busy, Button, Empty } from '../parts';
import type { TabProps } from './props';

const VIEWS = [
  { name: 'overview', title: 'Data overview', Body: DataOverview },
  { name: 'visualize', title: 'Visualize', Body: Visualize }
];

export function InsightTab(props: TabProps): JSX.Element {
  const loader = props.model.part.profile;
  useModel(loader);
  const { isShown } = props.model;
  const [chosen, choose] = useState('overview');
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  const profile = loader.value;
  if (loader.error && !profile) {
    return (
      <Empty icon={kindIcon('dataset')} title="No insight yet">
        <p role="alert">{loader.error}</p>
        <Button label="Look again" onClick={() => void loader.load()} />
      </Empty>
    );
  }
  if (!profile) {
    return <Busy label="Loading the profile …" />;
  }
  const view = VIEWS.find(({ name }) => name === chosen);
  return (
    <div className="orr-Overview orr-Insight">
      <div className="orr-Insight-views" role="group" aria-label="View">
        {VIEWS.map(({ name, title }) => (
          <button
            key={name}
            type="button"
            aria-pressed={name === chosen}
            onClick={() => choose(name)}
            data-testid={`orrery-insight-${name}`}
          >
            {title}
          </button>
        ))}
      </div>
      {view && <view.Body profile={profile} />}
    </div>
  );
}
