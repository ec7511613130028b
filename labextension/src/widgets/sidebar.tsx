/** The left side bar: the kinds by section, with counts and what is recent, live. */
import type { IStateDB } from '@jupyterlab/statedb';
import { ReactWidget, addIcon, caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';
import type { Kind, Resource } from '../api-types';
import { displayName, formatAgo } from '../format';
import { kindIcon, linkOutIcon, orreryIcon } from '../icons';
import { phaseOf } from '../models/kinds';
import { ListModel } from '../models/list';
import { useModel } from '../models/model';
import type { PanelContext } from './context';
import { PanelProvider, usePanel, useTick } from './context';
import { Busy, Icon, IconButton, PhaseDot, PlatformBanner, ProgressBar, describeProgress } from './parts';

const RECENT = 5;
const STATE_KEY = 'orrery:side-bar';

export class SideBar extends ReactWidget {
  constructor(
    private readonly context: PanelContext,
    private readonly state: IStateDB | null
  ) {
    super();
    this.id = 'orrery-side-bar';
    this.addClass('orr-SideBar');
    this.title.icon = orreryIcon;
    this.title.caption = 'Orrery: datasets, trainings, models, endpoints';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Orrery');
    this.node.dataset.testid = 'orrery-side-bar';
  }

  protected render(): JSX.Element {
    return (
      <PanelProvider value={this.context}>
        <Sections state={this.state} />
      </PanelProvider>
    );
  }
}

type Folded = Record<string, boolean>;

function Sections(props: { state: IStateDB | null }): JSX.Element {
  const { kinds, go, platform } = usePanel();
  useModel(kinds);
  useModel(platform);
  const [folded, setFolded] = useState<Folded>({});
  useEffect(() => {
    void props.state?.fetch(STATE_KEY).then(saved => setFolded((saved ?? {}) as Folded));
  }, [props.state]);
  const fold = (kind: string, isFolded: boolean): void => {
    const next = { ...folded, [kind]: isFolded };
    setFolded(next);
    void props.state?.save(STATE_KEY, next);
  };
  return (
    <>
      <div className="orr-SideBar-head">
        <h2>Orrery</h2>
        <button
          type="button"
          className="orr-Link orr-SideBar-mlflow"
          onClick={() => go.openMlflow()}
          title="Open MLflow in a new tab"
          data-testid="orrery-open-mlflow"
          disabled={!platform.isRunning}
        >
          MLflow <Icon icon={linkOutIcon} size={12} />
        </button>
      </div>
      <PlatformBanner />
      <div className="orr-SideBar-scroll">
        {kinds.sections().map(section => (
          <section key={section.name} aria-label={section.title}>
            <h3 className="orr-SideBar-section">{section.title}</h3>
            {section.kinds.map((kind, index) => (
              <KindSection
                key={kind.kind}
                kind={kind}
                isFolded={folded[kind.kind] ?? index > 0}
                onFold={isFolded => fold(kind.kind, isFolded)}
              />
            ))}
          </section>
        ))}
        {!kinds.isLoaded && platform.isRunning && <Busy />}
      </div>
      {kinds.user && (
        <div className="orr-SideBar-foot">
          <span
            className="orr-Dot"
            data-state={platform.isRunning ? 'Active' : 'Pending'}
            aria-hidden="true"
          />
          Signed in as <strong>{kinds.user.name}</strong>
        </div>
      )}
    </>
  );
}

interface KindSectionProps {
  kind: Kind;
  isFolded: boolean;
  onFold: (isFolded: boolean) => void;
}

function useListModel(kind: Kind): ListModel | null {
  const panel = usePanel();
  const [model, setModel] = useState<ListModel | null>(null);
  useEffect(() => {
    const made = new ListModel(panel, kind, RECENT);
    setModel(made);
    return () => made.dispose();
  }, [panel, kind]);
  return model;
}

function KindSection(props: KindSectionProps): JSX.Element {
  const model = useListModel(props.kind);
  return model ? <LoadedSection {...props} model={model} /> : <div />;
}

function LoadedSection(props: KindSectionProps & { model: ListModel }): JSX.Element {
  const { kind, model, isFolded } = props;
  const { go } = usePanel();
  useModel(model);
  useTick(30000, !isFolded);
  const running = model.items.filter(item => phaseOf(kind, item).state === 'Running').length;
  const count = model.total ?? model.items.length;
  const recentId = `orr-recent-${kind.kind}`;
  return (
    <div className="orr-Kind" data-testid={`orrery-kind-${kind.kind}`}>
      <div className="orr-Kind-head">
        <button
          type="button"
          className="orr-Kind-fold"
          aria-expanded={!isFolded}
          aria-controls={recentId}
          aria-label={`Recent ${kind.title_plural.toLowerCase()}`}
          onClick={() => props.onFold(!isFolded)}
        >
          <Icon icon={isFolded ? caretRightIcon : caretDownIcon} />
        </button>
        <button
          type="button"
          className="orr-Kind-title"
          onClick={() => go.openList(kind.kind)}
          title={`Show all ${kind.title_plural.toLowerCase()}`}
          data-testid={`orrery-list-${kind.kind}`}
        >
          <Icon icon={kindIcon(kind.kind)} />
          <span className="orr-Kind-name">{kind.title_plural}</span>
          {running > 0 && (
            <span className="orr-Dot" data-state="Running" role="img" aria-label={`${running} running`} />
          )}
          {model.isLoaded && (
            <span className="orr-Kind-count" aria-label={`${count} in all`}>
              {count.toLocaleString('en-US')}
            </span>
          )}
        </button>
        {kind.creatable ? (
          <IconButton
            label={`New ${kind.title.toLowerCase()}`}
            icon={addIcon}
            onClick={() => go.create(kind.kind)}
            testId={`orrery-new-${kind.kind}`}
          />
        ) : (
          <span className="orr-Kind-gap" />
        )}
      </div>
      {!isFolded && (
        <ul id={recentId} className="orr-Recent">
          {model.items.slice(0, RECENT).map(item => (
            <RecentItem key={item.id} kind={kind} resource={item} />
          ))}
          {model.isLoaded && count === 0 && <li className="orr-Recent-none">None yet</li>}
        </ul>
      )}
    </div>
  );
}

function RecentItem(props: { kind: Kind; resource: Resource }): JSX.Element {
  const { kind, resource } = props;
  const { go, kinds } = usePanel();
  const { progress } = resource.status;
  const phase = phaseOf(kind, resource);
  const isMoving = progress !== null && !phase.settled;
  return (
    <li>
      <button
        type="button"
        className="orr-Recent-item"
        onClick={() => go.open(kind.kind, resource.id)}
        title={`${displayName(resource)}: ${phase.title}${resource.status.message ? ` – ${resource.status.message}` : ''}`}
        data-testid={`orrery-recent-${resource.name}`}
      >
        <PhaseDot kind={kind} resource={resource} />
        <span className="orr-Recent-name">
          {kinds.isMine(resource) ? displayName(resource) : `${resource.owner}/${displayName(resource)}`}
        </span>
        <span className="orr-Recent-age">
          {isMoving && progress.fraction !== null
            ? `${Math.round(progress.fraction * 100)} %`
            : formatAgo(resource.created_at)}
        </span>
      </button>
      {isMoving && (
        <ProgressBar progress={progress} label={`${resource.name}: ${describeProgress(progress)}`} isThin />
      )}
    </li>
  );
}
