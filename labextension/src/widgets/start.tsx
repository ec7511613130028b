/** The page "Start-up": which scripts ran before this server started, how they ended, and what they printed. */
import { refreshIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import type { StartRun, StartScript } from '../api-types';
import { formatBytes, formatDuration, formatTime, plural } from '../format';
import { startIcon } from '../icons';
import { useModel } from '../models/model';
import type { StartLine } from '../models/start';
import { StartModel, durationOf, hasFailed } from '../models/start';
import { Card } from './cards';
import type { PanelContext } from './context';
import { usePanel } from './context';
import { Busy, Button, Empty, Icon, IconButton, Note } from './parts';
import { PlatformPanel } from './platform-panel';

export class StartPanel extends PlatformPanel<StartModel> {
  constructor(context: PanelContext) {
    super(context, new StartModel(context.api), { label: 'Start-up', icon: startIcon });
    this.id = 'orrery-start';
    this.node.dataset.testid = this.id;
  }

  protected content(): JSX.Element {
    return <Start model={this.model} />;
  }
}

function Start(props: { model: StartModel }): JSX.Element {
  const { model } = props;
  useModel(model);
  const { document, error, last, lines } = model;
  if (!document) {
    return error ? (
      <div className="orr-Home">
        <Note kind="error">{error}</Note>
      </div>
    ) : (
      <Busy />
    );
  }
  if (document.message) {
    return (
      <Empty icon={startIcon} title="No data volume">
        <p>{document.message}</p>
        <p>Notebooks that a hub starts have one.</p>
      </Empty>
    );
  }
  return (
    <div className="orr-Home" tabIndex={0} role="region" aria-label="Start-up">
      <div className="orr-Home-head">
        <Icon icon={startIcon} size={26} />
        <div>
          <h1>Start-up</h1>
          <div className="orr-Muted">
            What runs before this notebook starts, from <code>{document.folder}</code>
          </div>
        </div>
        <span className="orr-Spring" />
        {lines.length > 0 && <NewScript model={model} />}
        <IconButton label="Refresh" icon={refreshIcon} onClick={() => void model.load()} />
      </div>
      {error && <Note kind="error">{error}</Note>}
      {last?.problems.map(problem => (
        <Note key={problem} kind="warn">
          {problem}
        </Note>
      ))}
      {lines.length === 0 ? (
        <Empty icon={startIcon} title="Nothing runs at the start">
          <p>
            Executable scripts in <code>cont-init.d</code> whose first line begins with <code>#!</code> run at
            every start, in the order of their names. Use them for what the image does not bring: system
            packages, settings, services.
          </p>
          <NewScript model={model} />
        </Empty>
      ) : (
        <Card title={last ? describeStart(last) : 'Scripts'} testId="orrery-start-scripts">
          <ul className="orr-PlainList orr-Start-list">
            {lines.map(line => (
              <Line key={line.script.name} line={line} model={model} />
            ))}
          </ul>
        </Card>
      )}
      {document.starts.length > 1 && <Earlier starts={document.starts.slice(1)} />}
    </div>
  );
}

function NewScript(props: { model: StartModel }): JSX.Element {
  const { go } = usePanel();
  const { model } = props;
  const make = async (): Promise<void> => {
    const path = await model.makeScript(model.freeName());
    if (path !== null) {
      await go.execute('docmanager:open', { path, factory: 'Editor' });
    }
  };
  return <Button label="New script" kind="accept" onClick={() => void make()} testId="orrery-start-new" />;
}

function describeStart(start: StartRun): string {
  const words = {
    running: 'This start is under way',
    complete: 'Last start',
    interrupted: 'The last start was interrupted'
  };
  return `${words[start.state]}, ${formatTime(start.began)}, as ${start.account}`;
}

function describeEnd(script: StartScript): string {
  switch (script.state) {
    case 'skipped':
      return 'Skipped';
    case 'new':
      return 'New';
    case 'running':
      return 'Running';
    case 'waiting':
      return 'Waiting';
    case 'interrupted':
      return 'Interrupted';
    default:
      return script.exit_code === 0 ? 'Exit code 0' : `Failed, exit code ${script.exit_code ?? '?'}`;
  }
}

/** The colours that phases have. */
function stateOf(script: StartScript): string {
  if (hasFailed(script)) {
    return 'Failed';
  }
  return script.state === 'ended' ? 'Completed' : script.state === 'running' ? 'Running' : 'Stopped';
}

/** A reason as it was recorded, to stand alone. */
function sentence(reason: string): string {
  return reason.charAt(0).toUpperCase() + reason.slice(1);
}

function Line(props: { line: StartLine; model: StartModel }): JSX.Element {
  const { line, model } = props;
  const { script } = line;
  const { go } = usePanel();
  const [isOpen, setOpen] = useState(false);
  const seconds = durationOf(script);
  const folder = model.document?.path ?? null;
  const toggle = (): void => {
    setOpen(!isOpen);
    if (!isOpen) {
      void model.loadOutput(script.name, false);
    }
  };
  return (
    <li className="orr-Start-script" data-testid={`orrery-start-script-${script.name}`}>
      <div className="orr-Start-head">
        {folder === null || line.isGone ? (
          <span className="orr-Start-name">{script.name}</span>
        ) : (
          <button
            type="button"
            className="orr-Link orr-Start-name"
            title={`Open ${script.name}`}
            onClick={() =>
              void go.execute('docmanager:open', { path: `${folder}/${script.name}`, factory: 'Editor' })
            }
          >
            {script.name}
          </button>
        )}
        <span className="orr-Badge" data-state={stateOf(script)}>
          <span className="orr-Dot" data-state={stateOf(script)} aria-hidden="true" />
          {describeEnd(script)}
        </span>
        {seconds !== null && <span className="orr-Muted">{formatDuration(seconds)}</span>}
        {script.left_running && <span className="orr-Muted">what it started goes on</span>}
        {line.isGone && <span className="orr-Muted">removed since</span>}
        <span className="orr-Spring" />
        {line.canBeMadeExecutable && (
          <Button label="Make executable" onClick={() => void model.makeExecutable(script.name)} />
        )}
        {script.exit_code !== null && (
          <button type="button" className="orr-Link" aria-expanded={isOpen} onClick={toggle}>
            {isOpen ? 'Hide output' : 'Output'}
          </button>
        )}
      </div>
      {script.reason && <div className="orr-Muted">{sentence(script.reason)}</div>}
      {isOpen && <Output name={script.name} model={model} />}
    </li>
  );
}

function Output(props: { name: string; model: StartModel }): JSX.Element {
  const { name, model } = props;
  const output = model.outputs.get(name);
  const problem = model.problems.get(name);
  if (problem) {
    return <Note kind="warn">{problem}</Note>;
  }
  if (!output) {
    return <Busy />;
  }
  return (
    <>
      {output.left_out > 0 && (
        <div className="orr-Muted">
          The first {formatBytes(output.left_out)} are left out.{' '}
          <button type="button" className="orr-Link" onClick={() => void model.loadOutput(name, true)}>
            Show all
          </button>
        </div>
      )}
      <pre className="orr-Start-output" tabIndex={0} aria-label={`Output of ${name}`}>
        {output.text || 'It printed nothing.'}
      </pre>
    </>
  );
}

function Earlier(props: { starts: StartRun[] }): JSX.Element {
  return (
    <Card title="Earlier starts" testId="orrery-start-earlier">
      <ul className="orr-PlainList orr-Start-list">
        {props.starts.map(start => {
          const failed = start.scripts.filter(hasFailed);
          const ran = start.scripts.filter(script => script.state === 'ended');
          return (
            <li key={start.began} className="orr-Start-head">
              <span>{formatTime(start.began)}</span>
              <span className="orr-Muted">
                {start.state === 'interrupted' ? 'interrupted, ' : ''}
                {plural(ran.length, 'script')} ran
                {failed.length > 0 &&
                  `; failed: ${failed.map(one => `${one.name} (${one.exit_code ?? 'interrupted'})`).join(', ')}`}
              </span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
