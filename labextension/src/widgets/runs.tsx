/** The user's runs that have not ended, as one item of the status bar and as the list behind it. */
import { ReactWidget } from '@jupyterlab/ui-components';
import { useEffect, useRef } from 'react';
import type { Resource } from '../api-types';
import { displayName, isObject, plainText } from '../format';
import { kindIcon, orreryIcon } from '../icons';
import { useModel } from '../models/model';
import type { PanelContext } from './context';
import { PanelProvider, usePanel } from './context';
import { Icon, PhaseBadge, ProgressBar, describeProgress } from './parts';

export class RunsItem extends ReactWidget {
  constructor(
    private readonly context: PanelContext,
    readonly open: () => void
  ) {
    super();
    this.addClass('orr-Runs-item');
    this.node.dataset.testid = 'orrery-runs';
  }

  protected render(): JSX.Element {
    return (
      <PanelProvider value={this.context}>
        <Item onClick={this.open} />
      </PanelProvider>
    );
  }
}

function Item(props: { onClick: () => void }): JSX.Element {
  const { activity } = usePanel();
  useModel(activity);
  const running = activity.countRunning();
  const waiting = activity.countWaiting();
  const parts = [
    ...(running > 0 ? [`${running} running`] : []),
    ...(waiting > 0 ? [`${waiting} waiting`] : [])
  ];
  return (
    <button
      type="button"
      className="jp-mod-highlighted"
      onClick={props.onClick}
      title="Your runs that have not ended"
      aria-haspopup="dialog"
    >
      <Icon icon={orreryIcon} size={14} />
      {parts.join(', ')}
    </button>
  );
}

export class RunsList extends ReactWidget {
  constructor(
    private readonly context: PanelContext,
    private readonly onDone: () => void
  ) {
    super();
    this.addClass('orr-Runs');
    this.node.dataset.testid = 'orrery-runs-list';
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute('aria-label', 'Your runs');
  }

  protected render(): JSX.Element {
    return (
      <PanelProvider value={this.context}>
        <Runs onDone={this.onDone} />
      </PanelProvider>
    );
  }
}

function Runs(props: { onDone: () => void }): JSX.Element {
  const { activity } = usePanel();
  useModel(activity);
  const { runs } = activity;
  const list = useRef<HTMLUListElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    list.current?.querySelector<HTMLElement>('button')?.focus();
  }, []);
  useEffect(() => {
    // The run that had the focus has ended.
    if (document.activeElement === document.body) {
      (list.current?.querySelector<HTMLElement>('button') ?? heading.current)?.focus();
    }
  }, [runs.length]);
  return (
    <>
      <h2 ref={heading} tabIndex={-1}>
        Your runs
      </h2>
      {runs.length === 0 && <div className="orr-Muted orr-Runs-none">All of them have ended.</div>}
      <ul className="orr-PlainList" ref={list}>
        {runs.map(run => (
          <Run key={run.id} run={run} onDone={props.onDone} />
        ))}
      </ul>
    </>
  );
}

function Run(props: { run: Resource; onDone: () => void }): JSX.Element {
  const { run } = props;
  const { go, kinds } = usePanel();
  const { progress, outputs } = run.status;
  const { queue } = outputs;
  const open = (): void => {
    go.open(run.kind, run.id);
    props.onDone();
  };
  return (
    <li>
      <button type="button" className="orr-Run" onClick={open} data-testid={`orrery-run-${run.name}`}>
        <span className="orr-Run-head">
          <Icon icon={kindIcon(run.kind)} />
          <span className="orr-Ellipsis">{displayName(run)}</span>
          <PhaseBadge kind={kinds.get(run.kind)} resource={run} />
        </span>
        {progress && <ProgressBar progress={progress} label={`${run.name}: progress`} />}
        <span className="orr-Muted">
          {progress
            ? describeProgress(progress)
            : isObject(queue)
              ? `Place ${plainText(queue.place)} in the queue`
              : 'Starting …'}
        </span>
      </button>
    </li>
  );
}
