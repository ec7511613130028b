/** Addresses that lead to a panel: `?orrery=trainings` is a list, `?orrery=trainings/ID` a page. Pure functions. */

const PARAMETER = 'orrery';

export interface LinkTarget {
  plural: string;
  /** An id or `owner/name`; empty for the list. */
  ref: string;
}

export function parseLink(search: string): LinkTarget | null {
  const value = new URLSearchParams(search).get(PARAMETER);
  const [, plural = '', ref = ''] = /^([a-z][a-z-]*)(?:\/(.+))?$/.exec(value ?? '') ?? [];
  return plural === '' ? null : { plural, ref };
}

export function formatLink(target: LinkTarget): string {
  const value = target.ref === '' ? target.plural : `${target.plural}/${target.ref}`;
  return encodeURIComponent(value).replace(/%2F/g, '/').replace(/%40/g, '@');
}

/** The address with its link to a panel replaced, or taken away. */
export function withLink(url: URL, target: LinkTarget | null): string {
  const others = url.search
    .replace(/^\?/, '')
    .split('&')
    .filter(part => part !== '' && !part.startsWith(`${PARAMETER}=`));
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
