/** What every tab of a resource's page is given. */
import type { Resource } from '../../api-types';
import type { DetailModel } from '../../models/detail';

export interface TabProps {
  model: DetailModel;
  resource: Resource;
}
