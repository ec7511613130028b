/** The base of the main-area panels: a React widget that knows the platform and waits for its kinds. */
import type { LabIcon } from '@jupyterlab/ui-components';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { Kind } from '../api-types';
import type { IDisposable } from '@lumino/disposable';
import type { PanelContext } from './context';
import { PanelProvider } from './context';
import { Busy, PlatformBanner } from './parts';

/** A panel about one kind. Its model is made once the kinds are known, and disposed with it. */
export abstract class KindPanel<M extends IDisposable> extends ReactWidget {
  model: M | null = null;

  constructor(
    protected readonly context: PanelContext,
    readonly kindName: string,
    icon: LabIcon
  ) {
    super();
    this.addClass('orr-Panel');
    this.title.icon = icon;
    this.title.closable = true;
    this.node.tabIndex = -1;
    void this.start();
  }

  protected abstract makeModel(kind: Kind): M;
  protected abstract content(model: M): JSX.Element;
  protected abstract label(kind: Kind | undefined): string;

  override dispose(): void {
    this.model?.dispose();
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

  protected render(): JSX.Element {
    return (
      <PanelProvider value={this.context}>
        <PlatformBanner />
        {this.model ? this.content(this.model) : <Busy />}
      </PanelProvider>
    );
  }

  private async start(): Promise<void> {
    await Promise.resolve();
    this.title.label = this.label(this.context.kinds.get(this.kindName));
    await this.context.kinds.ready();
    const kind = this.context.kinds.get(this.kindName);
    if (this.isDisposed || !kind) {
      return;
    }
    this.title.label = this.label(kind);
    await this.prepare?.(kind);
    if (this.isDisposed) {
      return;
    }
    this.model = this.makeModel(kind);
    this.modelReady?.(this.model);
    this.update();
  }

  /** For what has to be read before the model can be made. */
  protected prepare?(kind: Kind): Promise<void>;

  /** For what a panel does once its model is there. */
  protected modelReady?(model: M): void;
}
