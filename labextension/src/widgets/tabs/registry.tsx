/** Which tabs a resource's page has: what its kind names, and the small ones for what its outputs hold. */
import type { ComponentType } from 'react';
import type { Kind, Resource } from '../../api-types';
import { plainText } from '../../format';
import { parameterPlace } from '../../models/hyperparameters';
import { EndpointTab } from './endpoint';
import { FilesTab } from './files';
import { InsightTab } from './insight';
import { LineageTab } from './lineage';
import { TrainingsTab, TuningsTab } from './list-of';
import { LogsTab } from './logs';
import { MetricsTab } from './metrics';
import { MonitoringTab } from './monitoring';
import { ModelPlaygroundTab } from './model-playground';
import { NotebookTab } from './notebook';
import { OverviewTab } from './overview';
import { ModelCardTab } from './model-card';
import { ParametersTab } from './parameters';
import { PlotsTab } from './plots';
import { PreviewTab } from './preview';
import type { TabProps } from './props';
import { RunsTab } from './runs';
import { ServiceTab } from './service';
import { TrialsTab } from './trials';
import { UsageTab } from './usage';

export interface TabDefinition {
  name: string;
  title: string;
  Body: ComponentType<TabProps>;
}

/** Progress is shown above the tabs, always; it needs none of its own. */
const TABS: Record<string, TabDefinition> = {
  overview: { name: 'overview', title: 'Overview', Body: OverviewTab },
  data: { name: 'data', title: 'Data', Body: PreviewTab },
  insight: { name: 'insight', title: 'Insight', Body: InsightTab },
  card: { name: 'card', title: 'Model card', Body: ModelCardTab },
  playground: { name: 'playground', title: 'Try it', Body: EndpointTab },
  parameters: { name: 'parameters', title: 'Hyperparameters', Body: ParametersTab },
  logs: { name: 'logs', title: 'Logs', Body: LogsTab },
  metrics: { name: 'metrics', title: 'Metrics', Body: MetricsTab },
  files: { name: 'files', title: 'Files', Body: FilesTab },
  notebook: { name: 'notebook', title: 'Notebook', Body: NotebookTab },
  trainings: { name: 'trainings', title: 'Trainings', Body: TrainingsTab },
  tunings: { name: 'tunings', title: 'Tunings', Body: TuningsTab },
  runs: { name: 'runs', title: 'Runs', Body: RunsTab },
  trials: { name: 'trials', title: 'Trials', Body: TrialsTab },
  plots: { name: 'plots', title: 'Plots', Body: PlotsTab },
  service: { name: 'service', title: 'Service', Body: ServiceTab },
  'try-model': { name: 'try-model', title: 'Try it', Body: ModelPlaygroundTab },
  monitoring: { name: 'monitoring', title: 'Monitoring', Body: MonitoringTab },
  lineage: { name: 'lineage', title: 'Lineage', Body: LineageTab },
  usage: { name: 'usage', title: 'Monitoring', Body: UsageTab }
};

export function tabsOf(kind: Kind, resource: Resource): TabDefinition[] {
  const names = parameterPlace(kind) ? withParameters(kind.tabs) : kind.tabs;
  const tabs = names.flatMap(name => TABS[name] ?? []);
  if (!tabs.some(tab => tab.name === 'overview') && TABS.overview) {
    tabs.unshift(TABS.overview);
  }
  return tabs.filter(
    ({ name }) =>
      (name !== 'playground' || typeof resource.status.outputs.url === 'string') &&
      (name !== 'notebook' || !isScript(resource))
  );
}

/** An algorithm that is one, or a run of it: neither has a notebook. */
function isScript(resource: Resource): boolean {
  const { spec, status } = resource;
  const entry = plainText(resource.kind === 'algorithm' ? spec.entry_point : status.outputs.entry_point);
  return entry !== '' && !entry.endsWith('.ipynb');
}

/** Hyperparameters come after the overview, wherever the spec has them. */
function withParameters(names: string[]): string[] {
  return ['overview', 'parameters', ...names.filter(name => name !== 'overview' && name !== 'parameters')];
}
