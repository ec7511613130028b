/** Says above everything else that an idle notebook is about to be stopped, and lets it be kept. */
import { ReactWidget } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { errorMessage } from '../api';
import { useModel } from '../models/model';
import type { ServerUseModel } from '../models/server-use';
import { clock, countdown } from '../models/server-use';
import { useTick } from './context';
import { Button } from './parts';

export class IdleBanner extends ReactWidget {
  constructor(
    private readonly model: ServerUseModel,
    private readonly stop: () => Promise<void>
  ) {
    super();
    this.id = 'orrery-idle-banner';
    this.addClass('orr-IdleBanner');
  }

  protected render(): JSX.Element {
    return <Banner model={this.model} stop={this.stop} />;
  }
}

function Banner(props: { model: ServerUseModel; stop: () => Promise<void> }): JSX.Element | null {
  const { model } = props;
  useModel(model);
  useTick(1000);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const { warning } = model;
  if (!warning) {
    return null;
  }
  const perform = (act: () => Promise<void>): void => {
    setBusy(true);
    setError(null);
    act()
      .catch(reason => setError(errorMessage(reason)))
      .finally(() => setBusy(false));
  };
  const isServer = warning.subject === 'server';
  const since = clock(warning.idle_since);
  return (
    <div className="orr-IdleBanner-row" data-testid="orrery-idle-warning">
      <p role="alert">
        {isServer
          ? `This notebook has been idle since ${since} and is about to be stopped. Files stay; variables are saved where they can be.`
          : `The kernel of ${warning.title} has been idle since ${since} and is about to be freed. Its variables are saved where they can be.`}
      </p>
      <span className="orr-IdleBanner-time" role="timer" aria-live="off" aria-label="Time left">
        {countdown(model.secondsUntil(warning.act_at))}
      </span>
      <Button
        label="Keep for an hour"
        kind="accept"
        disabled={isBusy}
        onClick={() => perform(() => model.keep())}
        testId="orrery-idle-keep"
      />
      {isServer && (
        <Button
          label="Stop now"
          disabled={isBusy}
          onClick={() => perform(props.stop)}
          testId="orrery-idle-stop"
        />
      )}
      {error && (
        <span className="orr-IdleBanner-error" role="status">
          {error}
        </span>
      )}
    </div>
  );
}
