// The keyboard: all that a hand can do. Arrow keys move a cross, the chosen point or the chosen polygon.
import { movedBy, placed, replaced } from "./shapes.js";
import { ERASER } from "./hand.js";
import { NOTHING } from "./raster.js";

const TYPED = "input:not([type=range]), select, textarea";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STRIDE = 50; // steps of the cross across the picture
const FAR = 10; // pixels that Shift and an arrow key move what is chosen

/** @param {import("./annotate.js").Annotator} owner */
export function listenForKeys(owner) {
  const { wrap, canvas } = owner.refs;
  wrap.addEventListener("keydown", (event) => {
    if (!owner.ready || event.defaultPrevented || event.target.closest(TYPED)) return;
    const act = keyAction(owner, event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  wrap.addEventListener("keyup", (event) => { if (event.key === " ") owner.hand.space = false; });
  canvas.addEventListener("blur", () => { owner.hand.space = false; owner.dropCross(); });
}

/** What a key does, else undefined. @returns {(() => void) | undefined} */
function keyAction(owner, event) {
  const { key, ctrlKey, metaKey, altKey, shiftKey, target } = event, low = key.toLowerCase();
  if (ctrlKey || metaKey) {
    return { z: () => owner.travel(shiftKey ? 1 : -1), y: () => owner.travel(1) }[low];
  }
  if (altKey || (target.matches("input") && (ARROWS[key] || /^[0-9]$/.test(key)))) return undefined;
  if (target.matches("button") && (key === "Enter" || key === " ")) return undefined; // it presses the button
  if (/^[1-9]$/.test(key)) return () => owner.setLabel(Number(key) - 1);
  if (ARROWS[key]) return () => step(owner, ARROWS[key], shiftKey);
  return {
    v: () => owner.setTool("edit"), p: () => owner.setTool("polygon"), b: () => owner.setTool("brush"),
    s: () => owner.setTool("superpixel"), e: () => owner.setLabel(ERASER), i: () => owner.setLabel(NOTHING),
    ",": () => owner.setTip(Math.min(owner.look.tip - 1, owner.look.tip / 1.25)),
    ".": () => owner.setTip(Math.max(owner.look.tip + 1, owner.look.tip * 1.25)),
    "+": () => owner.easel.zoom(1.5), "=": () => owner.easel.zoom(1.5), "-": () => owner.easel.zoom(1 / 1.5), 0: () => owner.easel.reset(),
    "[": () => walk(owner, -1), "]": () => walk(owner, 1), n: () => walkPoints(owner, shiftKey ? -1 : 1), a: () => owner.addAfter(),
    delete: () => owner.remove(), backspace: () => owner.remove(), escape: () => owner.escape(),
    enter: () => enter(owner), " ": () => { owner.hand.space = true; },
  }[low];
}

/** An arrow key. */
function step(owner, [dx, dy], shift) {
  const { sketch, tool, head: { width, height }, easel } = owner;
  if (tool === "edit" && sketch.chosen) {
    const by = shift ? FAR : 1, { points } = sketch.chosen, [x, y] = points[sketch.vertex] ?? [];
    sketch.reshape(sketch.vertex < 0 ? movedBy(points, [dx * by, dy * by], width, height)
      : replaced(points, sketch.vertex, placed([x + dx * by, y + dy * by], width, height)));
    owner.commitSoon();
    return;
  }
  const by = shift ? 1 : Math.max(1, Math.round(Math.max(width, height) / STRIDE / easel.camera.zoom));
  const [x, y] = owner.cross ?? [easel.camera.x, easel.camera.y].map((v) => Math.floor(v) + 0.5);
  owner.cross = placed([x + dx * by, y + dy * by], width, height);
  easel.reveal(owner.cross);
  owner.request();
}

/** Enter: what a click would do at the cross; without one it closes the open polygon. */
function enter(owner) {
  const { cross, tool, hand } = owner, reach = { timeStamp: -1e9, pointerType: "mouse", altKey: false };
  if (tool === "polygon") {
    if (!cross) owner.closeDraft();
    else owner.addPoint(cross, hand.reach(reach), true);
  } else if (cross) hand[tool](cross, reach)?.up?.(cross);
}

/** Choose the next polygon. */
function walk(owner, by) {
  const { sketch } = owner, { length } = sketch.state.polygons;
  if (!length) return;
  owner.setTool("edit");
  owner.dropCross();
  sketch.choose(sketch.polygon < 0 ? (by > 0 ? 0 : length - 1) : (sketch.polygon + by + length) % length);
  owner.changed();
}

/** Choose the next point of the chosen polygon. */
function walkPoints(owner, by) {
  const { sketch } = owner;
  if (!sketch.chosen) return;
  const { length } = sketch.chosen.points;
  owner.setTool("edit");
  sketch.choose(sketch.polygon, sketch.vertex < 0 ? 0 : (sketch.vertex + by + length) % length);
  owner.easel.reveal(sketch.chosen.points[sketch.vertex]);
  owner.changed();
}
