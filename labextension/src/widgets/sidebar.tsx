/** The left side bar: the kinds by section, with counts and what is recent, live. */
import type { IStateDB } from '@jupyterlab/statedb';
import { ReactWidget, addIcon, caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { KeyboardEvent, ReactNode } from 'react';
import { useEffect, useState } from 'react';
import type { Kind, Resource } from '../api-types';
import { displayName, formatAgo } from '../format';
import { dashboardIcon, kindIcon, linkOutIcon, orreryIcon, overviewIcon } from '../icons';
import { dashboardUrl } from '../models/dashboards';
import { phaseOf } from '../models/kinds';
import { ListModel } from '../models/list';
import { useModel } from '../models/model';
import { CommandIDs } from '../tokens';
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
  const { kinds, go, platform, dashboards } = usePanel();
  useModel(kinds);
  useModel(platform);
  useModel(dashboards);
  const [folded, setFolded] = useState<Folded>({});
  useEffect(() => {
    void props.state?.fetch(STATE_KEY).then(saved => setFolded((saved ?? {}) as Folded));
  }, [props.state]);
  const fold = (name: string, isFolded: boolean): void => {
    const next = { ...folded, [name]: isFolded };
    setFolded(next);
    void props.state?.save(STATE_KEY, next);
  };
  const sections = kinds.sections();
  const hasDashboards = sections.some(section => section.name === DASHBOARDS);
  const sectionProps = (name: string, title: string): Omit<SectionProps, 'children'> => ({
    title,
    isFolded: folded[`section:${name}`] ?? false,
    onFold: isFolded => fold(`section:${name}`, isFolded)
  });
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
      <nav className="orr-SideBar-scroll" aria-label="Orrery's lists" onKeyDown={walkWithArrows}>
        {kinds.isLoaded && go.has(CommandIDs.openOverview) && (
          <Entry
            icon={overviewIcon}
            label="Overview"
            onClick={() => void go.execute(CommandIDs.openOverview, {})}
            testId="orrery-open-overview"
          />
        )}
        {sections.map(section => (
          <Section key={section.name} {...sectionProps(section.name, section.title)}>
            {section.kinds.map((kind, index) => (
              <KindSection
                key={kind.kind}
                kind={kind}
                isFolded={folded[kind.kind] ?? index > 0}
                onFold={isFolded => fold(kind.kind, isFolded)}
              />
            ))}
            {section.name === DASHBOARDS && <BuiltIn />}
          </Section>
        ))}
        {!hasDashboards && dashboards.items.length > 0 && (
          <Section {...sectionProps(DASHBOARDS, 'Dashboards')}>
            <BuiltIn />
          </Section>
        )}
        {!kinds.isLoaded && platform.isRunning && <Busy />}
      </nav>
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

const DASHBOARDS = 'dashboards';

/** Up and down go from one entry to the next, right and left unfold and fold, as in a tree. */
function walkWithArrows(event: KeyboardEvent<HTMLElement>): void {
  const entries = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-entry]')];
  const row = (event.target as HTMLElement).closest<HTMLElement>('[data-entry], .orr-Kind-head');
  const here = row?.matches('[data-entry]') ? row : row?.querySelector<HTMLElement>('[data-entry]');
  const at = here ? entries.indexOf(here) : -1;
  const fold = foldButtonOf(here ?? null);
  const focus = (index: number): void => entries[Math.min(entries.length - 1, Math.max(0, index))]?.focus();
  if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    focus(at + (event.key === 'ArrowDown' ? 1 : -1));
  } else if (event.key === 'Home' || event.key === 'End') {
    focus(event.key === 'Home' ? 0 : entries.length - 1);
  } else if (event.key === 'ArrowRight' && fold?.getAttribute('aria-expanded') === 'false') {
    fold.click();
  } else if (event.key === 'ArrowLeft' && fold?.getAttribute('aria-expanded') === 'true') {
    fold.click();
  } else if (event.key === 'ArrowLeft' && here?.matches('.orr-Recent-item')) {
    here.closest('.orr-Kind')?.querySelector<HTMLElement>('[data-entry]')?.focus();
  } else {
    return;
  }
  event.preventDefault();
}

function foldButtonOf(entry: HTMLElement | null): HTMLElement | null {
  if (entry?.hasAttribute('aria-expanded')) {
    return entry;
  }
  return entry?.parentElement?.querySelector<HTMLElement>('.orr-Kind-fold') ?? null;
}

interface SectionProps {
  title: string;
  isFolded: boolean;
  onFold: (isFolded: boolean) => void;
  children: ReactNode;
}

function Section(props: SectionProps): JSX.Element {
  const { title, isFolded } = props;
  return (
    <section aria-label={title}>
      <h3 className="orr-SideBar-section">
        <button type="button" aria-expanded={!isFolded} onClick={() => props.onFold(!isFolded)} data-entry>
          {title}
          <Icon icon={isFolded ? caretRightIcon : caretDownIcon} size={14} />
        </button>
      </h3>
      {!isFolded && props.children}
    </section>
  );
}

function Entry(props: { icon: LabIcon; label: string; onClick: () => void; testId: string }): JSX.Element {
  return (
    <div className="orr-Kind-head">
      <button
        type="button"
        className="orr-Kind-title orr-mod-alone"
        onClick={props.onClick}
        data-testid={props.testId}
        data-entry
      >
        <Icon icon={props.icon} />
        <span className="orr-Kind-name">{props.label}</span>
      </button>
    </div>
  );
}

/** The dashboards that come with the platform. */
function BuiltIn(): JSX.Element {
  const { dashboards } = usePanel();
  useModel(dashboards);
  return (
    <>
      {dashboards.items.map(dashboard => (
        <div className="orr-Kind-head" key={dashboard.name}>
          <a
            className="orr-Kind-title orr-mod-alone"
            href={dashboardUrl(dashboard)}
            target="_blank"
            rel="noreferrer"
            title={dashboard.description}
            data-testid={`orrery-dashboard-${dashboard.name}`}
            data-entry
          >
            <Icon icon={dashboardIcon} />
            <span className="orr-Kind-name">{dashboard.title}</span>
            <Icon icon={linkOutIcon} size={12} />
          </a>
        </div>
      ))}
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
  const { go, activity } = usePanel();
  useModel(model);
  useModel(activity);
  useTick(30000, !isFolded);
  const running = activity.countRunning(kind.kind);
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
          tabIndex={-1}
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
          data-entry
        >
          <Icon icon={kindIcon(kind.kind)} />
          <span className="orr-Kind-name">{kind.title_plural}</span>
          {running > 0 && (
            <span className="orr-Kind-running" title={`${running} of yours running`}>
              <span className="orr-Dot" data-state="Running" aria-hidden="true" />
              {running}
              <span className="orr-Hidden"> running</span>
            </span>
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
        data-entry
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
