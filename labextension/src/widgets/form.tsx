/** The form that makes a new resource, generated from what its kind declares. */
import { FormComponent } from '@jupyterlab/ui-components';
import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import type { UiSchema } from '@rjsf/utils';
import type { KeyboardEvent } from 'react';
import { useEffect, useRef, useState } from 'react';
import type { JsonObject, Kind, Resource } from '../api-types';
import { SweepPart } from '../forms/sweep';
import { FIELDS, TEMPLATES, VALIDATOR, WIDGETS } from '../forms/registry';
import { isObject } from '../format';
import { kindIcon } from '../icons';
import { atOnce } from '../models/cost';
import { FormModel } from '../models/form';
import type { FormOptions } from '../models/form-opening';
import { formTitle } from '../models/form-opening';
import { useModel } from '../models/model';
import { describeRuns } from '../models/sweep';
import { CommandIDs } from '../tokens';
import { FormAsYaml } from './as-yaml';
import type { PanelContext } from './context';
import { usePanel } from './context';
import { showError } from './dialogs';
import { TemplateChoice } from './form-begin';
import { focusField, focusFirst } from './form-focus';
import { KindPanel } from './panel';
import { Busy, Button, Icon } from './parts';

export interface FormArgs extends FormOptions {
  kind: string;
  paths?: string[];
}

export class FormPanel extends KindPanel<FormModel> {
  /** What the form made. */
  readonly made = new Signal<this, Resource>(this);
  private isLedIn = false;

  constructor(
    context: PanelContext,
    private readonly state: IStateDB | null,
    readonly args: FormArgs,
    /** Opened beside another form, which takes what is made here. */
    private readonly isAside: boolean,
    private readonly readFiles: (paths: string[]) => Promise<File[]>
  ) {
    super(context, args.kind, kindIcon(args.kind));
    this.id = args.draft;
    this.node.dataset.testid = `orrery-form-${args.kind}`;
  }

  override dispose(): void {
    if (this.model && !this.isDisposed) {
      // Closing the tab is giving the draft up; a reload does not close it.
      void this.state?.remove(this.args.draft);
    }
    super.dispose();
  }

  /** What opens this form again; files that are already on their way are not read twice. */
  get restoreArgs(): JsonObject {
    const { kind, draft, copyOf, editOf, template, prefill } = this.args;
    return {
      kind,
      draft,
      ...(copyOf ? { copyOf } : {}),
      ...(editOf ? { editOf } : {}),
      ...(template ? { template } : {}),
      ...(prefill ? { prefill } : {})
    };
  }

  protected label(kind: Kind | undefined): string {
    return formTitle(kind, this.args);
  }

  protected makeModel(kind: Kind): FormModel {
    return new FormModel(this.context, kind, this.state, this.args);
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.leadIn();
  }

  /** Once, where nobody has gone into one of its fields yet. */
  private leadIn(): void {
    if (!this.isLedIn && this.model?.isReady && document.activeElement === this.node) {
      this.isLedIn = focusField(this.model.idPrefix, ['name']);
      if (document.activeElement instanceof HTMLInputElement) {
        // a name that is proposed is typed over
        document.activeElement.select();
      }
    }
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    if (this.model) {
      this.model.isVisible = true;
      void this.model.queue.load();
    }
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    if (this.model) {
      this.model.isVisible = false;
    }
  }

  protected override modelReady(model: FormModel): void {
    model.isVisible = this.isVisible;
    if (this.args.paths && this.args.paths.length > 0) {
      // what it begins with would go over the name that files propose
      Promise.all([this.readFiles(this.args.paths), model.opened]).then(
        ([files]) => model.addFiles(files.map(file => ({ path: file.name, file }))),
        error => model.setProblems([{ path: '', message: String(error) }])
      );
    }
  }

  protected content(model: FormModel): JSX.Element {
    return (
      <ResourceForm
        model={model}
        title={formTitle(model.kind, this.args)}
        onDone={resource => {
          if (!this.isAside && model.swept.length > 1) {
            void this.context.go.execute(CommandIDs.openList, {
              kind: resource.kind,
              q: resource.name.replace(/\d+$/, '')
            });
          } else if (!this.isAside) {
            this.context.go.open(resource.kind, resource.id);
          }
          this.made.emit(resource);
          this.close();
        }}
        onCancel={() => this.close()}
        onReady={() => this.leadIn()}
      />
    );
  }
}

interface ResourceFormProps {
  model: FormModel;
  title: string;
  onDone: (resource: Resource) => void;
  onCancel: () => void;
  /** Its fields are there. */
  onReady: () => void;
}

function ResourceForm(props: ResourceFormProps): JSX.Element {
  const { model } = props;
  useModel(model);
  const { isReady } = model;
  const { onReady } = props;
  const { idPrefix } = model;
  const [refused, setRefused] = useState<string[][]>([]);
  useEffect(() => {
    if (isReady) {
      onReady();
    }
  }, [isReady, onReady]);
  useEffect(() => {
    focusFirst(idPrefix, refused);
  }, [idPrefix, refused]);
  if (!isReady) {
    return <Busy />;
  }
  const submit = async (): Promise<void> => {
    const resource = await model.submit();
    if (resource) {
      props.onDone(resource);
    } else {
      setRefused(model.problems.map(({ path }) => path));
    }
  };
  /** Ctrl+Enter sends it from wherever one is. */
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !model.isSending) {
      event.preventDefault();
      const left = document.activeElement;
      if (left instanceof HTMLElement) {
        // some inputs hand on what was typed once they are left
        left.blur();
        setTimeout(() => void submit().then(() => comeBack(left)), 0);
      }
    }
  };
  return (
    <div className="orr-Form" onBlur={event => model.leave(event.target.id)} onKeyDown={onKeyDown}>
      <div className="orr-Form-head">
        <Icon icon={kindIcon(model.kind.kind)} size={24} />
        <h1>{props.title}</h1>
      </div>
      <Problems model={model} />
      <TemplateChoice model={model} />
      <FormComponent
        idPrefix={model.idPrefix}
        schema={model.schemas.schema}
        uiSchema={model.schemas.uiSchema as unknown as UiSchema<ReadonlyJSONObject>}
        formData={model.data}
        formContext={{
          model,
          columns: model.references.columns,
          isReadingColumns: model.references.isReadingColumns,
          instanceTypes: model.instanceTypes,
          searchable: model.searchable,
          metrics: model.algorithm.metrics,
          takesOtherMetrics: model.algorithm.takesOtherMetrics
        }}
        validator={VALIDATOR}
        widgets={WIDGETS}
        fields={FIELDS}
        templates={TEMPLATES}
        extraErrors={model.extraErrors}
        onChange={event => void model.setData(event.formData as JsonObject)}
        onSubmit={() => void submit()}
        noHtml5Validate
        noValidate
        showErrorList={false}
        disabled={model.isSending}
      >
        <SweepPart model={model} />
        <div className="orr-Form-foot">
          <CostLine model={model} />
          <MemoryLine model={model} />
          <SubmitButton model={model} />
          <Button label="Cancel" onClick={props.onCancel} />
          <AsNotebook model={model} />
          <FormAsYaml model={model} />
        </div>
      </FormComponent>
    </div>
  );
}

/** Where nothing else took the focus, it goes back to where it was. */
function comeBack(left: HTMLElement): void {
  if (left.isConnected && document.activeElement === document.body) {
    left.focus();
  }
}

/** What it takes and when it would start, before it is sent. */
function CostLine(props: { model: FormModel }): JSX.Element | null {
  const { model } = props;
  // as the button
  useModel(model);
  const { cost, place } = model;
  const { runs } = model.plan;
  if (cost === null) {
    return null;
  }
  return (
    <div className="orr-Form-cost" role="status" data-testid="orrery-cost">
      {cost.refusal === '' ? (
        <>
          {runs > 1 && <strong>{describeRuns(runs, atOnce(cost.size, model.queue.state))}, each </strong>}
          <strong>{cost.text}</strong>
          {place !== null && <span className="orr-Muted">; {place}</span>}
        </>
      ) : (
        <span className="orr-Field-error">{cost.refusal}</span>
      )}
    </div>
  );
}

/** Whether it would fit into memory, and what would make it fit. */
function MemoryLine(props: { model: FormModel }): JSX.Element | null {
  const { model } = props;
  // the form library does not draw its children again for what is not its own
  useModel(model.memory);
  const { estimate, error } = model.memory;
  if (estimate === null) {
    return error === null ? null : (
      <div className="orr-Form-cost orr-Muted">How much memory it takes could not be told: {error}</div>
    );
  }
  const { verdict, message, remedies } = estimate;
  return (
    <div
      className="orr-Form-cost orr-Memory"
      role="status"
      data-testid="orrery-memory"
      data-verdict={verdict}
    >
      <span className={MEMORY_CLASSES[verdict]}>
        {verdict === 'unknown' ? `Memory: ${message}` : message.charAt(0).toUpperCase() + message.slice(1)}
      </span>
      {remedies.map(remedy => (
        <Button
          key={remedy.title}
          label={remedy.title}
          title={remedy.message}
          onClick={() => void model.takeRemedy(remedy.spec)}
        />
      ))}
    </div>
  );
}

const MEMORY_CLASSES: Record<string, string> = {
  fits: 'orr-Muted',
  unknown: 'orr-Muted',
  tight: 'orr-Memory-tight',
  exceeds: 'orr-Field-error'
};

function SubmitButton(props: { model: FormModel }): JSX.Element {
  const { model } = props;
  // the form library does not draw its children again for what is not its own
  useModel(model);
  return (
    <Button
      type="submit"
      kind="accept"
      label={submitWord(model)}
      title="Ctrl+Enter, from any field"
      disabled={model.isSending || model.uploads.isBusy}
      testId="orrery-submit"
    />
  );
}

function submitWord(model: FormModel): string {
  const { runs } = model.plan;
  if (model.isSending) {
    return 'Sending …';
  }
  if (model.options.editOf) {
    return 'Save';
  }
  return runs > 1 ? `Start ${runs} trainings` : (SUBMIT_WORDS[model.kind.kind] ?? 'Create');
}

const SUBMIT_WORDS: Record<string, string> = {
  training: 'Start training',
  tuning: 'Start tuning',
  endpoint: 'Deploy',
  dataset: 'Create dataset'
};

/** What is wrong, in one place; each line leads to its field. */
function Problems(props: { model: FormModel }): JSX.Element | null {
  const { problems } = props.model;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (problems.length > 0) {
      box.current?.scrollIntoView({ block: 'nearest' });
    }
  }, [problems]);
  if (problems.length === 0) {
    return null;
  }
  return (
    <div className="orr-Note" data-kind="error" role="alert" ref={box} data-testid="orrery-problems">
      {problems.length > 1 && <div>These need another look:</div>}
      <ul>
        {problems.map(problem => (
          <li key={problem.path.join('.') + problem.message}>
            {problem.path.length > 0 ? (
              <button
                type="button"
                className="orr-Link"
                onClick={() => focusField(props.model.idPrefix, problem.path)}
              >
                {problem.label}
              </button>
            ) : null}
            {problem.path.length > 0 && ': '}
            {problem.message}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** A form and the notebook that it will run are the same thing. */
function AsNotebook(props: { model: FormModel }): JSX.Element | null {
  const { model } = props;
  const { go, kinds } = usePanel();
  const { algorithm, parameters } = model.spec;
  if (typeof algorithm !== 'string' || !model.algorithm.isNotebook || !kinds.get('algorithm')) {
    return null;
  }
  const open = async (): Promise<void> => {
    const names = [algorithm.split('/').pop(), model.data.name].filter(name => typeof name === 'string');
    try {
      await go.openNotebook('algorithm', algorithm, names.join('-'), isObject(parameters) ? parameters : {});
    } catch (error) {
      await showError('The notebook could not be opened', error);
    }
  };
  return (
    <Button
      label="Open the notebook it will run"
      onClick={() => void open()}
      testId="orrery-open-source-notebook"
    />
  );
}
