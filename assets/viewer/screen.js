// Full screen and the link, for every component that shows a picture: the viewer, the grid, the digit.

/** Does this element fill the screen? @param {HTMLElement} wrap */
export const fillsScreen = (wrap) => wrap.matches(":fullscreen, .full");

/** Fill the screen, or the window where the browser gives no screen, and back. `focus` gets the keys meanwhile. */
export async function toggleScreen(wrap, focus) {
  if (fillsScreen(wrap)) {
    wrap.classList.remove("full");
    if (document.fullscreenElement) await document.exitFullscreen();
    return;
  }
  await (wrap.requestFullscreen?.() ?? Promise.reject(new Error("none"))).catch(() => wrap.classList.add("full"));
  focus.focus();
}

/** Copy an address; without a clipboard put it into the address bar. The button says for a moment which. */
export async function copyLink(button, address) {
  try {
    await navigator.clipboard.writeText(address.href);
    button.dataset.said = "Copied";
  } catch {
    history.replaceState(history.state, "", address);
    button.dataset.said = "See the address bar";
  }
  clearTimeout(button.saidTimer);
  button.saidTimer = setTimeout(() => delete button.dataset.said, 1600);
}

/**
 * The two buttons of a component whose address Python keeps, and the key f: in it, and on the bare page.
 * @returns {() => void} takes the keys back
 */
export function offerScreen(wrap, { full, link }, focus) {
  const toggle = () => toggleScreen(wrap, focus);
  const press = (event) => {
    const { key, target, ctrlKey, metaKey, altKey, defaultPrevented } = event;
    const inside = wrap.contains(target), typing = target.matches?.("input[type=text], select, textarea");
    if (typing || ctrlKey || metaKey || altKey || defaultPrevented || !(inside || target === document.body)) return;
    if (key !== "f" && !(key === "Escape" && wrap.matches(".full"))) return;
    event.preventDefault();
    toggle();
  };
  const update = () => full.setAttribute("aria-pressed", String(fillsScreen(wrap)));
  full.addEventListener("click", toggle);
  link.addEventListener("click", () => copyLink(link, new URL(location.href)));
  wrap.addEventListener("keydown", press);
  document.addEventListener("keydown", press);
  document.addEventListener("fullscreenchange", update);
  return () => {
    document.removeEventListener("keydown", press);
    document.removeEventListener("fullscreenchange", update);
  };
}
