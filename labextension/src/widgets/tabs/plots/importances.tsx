/** How much of a metric each parameter explains, as bars that are a table. */
import type { Importances } from '../../../api-types';
import { Busy, Note } from '../../parts';
import { colorOf } from './frame';

export function ImportanceBars(props: {
  shares: Importances | null;
  error: string | null;
  isLoading: boolean;
}): JSX.Element {
  const entries = Object.entries(props.shares?.importances ?? {}).sort(([, a], [, b]) => b - a);
  if (props.isLoading) {
    return props.error ? <Note kind="warn">{props.error}</Note> : <Busy />;
  }
  if (entries.length === 0) {
    return (
      <p className="orr-Muted">
        Too little is known: it takes some trials that succeeded with different parameters and results.
      </p>
    );
  }
  return (
    <table className="orr-Importances">
      <caption className="orr-Muted">
        The share of {props.shares?.metric} that each parameter explains
      </caption>
      <tbody>
        {entries.map(([name, share]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="orr-Importances-bar" aria-hidden="true">
              <div style={{ width: `${share * 100}%`, background: colorOf(1) }} />
            </td>
            <td className="orr-Number">{`${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
