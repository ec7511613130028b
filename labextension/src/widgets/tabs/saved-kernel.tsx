/** Of a notebook that was cut off: where it goes on, what it will lack, and the ways to go on. */
import { useState } from 'react';
import type { SavedKernel } from '../../models/resume-notebook';
import { changedCell } from '../../models/resume-notebook';
import { CommandIDs } from '../../tokens';
import { Card } from '../cards';
import { usePanel } from '../context';
import { confirm, showError } from '../dialogs';
import { Button } from '../parts';
import type { TabProps } from './props';

export function SavedKernelCard(props: TabProps & { saved: SavedKernel }): JSX.Element {
  const { model, resource, saved } = props;
  const { api, events, go, kinds } = usePanel();
  const [path, setPath] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const isMine = kinds.isMine(resource) || kinds.user?.admin === true;
  const at = `cell ${saved.cell}`;
  const during = async (what: string, work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      await showError(what, error);
    }
    setBusy(false);
  };
  const resume = async (): Promise<void> => {
    const answer = await api.act(model.kind.plural, resource.id, 'resume');
    events.publish({ type: 'updated', resource: answer });
  };
  const edit = async (): Promise<void> => {
    const opened = await go.openNotebook(resource.kind, resource.id, resource.name, undefined, true);
    setPath(typeof opened === 'string' ? opened : null);
  };
  const resumeEdited = async (startOver: boolean): Promise<void> => {
    const args = { kind: resource.kind, id: resource.id, path, startOver };
    try {
      await go.execute(CommandIDs.resumeNotebook, args);
    } catch (error) {
      const changed = changedCell(error);
      if (changed === null) {
        throw error;
      }
      const isAgreed = await confirm(
        'Start over?',
        `Cell ${changed} was changed, and it has been run already. Put it back as it was to go on at ${at}, or run the changed notebook from its first cell.`,
        'Start over'
      );
      if (isAgreed) {
        await resumeEdited(true);
      }
    }
  };
  return (
    <Card title={`Cut off in ${at} of ${saved.cells}`} testId="orrery-saved-kernel">
      <div className="orr-Saved">
        <p>
          Its variables were saved before {at}. Resumed, it goes on there; the cells that are done keep their
          outputs and are not run again.
        </p>
        {saved.unsaved.length > 0 && (
          <table className="orr-Table">
            <caption>
              These variables could not be saved. Make those that later cells need again in {at}.
            </caption>
            <thead>
              <tr>
                <th scope="col">Variable</th>
                <th scope="col">Type</th>
                <th scope="col">Reason</th>
              </tr>
            </thead>
            <tbody>
              {saved.unsaved.map(one => (
                <tr key={one.name}>
                  <th scope="row">
                    <code>{one.name}</code>
                  </th>
                  <td>{one.type}</td>
                  <td>{one.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {saved.filesLeftOut.length > 0 && (
          <p>
            Files that will not be there, since {at} had changed them: {saved.filesLeftOut.join(', ')}.
          </p>
        )}
        {isMine && path !== null && (
          <p role="status">
            Change {at}, or those after it, in <code>{path}</code>.
          </p>
        )}
        {isMine && (
          <div className="orr-Actions">
            {path === null ? (
              <>
                <Button
                  label={`Edit and resume at ${at}`}
                  kind="accept"
                  disabled={isBusy}
                  onClick={() => void during('The notebook could not be opened', edit)}
                  testId="orrery-edit-and-resume"
                />
                <Button
                  label={`Resume at ${at}`}
                  disabled={isBusy}
                  onClick={() => void during('Resume', resume)}
                  testId="orrery-resume-at-cell"
                />
              </>
            ) : (
              <Button
                label={`Resume at ${at} with the edited notebook`}
                kind="accept"
                disabled={isBusy}
                onClick={() => void during('Resume', () => resumeEdited(false))}
                testId="orrery-resume-edited"
              />
            )}
          </div>
        )}
      </div>
    </Card>
  );
}
