/** The "?" beside a label: shown on hover, on focus and on click; Escape puts it away. */
import type { KeyboardEvent } from 'react';
import { useState } from 'react';

export function Help(props: { id: string; label: string; text: string }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && isOpen) {
      setOpen(false);
      event.stopPropagation();
    }
  };
  return (
    <span className="orr-Help" onMouseLeave={() => setOpen(false)} onKeyDown={onKeyDown}>
      <button
        type="button"
        className="orr-Help-button"
        aria-label={`Help: ${props.label}`}
        aria-expanded={isOpen}
        aria-describedby={isOpen ? props.id : undefined}
        onMouseEnter={() => setOpen(true)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onClick={() => setOpen(true)}
      >
        ?
      </button>
      <span role="tooltip" id={props.id} className="orr-Help-text" hidden={!isOpen}>
        {props.text}
      </span>
    </span>
  );
}
