/** The queue on the overview: who waits, why and for how long; what an administrator has stopped, and does about it. */
import { InputDialog } from '@jupyterlab/apputils';
import { formatAgo, formatStart, formatTime, plural } from '../format';
import { START_ON_CPU } from '../models/meanwhile';
import { useModel } from '../models/model';
import type { LaterItem, OverviewDocument, OverviewModel, QueueItem, WaitingJob } from '../models/overview';
import { Card } from './cards';
import { usePanel, useTick } from './context';
import { showError } from './dialogs';
import { shownSizes } from './overview-machine';
import { Button, Note } from './parts';
import { editLimits } from './queue-limits';

const PRIORITIES = ['HIGH', 'NORMAL', 'LOW'];

type Queue = OverviewDocument['queue'];

export function QueueCard(props: { queue: Queue; model: OverviewModel }): JSX.Element {
  const { items, later, waiting, pause } = props.queue;
  useTick(30_000, items.length > 0);
  return (
    <Card
      title="Queue"
      testId="orrery-overview-queue"
      action={<Controls isPaused={pause !== null} model={props.model} />}
    >
      {pause && (
        <Note kind="warn">
          <span data-testid="orrery-queue-pause">{describePause(pause)}</span>
        </Note>
      )}
      {items.length === 0 ? (
        <p className="orr-Muted">
          {pause ? 'Nothing waits.' : 'Nothing waits: the next job starts at once.'}
        </p>
      ) : (
        <>
          <ol className="orr-PlainList orr-Home-queue">
            {items.map(item => (
              <QueueRow
                key={`${item.place}-${item.resource ?? item.owner}`}
                item={item}
                model={props.model}
              />
            ))}
          </ol>
          {waiting > items.length && (
            <p className="orr-Muted">and {plural(waiting - items.length, 'more', 'more')} behind these</p>
          )}
        </>
      )}
      {later.length > 0 && (
        <ul
          className="orr-PlainList orr-Home-queue"
          aria-label="Begin later"
          data-testid="orrery-queue-later"
        >
          {later.map((item, index) => (
            <LaterRow key={item.resource ?? `${item.starts_at}-${index}`} item={item} model={props.model} />
          ))}
        </ul>
      )}
    </Card>
  );
}

/** "Paused by root 4 min ago: new disks. No job starts; 2 still run." */
export function describePause(pause: NonNullable<Queue['pause']>): string {
  const done = pause.draining ? 'Being drained' : 'Paused';
  const reason = pause.reason === '' ? '' : `: ${pause.reason}`;
  const left =
    pause.running === 0 ? 'none runs' : `${pause.running} still ${pause.running === 1 ? 'runs' : 'run'}`;
  return `${done} by ${pause.by} ${formatAgo(pause.since)}${reason}. No job starts; ${left}.`;
}

/** What administrators do to it: pause, empty, resume, and say who may hold how much. */
function Controls(props: { isPaused: boolean; model: OverviewModel }): JSX.Element | null {
  const { api, kinds } = usePanel();
  useModel(kinds);
  if (!kinds.user?.admin) {
    return null;
  }
  const change = async (): Promise<void> => {
    try {
      if (props.isPaused) {
        await api.resumeQueue();
      } else {
        const answer = await InputDialog.getText({
          title: 'Start no more jobs',
          label: 'Why? Everybody who waits reads it. What runs goes on.',
          checkbox: {
            label: 'Empty the machine',
            caption: 'Say so to everybody, and tell how many still run'
          },
          okLabel: 'Pause'
        });
        if (!answer.button.accept) {
          return;
        }
        const reason = answer.value ?? '';
        await (answer.isChecked ? api.drainQueue(reason) : api.pauseQueue(reason));
      }
      props.model.refresh();
    } catch (error) {
      await showError(props.isPaused ? 'The queue goes on waiting' : 'The queue was not paused', error);
    }
  };
  const limit = async (): Promise<void> => {
    try {
      if (await editLimits(api)) {
        props.model.refresh();
      }
    } catch (error) {
      await showError('The limits cannot be read', error);
    }
  };
  return (
    <div className="orr-Card-actions">
      <Button label="Limits …" onClick={() => void limit()} testId="orrery-queue-limits" />
      <Button
        label={props.isPaused ? 'Resume' : 'Pause …'}
        onClick={() => void change()}
        testId="orrery-queue-switch"
      />
    </div>
  );
}

function QueueRow(props: { item: QueueItem; model: OverviewModel }): JSX.Element {
  const { item } = props;
  const orrery = usePanel();
  const { go } = orrery;
  const { resource } = item;
  const startOnCpu = async (): Promise<void> => {
    try {
      const copy = await orrery.api.act('trainings', resource ?? '', START_ON_CPU, {});
      if (copy) {
        go.open(copy.kind, copy.id);
      }
    } catch (error) {
      await showError(`${item.title} goes on waiting alone`, error);
    }
  };
  return (
    <li>
      <span className="orr-Home-place" title={`Place ${item.place}`}>
        {item.place}
      </span>
      <div>
        <JobLine job={item} start={formatStart(item.starts_in_seconds)} model={props.model} />
        {item.reason && <div className="orr-Muted">{item.reason}</div>}
        {resource && item.meanwhile && (
          <Button
            label="Start on CPU meanwhile"
            title={`Start a copy of ${item.title} on ${item.meanwhile} at once; it keeps its place`}
            onClick={() => void startOnCpu()}
            testId={`orrery-start-on-cpu-${item.title}`}
          />
        )}
      </div>
    </li>
  );
}

function LaterRow(props: { item: LaterItem; model: OverviewModel }): JSX.Element {
  const { item } = props;
  return (
    <li>
      <span className="orr-Home-place" title="Not in line yet">
        –
      </span>
      <div>
        <JobLine job={item} start={`starts ${formatTime(item.starts_at)}`} model={props.model} />
        {item.reason && <div className="orr-Muted">{item.reason}</div>}
      </div>
    </li>
  );
}

/** Whose it is, what it asks for, its priority and since when it waits. */
function JobLine(props: { job: WaitingJob; start: string; model: OverviewModel }): JSX.Element {
  const { job, start, model } = props;
  const { go } = usePanel();
  const { resource, kind } = job;
  return (
    <div>
      {resource && kind ? (
        <button type="button" className="orr-Link" onClick={() => go.open(kind, resource)}>
          {job.title}
        </button>
      ) : (
        <span className="orr-Muted">a job of {job.owner}</span>
      )}
      <span className="orr-Muted">
        {' '}
        · {shownSizes(job)} ·{' '}
        {job.priority_can_change ? (
          <PriorityInput job={job} model={model} />
        ) : (
          `${job.priority.toLowerCase()} priority`
        )}{' '}
        · {formatAgo(job.submitted_at)}
        {start === '' ? '' : ` · ${start}`}
      </span>
    </div>
  );
}

function PriorityInput(props: { job: WaitingJob; model: OverviewModel }): JSX.Element {
  const { job, model } = props;
  const { api } = usePanel();
  const change = async (priority: string): Promise<void> => {
    try {
      await api.patch('trainings', job.resource ?? '', { spec: { priority } });
      model.refresh();
    } catch (error) {
      await showError(`${job.title} keeps its priority`, error);
    }
  };
  return (
    <select
      className="orr-Select orr-Queue-priority"
      aria-label={`Priority of ${job.title}`}
      value={job.priority}
      onChange={event => void change(event.target.value)}
    >
      {PRIORITIES.map(priority => (
        <option key={priority} value={priority}>
          {priority.toLowerCase()} priority
        </option>
      ))}
    </select>
  );
}
