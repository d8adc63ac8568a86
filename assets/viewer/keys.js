// The keyboard: on the viewer always, and from the bare page where one viewer, or a linked group, is alone on it.
import { onPage, ownsPage } from "./link.js";

const TYPING = "input:not([type=range]):not([type=checkbox]), select, textarea, [contenteditable]";

/** @param {import("./viewer.js").Viewer} viewer @returns {() => void} takes the keys back */
export function listenToKeys(viewer) {
  const { wrap } = viewer.refs, { element } = viewer.panel;
  const inside = (e) => { if (!e.target.closest(TYPING)) press(viewer, e, true); };
  const outside = (e) => {
    if (e.target !== document.body || !ownsPage(viewer) || onPage(viewer)[0] !== viewer) return;
    for (const v of onPage(viewer)) press(v, e, false); // the first that knows the key takes it
  };
  const panel = (e) => { if (!e.target.closest(TYPING)) press(viewer, e, true, special); };
  element.addEventListener("keydown", panel);
  wrap.addEventListener("keydown", inside);
  document.addEventListener("keydown", outside);
  return () => {
    wrap.removeEventListener("keydown", inside);
    document.removeEventListener("keydown", outside);
  };
}

function press(viewer, event, inside, find = action) {
  if (!viewer.film || (event.altKey && !event.getModifierState("AltGraph")) || event.defaultPrevented) return;
  const onButton = event.target.closest?.("button, summary, input"), onRange = event.target.matches?.("input");
  const act = find(viewer, event, inside, onButton, onRange);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

/** The keys of the brush and of a tree, which hold in the panel too. */
const special = (viewer, event) => viewer.brush.action(event) ?? viewer.panel.treeCard.action(event);

function action(viewer, event, inside, onButton, onRange) {
  const { key, shiftKey, target, ctrlKey, metaKey } = event, own = special(viewer, event);
  if (own || ctrlKey || metaKey) return own;
  const { rail, stage, toolbar, wanted, last } = viewer;
  if (onRange) return null; // sliders and boxes keep their keys
  if (shiftKey && inside && key.startsWith("Arrow")) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    return () => stage.cross(dx, dy);
  }
  const everywhere = {
    ArrowLeft: () => rail.go(wanted - 1), ArrowRight: () => rail.go(wanted + 1),
    f: () => toolbar.fullScreen(),
  };
  if (everywhere[key]) return () => followFocus(viewer, target, everywhere[key]);
  if (!inside) return null;
  if ((key === " " || key === "Enter") && onButton) return null; // it presses the button
  return {
    Home: () => rail.go(0), End: () => rail.go(last), " ": () => rail.toggle(), w: () => toolbar.act("wipe"),
    "+": () => stage.zoom(1.5), "=": () => stage.zoom(1.5), "-": () => stage.zoom(1 / 1.5), 0: () => stage.reset(),
    Enter: () => viewer.pickCursor(),
    Escape: viewer.full ? () => toolbar.fullScreen() : stage.cursor ? () => stage.read(null) : null,
  }[key];
}

/** Where a step of the rail, or a word, has the focus, the focus goes with the step. */
function followFocus(viewer, target, act) {
  act();
  for (const name of ["rail", "words"]) {
    if (viewer.refs[name].contains(target)) viewer[name].buttons[viewer.step].focus({ preventScroll: true });
  }
}
