// The card of a tree: cut or cover, the number of regions, the dendrogram, and the node that is selected.
import { Dendrogram, regionsOfLine } from "./dendrogram.js";
import { rgbOf } from "./dom.js";
import { childOf, describeNode } from "./nodecard.js";
import { acrossBox, nodeAt } from "./reading.js";
import { placeOfRegions, regionsAt, shownSet, treeLayer, treeOf } from "./tree.js";

export class TreeCard {
  /** @param {import("./viewer.js").Viewer} viewer @param {Object<string, HTMLElement>} refs of the panel */
  constructor(viewer, refs) {
    this.viewer = viewer;
    this.refs = refs;
    const { regions, dendrogram, nodeCard } = refs;
    regions.addEventListener("input", () => this.cutAt(regionsAt(Number(regions.value), this.tree.n)));
    regions.addEventListener("keydown", (e) => this.slide(e));
    nodeCard.addEventListener("click", (e) => {
      const button = e.target.closest("button");
      if (button) this.select(Number(button.dataset.node));
    });
    dendrogram.addEventListener("pointerdown", (e) => this.down(e));
    dendrogram.addEventListener("pointermove", (e) => this.move(e));
    dendrogram.addEventListener("pointerup", (e) => this.up(e));
    dendrogram.addEventListener("pointercancel", () => { this.held = null; });
    dendrogram.addEventListener("keydown", (e) => this.walk(e));
    this.observer = new ResizeObserver(() => viewer.film && this.draw());
    this.observer.observe(dendrogram);
  }

  destroy() {
    this.observer.disconnect();
  }

  /** A new film: what was selected in another tree means nothing in this one. */
  accept({ trace }) {
    const layer = trace.steps.flatMap((s) => s.layers).find((l) => l.kind === "tree");
    const sign = layer && treeOf(layer).sign;
    if (this.sign !== undefined && this.sign !== sign) this.viewer.state.node = -1;
    if (layer) this.sign = sign;
  }

  get layer() {
    const { film, step, look } = this.viewer, { layers } = film.trace.steps[step];
    return treeLayer(film.trace.steps[step], look) ?? layers.find((l) => l.kind === "tree");
  }

  get tree() { return treeOf(this.layer); }
  get count() { return this.tree.count(this.viewer.state.regions); }

  /** The selected node of the tree at hand, -1 for none. */
  get selected() {
    const { node } = this.viewer.state;
    return this.layer && node <= this.tree.root ? node : -1;
  }

  /** The node to outline on a side of the wipe, -1 where it shows no tree or another. */
  nodeOf({ step, only }) {
    const { film, look, state: { node } } = this.viewer, at = film.trace.steps[step], layer = treeLayer(at, look);
    const shown = layer && (only === undefined || at.layers[only] === layer);
    return shown && node <= treeOf(layer).root ? node : -1;
  }

  select(node) {
    this.viewer.set({ node });
  }

  /** Select the region at x, y of the picture; false where no tree is shown there. */
  pick(step, x, y) {
    const { look } = this.viewer, layer = treeLayer(step, look), at = layer && acrossBox(layer.box, x, y);
    if (at) this.select(nodeAt(layer, at, look));
    return Boolean(at);
  }

  /** Cut into so many regions, at the latest with the next frame. */
  cutAt(regions) {
    this.viewer.set({ tree: "cut", regions: Math.max(1, Math.min(this.tree.n, regions)) }, { later: true });
  }

  /** The slider's keys: one region at least, five per cent where there are many. */
  slide(event) {
    const to = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key], { count } = this;
    if (!to) return;
    event.preventDefault();
    this.cutAt(to > 0 ? Math.max(count + 1, Math.round(count * 1.05)) : Math.min(count - 1, Math.round(count / 1.05)));
  }

  /** What a key does while a tree is shown, if anything. @returns {?(() => void)} */
  action(event) {
    const { viewer } = this, { key } = event, command = event.metaKey || event.ctrlKey;
    if (command && !event.getModifierState("AltGraph")) return null; // many keyboards write [ with AltGr
    if (!treeLayer(viewer.film.trace.steps[viewer.step], viewer.look)) return null;
    const { selected, tree, count } = this, cut = viewer.state.tree === "cut";
    if ((key === "[" || key === "]") && cut) return () => this.cutAt(count + (key === "]" ? 1 : -1));
    if (selected < 0) return null;
    return { p: () => selected < tree.root && this.select(tree.parent[selected]), Escape: () => this.select(-1) }[key];
  }

  /** Arrow keys on the dendrogram: to the parent, the larger child, or the other child of the parent. */
  walk(event) {
    const { selected, tree } = this, { parent, root, children } = tree;
    const [left, right] = selected >= 0 && selected < root ? children[parent[selected]] : [];
    const larger = childOf(tree, selected, true);
    const to = { ArrowUp: parent[selected], ArrowDown: larger, ArrowLeft: left, ArrowRight: right };
    if (!(event.key in to) || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (selected < 0) this.select(root);
    else if (to[event.key] >= 0) this.select(to[event.key]);
  }

  /** Pixels of the dendrogram's canvas. */
  at(event) {
    const { dendrogram: canvas } = this.refs, box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width,
      ((event.clientY - box.top) / box.height) * canvas.height];
  }

  down(event) {
    if (event.button > 0 || !this.drawn) return;
    const { dendrogram } = this.refs, [, Y] = this.at(event);
    try { dendrogram.setPointerCapture(event.pointerId); } catch { /* the pointer is gone already */ }
    this.held = { start: this.at(event), line: this.drawn.onLine(Y), moved: false };
  }

  move(event) {
    const [X, Y] = this.at(event), { held, drawn, refs: { dendrogram: { style } } } = this;
    if (!drawn) return;
    if (!held) style.cursor = drawn.onLine(Y) ? "ns-resize" : drawn.nodeAt(X, Y) >= 0 ? "pointer" : "";
    else if (held.moved || Math.hypot(X - held.start[0], Y - held.start[1]) > 3 * drawn.ratio) {
      held.moved = true;
      if (held.line) this.cutAt(regionsOfLine(drawn.toLine(Y), this.tree.n));
    }
  }

  up(event) {
    const { held, drawn } = this, node = held && !held.moved ? drawn.nodeAt(...this.at(event)) : -1;
    this.held = null;
    if (node >= 0) this.select(node);
  }

  update() {
    const { viewer: { state }, refs, layer } = this;
    refs.treeCard.hidden = !layer;
    if (!layer) return;
    for (const button of refs.treeWhat.children) {
      button.setAttribute("aria-pressed", String(state.tree === button.dataset.value));
    }
    const { count, tree } = this, cover = state.tree === "cover", shown = cover ? shownSet(layer, state).size : count;
    refs.regions.disabled = cover;
    refs.regions.value = placeOfRegions(count, tree.n);
    refs.regionsText.textContent = `${shown} ${shown === 1 ? "region" : "regions"}`;
    refs.regions.setAttribute("aria-valuetext", refs.regionsText.textContent);
    this.draw();
    this.updateNode();
  }

  draw() {
    const { viewer: { state, look }, refs: { dendrogram: canvas }, layer } = this, ratio = window.devicePixelRatio || 1;
    const W = Math.round(canvas.clientWidth * ratio), H = Math.round(canvas.clientHeight * ratio);
    if (!layer || !W || !H) return;
    if (canvas.width !== W || canvas.height !== H) Object.assign(canvas, { width: W, height: H });
    const { tree, count, selected } = this, ink = rgbOf(getComputedStyle(canvas).color);
    this.drawn = new Dendrogram({ tree, shown: shownSet(layer, state), regions: state.tree === "cover" ? null : count,
      selected, colours: look.colours, ink, accent: look.accent }, W, H, ratio);
    this.drawn.draw(canvas.getContext("2d"));
  }

  /** The selected node; its buttons stay, so that the focus does. */
  updateNode() {
    const { refs, viewer: { film: { trace }, look }, selected: i } = this;
    refs.nodeHint.hidden = i >= 0;
    refs.nodeCard.hidden = i < 0;
    if (i < 0) return;
    const { tree } = this, [larger, smaller] = [true, false].map((which) => childOf(tree, i, which));
    const to = { parent: tree.parent[i], larger, smaller };
    for (const button of refs.ways.querySelectorAll("[data-way]")) {
      const node = to[button.dataset.way];
      button.disabled = !(node >= 0);
      button.dataset.node = node;
    }
    const sign = JSON.stringify([trace.id, this.layer.uid, i, look.colours]);
    if (refs.nodeFacts.dataset.sign === sign) return;
    refs.nodeFacts.dataset.sign = sign;
    refs.nodeFacts.replaceChildren(...describeNode(tree, i, trace, look.colours));
  }
}
