/** What of another kind refers to this resource, as the list of that kind shows it: the trainings of an experiment. */
import { useEffect, useMemo, useState } from 'react';
import type { Kind } from '../../api-types';
import { ListView } from '../../models/list-view';
import { usePanel } from '../context';
import { List } from '../list';
import { Busy } from '../parts';
import type { TabProps } from './props';

export function TrainingsTab(props: TabProps): JSX.Element {
  return <ListOf {...props} kindName="training" />;
}

export function TuningsTab(props: TabProps): JSX.Element {
  return <ListOf {...props} kindName="tuning" />;
}

function ListOf(props: TabProps & { kindName: string }): JSX.Element {
  const kind = usePanel().kinds.get(props.kindName);
  return kind ? <LoadedList {...props} kind={kind} /> : <Busy />;
}

function LoadedList(props: TabProps & { kind: Kind }): JSX.Element {
  const { model, resource, kind } = props;
  const { go, state } = usePanel();
  const [view, setView] = useState<ListView | null>(null);
  const list = useMemo(() => model.listOf(kind), [model, kind]);
  useEffect(() => {
    let isGone = false;
    void ListView.open(kind, state, resource.kind).then(opened =>
      isGone ? opened.dispose() : setView(opened)
    );
    return () => {
      isGone = true;
    };
  }, [kind, state, resource.kind]);
  const whole = resource.kind.replaceAll('-', '_');
  const prefill = { spec: { [whole]: `${resource.owner}/${resource.name}` } };
  return view ? <List model={list} view={view} onNew={() => go.create(kind.kind, { prefill })} /> : <Busy />;
}
