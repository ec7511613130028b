/** Choosing the image that something is started with: cards that say what is in it, the catalogue's and one's own. */
import type { WidgetProps } from '@rjsf/utils';
import { addIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';
import type { Resource, Schema } from '../api-types';
import { errorMessage } from '../api';
import { phaseOf } from '../models/kinds';
import { usePanel } from '../widgets/context';
import { IconButton } from '../widgets/parts';
import { fieldPath } from './reference';

/** Who owns what ships with the platform. */
const SYSTEM = 'orrery';
type Tab = 'catalogue' | 'private';

/** Those that may be started for `use`; what has no address is this machine's own Python, which is for everything. */
export function imagesFor(images: Resource[], use: string): Resource[] {
  return images.filter(image => image.spec.type === use || image.spec.address === '');
}

/** Whether a reference, however it was written, means this image. */
export function isMeant(image: Resource, value: string, me: string): boolean {
  const isNear = image.owner === SYSTEM || image.owner === me;
  return value === image.id || value === `${image.owner}/${image.name}` || (isNear && value === image.name);
}

/** `PyTorch 2.13.0 · Python 3.12` */
export function describeImage(image: Resource): string {
  const titles: Record<string, string> = { PYTORCH: 'PyTorch', TENSORFLOW: 'TensorFlow' };
  const title = titles[factOf(image, 'framework')];
  const python = factOf(image, 'python_version');
  const parts = title ? [`${title} ${factOf(image, 'framework_version')}`.trim()] : [];
  return [...parts, ...(python ? [`Python ${python}`] : [])].join(' · ');
}

/** Whether the platform chooses one where none was chosen. */
export function isOptional(schema: Schema): boolean {
  return Array.isArray(schema.type) && schema.type.includes('null') && schema.default === undefined;
}

/** What was read of it at its registry; empty where it was not. */
function factOf(image: Resource, name: string): string {
  const fact = image.status.outputs[name];
  return typeof fact === 'string' ? fact : '';
}

export function ImageWidget(props: WidgetProps): JSX.Element {
  const { kinds, api, go, events } = usePanel();
  const use = String((props.schema as Schema)['x-orrery-image']);
  const kind = kinds.get('image');
  const value = typeof props.value === 'string' ? props.value : '';
  const me = kinds.user?.name ?? '';
  const [images, setImages] = useState<Resource[] | null>(null);
  const [failure, setFailure] = useState('');
  const [tab, setTab] = useState<Tab | null>(null);
  const [revision, setRevision] = useState(0);

  useEffect(() => {
    const refresh = (_: unknown, event: { resource: { kind: string } }): void => {
      if (event.resource.kind === 'image') {
        setRevision(count => count + 1);
      }
    };
    events.received.connect(refresh);
    return () => {
      events.received.disconnect(refresh);
    };
  }, [events]);

  useEffect(() => {
    if (!kind) {
      return undefined;
    }
    const request = new AbortController();
    api.list(kind.plural, { limit: 200, order: 'name' }, request.signal).then(
      page => {
        setImages(imagesFor(page.items, use));
        setFailure('');
      },
      error => {
        if (!request.signal.aborted) {
          setFailure(errorMessage(error));
        }
      }
    );
    return () => request.abort();
  }, [kind, api, use, revision]);

  const chosen = images?.find(image => isMeant(image, value, me));
  const shown: Tab = tab ?? (chosen && chosen.owner !== SYSTEM ? 'private' : 'catalogue');
  const isOwn = (image: Resource): boolean => image.owner !== SYSTEM;
  const cards = images?.filter(image => isOwn(image) === (shown === 'private')) ?? [];
  const path = fieldPath(props.id);
  const tabs: [Tab, string][] = [
    ['catalogue', 'Catalogue'],
    ['private', 'Private images']
  ];
  return (
    <div className="orr-Images" id={props.id} data-testid={`orrery-images-${path}`}>
      <div className="orr-Images-tabs">
        <div className="orr-Images-choice" role="group" aria-label="Which images are shown">
          {tabs.map(([name, title]) => (
            <button
              key={name}
              type="button"
              className="orr-Images-tab"
              aria-pressed={shown === name}
              onClick={() => setTab(name)}
            >
              {title}
            </button>
          ))}
        </div>
        {kind && (
          <IconButton
            label="New image"
            icon={addIcon}
            onClick={() =>
              void go.createAside(kind.kind, made => {
                props.onChange(`${made.owner}/${made.name}`);
                setTab('private');
              })
            }
            testId={`orrery-new-for-${path}`}
          />
        )}
      </div>
      <div className="orr-Images-cards" role="radiogroup" aria-label={props.label}>
        {shown === 'catalogue' && isOptional(props.schema as Schema) && (
          <label
            className="orr-Images-card"
            data-chosen={value === '' || undefined}
            title="The platform takes what fits the instance type."
            data-testid={`orrery-image-default-${path}`}
          >
            <input
              type="radio"
              name={props.id}
              checked={value === ''}
              disabled={props.disabled || props.readonly}
              onChange={() => props.onChange(undefined)}
            />
            <span className="orr-Images-text">
              <span className="orr-Images-name">Default</span>
              <span className="orr-Muted">As fits the instance type</span>
            </span>
          </label>
        )}
        {cards.map(image => {
          const phase = phaseOf(kind, image);
          const isReady = image.status.phase === 'ACTIVE';
          return (
            <label
              key={image.id}
              className="orr-Images-card"
              data-chosen={image === chosen || undefined}
              data-disabled={!isReady || undefined}
              title={image.status.message || image.description}
              data-testid={`orrery-image-${image.name}`}
            >
              <input
                type="radio"
                name={props.id}
                checked={image === chosen}
                disabled={props.disabled || props.readonly || !isReady}
                onChange={() =>
                  props.onChange(image.owner === SYSTEM ? image.name : `${image.owner}/${image.name}`)
                }
              />
              <span className="orr-Images-text">
                <span className="orr-Images-name">
                  <span className="orr-Ellipsis">
                    {image.owner === me || image.owner === SYSTEM
                      ? image.name
                      : `${image.owner}/${image.name}`}
                  </span>
                  {factOf(image, 'core_type') !== '' && (
                    <span className="orr-Images-core">{factOf(image, 'core_type')}</span>
                  )}
                </span>
                <span className="orr-Muted">{isReady ? describeImage(image) : phase.title}</span>
              </span>
            </label>
          );
        })}
      </div>
      {failure !== '' && (
        <p className="orr-Images-note" role="alert">
          {failure}
        </p>
      )}
      {failure === '' && images === null && <p className="orr-Images-note orr-Muted">Reading the images…</p>}
      {images !== null && cards.length === 0 && (
        <p className="orr-Images-note orr-Muted">
          {shown === 'private'
            ? 'No image of your own for this yet; “+” registers one.'
            : 'The catalogue has none for this; register one under “Private images”.'}
        </p>
      )}
      {images !== null && value !== '' && !chosen && (
        <p className="orr-Images-note" role="status">
          {`Chosen: ${value}, which is not among these.`}
        </p>
      )}
    </div>
  );
}
