// Where a viewer and its panel, mounted in two columns of one document, find each other by the viewer's key.

/** @returns {{viewers: Map<string, object>, panels: Map<string, Element>, seen: Set<string>}} */
export function registry() {
  return (window.__saccade ??= {
    viewers: new Map(), panels: new Map(), seen: new Set(),
    /** What viewer `key` shows now, as text for the `view` parameter of an address; "" where there is none. */
    state: (key) => window.__saccade.viewers.get(key)?.stateText() ?? "",
  });
}
