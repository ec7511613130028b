/** What a tuning makes as good as it can: metrics that the algorithm declares, or named freely. */
import type { FieldProps, WidgetProps } from '@rjsf/utils';
import { closeIcon } from '@jupyterlab/ui-components';
import type { Json, Objective } from '../api-types';
import { isObject, plainText } from '../format';
import type { Direction } from '../models/goals';
import { usePanel } from '../widgets/context';
import { Button, IconButton } from '../widgets/parts';
import type { FormContext } from './inputs';
import type { DeclaredMetric } from './make-form';

/** As many as the platform takes. */
const MOST = 5;

export function ObjectivesField(props: FieldProps): JSX.Element {
  const { metrics, takesOtherMetrics } = props.formContext as FormContext;
  const { goals } = usePanel().kinds;
  const base = props.idSchema.$id;
  const given = (Array.isArray(props.formData) ? (props.formData as Json[]) : []).filter(isObject);
  const objectives = given.length > 0 ? given : [{}];
  const set = (next: Json[]): void => {
    props.onChange(next);
  };
  const change = (at: number, part: Partial<Objective>): void =>
    set(objectives.map((objective, index) => (index === at ? { ...objective, ...part } : objective)));
  return (
    <div className="orr-Objectives" role="group" aria-labelledby={`${base}__label`}>
      {objectives.map((objective, at) => {
        const id = `${base}_${at}_metric`;
        const errors = metricErrors(props.errorSchema, at);
        const metric = plainText(objective.metric);
        return (
          <div key={at} className="orr-Objective">
            <div className="orr-Space-inputs">
              <label>
                Metric
                <MetricInput
                  id={id}
                  label={`Metric ${at + 1}`}
                  metrics={metrics}
                  takesOthers={takesOtherMetrics}
                  value={metric}
                  onChange={name => {
                    const direction = goals.directionOf(name, metrics);
                    change(at, { metric: name, goal: goalOf(direction, objective.goal) });
                  }}
                />
              </label>
              <label>
                is to be
                <select
                  className="orr-Select"
                  aria-label={`Goal of metric ${at + 1}`}
                  value={plainText(objective.goal) || 'maximize'}
                  onChange={event => change(at, { goal: event.target.value as Objective['goal'] })}
                >
                  <option value="maximize">maximized</option>
                  <option value="minimize">minimized</option>
                </select>
              </label>
              {objectives.length > 1 && (
                <IconButton
                  label={`Remove metric ${at + 1}`}
                  icon={closeIcon}
                  onClick={() => set(objectives.filter((_, index) => index !== at))}
                />
              )}
            </div>
            {errors.length > 0 && (
              <div id={`${id}__error`} className="orr-Field-error" role="alert">
                {[...new Set(errors)].map(error => (
                  <div key={error}>{error}</div>
                ))}
              </div>
            )}
          </div>
        );
      })}
      {objectives.length < MOST && (
        <Button label="Add a metric" onClick={() => set([...objectives, { goal: 'maximize' }])} />
      )}
    </div>
  );
}

function metricErrors(errors: Record<string, unknown> | undefined, at: number): string[] {
  const item = errors?.[at] as { __errors?: string[]; metric?: { __errors?: string[] } } | undefined;
  return [...(item?.__errors ?? []), ...(item?.metric?.__errors ?? [])];
}

/** What the algorithm says is better; of a metric that it does not declare, what its name says. */
function goalOf(direction: Direction, now: Json | undefined): Objective['goal'] {
  const isSmall = direction < 0 || (direction === 0 && now === 'minimize');
  return isSmall ? 'minimize' : 'maximize';
}

/** One of the declared metrics; of code of one's own any name, with the declared ones offered. */
function MetricInput(props: {
  id: string;
  label: string;
  metrics: DeclaredMetric[];
  takesOthers: boolean;
  value: string;
  onChange: (name: string) => void;
  placeholder?: string;
}): JSX.Element {
  const { id, metrics, value } = props;
  if (!props.takesOthers) {
    const isKnown = metrics.some(metric => metric.name === value);
    return (
      <select
        id={id}
        className="orr-Select"
        aria-label={props.label}
        aria-describedby={`${id}__error`}
        value={value}
        onChange={event => props.onChange(event.target.value)}
      >
        {(value === '' || props.placeholder !== undefined) && (
          <option value="">{props.placeholder ?? 'Choose a metric'}</option>
        )}
        {value !== '' && !isKnown && <option value={value}>{value} (not of this algorithm)</option>}
        {metrics.map(metric => (
          <option key={metric.name} value={metric.name}>
            {metric.title || metric.name}
          </option>
        ))}
      </select>
    );
  }
  return (
    <>
      <input
        id={id}
        className="orr-Input"
        type="text"
        aria-label={props.label}
        aria-describedby={`${id}__error`}
        list={`${id}__metrics`}
        autoComplete="off"
        placeholder={
          props.placeholder ?? (metrics[0] ? `e.g. ${metrics[0].name}` : 'as your code reports it')
        }
        value={value}
        onChange={event => props.onChange(event.target.value)}
      />
      <datalist id={`${id}__metrics`}>
        {metrics.map(metric => (
          <option key={metric.name} value={metric.name}>
            {metric.title}
          </option>
        ))}
      </datalist>
    </>
  );
}

/** One metric by name: the one that is watched for early stopping. */
export function MetricWidget(props: WidgetProps): JSX.Element {
  const { metrics, takesOtherMetrics } = props.formContext as FormContext;
  return (
    <MetricInput
      id={props.id}
      label={props.label}
      metrics={metrics}
      takesOthers={takesOtherMetrics}
      value={plainText(props.value as Json)}
      placeholder="the objective's"
      onChange={name => props.onChange(name === '' ? undefined : name)}
    />
  );
}
