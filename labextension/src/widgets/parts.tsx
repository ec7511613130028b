/** Small pieces that every panel is made of. */
import type { LabIcon } from '@jupyterlab/ui-components';
import { closeIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';
import { useState } from 'react';
import type { Kind, Progress, Resource, Summary } from '../api-types';
import { displayName, formatDuration, formatRate } from '../format';
import { phaseOf } from '../models/kinds';
import { useModel } from '../models/model';
import { usePanel } from './context';

export function Icon(props: { icon: LabIcon; size?: number; className?: string }): JSX.Element {
  const size = `${props.size ?? 16}px`;
  return (
    <props.icon.react
      tag="span"
      className={`orr-Icon ${props.className ?? ''}`}
      width={size}
      height={size}
      aria-hidden="true"
    />
  );
}

export function PhaseDot(props: { kind: Kind | undefined; resource: Resource }): JSX.Element {
  const phase = phaseOf(props.kind, props.resource);
  return (
    <span
      className="orr-Dot"
      data-state={phase.state}
      role="img"
      aria-label={phase.title}
      title={phase.title}
    />
  );
}

export function PhaseBadge(props: { kind: Kind | undefined; resource: Resource }): JSX.Element {
  const phase = phaseOf(props.kind, props.resource);
  return (
    <span
      className="orr-Badge"
      data-state={phase.state}
      data-phase={phase.name}
      data-testid="orrery-phase"
      title={phase.title}
    >
      <span className="orr-Dot" data-state={phase.state} aria-hidden="true" />
      <span className="orr-Ellipsis">{phase.title}</span>
    </span>
  );
}

export function ProgressBar(props: { progress: Progress; label: string; isThin?: boolean }): JSX.Element {
  const { fraction } = props.progress;
  const percent = fraction === null ? undefined : Math.round(Math.min(1, Math.max(0, fraction)) * 100);
  return (
    <div
      className={props.isThin ? 'orr-Progress orr-mod-thin' : 'orr-Progress'}
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-valuetext={describeProgress(props.progress)}
      data-indeterminate={percent === undefined || undefined}
    >
      <div className="orr-Progress-fill" style={{ width: `${percent ?? 100}%` }} />
    </div>
  );
}

export function describeProgress(progress: Progress): string {
  const parts: string[] = [];
  if (progress.fraction !== null) {
    parts.push(`${Math.round(progress.fraction * 100)} %`);
  }
  if (progress.epoch != null) {
    parts.push(`epoch ${progress.epoch}${progress.epochs == null ? '' : ` of ${progress.epochs}`}`);
  }
  if (progress.step != null) {
    parts.push(`step ${progress.step}${progress.steps == null ? '' : ` of ${progress.steps}`}`);
  }
  if (progress.rate && progress.rate_unit) {
    parts.push(formatRate(progress.rate, progress.rate_unit));
  }
  if (progress.eta_seconds != null) {
    parts.push(`about ${formatDuration(progress.eta_seconds)} left`);
  }
  return parts.join(' · ');
}

/** A link to another resource's page. */
export function ReferenceLink(props: { kind: string; reference: string | Summary }): JSX.Element {
  const { go, events, kinds } = usePanel();
  const { reference } = props;
  const target = typeof reference === 'string' ? reference : reference.id;
  const known = typeof reference === 'string' ? events.peek(reference) : reference;
  const text = known
    ? kinds.isMine(known)
      ? displayName(known)
      : `${known.owner}/${displayName(known)}`
    : target;
  return (
    <button
      type="button"
      className="orr-Link"
      onClick={() => go.open(props.kind, target)}
      title={`Open ${text}`}
    >
      {text}
    </button>
  );
}

export interface ButtonProps {
  label: string;
  onClick?: () => void;
  icon?: LabIcon;
  kind?: 'accept' | 'warn' | 'plain';
  type?: 'button' | 'submit';
  disabled?: boolean;
  title?: string;
  testId?: string;
}

export function Button(props: ButtonProps): JSX.Element {
  return (
    <button
      type={props.type ?? 'button'}
      className={`orr-Button orr-mod-${props.kind ?? 'plain'}`}
      onClick={props.onClick}
      disabled={props.disabled}
      title={props.title}
      data-testid={props.testId}
    >
      {props.icon && <Icon icon={props.icon} size={14} />}
      <span>{props.label}</span>
    </button>
  );
}

export interface IconButtonProps {
  label: string;
  icon: LabIcon;
  onClick: () => void;
  testId?: string;
  disabled?: boolean;
  isPressed?: boolean;
}

export function IconButton(props: IconButtonProps): JSX.Element {
  return (
    <button
      type="button"
      className="orr-IconButton"
      aria-label={props.label}
      aria-pressed={props.isPressed}
      title={props.label}
      onClick={props.onClick}
      disabled={props.disabled}
      data-testid={props.testId}
    >
      <Icon icon={props.icon} />
    </button>
  );
}

export function Empty(props: { icon: LabIcon; title: string; children?: ReactNode }): JSX.Element {
  return (
    <div className="orr-Empty">
      <Icon icon={props.icon} size={48} />
      <h2>{props.title}</h2>
      <div>{props.children}</div>
    </div>
  );
}

export function Note(props: { kind: 'error' | 'warn' | 'info'; children: ReactNode }): JSX.Element {
  return (
    <div className="orr-Note" data-kind={props.kind} role={props.kind === 'error' ? 'alert' : 'status'}>
      {props.children}
    </div>
  );
}

const PLATFORM_WORDS: Record<string, string> = {
  unknown: 'Looking for the platform …',
  starting: 'The platform is starting …',
  failed: 'The platform could not start; it is tried again.',
  stopped: 'The platform is not running.',
  unavailable: 'The platform does not answer; the panels come back by themselves when it does.'
};

/** Says so while the platform is away; gone when it is back. */
export function PlatformBanner(): JSX.Element | null {
  const { platform } = usePanel();
  useModel(platform);
  const { state, message } = platform.status;
  if (state === 'running') {
    return null;
  }
  return (
    <div className="orr-Banner" data-state={state} role="status" data-testid="orrery-platform-banner">
      {(state === 'starting' || state === 'unknown') && <span className="orr-Spinner" aria-hidden="true" />}
      <div>
        <div>{PLATFORM_WORDS[state] ?? state}</div>
        {message && state !== 'unknown' && <div className="orr-Banner-detail">{message}</div>}
      </div>
    </div>
  );
}

export function Busy(props: { label?: string }): JSX.Element {
  return (
    <div className="orr-Busy" role="status">
      <span className="orr-Spinner" aria-hidden="true" />
      {props.label ?? 'Loading …'}
    </div>
  );
}

export function CopyButton(props: { text: string; label: string; words?: string }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(props.text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button
      type="button"
      className="orr-Button orr-mod-plain orr-mod-small"
      onClick={() => void copy()}
      aria-label={props.label}
    >
      <span aria-live="polite">{isCopied ? 'Copied' : (props.words ?? 'Copy')}</span>
    </button>
  );
}

/** Tags with a way to remove one, where they are edited. */
export function Tags(props: { tags: string[]; onRemove?: (tag: string) => void }): JSX.Element {
  return (
    <span className="orr-Tags">
      {props.tags.map(tag => (
        <span key={tag} className="orr-Tag">
          {tag}
          {props.onRemove && (
            <button type="button" aria-label={`Remove ${tag}`} onClick={() => props.onRemove?.(tag)}>
              <Icon icon={closeIcon} size={10} />
            </button>
          )}
        </span>
      ))}
    </span>
  );
}
