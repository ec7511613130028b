/**
 * Choosing another resource: a searchable combobox over one's own and the public ones. Where a kind has versions, its
 * name alone stands for the latest one; a certain version can be chosen below it.
 */
import type { WidgetProps } from '@rjsf/utils';
import { addIcon, caretDownEmptyIcon } from '@jupyterlab/ui-components';
import type { KeyboardEvent } from 'react';
import { useEffect, useId, useRef, useState } from 'react';
import type { Kind, Resource, Schema } from '../api-types';
import { formatAgo } from '../format';
import { errorMessage } from '../api';
import { usePanel } from '../widgets/context';
import { Icon, IconButton, PhaseDot } from '../widgets/parts';

interface Option {
  value: string;
  title: string;
  note: string;
  resource: Resource;
  isVersion: boolean;
}

/** A version is made by making what it is a version of. */
const MADE_BY: Record<string, string> = { 'dataset-version': 'dataset' };

/** Newest first; of a versioned kind the name (the latest) and then each version. */
export function makeOptions(kind: Kind, items: Resource[], me: string): Option[] {
  if (!kind.versioned) {
    return items.map(resource => ({
      value: `${resource.owner}/${resource.name}`,
      title: resource.owner === me ? resource.name : `${resource.owner}/${resource.name}`,
      note: formatAgo(resource.created_at),
      resource,
      isVersion: false
    }));
  }
  const byName = new Map<string, Resource[]>();
  for (const resource of items) {
    const name = `${resource.owner}/${resource.name}`;
    byName.set(name, [...(byName.get(name) ?? []), resource]);
  }
  const options: Option[] = [];
  for (const [name, versions] of byName) {
    versions.sort((a, b) => (b.version ?? 0) - (a.version ?? 0));
    const latest = versions[0];
    if (!latest) {
      continue;
    }
    const title = latest.owner === me ? latest.name : name;
    options.push({
      value: name,
      title,
      note: `latest, now version ${latest.version ?? 1}`,
      resource: latest,
      isVersion: false
    });
    for (const resource of versions) {
      options.push({
        value: `${name}@${resource.version ?? 1}`,
        title: `${title}@${resource.version ?? 1}`,
        note: formatAgo(resource.created_at),
        resource,
        isVersion: true
      });
    }
  }
  return options;
}

export type ReferenceProps = Pick<WidgetProps, 'id' | 'value' | 'label' | 'onChange'> &
  Partial<Pick<WidgetProps, 'required' | 'disabled'>> & {
    schema: Schema | WidgetProps['schema'];
    /** No label of the form's stands before it. */
    isInRow?: boolean;
    /** Whether another one may be made from here. */
    canMake?: boolean;
  };

export function ReferenceWidget(props: ReferenceProps): JSX.Element {
  const { kinds, api, go, events } = usePanel();
  const named = (props.schema as Schema)['x-orrery-name-of'];
  const kindName = String(named ?? (props.schema as Schema)['x-orrery-ref']);
  const kind = kinds.get(kindName);
  const value = typeof props.value === 'string' ? props.value : '';
  const [text, setText] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [options, setOptions] = useState<Option[]>([]);
  const [failure, setFailure] = useState('');
  /** The text that the options are the answer to; null: there was none yet. */
  const [answered, setAnswered] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const [revision, setRevision] = useState(0);
  const listId = useId();
  const input = useRef<HTMLInputElement>(null);
  const me = kinds.user?.name ?? '';
  const maker = kind?.creatable ? kind : kinds.get(MADE_BY[kindName] ?? '');

  useEffect(() => {
    const refresh = (_: unknown, event: { resource: { kind: string } }): void => {
      if (event.resource.kind === kindName) {
        setRevision(count => count + 1);
      }
    };
    events.received.connect(refresh);
    return () => {
      events.received.disconnect(refresh);
    };
  }, [events, kindName]);

  useEffect(() => {
    if (!isOpen || !kind) {
      return undefined;
    }
    const request = new AbortController();
    const timer = setTimeout(
      () => {
        const query = { q: text, limit: 50, order: '-created_at', ...(named ? { owner: me } : {}) };
        api.list(kind.plural, query, request.signal).then(
          page => {
            const found = makeOptions(kind, page.items, me);
            setOptions(named ? found.map(option => ({ ...option, value: option.title })) : found);
            setFailure('');
            setAnswered(text);
            setActive(0);
          },
          error => {
            if (!request.signal.aborted) {
              setFailure(errorMessage(error));
            }
          }
        );
      },
      text === '' ? 0 : 200
    );
    return () => {
      clearTimeout(timer);
      request.abort();
    };
  }, [isOpen, text, kind, api, me, named, revision]);

  const shownValue = value.startsWith(`${me}/`) ? value.slice(me.length + 1) : value;
  const choose = (option: Option | undefined): void => {
    if (option) {
      props.onChange(option.value);
      setOpen(false);
      setText('');
    }
  };
  const close = (): void => {
    if (text !== '' && isOpen) {
      // What was typed and not chosen is taken as a reference written by hand.
      const exact = options.find(option => option.title === text || option.value === text);
      props.onChange(exact?.value ?? text);
    }
    setOpen(false);
    setText('');
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey) {
      // the form's own keys
      return;
    }
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      setOpen(true);
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setActive(Math.min(options.length - 1, Math.max(0, isOpen ? active + step : 0)));
    } else if (event.key === 'Enter' && isOpen) {
      choose(options[active]);
    } else if (event.key === 'Escape' && isOpen) {
      setOpen(false);
      setText('');
      event.stopPropagation();
    } else {
      return;
    }
    event.preventDefault();
  };

  return (
    <div className="orr-Combo">
      <div className="orr-Combo-box">
        <input
          id={props.id}
          ref={input}
          className="orr-Input"
          role="combobox"
          aria-label={props.isInRow ? props.label : undefined}
          autoComplete="off"
          aria-expanded={isOpen}
          aria-controls={listId}
          aria-autocomplete="list"
          aria-activedescendant={isOpen && options[active] ? `${listId}-${active}` : undefined}
          aria-describedby={`${props.id}__error`}
          placeholder={kind ? `Choose ${article(kind.title)}` : ''}
          value={isOpen ? text : shownValue}
          disabled={props.disabled}
          onFocus={() => setOpen(true)}
          onClick={() => setOpen(true)}
          onBlur={close}
          onChange={event => {
            setText(event.target.value);
            setOpen(true);
          }}
          onKeyDown={onKeyDown}
          data-testid={`orrery-ref-${fieldPath(props.id)}`}
        />
        {value !== '' && !props.required && (
          <button
            type="button"
            className="orr-Combo-clear"
            aria-label={`Clear ${props.label}`}
            onClick={() => props.onChange(undefined)}
          >
            ×
          </button>
        )}
        <Icon icon={caretDownEmptyIcon} className="orr-Combo-caret" />
      </div>
      {maker && props.canMake !== false && (
        <IconButton
          label={`New ${maker.title.toLowerCase()}`}
          icon={addIcon}
          onClick={() =>
            void go.createAside(maker.kind, made => {
              props.onChange(named ? made.name : `${made.owner}/${made.name}`);
              input.current?.focus();
              setOpen(false);
            })
          }
          testId={`orrery-new-for-${fieldPath(props.id)}`}
        />
      )}
      {isOpen && (
        <ul className="orr-Combo-list" role="listbox" id={listId} aria-label={props.label}>
          {options.map((option, index) => (
            <li
              key={option.value}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={option.value === value}
              data-active={index === active || undefined}
              data-version={option.isVersion || undefined}
              onMouseDown={event => {
                event.preventDefault();
                choose(option);
                input.current?.blur();
              }}
              onMouseEnter={() => setActive(index)}
            >
              <PhaseDot kind={kind} resource={option.resource} />
              <span className="orr-Ellipsis">{option.title}</span>
              <span className="orr-Muted">{option.note}</span>
            </li>
          ))}
          {options.length === 0 && (
            <li role="option" aria-selected="false" aria-disabled="true" className="orr-Muted">
              {failure ||
                (answered !== text
                  ? 'Looking …'
                  : text
                    ? `Nothing named "${text}"`
                    : `No ${kind?.title_plural.toLowerCase() ?? 'choices'} yet`)}
            </li>
          )}
        </ul>
      )}
    </div>
  );
}

/** `form1_spec_algorithm` is the field `spec_algorithm` of its form. */
export function fieldPath(id: string): string {
  return id.slice(id.indexOf('_') + 1);
}

function article(title: string): string {
  const word = title.toLowerCase();
  return `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`;
}
