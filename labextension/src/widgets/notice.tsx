/** What its owner has to do about a resource by a date: a button left of its name, and why. */
import { useState } from 'react';
import type { Action, Kind, Resource } from '../api-types';
import { displayName, formatTime } from '../format';
import { offeredActions } from '../models/kinds';
import { usePanel } from './context';
import { act } from './dialogs';
import { Note } from './parts';

export interface Notice {
  action: Action;
  title: string;
  message: string;
  until: string;
}

/** The notice of a resource, while its action is possible; `null`: none. */
export function noticeOf(kind: Kind, resource: Resource): Notice | null {
  const notice = resource.status.outputs.notice;
  if (!notice || typeof notice !== 'object' || Array.isArray(notice) || resource.deleted_at) {
    return null;
  }
  const { title, message, until } = notice;
  const action = offeredActions(kind, resource).find(offered => offered.name === notice.action);
  if (!action || typeof title !== 'string' || typeof message !== 'string' || typeof until !== 'string') {
    return null;
  }
  return { action: { ...action, title }, title, message, until };
}

export function noticeText(notice: Notice): string {
  return `${notice.message}: ${notice.title.toLowerCase()} it by ${formatTime(notice.until)}`;
}

export function NoticeButton(props: { kind: Kind; resource: Resource }): JSX.Element | null {
  const { kind, resource } = props;
  const context = usePanel();
  const [isBusy, setBusy] = useState(false);
  const notice = noticeOf(kind, resource);
  if (!notice || !context.kinds.isMine(resource)) {
    return null;
  }
  const told = noticeText(notice);
  return (
    <button
      type="button"
      className="orr-Notice"
      title={told}
      aria-label={`${notice.title} ${displayName(resource)}. ${told}`}
      disabled={isBusy}
      onClick={event => {
        event.stopPropagation();
        setBusy(true);
        void act(context, kind, notice.action, resource).finally(() => setBusy(false));
      }}
      data-testid={`orrery-notice-${resource.name}`}
    >
      {notice.title}
    </button>
  );
}

export function NoticeNote(props: { kind: Kind; resource: Resource }): JSX.Element | null {
  const notice = noticeOf(props.kind, props.resource);
  return notice ? (
    <Note kind="warn">
      <span data-testid="orrery-notice">
        {noticeText(notice)}. Its data volume stays. After that it is restarted as soon as nothing runs in it.
      </span>
    </Note>
  ) : null;
}
