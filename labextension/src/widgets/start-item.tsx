/** In the status bar: that a script of this start has failed; on a click the page about it. */
import { ReactWidget } from '@jupyterlab/ui-components';
import { plural } from '../format';
import { startIcon } from '../icons';
import { useModel } from '../models/model';
import type { StartModel } from '../models/start';
import { Icon } from './parts';

export class StartItem extends ReactWidget {
  constructor(
    private readonly model: StartModel,
    private readonly open: () => void
  ) {
    super();
    this.addClass('orr-Runs-item');
    this.node.dataset.testid = 'orrery-start-failed';
  }

  protected render(): JSX.Element {
    return <Item model={this.model} onClick={this.open} />;
  }
}

function Item(props: { model: StartModel; onClick: () => void }): JSX.Element {
  const { model } = props;
  useModel(model);
  return (
    <button
      type="button"
      className="jp-mod-highlighted"
      onClick={props.onClick}
      title={`Failed at the start: ${model.failed.map(script => script.name).join(', ')}`}
    >
      <Icon icon={startIcon} size={14} />
      {plural(model.failed.length, 'start-up script')} failed
    </button>
  );
}
