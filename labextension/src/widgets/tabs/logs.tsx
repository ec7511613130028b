/** The log, followed live, with search. Only the lines in view are drawn. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useModel } from '../../models/model';
import { countRanks, linesOf } from '../../models/ranks';
import { LONGEST_SEARCH } from '../../models/log-search';
import { usePanel } from '../context';
import { showError } from '../dialogs';
import { Button, Note } from '../parts';
import { LogHits } from './log-hits';
import { Marked } from './marked';
import type { TabProps } from './props';

const LINE_HEIGHT = 18;

export function LogsTab(props: TabProps): JSX.Element {
  const { model } = props;
  const { api } = usePanel();
  /** An earlier attempt; null: the present one. */
  const [earlier, setEarlier] = useState<number | null>(null);
  const { attempts } = model;
  const attempt = earlier ?? attempts;
  const log = model.logOf(attempt);
  const { found } = log;
  useModel(log);
  useModel(found);
  const [search, setSearch] = useState('');
  const [rank, setRank] = useState<number | null>(null);
  const [isFollowing, setFollowing] = useState(true);
  const [isWrapped, setWrapped] = useState(true);
  const [isSaving, setSaving] = useState(false);
  /** The line of a hit that was chosen. */
  const [shown, setShown] = useState<number | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const isSettled = props.resource.status.ended_at !== null;
  const { isShown } = model;

  useEffect(() => {
    if (isShown) {
      void log.follow();
    }
    return () => log.pause();
  }, [log, isShown, isSettled]);

  const ranks = countRanks(props.resource);
  const ofRank = useMemo(() => linesOf(log.lines, rank, log.dropped), [log.lines, log.dropped, rank]);
  // around what was found in the whole log all lines are shown
  const isFiltered = search !== '' && found.wanted === '';
  const lines = useMemo(() => {
    const wanted = isFiltered ? search.toLowerCase() : '';
    return wanted === '' ? ofRank : ofRank.filter(line => line.text.toLowerCase().includes(wanted));
  }, [ofRank, search, isFiltered]);

  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_HEIGHT,
    overscan: 30
  });
  useEffect(() => {
    if (isFollowing && lines.length > 0) {
      virtual.scrollToIndex(lines.length - 1, { align: 'end' });
    }
  }, [isFollowing, lines.length, virtual]);

  const changeSearch = (text: string): void => {
    found.clear();
    setShown(null);
    setSearch(text);
  };

  const onScroll = (): void => {
    const box = scroller.current;
    if (box) {
      setFollowing(box.scrollHeight - box.scrollTop - box.clientHeight < LINE_HEIGHT * 2);
    }
  };

  /** What it is of what is held here; -1: nothing. */
  const placeOf = (line: number): number => {
    const place = found.rank === null ? line - 1 - log.dropped : log.dropped === 0 ? line - 1 : -1;
    return place < ofRank.length ? place : -1;
  };
  const show = (line: number): void => {
    const place = placeOf(line);
    if (place >= 0) {
      setFollowing(false);
      setShown(ofRank[place]?.number ?? null);
      virtual.scrollToIndex(place, { align: 'center' });
    }
  };

  const save = async (): Promise<void> => {
    setSaving(true);
    try {
      const whole = await api.wholeLog(model.kind.plural, props.resource.id, rank, earlier);
      const which = `${earlier === null ? '' : `-attempt-${earlier}`}${rank === null ? '' : `-rank-${rank}`}`;
      saveAs(whole, `${props.resource.name}${which}.log`);
    } catch (error) {
      await showError('The log could not be downloaded', error);
    }
    setSaving(false);
  };

  return (
    <div className="orr-Logs">
      <div className="orr-Logs-bar">
        <input
          type="search"
          className="orr-Input"
          placeholder="Search in the log"
          aria-label="Search in the log"
          value={search}
          maxLength={LONGEST_SEARCH}
          onChange={event => changeSearch(event.target.value)}
          onKeyDown={event => {
            if (event.key === 'Enter' && search !== '') {
              void found.search(search, rank);
            }
          }}
        />
        <Button
          label="Search all of it"
          title="Look for this text in the whole log, also in what is not held here (Enter)"
          disabled={search === '' || found.isSearching}
          onClick={() => void found.search(search, rank)}
          testId="orrery-log-search"
        />
        {attempts > 1 && (
          <select
            className="orr-Select"
            aria-label="Which attempt"
            data-testid="orrery-log-attempt"
            value={attempt}
            onChange={event => {
              const chosen = Number(event.target.value);
              changeSearch('');
              setEarlier(chosen === attempts ? null : chosen);
            }}
          >
            {Array.from({ length: attempts }, (_, place) => attempts - place).map(each => (
              <option key={each} value={each}>
                Attempt {each}
                {each === attempts ? ', the last' : ''}
              </option>
            ))}
          </select>
        )}
        {ranks > 1 && (
          <select
            className="orr-Select"
            aria-label="Whose lines"
            data-testid="orrery-log-rank"
            value={rank ?? ''}
            onChange={event => {
              found.clear();
              setRank(event.target.value === '' ? null : Number(event.target.value));
            }}
          >
            <option value="">All {ranks} ranks</option>
            {Array.from({ length: ranks }, (_, each) => (
              <option key={each} value={each}>
                Rank {each}
              </option>
            ))}
          </select>
        )}
        <span className="orr-Muted" role="status">
          {isFiltered ? `${lines.length} of ${ofRank.length} lines` : `${ofRank.length} lines`}
          {log.hasEnded ? ', ended' : ''}
        </span>
        <span className="orr-Spring" />
        <label className="orr-Check">
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={event => {
              setFollowing(event.target.checked);
            }}
          />
          Follow
        </label>
        <label className="orr-Check">
          <input
            type="checkbox"
            checked={isWrapped}
            onChange={event => {
              setWrapped(event.target.checked);
              virtual.measure();
            }}
          />
          Wrap
        </label>
        <button type="button" className="orr-Link" disabled={isSaving} onClick={() => void save()}>
          {isSaving ? 'Reading all of it …' : 'Download'}
        </button>
      </div>
      {log.error && <Note kind="warn">{log.error}</Note>}
      {log.dropped > 0 && (
        <Note kind="info">Only the newest lines are kept here; search all of it, or download it.</Note>
      )}
      <LogHits found={found} canShow={line => placeOf(line) >= 0} onShow={show} />
      <div
        className={isWrapped ? 'orr-Logs-lines' : 'orr-Logs-lines orr-mod-long'}
        ref={scroller}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-label="Log"
        aria-live="off"
      >
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map(item => {
            const line = lines[item.index];
            return line ? (
              <div
                key={item.key}
                data-index={item.index}
                ref={virtual.measureElement}
                className="orr-Logs-line"
                data-shown={line.number === shown || undefined}
                style={{ transform: `translateY(${item.start}px)` }}
              >
                <span className="orr-Logs-number" aria-hidden="true">
                  {line.number}
                </span>
                <span>
                  <Marked text={line.text} search={search} />
                </span>
              </div>
            ) : null;
          })}
        </div>
        {lines.length === 0 && (
          <div className="orr-Muted orr-Logs-none">
            {ofRank.length > 0 ? noneHolds(search) : nothing(log.hasEnded, rank)}
          </div>
        )}
      </div>
    </div>
  );
}

function noneHolds(search: string): string {
  return `None of the lines here holds "${search}". Press Enter to search the whole log.`;
}

function nothing(hasEnded: boolean, rank: number | null): string {
  if (rank !== null) {
    return hasEnded ? `Rank ${rank} logged nothing.` : `Waiting for the first line of rank ${rank} …`;
  }
  return hasEnded ? 'Nothing was logged.' : 'Waiting for the first line …';
}

function saveAs(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
