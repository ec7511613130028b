/** The trials of a tuning: which were tried, with what, what came of each; live, sorted and compared. */
import { useEffect, useMemo, useState } from 'react';
import type { Trial } from '../../api-types';
import { errorMessage } from '../../api';
import { plural } from '../../format';
import { kindIcon } from '../../icons';
import { MOST_RUNS } from '../../models/compare';
import { useModel } from '../../models/model';
import type { Sorting, TrialsModel } from '../../models/trials';
import { bestTrials, countByStatus, isOpen, searchedNames, sortTrials } from '../../models/trials';
import { CommandIDs } from '../../tokens';
import { usePanel, useTick } from '../context';
import { act, showError } from '../dialogs';
import { Busy, Button, Empty, Note } from '../parts';
import { TrialGrid } from '../trial-grid';
import type { TabProps } from './props';

/** Follow the trials while this is looked at. */
export function useTrials(props: TabProps): TrialsModel {
  const { trials, isShown } = props.model;
  useModel(trials);
  useEffect(() => {
    trials.watch(isShown);
    return () => trials.watch(false);
  }, [trials, isShown]);
  return trials;
}

export function TrialsTab(props: TabProps): JSX.Element {
  const trials = useTrials(props);
  const { resource } = props;
  const { items, objectives } = trials;
  const { go } = usePanel();
  const [sorting, setSorting] = useState<Sorting>({ key: 'number', isDescending: true });
  const [status, setStatus] = useState('');
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const counts = useMemo(() => countByStatus(items), [items]);
  const best = useMemo(() => bestTrials(items, objectives), [items, objectives]);
  const rows = useMemo(
    () => sortTrials(status ? items.filter(trial => trial.status === status) : items, sorting),
    [items, sorting, status]
  );
  const parameters = useMemo(() => searchedNames(resource.spec.space, items), [resource.spec.space, items]);
  useTick(1000, items.some(isOpen));
  if (trials.error && !trials.isLoaded) {
    return <Note kind="warn">{trials.error}</Note>;
  }
  if (!trials.isLoaded) {
    return <Busy />;
  }
  if (items.length === 0) {
    return (
      <Empty icon={kindIcon('tuning')} title="No trials yet">
        {resource.status.settled
          ? 'It ended before the first one began.'
          : 'They appear here as the search suggests them; each is a training of its own.'}
      </Empty>
    );
  }
  const runs = items.flatMap(trial =>
    selected.has(trial.number) && trial.training ? [trial.training.id] : []
  );
  const compare = (): void => {
    go.execute(CommandIDs.compare, { kind: 'training', ids: runs }).catch((error: unknown) =>
      showError('Compare', errorMessage(error))
    );
  };
  const canCompare = runs.length >= 2 && runs.length <= MOST_RUNS;
  return (
    <div className="orr-Trials">
      {trials.error && <Note kind="warn">{trials.error}</Note>}
      <div className="orr-Trials-bar">
        <strong role="status" data-testid="orrery-trial-counts">
          {plural(items.length, 'trial')}: {describeCounts(counts)}
        </strong>
        <label>
          Status{' '}
          <select className="orr-Select" value={status} onChange={event => setStatus(event.target.value)}>
            <option value="">all</option>
            {[...counts].map(([name, count]) => (
              <option key={name} value={name}>
                {`${name} (${count})`}
              </option>
            ))}
          </select>
        </label>
        {go.has(CommandIDs.compare) && (
          <Button
            label={runs.length > 0 ? `Compare ${runs.length}` : 'Compare'}
            disabled={!canCompare}
            title={`Select 2 to ${MOST_RUNS} trials to compare their trainings`}
            onClick={compare}
            testId="orrery-trials-compare"
          />
        )}
        {selected.size > 0 && <Button label="Clear the selection" onClick={() => setSelected(new Set())} />}
      </div>
      <TrialGrid
        rows={rows}
        objectives={objectives}
        parameters={parameters}
        best={best}
        sorting={sorting}
        onSort={setSorting}
        selected={selected}
        onSelect={setSelected}
        loadedAt={trials.loadedAt}
        stop={trial => <StopButton trial={trial} model={props.model} />}
      />
    </div>
  );
}

function describeCounts(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${count.toLocaleString('en-US')} ${name}`).join(', ');
}

/** A trial is an ordinary training: it is stopped as one. */
function StopButton(props: { trial: Trial; model: TabProps['model'] }): JSX.Element | null {
  const { trial } = props;
  const orrery = usePanel();
  const kind = orrery.kinds.get('training');
  const action = kind?.actions.find(({ name }) => name === 'stop');
  const tuning = props.model.resource;
  const isMine = tuning !== null && (orrery.kinds.isMine(tuning) || orrery.kinds.user?.admin === true);
  const { training } = trial;
  if (!kind || !action || !training || training.deleted || !isMine || !isOpen(trial)) {
    return null;
  }
  const stop = async (): Promise<void> => {
    try {
      await act(orrery, kind, action, await orrery.api.get(kind.plural, training.id));
    } catch (error) {
      await showError(`Stop trial ${trial.number}`, error);
    }
  };
  return (
    <button
      type="button"
      className="orr-Button orr-mod-small"
      aria-label={`Stop trial ${trial.number}`}
      onClick={() => void stop()}
    >
      Stop
    </button>
  );
}
