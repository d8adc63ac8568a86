// Drawings in the browser's own storage: they outlive the tab, the connection and the server, until they are cleared.

const STORED = "saccade.drawing."; // begins the name of each
const ROOM = 2_000_000; // characters of all together; the oldest go first
const LASTING = 7 * 24 * 3600 * 1000; // milliseconds

/** What is stored: name, time, and size in characters; the oldest first. */
function stored() {
  return Object.keys(localStorage).filter((name) => name.startsWith(STORED)).map((name) => {
    const text = localStorage.getItem(name) ?? "", at = text.indexOf(" ");
    return { name, at: Number(text.slice(0, at)) || 0, size: name.length + text.length };
  }).sort((a, b) => a.at - b.at);
}

/** Store what can be told as JSON about a subject. A browser that forbids storage, or has no room, only forgets. */
export function storeDrawing(subject, value) {
  const name = STORED + subject, text = `${Date.now()} ${JSON.stringify(value)}`;
  try {
    localStorage.removeItem(name);
    const others = stored();
    let size = others.reduce((sum, other) => sum + other.size, name.length + text.length);
    for (const other of others) {
      if (size <= ROOM) break;
      localStorage.removeItem(other.name);
      size -= other.size;
    }
    if (size <= ROOM) localStorage.setItem(name, text);
  } catch { /* it is only forgotten */ }
}

/** What was stored about a subject, null where nothing is left. */
export function storedDrawing(subject) {
  try {
    for (const { name, at } of stored()) if (Date.now() - at > LASTING) localStorage.removeItem(name);
    const text = localStorage.getItem(STORED + subject);
    return text && JSON.parse(text.slice(text.indexOf(" ") + 1));
  } catch {
    return null;
  }
}

export function forgetDrawing(subject) {
  try { localStorage.removeItem(STORED + subject); } catch { /* nothing is stored */ }
}
