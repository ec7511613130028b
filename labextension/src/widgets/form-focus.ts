/** Where the keyboard is led in a form: its first field once it is there, what is wrong once it was refused. */

const CONTROLS = 'input:not([hidden]), select, textarea, button:not(.orr-Help-button)';

/** Go into the control of this path, or of what it is a part of. Answers whether there is one. */
export function focusField(idPrefix: string, path: readonly string[]): boolean {
  const control = controlOf(idPrefix, path);
  // what is folded away takes no focus
  for (let group = control?.closest('details'); group; group = group.parentElement?.closest('details')) {
    group.open = true;
  }
  control?.focus();
  return control !== null;
}

/** Go to the one of these that stands first in the form. */
export function focusFirst(idPrefix: string, paths: readonly (readonly string[])[]): void {
  const controls = paths.flatMap(path => {
    const control = controlOf(idPrefix, path);
    return control ? [{ path, control }] : [];
  });
  controls.sort((a, b) =>
    a.control.compareDocumentPosition(b.control) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1
  );
  if (controls[0]) {
    focusField(idPrefix, controls[0].path);
  }
}

function controlOf(idPrefix: string, path: readonly string[]): HTMLElement | null {
  for (let length = path.length; length > 0; length -= 1) {
    const id = [idPrefix, ...path.slice(0, length)].join('_');
    // several inputs have a label together, and no id
    const place =
      document.getElementById(id) ??
      document.getElementById(`${id}__label`)?.closest('.orr-Field')?.querySelector('.orr-Field-input');
    const control =
      place instanceof HTMLElement && place.matches(CONTROLS)
        ? place
        : (place?.querySelector<HTMLElement>('[aria-invalid="true"]') ??
          place?.querySelector<HTMLElement>(CONTROLS));
    if (control) {
      return control;
    }
  }
  return null;
}
