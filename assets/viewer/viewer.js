// The viewer: one State, one Film, and the parts that show them. Looking stays here; only a pick goes to Python.
import { decodeTrace, readFrame } from "./payload.js";
import { Film, startsOn } from "./film.js";
import { hasTree } from "./tree.js";
import { defaults, parseState, recall, remember, stateText } from "./state.js";
import { registry } from "./registry.js";
import { joinIn, linked, onPage, share } from "./link.js";
import { refs, rgbOf, whenIdle } from "./dom.js";
import { Stage } from "./stage.js";
import { Wipe } from "./wipe.js";
import { Rail } from "./rail.js";
import { Words } from "./words.js";
import { fillsScreen } from "./screen.js";
import { Toolbar } from "./toolbar.js";
import { Panel } from "./panel.js";
import { Brush } from "./brush.js";
import { listenToKeys } from "./keys.js";
import { className, percent } from "./reading.js";

const PANEL_WAIT = 500; // milliseconds in which a panel in another column may come before the viewer draws its own

export class Viewer {
  constructor(root, key) {
    this.key = key;
    this.refs = refs(root);
    this.film = null;
    this.version = 0;
    this.link = ""; // viewers of the same link step together
    this.state = { ...defaults(), ...recall(key) };
    this.wipe = new Wipe(this);
    this.rail = new Rail(this);
    this.words = new Words(this);
    this.toolbar = new Toolbar(this);
    this.brush = new Brush(this);
    this.stage = new Stage(this);
    this.panel = new Panel(this);
    this.dropKeys = listenToKeys(this);
    registry().viewers.set(key, this);
    this.panelTimer = setTimeout(() => { this.waited = true; this.placePanel(); }, PANEL_WAIT);
    this.placePanel();
  }

  /**
   * Look as the `view` parameter of the page's address says. It is for the first viewer of the page, and used once for
   * each text so that later looking is not undone. @returns {boolean}
   */
  takeAddress() {
    const text = new URLSearchParams(location.search).get("view") ?? "", sign = `${this.key} ${text}`;
    if (!text || registry().seen.has(sign)) return false;
    registry().seen.add(sign);
    if (onPage(this)[0] !== this) return false;
    Object.assign(this.state, parseState(text));
    return true;
  }

  destroy() {
    remember(this.key, this.state);
    this.dead = true;
    clearTimeout(this.panelTimer);
    clearTimeout(this.saveTimer);
    cancelAnimationFrame(this.frame);
    this.stopWarming?.();
    this.dropKeys();
    for (const part of [this.stage, this.rail, this.toolbar, this.panel]) part.destroy();
    if (registry().viewers.get(this.key) === this) registry().viewers.delete(this.key);
  }

  /** A call from Streamlit: the same trace again (a rerun, a new theme), or another one. */
  receive(mount, data, end, send) {
    this.send = send;
    this.picks = mount.picks;
    this.link = mount.link;
    this.wordy = mount.words;
    this.rows = mount.rows; // what a click on a row of a step's table does, in words; "" where it does nothing
    if (mount.id === this.id) {
      if (!this.film) return;
      this.follow(mount);
      this.brush.accept(mount.brush, this.film.trace);
      this.refresh();
      return;
    }
    this.id = mount.id;
    const trace = decodeTrace(data, end);
    this.refs.wrap.style.setProperty("--ratio", trace.height / trace.width);
    new Film(trace).load().then((film) => { if (!this.dead && this.id === mount.id) this.accept(film, mount); })
      .catch((error) => { this.fail(error); });
  }

  fail(error) {
    this.id = null;
    this.refs.wait.hidden = false;
    this.refs.wait.textContent = `The picture could not be shown: ${error.message}`;
  }

  /** Show a film whose pictures are decoded; until now the former one stood. */
  accept(film, mount) {
    const { start, brush, begin } = mount;
    const leads = !this.film && this.takeAddress();
    this.film = film;
    if (!leads) joinIn(this);
    if (this.state.step < 0) {
      Object.assign(this.state, leads ? {} : parseState(begin), { step: start ?? film.trace.steps.length - 1 });
    }
    this.rail.stop();
    this.panel.forget();
    this.panel.treeCard.accept(film);
    this.brush.accept(brush, film.trace);
    this.stage.accept();
    this.follow(mount);
    this.rail.build();
    this.words.build();
    this.refs.wait.hidden = true;
    this.refs.wrap.dataset.trace = film.trace.id;
    this.refresh();
    share(this, this.state);
    this.refs.wrap.dataset.ready = "true";
  }

  /** Go to the step that Python names, and to a box of the picture, once for each n. */
  follow({ go, zoom }) {
    const sign = go && `${this.key} go ${go[1]}`;
    if (!go || registry().seen.has(sign)) return;
    registry().seen.add(sign);
    Object.assign(this.state, { step: go[0], right: "", wipe: false }); // all of it is to be seen
    if (zoom) this.stage.zoomTo(zoom);
  }

  /** Index of the step shown: the one remembered, or the last where there are fewer. */
  get step() { return Math.max(0, Math.min(this.state.step, this.film.trace.steps.length - 1)); }

  /** Index of the last step of the longest of the viewers that are linked. */
  get last() { return Math.max(...linked(this).map(({ film }) => film.trace.steps.length - 1)); }

  /** Index of the step that the linked viewers are at; those with fewer steps show their last one. */
  get wanted() { return Math.max(0, Math.min(this.state.step, this.last)); }

  get full() { return fillsScreen(this.refs.wrap); }

  /** The viewers that step together with the first one of the page, from its top to its end. @returns {Viewer[]} */
  together() {
    const group = linked(onPage(this)[0]);
    return onPage(this).filter((viewer) => group.includes(viewer));
  }

  show(step) {
    const to = Math.max(0, Math.min(step, this.last));
    if (to !== this.state.step) this.set({ step: to, right: "" });
  }

  /** Change what is looked at, here and in linked viewers. `later` waits for the next frame, as a drag wants. */
  set(patch, options) {
    this.take(patch, options);
    if (this.film) share(this, patch, options);
  }

  /** Change what is looked at here. */
  take(patch, { later = false } = {}) {
    Object.assign(this.state, patch);
    if (!this.film) return;
    if (later) this.requestDraw(true);
    else this.refresh();
  }

  refresh() {
    const { wrap } = this.refs;
    this.version++;
    this.look = this.makeLook();
    this.draw();
    this.rail.update();
    this.words.update();
    this.toolbar.update();
    if (Number(wrap.dataset.step) !== this.step) wrap.dataset.step = this.step;
    this.scheduleReading();
    cancelAnimationFrame(this.slowFrame);
    this.slowFrame = requestAnimationFrame(() => setTimeout(() => this.afterPaint()));
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => remember(this.key, this.state), 150);
  }

  /** What may follow the picture by a frame: panel, words for those who listen, frames of the other steps. */
  afterPaint() {
    if (this.dead) return;
    this.rail.reveal();
    this.panel.update();
    this.describe();
    this.warm();
  }

  makeLook() {
    const { state, film } = this, { classes, palettes } = film.trace, hidden = new Set(state.hidden);
    const { smooth, opacity, mode, view, threshold, palette, layers, cls, tree, regions } = state;
    const accent = this.accent(), named = classes.indexOf(cls);
    const all = JSON.stringify([smooth, opacity, mode, view, threshold, palette, layers, state.hidden, cls, accent]);
    return {
      signOf: (step) => (hasTree(step) ? `${all} ${tree} ${regions}` : all),
      smooth, opacity, mode, view, threshold, accent, tree, regions,
      cls: named >= 0 ? named : film.mainClass(state),
      colours: palettes[palette],
      hidden: new Set(classes.flatMap((name, i) => (hidden.has(name) ? [i] : []))),
      on: (step, layer) => state.layers[layer.name] ?? startsOn(step, layer),
    };
  }

  /** The theme's primary colour. @returns {number[]} */
  accent() {
    return rgbOf(getComputedStyle(this.refs.wrap).getPropertyValue("--st-primary-color") || "#d6336c");
  }

  draw() {
    if (!this.film || !this.look) return;
    this.stage.draw();
    this.wipe.place();
  }

  requestDraw(whole = false) {
    this.whole ||= whole;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (this.dead) return;
      if (this.whole) this.refresh();
      else this.draw();
      this.whole = false;
    });
  }

  /** Show what is read at the cursor with the next frame. */
  scheduleReading() {
    this.readFrame ||= requestAnimationFrame(() => {
      this.readFrame = 0;
      if (this.dead || !this.film) return;
      const { cursor } = this.stage, cells = this.stage.reading()?.cells ?? [];
      const sign = JSON.stringify([cells.map((c) => [c.layer.uid, c.row, c.column]), cursor?.keys && cursor]);
      if (sign !== this.cursorSign) this.draw();
      this.cursorSign = sign;
      this.stage.showTip();
      this.panel.updatePixel();
    });
  }

  describe() {
    const step = this.film.trace.steps[this.step], shares = this.panel.legend.shares(step).slice(0, 3);
    const most = shares.map(([k, share]) => `${className(this.film.trace, k)} ${percent(share)}`).join(", ");
    const words = `${step.title}. ${step.sentence}`;
    this.refs.canvas.setAttribute("aria-label", words + (most ? ` Largest classes: ${most}.` : ""));
    if (this.refs.live.textContent !== words) this.refs.live.textContent = words;
  }

  /** In idle time: the frames and thumbnails of all steps, the nearest first, so that stepping only copies. */
  warm() {
    this.stopWarming?.();
    const { steps } = this.film.trace;
    const order = steps.map((_, i) => i).sort((a, b) => Math.abs(a - this.step) - Math.abs(b - this.step));
    const work = () => {
      if (this.dead || !order.length) return;
      const i = order.shift();
      this.stage.frame({ step: i });
      this.rail.thumb(i);
      this.stopWarming = whenIdle(work);
    };
    this.stopWarming = whenIdle(work);
  }

  /** Put the panel in the column that lends a place, else under the picture. */
  placePanel() {
    const place = registry().panels.get(this.key) ?? (this.waited ? this.refs.below : null);
    if (place && this.panel.element.parentNode !== place) place.append(this.panel.element);
  }

  pickCursor() {
    const { cursor } = this.stage;
    if (cursor) this.pick(cursor.x + 0.5, cursor.y + 0.5);
  }

  /** A place in image pixels: a dab of the brush, else a region where a tree is shown, else Python is told. */
  pick(x, y) {
    if (this.brush.on) this.brush.dab({ x, y });
    else if (this.panel.treeCard.pick(this.film.trace.steps[this.stage.sideAt(x).step], x, y)) return;
    else if (this.picks) this.tell("pick", { x, y, step: this.step, image: this.film.trace.image_id });
  }

  /** A row of the table of the step that is shown. */
  chooseRow(row) {
    this.tell("row", { row, step: this.step, image: this.film.trace.image_id });
  }

  /** Tell Python: a pick, a painting or a row, each with an n that grows; nothing else is ever sent. */
  tell(name, message) {
    this.lastTold = Math.max(Date.now(), (this.lastTold ?? 0) + 1);
    this.send(name, { ...message, n: this.lastTold });
  }

  stateText() { return stateText(this.film ? { ...this.state, step: this.step } : this.state); }
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  const { head, end } = readFrame(data);
  const old = parentElement.viewer;
  if (old && (old.key !== head.key || !old.refs.wrap.isConnected)) old.destroy();
  if (!old || old.dead) parentElement.viewer = new Viewer(parentElement, head.key);
  const viewer = parentElement.viewer;
  try {
    viewer.receive(head, data, end, setStateValue);
  } catch (error) {
    viewer.fail(error);
  }
  return () => viewer.destroy();
}
