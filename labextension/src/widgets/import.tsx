/** The page that imports YAML: the text, what it would do, and how far that has got. */
import { ReactWidget, yamlIcon } from '@jupyterlab/ui-components';
import { useRef } from 'react';
import { plural } from '../format';
import type { PlannedStep } from '../models/manifests';
import { ImportModel } from '../models/manifests';
import { useModel } from '../models/model';
import type { PanelContext } from './context';
import { PanelProvider, usePanel } from './context';
import { useFileDrop } from './file-drop';
import { Button, Icon, Note, PlatformBanner } from './parts';

export class ImportPanel extends ReactWidget {
  readonly model: ImportModel;

  constructor(private readonly context: PanelContext) {
    super();
    this.model = new ImportModel(context.api);
    this.id = 'orrery-import';
    this.addClass('orr-Panel');
    this.node.dataset.testid = this.id;
    this.node.tabIndex = -1;
    this.title.label = 'Import YAML';
    this.title.icon = yamlIcon;
    this.title.closable = true;
  }

  override dispose(): void {
    this.model.dispose();
    super.dispose();
  }

  protected override onCloseRequest(): void {
    this.dispose();
  }

  protected override onActivateRequest(): void {
    if (!this.node.contains(document.activeElement)) {
      this.node.querySelector<HTMLElement>('textarea')?.focus();
    }
  }

  protected render(): JSX.Element {
    return (
      <PanelProvider value={this.context}>
        <PlatformBanner />
        <Import model={this.model} />
      </PanelProvider>
    );
  }
}

function Import(props: { model: ImportModel }): JSX.Element {
  const { model } = props;
  useModel(model);
  const text = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const drop = useFileDrop(([file]) => {
    if (file) {
      void model.read(file);
    }
  });
  return (
    <div className="orr-Form orr-Import" {...drop}>
      <div className="orr-Form-head">
        <Icon icon={yamlIcon} size={24} />
        <h1>Import YAML</h1>
      </div>
      <p className="orr-Muted">
        Resources as “Export as YAML” and <code>orrery export</code> write them. What is missing is created
        and what differs is changed; nothing is deleted. At most 1 MiB.
      </p>
      <label className="orr-Label" htmlFor="orrery-import-text">
        {model.name === '' ? 'YAML' : model.name}
      </label>
      <textarea
        id="orrery-import-text"
        ref={text}
        className="orr-Input orr-Import-text"
        rows={14}
        spellCheck={false}
        placeholder={'kind: training\nname: breast-1\nspec: …'}
        value={model.text}
        disabled={model.isApplying}
        onChange={event => model.setText(event.target.value)}
        data-testid="orrery-import-text"
      />
      <input
        ref={picker}
        type="file"
        hidden
        accept=".yaml,.yml,.json"
        aria-label="YAML file"
        data-testid="orrery-import-file"
        onChange={event => {
          const [file] = event.target.files ?? [];
          if (file) {
            void model.read(file);
          }
          event.target.value = '';
        }}
      />
      {model.problem && (
        <Note kind="error">
          <span data-testid="orrery-import-problem">{model.problem.message}</span>{' '}
          {model.problem.line !== null && (
            <button
              type="button"
              className="orr-Link"
              onClick={() => selectLine(text.current, model.problem?.line ?? 1)}
            >
              Go to line {model.problem.line}
            </button>
          )}
        </Note>
      )}
      {model.steps && <Steps model={model} steps={model.steps} />}
      <Foot model={model} onChoose={() => picker.current?.click()} />
    </div>
  );
}

function Foot(props: { model: ImportModel; onChoose: () => void }): JSX.Element {
  const { model } = props;
  const { changes } = model;
  const isPlanned = model.steps !== null && !model.isApplied;
  return (
    <div className="orr-Form-foot">
      {isPlanned && changes.length > 0 && (
        <Button
          label={model.isApplying ? 'Applying …' : `Apply ${plural(changes.length, 'change')}`}
          kind="accept"
          disabled={model.isBusy}
          onClick={() => void model.apply()}
          testId="orrery-import-apply"
        />
      )}
      {model.isApplying && <Button label="Stop" onClick={() => model.stop()} testId="orrery-import-stop" />}
      <Button
        label="Show what it would do"
        kind={isPlanned ? 'plain' : 'accept'}
        disabled={model.isBusy || model.text.trim() === ''}
        onClick={() => void model.look()}
        testId="orrery-import-look"
      />
      <Button label="Choose a file …" disabled={model.isBusy} onClick={props.onChoose} />
    </div>
  );
}

const WOULD = { create: 'would be created', change: 'would be changed', nothing: 'is as it should be' };
const DONE = { create: 'created', change: 'changed', nothing: 'as it should be' };

function Steps(props: { model: ImportModel; steps: PlannedStep[] }): JSX.Element {
  const { model, steps } = props;
  const { go } = usePanel();
  const current = model.isApplying ? steps.find(step => !model.done.has(step.label)) : undefined;
  return (
    <section className="orr-Import-steps" aria-label="What it does" data-testid="orrery-import-steps">
      <div role="status">
        <h2>{headline(model)}</h2>
      </div>
      <ul className="orr-PlainList">
        {steps.map(step => {
          const done = model.done.get(step.label);
          return (
            <li key={step.label} data-does={step.does} data-done={done !== undefined || undefined}>
              <div>
                {done?.id ? (
                  <button
                    type="button"
                    className="orr-Link"
                    onClick={() => go.open(done.kind, done.id ?? '')}
                  >
                    {step.label}
                  </button>
                ) : (
                  <strong>{step.label}</strong>
                )}{' '}
                {done ? DONE[step.does] : WOULD[step.does]}
                {step === current && ' – being done; what it needs is waited for …'}
              </div>
              {step.differences.map(difference => (
                <div key={difference} className="orr-Code orr-Import-difference">
                  {difference}
                </div>
              ))}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function headline(model: ImportModel): string {
  const { changes } = model;
  if (model.isApplied) {
    return 'Done';
  }
  if (model.isApplying) {
    const done = changes.filter(step => model.done.has(step.label)).length;
    return `${done} of ${plural(changes.length, 'change')} done`;
  }
  return changes.length === 0
    ? 'Everything is as the file says: there is nothing to do'
    : 'This would be done, in this order';
}

/** Put the cursor into a line, counted from 1, and mark it. */
function selectLine(box: HTMLTextAreaElement | null, line: number): void {
  const lines = box?.value.split('\n') ?? [];
  const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  box?.focus();
  box?.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  if (box) {
    box.scrollTop = (box.scrollHeight / Math.max(1, lines.length)) * Math.max(0, line - 4);
  }
}
