/** Which tabs a resource's page has: what its kind names, and the small ones for what its outputs hold. */
import type { ComponentType } from 'react';
import type { Kind, Resource } from '../../api-types';
import type { DetailModel } from '../../models/detail';
import { EndpointTab } from './endpoint';
import { FilesTab } from './files';
import { LineageTab } from './lineage';
import { LogsTab } from './logs';
import { MetricsTab } from './metrics';
import { NotebookTab } from './notebook';
import { OverviewTab } from './overview';
import { PreviewTab, hasPreview } from './preview';
import { UsageTab } from './usage';

export interface TabProps {
  model: DetailModel;
  resource: Resource;
}

export interface TabDefinition {
  name: string;
  title: string;
  Body: ComponentType<TabProps>;
}

/** Progress is shown above the tabs, always; it needs none of its own. */
const TABS: Record<string, TabDefinition> = {
  overview: { name: 'overview', title: 'Overview', Body: OverviewTab },
  logs: { name: 'logs', title: 'Logs', Body: LogsTab },
  metrics: { name: 'metrics', title: 'Metrics', Body: MetricsTab },
  files: { name: 'files', title: 'Files', Body: FilesTab },
  notebook: { name: 'notebook', title: 'Notebook', Body: NotebookTab },
  lineage: { name: 'lineage', title: 'Lineage', Body: LineageTab },
  usage: { name: 'usage', title: 'Usage', Body: UsageTab }
};
const PREVIEW: TabDefinition = { name: 'preview', title: 'Preview', Body: PreviewTab };
const TRY_IT: TabDefinition = { name: 'try', title: 'Try it', Body: EndpointTab };

export function tabsOf(kind: Kind, resource: Resource): TabDefinition[] {
  const tabs = kind.tabs.flatMap(name => TABS[name] ?? []);
  if (!tabs.some(tab => tab.name === 'overview') && TABS.overview) {
    tabs.unshift(TABS.overview);
  }
  if (hasPreview(resource)) {
    tabs.splice(1, 0, PREVIEW);
  }
  if (typeof resource.status.outputs.url === 'string') {
    tabs.splice(1, 0, TRY_IT);
  }
  return tabs;
}
