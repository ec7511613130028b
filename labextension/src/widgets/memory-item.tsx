/** Memory in use with its limit, in the status bar. */
import { ReactWidget } from '@jupyterlab/ui-components';
import { formatBytes } from '../format';
import { useModel } from '../models/model';
import type { ServerUseModel } from '../models/server-use';

export class MemoryItem extends ReactWidget {
  constructor(
    private readonly model: ServerUseModel,
    private readonly open: () => void
  ) {
    super();
    this.addClass('orr-Memory-item');
    this.node.dataset.testid = 'orrery-memory';
  }

  protected render(): JSX.Element {
    return <Item model={this.model} onClick={this.open} />;
  }
}

function Item(props: { model: ServerUseModel; onClick: () => void }): JSX.Element | null {
  useModel(props.model);
  const figures = props.model.value?.figures;
  if (!figures) {
    return null;
  }
  const text = `${formatBytes(figures.memory_bytes)} of ${formatBytes(figures.memory_total_bytes)}`;
  const fraction = figures.memory_bytes / figures.memory_total_bytes;
  return (
    <button
      type="button"
      className="jp-mod-highlighted"
      onClick={props.onClick}
      title="Memory of this server; opens its monitoring"
      aria-label={`Memory of this server: ${text}`}
      data-level={fraction >= 0.9 ? 'high' : undefined}
    >
      {text}
    </button>
  );
}
