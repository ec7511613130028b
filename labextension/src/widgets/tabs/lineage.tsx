/** What it was made from, and what was made from it. */
import { useEffect } from 'react';
import type { Dependents, Summary } from '../../api-types';
import { kindIcon } from '../../icons';
import type { Loader } from '../../models/loader';
import { useModel } from '../../models/model';
import { displayName } from '../../format';
import { usePanel } from '../context';
import { Busy, Icon, Note, ReferenceLink } from '../parts';
import type { TabProps } from './registry';

export function LineageTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { isShown } = model;
  const { references, dependents } = model.part;
  useEffect(() => {
    references.watch(isShown);
    dependents.watch(isShown);
    return () => {
      references.watch(false);
      dependents.watch(false);
    };
  }, [references, dependents, isShown]);
  return (
    <div className="orr-Lineage">
      <Side title="Uses" none="It uses nothing else." loader={references} testId="orrery-uses" />
      <div className="orr-Lineage-arrow" aria-hidden="true">
        →
      </div>
      <section className="orr-Card orr-Lineage-self" aria-label="This one">
        <Icon icon={kindIcon(resource.kind)} size={32} />
        <strong>{displayName(resource)}</strong>
        <span className="orr-Muted">{model.kind.title}</span>
      </section>
      <div className="orr-Lineage-arrow" aria-hidden="true">
        →
      </div>
      <Side
        title="Used by"
        none="Nothing uses it: it can be deleted."
        loader={dependents}
        testId="orrery-used-by"
      />
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
      <h2>{props.title}</h2>
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
