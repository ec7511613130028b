/** The dashboards that the Jupyter server renders, where it has that part; each opens in a browser tab of its own. */
import type { Api } from '../api';
import { ApiError } from '../api';
import type { Dashboard } from '../api-types';
import { Model } from './model';
import type { PlatformModel } from './platform';

export class Dashboards extends Model {
  items: Dashboard[] = [];

  constructor(
    private readonly api: Api,
    platform: PlatformModel
  ) {
    super();
    platform.recovered.connect(() => void this.load());
  }

  async load(): Promise<void> {
    try {
      this.items = await this.api.dashboards();
    } catch (error) {
      if (!(error instanceof ApiError)) {
        throw error;
      }
      // This server has none, or does not answer now: none are offered.
      this.items = [];
    }
    this.notify();
  }

  /** Those that show one resource of this kind. */
  of(kind: string): Dashboard[] {
    return this.items.filter(dashboard => dashboard.for === kind);
  }
}

/** The address of a dashboard that shows this resource. */
export function dashboardUrl(dashboard: Dashboard, id?: string): string {
  if (id === undefined) {
    return dashboard.url;
  }
  const separator = dashboard.url.includes('?') ? '&' : '?';
  return `${dashboard.url}${separator}id=${encodeURIComponent(id)}`;
}
