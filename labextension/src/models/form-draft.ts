/** What is kept of a form that was not sent yet: what it holds, what it varies, the template that it began with. */
import type { IStateDB } from '@jupyterlab/statedb';
import type { JsonObject } from '../api-types';
import { isObject } from '../format';
import type { Sweep } from './sweep';
import { NO_SWEEP, isSwept } from './sweep';

export interface FormDraft {
  data: JsonObject;
  sweep: Sweep;
  /** The values of what is varied or searched, by the place of its parameters. */
  setAside: Record<string, JsonObject>;
  /** `owner/name`; empty: none. */
  template: string;
}

/** Null where nothing was kept. */
export async function readDraft(state: IStateDB | null, key: string): Promise<FormDraft | null> {
  const saved = (await state?.fetch(key)) as JsonObject | undefined;
  if (!saved) {
    return null;
  }
  const { sweep, set_aside: setAside, template, ...data } = saved;
  return {
    data,
    sweep: isObject(sweep) ? (sweep as unknown as Sweep) : NO_SWEEP,
    setAside: isObject(setAside) ? (setAside as Record<string, JsonObject>) : {},
    template: typeof template === 'string' ? template : ''
  };
}

export async function keepDraft(state: IStateDB | null, key: string, draft: FormDraft): Promise<void> {
  const { data, sweep, setAside, template } = draft;
  await state?.save(key, {
    ...data,
    ...(isSwept(sweep) ? { sweep: sweep as unknown as JsonObject } : {}),
    ...(Object.keys(setAside).length > 0 ? { set_aside: setAside } : {}),
    ...(template === '' ? {} : { template })
  });
}
