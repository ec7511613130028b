/** What a search of the whole log found: a page of lines, each of which leads to its place. */
import type { KeyboardEvent } from 'react';
import { useState } from 'react';
import { plural } from '../../format';
import type { LogSearch } from '../../models/log-search';
import { useModel } from '../../models/model';
import { Button, Note } from '../parts';
import { Marked } from './marked';

interface LogHitsProps {
  found: LogSearch;
  /** Whether the line is held here. */
  canShow: (line: number) => boolean;
  onShow: (line: number) => void;
}

export function LogHits(props: LogHitsProps): JSX.Element | null {
  const { found } = props;
  useModel(found);
  if (found.wanted === '') {
    return null;
  }
  return (
    <section className="orr-LogHits" aria-label="Found in the whole log" data-testid="orrery-log-hits">
      <div className="orr-LogHits-head">
        <span role="status">{describe(found)}</span>
        <span className="orr-Spring" />
        {!found.isSearching && found.page > 1 && (
          <Button label="Previous page" onClick={() => void found.previous()} />
        )}
        {found.hasMore && <Button label="Next page" onClick={() => void found.next()} />}
        <Button
          label={found.isSearching ? 'Cancel' : 'Close'}
          onClick={() => found.clear()}
          testId="orrery-log-hits-close"
        />
      </div>
      {found.error !== null && (
        <Note kind="error">
          The log could not be searched: {found.error}{' '}
          <button type="button" className="orr-Link" onClick={() => void found.again()}>
            Try again
          </button>
        </Note>
      )}
      {found.hits.length > 0 && <Hits key={`${found.wanted} ${found.page}`} {...props} />}
    </section>
  );
}

function describe(found: LogSearch): string {
  const { hits, wanted, rank, page } = found;
  const where = rank === null ? 'the whole log' : `all lines of rank ${rank}`;
  if (found.isSearching) {
    return `Searching ${where} for "${wanted}" …`;
  }
  if (found.error !== null) {
    return '';
  }
  if (hits.length === 0) {
    return `No line of ${rank === null ? 'the whole log' : `rank ${rank}`} holds "${wanted}".`;
  }
  const lines = plural(hits.length, 'line');
  const hold = hits.length === 1 ? 'holds' : 'hold';
  const part = page > 1 || found.hasMore ? `, page ${page}${found.hasMore ? '' : ', the last'}` : '';
  return `${lines} of ${where} ${hold} "${wanted}"${part}`;
}

/** One of them is in the order of Tab; the arrows go from one to the next. */
function Hits(props: LogHitsProps): JSX.Element {
  const { found, canShow, onShow } = props;
  const [at, setAt] = useState(0);
  const hasRanks = found.hits.some(({ rank }) => rank !== null);
  const onKeyDown = (event: KeyboardEvent<HTMLUListElement>): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    const next = Math.min(found.hits.length - 1, Math.max(0, at + step));
    if (step !== 0) {
      event.preventDefault();
      setAt(next);
      event.currentTarget.querySelectorAll('button')[next]?.focus();
    }
  };
  return (
    <ul className="orr-LogHits-list" onKeyDown={onKeyDown}>
      {found.hits.map((hit, index) => (
        <li key={hit.line}>
          <button
            type="button"
            className="orr-LogHit"
            tabIndex={index === at ? 0 : -1}
            title={
              canShow(hit.line)
                ? 'Show it among its neighbours'
                : 'This line is not held here: download the log'
            }
            aria-disabled={!canShow(hit.line)}
            onFocus={() => setAt(index)}
            onClick={() => onShow(hit.line)}
          >
            <span className="orr-Logs-number">
              <span className="orr-Hidden">Line </span>
              {hit.line}
            </span>
            {hasRanks && (
              <span className="orr-LogHit-rank">{hit.rank === null ? '' : `rank ${hit.rank}`}</span>
            )}
            <span className="orr-Ellipsis">
              <Marked text={hit.text} search={found.wanted} />
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
