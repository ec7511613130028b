/** The base of the panels that are about no one kind: a React widget that knows whether it is looked at. */
import type { LabIcon } from '@jupyterlab/ui-components';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import type { PanelContext } from './context';
import { PanelProvider } from './context';
import { PlatformBanner } from './parts';

interface PanelModel extends IDisposable {
  setVisible(isVisible: boolean): void;
}

export abstract class PlatformPanel<M extends PanelModel> extends ReactWidget {
  constructor(
    protected readonly context: PanelContext,
    readonly model: M,
    title: { label: string; icon: LabIcon; caption?: string }
  ) {
    super();
    this.addClass('orr-Panel');
    this.title.label = title.label;
    this.title.caption = title.caption ?? title.label;
    this.title.icon = title.icon;
    this.title.closable = true;
    this.node.tabIndex = -1;
  }

  protected abstract content(): JSX.Element;

  override dispose(): void {
    this.model.dispose();
    super.dispose();
  }

  protected override onCloseRequest(message: Message): void {
    super.onCloseRequest(message);
    this.dispose();
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    if (!this.node.contains(document.activeElement)) {
      this.node.focus();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.model.setVisible(this.isVisible);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.model.setVisible(true);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.model.setVisible(false);
  }

  protected render(): JSX.Element {
    return (
      <PanelProvider value={this.context}>
        <PlatformBanner />
        {this.content()}
      </PanelProvider>
    );
  }
}
