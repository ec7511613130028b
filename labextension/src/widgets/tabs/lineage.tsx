/** What it was made from, and what was made from it: drawn, and as two lists of what is nearest. */
import { useEffect } from 'react';
import type { Dependents, Summary } from '../../api-types';
import { kindIcon } from '../../icons';
import type { Loader } from '../../models/loader';
import { useModel } from '../../models/model';
import { usePanel } from '../context';
import { LineageGraph } from '../lineage-graph';
import { Busy, Icon, Note, ReferenceLink } from '../parts';
import type { TabProps } from './props';

export function LineageTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { isShown } = model;
  const { references, dependents, lineage } = model.part;
  useModel(lineage);
  useEffect(() => {
    const loaders = [references, dependents, lineage];
    loaders.forEach(loader => loader.watch(isShown));
    return () => loaders.forEach(loader => loader.watch(false));
  }, [references, dependents, lineage, isShown]);
  return (
    <div className="orr-Overview">
      {lineage.error && !lineage.value && <Note kind="warn">{lineage.error}</Note>}
      {!lineage.value && !lineage.error && <Busy />}
      {lineage.value && <LineageGraph lineage={lineage.value} selfId={resource.id} />}
      {lineage.value?.isCut && (
        <div className="orr-Muted">There is more than is drawn: open what stands at the edge to go on.</div>
      )}
      <div className="orr-Lineage">
        <Side title="Uses" none="It uses nothing else." loader={references} testId="orrery-uses" />
        <Side
          title="Used by"
          none="Nothing uses it: it can be deleted."
          loader={dependents}
          testId="orrery-used-by"
        />
      </div>
    </div>
  );
}

function Side(props: {
  title: string;
  none: string;
  loader: Loader<Dependents>;
  testId: string;
}): JSX.Element {
  const { loader } = props;
  const { kinds } = usePanel();
  useModel(loader);
  const items: Summary[] = loader.value?.items ?? [];
  return (
    <section className="orr-Card" data-testid={props.testId}>
      <div className="orr-Card-head">
        <h2>{props.title}</h2>
      </div>
      {loader.error && !loader.value && <Note kind="warn">{loader.error}</Note>}
      {!loader.value && !loader.error && <Busy />}
      {loader.value && items.length === 0 && <div className="orr-Muted">{props.none}</div>}
      <ul className="orr-PlainList">
        {items.map(item => (
          <li key={item.id}>
            <Icon icon={kindIcon(item.kind)} /> <ReferenceLink kind={item.kind} reference={item} />{' '}
            <span className="orr-Muted">{kinds.get(item.kind)?.title ?? item.kind}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
