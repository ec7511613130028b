/** Provides the platform to the other plugins, and starts following it. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Api } from '../api';
import { ActivityModel } from '../models/activity';
import { Dashboards } from '../models/dashboards';
import { EventStream } from '../models/events';
import { Kinds } from '../models/kinds';
import { PlatformModel } from '../models/platform';
import { IOrrery } from '../tokens';

export const platformPlugin: JupyterFrontEndPlugin<IOrrery> = {
  id: '@orrery/lab:platform',
  description: 'The Orrery platform: its API, kinds, state and events.',
  autoStart: true,
  provides: IOrrery,
  activate: app => {
    const api = new Api(app.serviceManager.serverSettings);
    const platform = new PlatformModel(api);
    const kinds = new Kinds(api, platform);
    const events = new EventStream(api, platform);
    const activity = new ActivityModel(api, kinds, events);
    const dashboards = new Dashboards(api, platform);
    void events.run();
    return { api, platform, kinds, events, activity, dashboards };
  }
};
