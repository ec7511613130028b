/**
 * Addresses that lead to a panel: `?orrery=trainings` is a list, `?orrery=trainings/ID` a page, `?orrery=trainings/new` the
 * form, with `&template=ID` begun from a template. Pure functions.
 */

const PARAMETER = 'orrery';
const TEMPLATE = 'template';
/** In place of an id: the form of a new one. */
export const NEW = 'new';

export interface LinkTarget {
  plural: string;
  /** An id or `owner/name`; empty for the list, `new` for the form. */
  ref: string;
  /** The template that the form begins with: an id, a name or `owner/name`. */
  template?: string;
}

export function parseLink(search: string): LinkTarget | null {
  const parameters = new URLSearchParams(search);
  const value = parameters.get(PARAMETER);
  const template = parameters.get(TEMPLATE) ?? '';
  const [, plural = '', ref = ''] = /^([a-z][a-z-]*)(?:\/(.+))?$/.exec(value ?? '') ?? [];
  if (plural === '') {
    return null;
  }
  return ref === NEW && template !== '' ? { plural, ref, template } : { plural, ref };
}

export function formatLink(target: LinkTarget): string {
  const value = target.ref === '' ? target.plural : `${target.plural}/${target.ref}`;
  return readable(value) + (target.template ? `&${TEMPLATE}=${readable(target.template)}` : '');
}

function readable(value: string): string {
  return encodeURIComponent(value).replace(/%2F/g, '/').replace(/%40/g, '@');
}

/** The address with its link to a panel replaced, or taken away. */
export function withLink(url: URL, target: LinkTarget | null): string {
  const others = url.search
    .replace(/^\?/, '')
    .split('&')
    .filter(part => part !== '' && !part.startsWith(`${PARAMETER}=`))
    // it belongs to the link that goes
    .filter(part => parseLink(url.search)?.template === undefined || !part.startsWith(`${TEMPLATE}=`));
  const parts = target ? [...others, `${PARAMETER}=${formatLink(target)}`] : others;
  return `${url.pathname}${parts.length > 0 ? `?${parts.join('&')}` : ''}${url.hash}`;
}

/** An address to send to somebody. Behind a hub it leads everyone to their own server. */
export function shareableUrl(
  target: LinkTarget,
  place: { origin: string; baseUrl: string; hubPrefix: string }
): string {
  const path = place.hubPrefix === '' ? `${place.baseUrl}lab` : `${place.hubPrefix}user-redirect/lab`;
  return `${place.origin}${path}?${PARAMETER}=${formatLink(target)}`;
}
