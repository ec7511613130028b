/** What Lab's packages expect of a browser and jsdom does not have. */
class Observer {
  observe(): void {
    return;
  }
  unobserve(): void {
    return;
  }
  disconnect(): void {
    return;
  }
}

Object.assign(globalThis, {
  ResizeObserver: Observer,
  DragEvent: class extends MouseEvent {},
  requestIdleCallback: (call: () => void) => setTimeout(call, 0),
  cancelIdleCallback: (timer: number) => clearTimeout(timer)
});
window.matchMedia ??= (query: string) =>
  ({ matches: false, media: query, addEventListener: () => undefined }) as unknown as MediaQueryList;
Element.prototype.scrollIntoView ??= () => undefined;
