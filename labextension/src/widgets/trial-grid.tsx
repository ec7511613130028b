/** The table of trials: ARIA grid with virtual rows, so that ten thousand scroll at once; sorted by any column. */
import { useVirtualizer } from '@tanstack/react-virtual';
import type { KeyboardEvent, ReactNode } from 'react';
import { useRef, useState } from 'react';
import type { Objective, State, Trial } from '../api-types';
import { formatDuration } from '../format';
import type { SortKey, Sorting } from '../models/trials';
import { isOpen, lastOf, shown } from '../models/trials';
import { usePanel } from './context';

const ROW_HEIGHT = 36;

/** The colour of each status is that of the state it is most like. */
const STATES: Record<Trial['status'], State> = {
  CREATED: 'Pending',
  RUNNING: 'Running',
  SUCCEEDED: 'Completed',
  KILLED: 'Cancelled',
  FAILED: 'Failed',
  METRICS_UNAVAILABLE: 'Failed',
  EARLY_STOPPED: 'Stopped'
};

export interface TrialGridProps {
  rows: Trial[];
  objectives: Objective[];
  parameters: string[];
  best: ReadonlySet<number>;
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
  selected: ReadonlySet<number>;
  onSelect: (selected: ReadonlySet<number>) => void;
  loadedAt: number;
  /** What stops it, where it can be stopped. */
  stop: (trial: Trial) => ReactNode;
}

const MOVES: Record<string, number> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -1e9,
  End: 1e9
};

interface Heading {
  key: SortKey;
  title: string;
  isNumber: boolean;
}

function headingsOf(props: TrialGridProps): Heading[] {
  return [
    { key: 'number', title: 'Trial', isNumber: false },
    { key: 'status', title: 'Status', isNumber: false },
    ...props.objectives.map(({ metric, goal }, at): Heading => ({
      key: `target ${at}`,
      title: `${metric} (${goal === 'maximize' ? 'max' : 'min'})`,
      isNumber: true
    })),
    ...props.parameters.map((name): Heading => ({ key: `parameter ${name}`, title: name, isNumber: true })),
    { key: 'duration', title: 'Duration', isNumber: true }
  ];
}

export function TrialGrid(props: TrialGridProps): JSX.Element {
  const { rows, selected, onSelect } = props;
  const { go } = usePanel();
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const headings = headingsOf(props);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: index => rows[index]?.number ?? index,
    overscan: 8
  });
  const template = [
    '36px minmax(76px, 0.5fr) minmax(168px, 1fr)',
    ...props.objectives.map(() => 'minmax(124px, 1fr)'),
    ...props.parameters.map(() => 'minmax(92px, 1fr)'),
    'minmax(104px, 0.7fr) minmax(150px, 1.4fr) 76px'
  ].join(' ');
  const toggle = (number: number): void => {
    const next = new Set(selected);
    if (!next.delete(number)) {
      next.add(number);
    }
    onSelect(next);
  };
  const focusRow = (index: number): void => {
    setActive(index);
    virtual.scrollToIndex(index);
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus()
    );
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const isOnRow = event.target instanceof HTMLElement && event.target.role === 'row';
    const trial = rows[active];
    const move = MOVES[event.key];
    if (!isOnRow || !trial) {
      return;
    }
    if (move !== undefined) {
      focusRow(Math.min(rows.length - 1, Math.max(0, active + move)));
    } else if (event.key === ' ') {
      toggle(trial.number);
    } else if (event.key === 'Enter' && trial.training) {
      go.open('training', trial.training.id);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const reachable = Math.min(active, rows.length - 1);
  return (
    <div className="orr-Grid orr-Trials-grid" ref={scroller} data-testid="orrery-trials">
      <div
        role="grid"
        aria-label="Trials"
        aria-rowcount={rows.length + 1}
        aria-multiselectable="true"
        className="orr-Grid-table"
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" className="orr-Grid-head">
          <div
            role="row"
            aria-rowindex={1}
            className="orr-Grid-row"
            style={{ gridTemplateColumns: template }}
          >
            <div role="columnheader" className="orr-Grid-check">
              <span className="orr-Hidden">Selected</span>
            </div>
            {headings.map(heading => (
              <SortHeader key={heading.key} heading={heading} sorting={props.sorting} onSort={props.onSort} />
            ))}
            <div role="columnheader" className="orr-Grid-cell">
              Training
            </div>
            <div role="columnheader" className="orr-Grid-cell">
              <span className="orr-Hidden">Actions</span>
            </div>
          </div>
        </div>
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map(item => {
            const trial = rows[item.index];
            return trial ? (
              <div
                key={trial.number}
                role="row"
                className="orr-Grid-row orr-mod-body"
                aria-rowindex={item.index + 2}
                aria-selected={selected.has(trial.number)}
                data-index={item.index}
                data-best={props.best.has(trial.number) || undefined}
                data-testid={`orrery-trial-${trial.number}`}
                tabIndex={item.index === reachable ? 0 : -1}
                onFocus={() => setActive(item.index)}
                style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
              >
                <Cells {...props} trial={trial} onToggle={() => toggle(trial.number)} />
              </div>
            ) : null;
          })}
        </div>
      </div>
    </div>
  );
}

function SortHeader(props: {
  heading: Heading;
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
}): JSX.Element {
  const { heading, sorting, onSort } = props;
  const isSorted = sorting.key === heading.key;
  return (
    <div
      role="columnheader"
      className="orr-Grid-cell"
      data-type={heading.isNumber ? 'number' : 'text'}
      aria-sort={isSorted ? (sorting.isDescending ? 'descending' : 'ascending') : 'none'}
    >
      <button
        type="button"
        className="orr-Grid-sort orr-Trials-sort"
        title={heading.title}
        onClick={() => onSort({ key: heading.key, isDescending: isSorted && !sorting.isDescending })}
      >
        <span className="orr-Ellipsis">{heading.title}</span>
        <span aria-hidden="true">{isSorted ? (sorting.isDescending ? ' ↓' : ' ↑') : ''}</span>
      </button>
    </div>
  );
}

function Cells(props: TrialGridProps & { trial: Trial; onToggle: () => void }): JSX.Element {
  const { trial, objectives, parameters } = props;
  const { go } = usePanel();
  const { training } = trial;
  const since = isOpen(trial) ? (Date.now() - props.loadedAt) / 1000 : 0;
  return (
    <>
      <div role="gridcell" className="orr-Grid-check">
        <input
          type="checkbox"
          aria-label={`Select trial ${trial.number}`}
          checked={props.selected.has(trial.number)}
          disabled={!training}
          onChange={props.onToggle}
        />
      </div>
      <div role="rowheader" className="orr-Grid-cell">
        {trial.number}
        {props.best.has(trial.number) && <span className="orr-Tag orr-Trials-best">best</span>}
      </div>
      <div role="gridcell" className="orr-Grid-cell">
        <span
          className="orr-Badge"
          data-state={STATES[trial.status]}
          title={training?.message ? training.message : undefined}
        >
          <span className="orr-Dot" data-state={STATES[trial.status]} aria-hidden="true" />
          {trial.status}
        </span>
      </div>
      {objectives.map(({ metric }, at) => (
        <div key={metric} role="gridcell" className="orr-Grid-cell" data-type="number">
          {lastOf(trial, at) === null ? (
            shown(trial.targets?.[at])
          ) : (
            <span
              className="orr-Muted"
              title="What it reported last before it was stopped; not final"
            >{`${shown(trial.targets?.[at])} (last)`}</span>
          )}
        </div>
      ))}
      {parameters.map(name => (
        <div key={name} role="gridcell" className="orr-Grid-cell" data-type="number">
          <span className="orr-Ellipsis">{shown(trial.parameters[name])}</span>
        </div>
      ))}
      <div role="gridcell" className="orr-Grid-cell" data-type="number">
        {trial.duration_seconds === null ? '–' : formatDuration(trial.duration_seconds + since)}
      </div>
      <div role="gridcell" className="orr-Grid-cell">
        {training && !training.deleted ? (
          <button type="button" className="orr-Link" onClick={() => go.open('training', training.id)}>
            {training.name}
          </button>
        ) : (
          <span className="orr-Muted">deleted</span>
        )}
      </div>
      <div role="gridcell" className="orr-Grid-cell">
        {props.stop(trial)}
      </div>
    </>
  );
}
