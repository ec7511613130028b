/** A button that opens a small box below it. Escape and a click elsewhere close it; the focus goes back to the button. */
import type { LabIcon } from '@jupyterlab/ui-components';
import type { KeyboardEvent, ReactNode } from 'react';
import { useEffect, useId, useRef, useState } from 'react';
import { Icon } from './parts';

export interface PopoverProps {
  label: string;
  icon: LabIcon;
  /** Written beside the icon; without it the label is a tooltip. */
  text?: string;
  children: ReactNode;
  testId?: string;
}

export function Popover(props: PopoverProps): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  /** Which edges of box and button are in line: those that leave the box inside of its panel. */
  const [side, setSide] = useState<'left' | 'right'>('right');
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isOpen) {
      return undefined;
    }
    const closeOutside = (event: PointerEvent): void => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) {
        setOpen(false);
      }
    };
    document.addEventListener('pointerdown', closeOutside, true);
    box.current?.querySelector<HTMLElement>('.orr-Popover-box input, .orr-Popover-box button')?.focus();
    return () => document.removeEventListener('pointerdown', closeOutside, true);
  }, [isOpen]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && isOpen) {
      setOpen(false);
      button.current?.focus();
      event.stopPropagation();
    }
  };
  const onClick = (): void => {
    const at = button.current?.getBoundingClientRect();
    const panel = button.current?.closest('.orr-Panel')?.getBoundingClientRect();
    setSide(at && panel && at.left + at.right < panel.left + panel.right ? 'left' : 'right');
    setOpen(!isOpen);
  };
  return (
    <div className="orr-Popover" ref={box} onKeyDown={onKeyDown}>
      <button
        ref={button}
        type="button"
        className={props.text ? 'orr-Button orr-mod-plain' : 'orr-IconButton'}
        aria-label={props.text ? undefined : props.label}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        title={props.label}
        onClick={onClick}
        data-testid={props.testId}
      >
        <Icon icon={props.icon} size={props.text ? 14 : 16} />
        {props.text && <span>{props.text}</span>}
      </button>
      {isOpen && (
        <div className="orr-Popover-box" data-side={side} id={id} role="group" aria-label={props.label}>
          {props.children}
        </div>
      )}
    </div>
  );
}
