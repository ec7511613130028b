/** The limits of users and groups, in a dialog of administrators. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Api } from '../api';
import { trashIcon } from '../icons';
import type { Amount, LimitRow } from '../models/limits';
import { AMOUNTS, TITLES, changesOf, emptyRow, labelOf, rowsOf } from '../models/limits';
import { showError } from './dialogs';
import { Button, IconButton } from './parts';

/** Ask, and send; what was refused stays as it was typed. Answers whether something was saved. */
export async function editLimits(api: Api): Promise<boolean> {
  const before = await api.limits();
  let rows = rowsOf(before);
  for (;;) {
    const form = new LimitsForm(rows);
    const answer = await showDialog({
      title: 'What users and groups may hold at a time',
      body: form,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Save' })]
    });
    if (!answer.button.accept) {
      return false;
    }
    rows = answer.value ?? rows;
    try {
      await api.changeLimits(changesOf(before, rows));
      return true;
    } catch (error) {
      await showError('The limits stay as they were', error);
    }
  }
}

class LimitsForm extends ReactWidget implements Dialog.IBodyWidget<LimitRow[]> {
  constructor(private rows: LimitRow[]) {
    super();
    this.addClass('orr-Limits');
    this.node.dataset.testid = 'orrery-limits';
  }

  getValue(): LimitRow[] {
    return this.rows;
  }

  protected render(): JSX.Element {
    return (
      <>
        <p className="orr-Muted">
          An empty field sets no limit. What runs goes on. What is said by name comes before everyone&apos;s;
          a share above 1 makes turns come more often.
        </p>
        <table className="orr-Table">
          <thead>
            <tr>
              <th scope="col">Whose</th>
              {AMOUNTS.map(amount => (
                <th scope="col" key={amount}>
                  {TITLES[amount]}
                </th>
              ))}
              <td />
            </tr>
          </thead>
          <tbody>
            {this.rows.map((row, index) => (
              <tr key={index} data-testid={`orrery-limit-${row.whose}-${row.name}`}>
                <th scope="row">{this.whose(row, index)}</th>
                {AMOUNTS.map(amount => (
                  <td key={amount}>{this.amount(row, index, amount)}</td>
                ))}
                <td>
                  {row.whose !== 'everyone' && (
                    <IconButton
                      label={`Take away the limits of ${labelOf(row)}`}
                      icon={trashIcon}
                      onClick={() => this.set(this.rows.filter((_, at) => at !== index))}
                    />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <div className="orr-Limits-add">
          <Button
            label="Add a user"
            onClick={() => this.set([...this.rows, emptyRow('users')])}
            testId="orrery-limits-add-user"
          />
          <Button
            label="Add a group"
            onClick={() => this.set([...this.rows, emptyRow('groups')])}
            testId="orrery-limits-add-group"
          />
        </div>
      </>
    );
  }

  private whose(row: LimitRow, index: number): JSX.Element {
    if (row.whose === 'everyone') {
      return <>Everyone</>;
    }
    const what = row.whose === 'users' ? 'User' : 'Group';
    return (
      <label className="orr-Limits-whose">
        {what}
        <input
          className="orr-Input"
          value={row.name}
          autoComplete="off"
          spellCheck={false}
          onChange={event => this.change(index, { ...row, name: event.target.value })}
        />
      </label>
    );
  }

  private amount(row: LimitRow, index: number, amount: Amount): JSX.Element {
    return (
      <input
        className="orr-Input"
        inputMode="decimal"
        aria-label={`${TITLES[amount]} of ${labelOf(row)}`}
        placeholder={amount === 'share' ? '1' : 'no limit'}
        value={row.amounts[amount]}
        onChange={event =>
          this.change(index, { ...row, amounts: { ...row.amounts, [amount]: event.target.value } })
        }
      />
    );
  }

  private change(index: number, row: LimitRow): void {
    this.set(this.rows.map((other, at) => (at === index ? row : other)));
  }

  private set(rows: LimitRow[]): void {
    this.rows = rows;
    this.update();
  }
}
