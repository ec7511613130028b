/** Where else a page leads: to the built-in dashboards of its kind, and to its own address. */
import type { Resource } from '../api-types';
import { linkIcon, linkOutIcon } from '../icons';
import { dashboardUrl } from '../models/dashboards';
import { useModel } from '../models/model';
import { CommandIDs } from '../tokens';
import { usePanel } from './context';
import { Icon, IconButton } from './parts';

export function PageLinks(props: { resource: Resource }): JSX.Element {
  const { kind, id } = props.resource;
  const { dashboards, go } = usePanel();
  useModel(dashboards);
  return (
    <>
      {dashboards.of(kind).map(dashboard => (
        <a
          key={dashboard.name}
          className="orr-Button orr-mod-plain"
          href={dashboardUrl(dashboard, id)}
          target="_blank"
          rel="noreferrer"
          title={dashboard.description}
          data-testid={`orrery-open-dashboard-${dashboard.name}`}
        >
          Open in {dashboard.title}
          <Icon icon={linkOutIcon} size={12} />
        </a>
      ))}
      <IconButton
        label="Copy a link to this page"
        icon={linkIcon}
        onClick={() => void go.execute(CommandIDs.copyLink, {})}
        testId="orrery-copy-link"
      />
    </>
  );
}
