/** The table of a list: ARIA grid, virtual rows, infinite scroll, sorting by the server, selection, keys. */
import type { ColumnDef } from '@tanstack/react-table';
import { tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import type { KeyboardEvent, MouseEvent, RefObject } from 'react';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { Column, Kind, Resource } from '../api-types';
import { displayName } from '../format';
import type { ListModel } from '../models/list';
import { beginsWithMost, insideOrder, isInside } from '../models/list-columns';
import type { ListView } from '../models/list-view';
import { useModel } from '../models/model';
import { Cell } from './cells';
import { usePanel, useTick } from './context';
import { NoticeButton } from './notice';
import { openRowMenu } from './row-menu';

const ROW_HEIGHT = 36;
const features = tableFeatures({});
/** What the server orders by, by the key of the column. */
const ORDERS: Record<string, string> = {
  name: 'name',
  owner: 'owner',
  created_at: 'created_at',
  updated_at: 'updated_at',
  'status.phase': 'phase'
};

/** The share of the width that a type of column takes, in `fr`, and its least width. */
const WIDTHS: Record<Column['type'], string> = {
  phase: 'minmax(150px, 1fr)',
  text: 'minmax(88px, 1.2fr)',
  date: 'minmax(92px, 0.8fr)',
  duration: 'minmax(120px, 0.8fr)',
  progress: 'minmax(92px, 0.8fr)',
  number: 'minmax(72px, 0.6fr)',
  bytes: 'minmax(76px, 0.6fr)',
  ref: 'minmax(104px, 1.6fr)',
  tags: 'minmax(76px, 0.9fr)',
  trials: 'minmax(160px, 1fr)',
  'best-trial': 'minmax(160px, 1.8fr)'
};

/** Of a metric or a hyperparameter, whose names are long. */
const INSIDE_WIDTH = 'minmax(112px, 0.9fr)';

export function Grid(props: { model: ListModel; view: ListView }): JSX.Element {
  const { model, view } = props;
  const { kind } = model;
  useModel(model);
  useModel(view);
  useTick(30000);
  const { go } = usePanel();
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const { version } = view;
  const columns = useMemo(() => {
    void version;
    return view.columns(model.items);
  }, [view, version, model.items]);
  const definitions = useMemo<ColumnDef<typeof features, Resource>[]>(
    () =>
      columns.map(column => ({
        id: column.key,
        header: column.title,
        accessorFn: (resource: Resource) => resource.id
      })),
    [columns]
  );
  const table = useTable({
    features,
    columns: definitions,
    data: model.items,
    getRowId: resource => resource.id
  });
  const rows = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: index => rows[index]?.id ?? index,
    overscan: 8
  });
  const shown = virtual.getVirtualItems();
  const last = shown[shown.length - 1]?.index ?? -1;
  useEffect(() => {
    if (last >= rows.length - 10 && model.next !== null) {
      void model.loadMore();
    }
  }, [last, rows.length, model, model.next]);

  const template = `36px minmax(140px, 2fr) ${columns
    .slice(1)
    .map(column => (isInside(column.key) ? INSIDE_WIDTH : WIDTHS[column.type]))
    .join(' ')}`;
  const isAllSelected = rows.length > 0 && rows.every(row => model.selected.has(row.id));

  const focusRow = (index: number): void => {
    setActive(index);
    virtual.scrollToIndex(index);
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus()
    );
  };
  useKeptFocus(scroller, model.items, active, focusRow);

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const move = MOVES[event.key];
    const resource = rows[active]?.original;
    const isOnRow = event.target instanceof HTMLElement && event.target.role === 'row';
    const isCommand = event.ctrlKey || event.metaKey;
    if (move !== undefined) {
      const next = Math.min(rows.length - 1, Math.max(0, active + move));
      const reached = rows[next]?.original;
      if (event.shiftKey && resource && reached) {
        if (model.selected.size === 0) {
          model.toggle(resource.id, true);
        }
        model.extendTo(reached.id);
      }
      focusRow(next);
    } else if (event.key === 'a' && isCommand) {
      model.toggleAll(true);
    } else if (event.key === 'Escape' && model.selected.size > 0) {
      model.toggleAll(false);
    } else if (event.key === 'Enter' && resource && isOnRow) {
      go.open(kind.kind, resource.id);
    } else if (event.key === ' ' && resource && isOnRow) {
      model.toggle(resource.id, !model.selected.has(resource.id));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div className="orr-Grid" ref={scroller} data-testid="orrery-grid">
      <div
        role="grid"
        aria-label={kind.title_plural}
        aria-rowcount={(model.total ?? rows.length) + 1}
        aria-multiselectable="true"
        onKeyDown={onKeyDown}
        className="orr-Grid-table"
      >
        <div role="rowgroup" className="orr-Grid-head">
          <div
            role="row"
            aria-rowindex={1}
            className="orr-Grid-row"
            style={{ gridTemplateColumns: template }}
          >
            <div role="columnheader" className="orr-Grid-check">
              <input
                type="checkbox"
                aria-label="Select all that are shown"
                checked={isAllSelected}
                ref={box => {
                  if (box) {
                    box.indeterminate = model.selected.size > 0 && !isAllSelected;
                  }
                }}
                onChange={event => model.toggleAll(event.target.checked)}
              />
            </div>
            {columns.map(column => (
              <HeaderCell key={column.key} column={column} model={model} />
            ))}
          </div>
        </div>
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {shown.map(item => {
            const row = rows[item.index];
            return row ? (
              <Row
                key={row.id}
                resource={row.original}
                kind={kind}
                columns={columns}
                index={item.index}
                start={item.start}
                template={template}
                isActive={item.index === active}
                isSelected={model.selected.has(row.id)}
                onSelect={(isSelected, isRange) =>
                  isRange ? model.extendTo(row.id) : model.toggle(row.id, isSelected)
                }
                onActivate={() => setActive(item.index)}
              />
            ) : null;
          })}
        </div>
      </div>
    </div>
  );
}

const MOVES: Record<string, number> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -1e9,
  End: 1e9
};

/** The row that had the focus may go (it was deleted, or no longer matches): the one in its place gets it. */
function useKeptFocus(
  scroller: RefObject<HTMLDivElement>,
  items: readonly Resource[],
  active: number,
  focusRow: (index: number) => void
): void {
  const focused = useRef<string | null>(null);
  useEffect(() => {
    const box = scroller.current;
    const note = (event: FocusEvent): void => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-id]') : null;
      focused.current = row?.dataset.id ?? null;
    };
    const forget = (event: FocusEvent): void => {
      // Of a row that is taken away the focus also goes; only what is still there was left on purpose.
      requestAnimationFrame(() => {
        if (
          event.target instanceof Node &&
          event.target.isConnected &&
          !box?.contains(document.activeElement)
        ) {
          focused.current = null;
        }
      });
    };
    box?.addEventListener('focusin', note);
    box?.addEventListener('focusout', forget);
    return () => {
      box?.removeEventListener('focusin', note);
      box?.removeEventListener('focusout', forget);
    };
  }, [scroller]);
  useEffect(() => {
    const isGone = focused.current !== null && !items.some(item => item.id === focused.current);
    if (isGone && document.activeElement === document.body && items.length > 0) {
      focused.current = null;
      focusRow(Math.min(active, items.length - 1));
    }
  });
}

function HeaderCell(props: { column: Column; model: ListModel }): JSX.Element {
  const { column, model } = props;
  const { kinds } = usePanel();
  const { order } = model.query;
  const field = ORDERS[column.key] ?? insideOrder(column.key);
  const isSorted = order.replace(/^-/, '') === field;
  const isDescending = order.startsWith('-');
  if (field === undefined) {
    return (
      <div
        role="columnheader"
        className="orr-Grid-cell"
        data-type={column.type}
        data-key={column.key}
        title={column.title}
      >
        <span className="orr-Ellipsis">{column.title}</span>
      </div>
    );
  }
  const sort = (): void => {
    const isMostFirst = column.type === 'date' || beginsWithMost(column.key, kinds.goals);
    const first = isMostFirst ? `-${field}` : field;
    const other = isMostFirst ? field : `-${field}`;
    model.setQuery({ order: order === first ? other : first });
  };
  return (
    <div
      role="columnheader"
      className="orr-Grid-cell"
      data-type={column.type}
      data-key={column.key}
      aria-sort={isSorted ? (isDescending ? 'descending' : 'ascending') : 'none'}
    >
      <button type="button" className="orr-Grid-sort" onClick={sort} title={column.title}>
        <span className="orr-Ellipsis">{column.title}</span>
        <span aria-hidden="true">{isSorted ? (isDescending ? ' ↓' : ' ↑') : ''}</span>
      </button>
    </div>
  );
}

interface RowProps {
  resource: Resource;
  kind: Kind;
  columns: Column[];
  index: number;
  start: number;
  template: string;
  isActive: boolean;
  isSelected: boolean;
  /** A range goes from the one that was chosen before. */
  onSelect: (isSelected: boolean, isRange: boolean) => void;
  onActivate: () => void;
}

function Row(props: RowProps): JSX.Element {
  const { resource, kind, columns } = props;
  const context = usePanel();
  const { go, kinds } = context;
  const openMenu = (event: MouseEvent<HTMLElement>): void => {
    // With Shift the browser's own, as in the rest of Lab.
    if (event.shiftKey && event.button === 2) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const row = event.currentTarget;
    const box = row.getBoundingClientRect();
    // By the keyboard there is no pointer: it opens below the row's name.
    const isPointer = event.button === 2;
    const place = isPointer
      ? { x: event.clientX, y: event.clientY }
      : { x: Math.max(box.left, 0) + 40, y: box.bottom };
    row.focus();
    openRowMenu(context, kind, resource, place, row);
  };
  const open = (event: MouseEvent<HTMLElement>): void => {
    const isControl = event.target instanceof Element && event.target.closest('button, input, a') !== null;
    if (isControl) {
      return;
    }
    if (event.shiftKey || event.ctrlKey || event.metaKey) {
      props.onSelect(!props.isSelected, event.shiftKey);
    } else {
      go.open(kind.kind, resource.id);
    }
  };
  const keepText = (event: MouseEvent<HTMLElement>): void => {
    if (event.shiftKey) {
      // Choosing a range of rows must not mark the text between them.
      event.preventDefault();
    }
  };
  return (
    <div
      role="row"
      className="orr-Grid-row orr-mod-body"
      aria-rowindex={props.index + 2}
      aria-selected={props.isSelected}
      data-index={props.index}
      data-id={resource.id}
      data-testid={`orrery-row-${resource.name}`}
      tabIndex={props.isActive ? 0 : -1}
      onFocus={props.onActivate}
      onClick={open}
      onContextMenu={openMenu}
      onMouseDown={keepText}
      style={{ gridTemplateColumns: props.template, transform: `translateY(${props.start}px)` }}
    >
      <div role="gridcell" className="orr-Grid-check">
        <input
          type="checkbox"
          aria-label={`Select ${displayName(resource)}`}
          checked={props.isSelected}
          onChange={event =>
            props.onSelect(event.target.checked, (event.nativeEvent as globalThis.MouseEvent).shiftKey)
          }
        />
      </div>
      <div role="rowheader" className="orr-Grid-cell orr-Grid-name">
        <NoticeButton kind={kind} resource={resource} />
        <button type="button" className="orr-Link" onClick={() => go.open(kind.kind, resource.id)}>
          {displayName(resource)}
        </button>
        {!kinds.isMine(resource) && <span className="orr-Owner">{resource.owner}</span>}
      </div>
      {columns.slice(1).map(column => (
        <div key={column.key} role="gridcell" className="orr-Grid-cell" data-type={column.type}>
          <Cell kind={kind} column={column} resource={resource} />
        </div>
      ))}
    </div>
  );
}
