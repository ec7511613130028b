/** Taking files that are dropped from outside the browser. */
import type { DragEvent } from 'react';
import { useState } from 'react';

export interface FileDrop {
  'data-over': true | undefined;
  onDragOver: (event: DragEvent) => void;
  onDragLeave: (event: DragEvent) => void;
  onDrop: (event: DragEvent) => void;
}

/** What an element needs to take files that are dropped on it. */
export function useFileDrop(take: (files: File[]) => void): FileDrop {
  const [isOver, setOver] = useState(false);
  return {
    'data-over': isOver || undefined,
    onDragOver: event => {
      if (event.dataTransfer.types.includes('Files')) {
        event.preventDefault();
        event.stopPropagation();
        setOver(true);
      }
    },
    onDragLeave: event => {
      if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) {
        setOver(false);
      }
    },
    onDrop: event => {
      if (event.dataTransfer.types.includes('Files')) {
        event.preventDefault();
        event.stopPropagation();
        setOver(false);
        take([...event.dataTransfer.files]);
      }
    }
  };
}
