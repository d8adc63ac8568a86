// The drag component: theta, the two pictures that it makes, and the parts that change it. Every frame is drawn here;
// only when something is let go a message with theta goes to Python, whose own picture is then compared with ours.
import { refs, rgbOf } from "../viewer/dom.js";
import { readFrame } from "../viewer/payload.js";
import { registry } from "../viewer/registry.js";
import { offerScreen } from "../viewer/screen.js";
import { IDENTITY, fault, splineSystem } from "./families.js";
import { explain, fromPixel, largestDifference, sample, toPixel, toPixels } from "./sampling.js";
import { landing } from "./forward.js";
import { History } from "./history.js";
import { InputPane } from "./input.js";
import { OutputPane } from "./output.js";
import { Matrix } from "./matrix.js";
import { Play } from "./play.js";
import { Card } from "./card.js";
import { Arrow } from "./arrow.js";

const SOON = 300; // milliseconds in which further keys join the same message
const percentOf = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
const sameTheta = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

export class Drag {
  constructor(root, key) {
    this.key = key;
    this.refs = refs(root);
    this.look = { outside: false, folds: false, density: 12, forward: false, ...this.recalled() };
    this.transform = null; // {family, theta, system}: what is shown
    this.hovered = null; // a pixel of the output, in forward mapping of the input
    this.input = new InputPane(this);
    this.output = new OutputPane(this);
    this.matrix = new Matrix(this);
    this.play = new Play(this);
    this.card = new Card(this);
    this.arrow = new Arrow(this.refs.arrow);
    this.listen();
    this.dropScreen = offerScreen(this.refs.wrap, this.refs, this.refs.output);
    (registry().drags ??= new Map()).set(key, this);
  }

  destroy() {
    this.dead = true;
    this.dropScreen();
    this.play.stop();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.soon);
    this.input.destroy();
    this.output.destroy();
    if (registry().drags.get(this.key) === this) registry().drags.delete(this.key);
  }

  get forward() { return this.look.forward; }
  get density() { return this.look.density; }
  get geometry() { return { aspect: this.picture.height / this.picture.width }; }

  get colours() {
    const style = getComputedStyle(this.refs.wrap), named = (name, other) => style.getPropertyValue(name).trim() || other;
    return { accent: named("--st-primary-color", "#c8325f"), wash: `rgb(${rgbOf(named("--st-secondary-background-color", "#eee"))})` };
  }

  /** A call from Streamlit: its bytes are a header, the picture, its own output and, where asked for, its pushed one. */
  receive(head, bytes, end, send) {
    const blobs = head.blobs.map((length, i) => {
      const from = end + head.blobs.slice(0, i).reduce((a, b) => a + b, 0);
      return bytes.slice(from, from + length);
    });
    const former = this.head;
    this.head = head;
    this.send = send;
    this.sampling = { mode: head.mode, padding: head.padding, align: head.align };
    if (former?.image !== head.image) this.picture = { width: head.width, height: head.height, pixels: toPixels(blobs[0]) };
    const changed = (...names) => !former || names.some((name) => former[name] !== head[name]);
    if (changed("image", "align")) this.output.build(this.picture, head.align);
    if (changed("image", "padding", "align")) this.input.makeSurroundings();
    this.takeTransform(head, changed);
    this.answer = { theta: head.theta, rgb: blobs[1], pushed: blobs[2] };
    this.refs.pair.style.setProperty("--ratio", head.height / head.width);
    this.refs.pair.classList.toggle("wide", head.height / head.width < 0.42);
    this.play.build(head.presets);
    this.updateBar();
    this.request({ afresh: true, now: true });
    this.compare();
    this.refs.wrap.dataset.ready = "true";
    if (this.forward && !this.answer.pushed) this.tell();
  }

  /** Python's theta counts where it says so by another `set`; else what the hand did last stays. */
  takeTransform(head, changed) {
    const system = head.family === "tps" ? (changed("family", "lambda") ? splineSystem(head.lambda) : this.transform.system) : null;
    const fresh = this.set !== head.set, theta = fresh || changed("family") ? head.theta : this.transform.theta;
    this.transform = { family: head.family, theta, system };
    if (changed("family")) {
      this.history = new History(theta);
      this.input.build(head.family);
      this.matrix.build(head.family);
    } else if (fresh) this.history.push(theta);
    if (fresh) this.play.stop();
    this.set = head.set;
  }

  listen() {
    const { wrap, undo, redo, reset, mapping, outside, folds, density } = this.refs;
    undo.addEventListener("click", () => this.travel(-1));
    redo.addEventListener("click", () => this.travel(1));
    reset.addEventListener("click", () => this.play.glide(IDENTITY[this.head.family]));
    mapping.addEventListener("click", (e) => { if (e.target.dataset.map) this.setLook({ forward: e.target.dataset.map === "forward" }); });
    outside.addEventListener("change", () => this.setLook({ outside: outside.checked }));
    folds.addEventListener("change", () => this.setLook({ folds: folds.checked }));
    density.addEventListener("input", () => this.setLook({ density: Number(density.value) }));
    wrap.addEventListener("keydown", (e) => this.press(e));
  }

  press(event) {
    const typing = event.target.matches?.("input[type=text], select"), control = event.ctrlKey || event.metaKey, { key } = event;
    const act = control && key.toLowerCase() === "z" ? () => this.travel(event.shiftKey ? 1 : -1)
      : control && key.toLowerCase() === "y" ? () => this.travel(1)
        : !control && !event.altKey && !typing && key.toLowerCase() === "r" ? () => this.play.glide(IDENTITY[this.head.family]) : null;
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  setLook(patch) {
    Object.assign(this.look, patch);
    this.remember();
    if ("forward" in patch) {
      this.hover(null);
      this.compare();
      if (this.forward && !this.answer.pushed) this.tell();
    }
    this.updateBar();
    this.request();
  }

  recalled() {
    try { return JSON.parse(sessionStorage.getItem(`saccade drag ${this.key}`)) ?? {}; } catch { return {}; }
  }

  remember() {
    try { sessionStorage.setItem(`saccade drag ${this.key}`, JSON.stringify(this.look)); } catch { /* private windows */ }
  }

  /** theta that a hand wants: where it cannot be, the last good one stays and a sentence says why. */
  take(theta) {
    if (!theta) return;
    const wrong = fault(this.transform.family, theta);
    this.say(wrong && `${wrong} The last good grid stays.`);
    if (!wrong) this.show(theta);
  }

  /** Show theta with the next frame. */
  show(theta) {
    this.transform = { ...this.transform, theta };
    this.request();
  }

  /** The hand let go: one more state to come back to, and Python is told. */
  commit() {
    clearTimeout(this.soon);
    const { family, theta } = this.transform;
    if (sameTheta(theta, this.history.now)) return;
    if (fault(family, theta)) {
      this.take(theta);
      this.show(this.history.now);
      return;
    }
    this.history.push(theta);
    this.settle();
  }

  commitSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => { if (!this.dead) this.commit(); }, SOON);
  }

  travel(step) {
    this.play.stop();
    this.commit();
    const before = this.history.at;
    this.show(this.history.go(step));
    this.say("");
    if (this.history.at !== before) this.settle();
  }

  settle() {
    this.updateBar();
    this.request({ afresh: true });
    this.tell();
  }

  stopPlaying() { if (this.play.frame) this.play.end(); }

  tell() {
    this.lastTold = Math.max(Date.now(), (this.lastTold ?? 0) + 1);
    this.send("released", { family: this.transform.family, theta: this.transform.theta, forward: this.forward, n: this.lastTold });
    this.compare();
  }

  /** Python's picture against ours, once it is about the same theta. */
  compare() {
    const { answer, transform, refs: { agree } } = this;
    if (!sameTheta(answer.theta, transform.theta)) {
      agree.textContent = "Python is asked ...";
      agree.dataset.difference = "";
      return;
    }
    const ours = new Uint32Array(this.output.seen.length);
    sample(this.picture, this.output.points.follow(transform, true), ours, this.sampling);
    const most = largestDifference(ours, answer.rgb);
    agree.dataset.difference = most;
    agree.textContent = `Python ${most <= 1 ? "agrees" : "differs"}: largest difference ${most} grey level${most === 1 ? "" : "s"}`;
  }

  /** Python's pushed picture into `out`, for a spline, which has no inverse in closed form; of another theta it stays. */
  takePushed(out) {
    const { theta, pushed } = this.answer;
    this.waits = !pushed || !sameTheta(theta, this.transform.theta);
    if (this.waits) return;
    toPixels(pushed.subarray(0, 3 * out.length)).forEach((p, i) => { out[i] = pushed[3 * out.length + i] ? p : 0; });
  }

  /** Draw with the next frame, or now. `afresh`: keep nothing of former frames. */
  request({ afresh = false, now = false } = {}) {
    this.afresh ||= afresh;
    if (!this.transform) return;
    if (now) this.render();
    else this.frame ||= requestAnimationFrame(() => this.render());
  }

  render() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.dead) return;
    this.output.compute(this.afresh);
    this.afresh = false;
    this.explainHovered();
    this.input.draw(this.explained);
    this.output.draw();
    this.matrix.show(this.transform.theta);
    this.play.update(this.transform.theta);
    this.updateStatus();
    if (!sameTheta(this.transform.theta, this.answer.theta) && this.refs.agree.dataset.difference) this.compare();
  }

  hoverOutput(pixel) { if (!this.forward) this.hover(pixel); }

  hoverInput(place) {
    if (!this.forward) return;
    const { width, height } = this.picture, { align } = this.sampling;
    const x = place && Math.round(toPixel(place[0], width, align)), y = place && Math.round(toPixel(place[1], height, align));
    this.hover(place && x >= 0 && y >= 0 && x < width && y < height ? { x, y } : null);
  }

  hover(pixel) {
    this.hovered = pixel;
    this.request();
  }

  /** What the card, the arrow and the marks say of the hovered pixel. */
  explainHovered() {
    this.explained = this.landed = null;
    const { hovered, picture } = this;
    if (!hovered) {
      this.card.clear();
      this.arrow.show(null, null);
    } else if (this.forward) this.explainLanding(hovered);
    else {
      const i = 2 * (hovered.y * picture.width + hovered.x), place = Array.from(this.output.grid.subarray(i, i + 2));
      this.explained = explain(picture, ...place, this.sampling);
      this.card.show(hovered, place, this.explained);
      this.arrow.show(this.output.clientOf(hovered), this.input.clientOf(place));
    }
  }

  explainLanding({ x, y }) {
    const { picture: { width, height }, sampling: { align }, transform } = this;
    const from = [fromPixel(x, width, align), fromPixel(y, height, align)];
    const to = transform.family === "tps" ? this.output.nearest(from) : landing(transform, ...from);
    if (to) {
      const at = { x: Math.round(toPixel(to[0], width, align)), y: Math.round(toPixel(to[1], height, align)) };
      this.landed = at.x >= 0 && at.y >= 0 && at.x < width && at.y < height ? at : null;
    }
    this.explained = { neighbours: [{ x, y, weight: 0.5 }] };
    this.card.showLanding({ x, y }, to, this.landed);
    this.arrow.show(this.input.clientOf(from), this.landed && this.output.clientOf(this.landed));
  }

  say(words) {
    const { said } = this.refs;
    if (said.textContent !== words) said.textContent = words;
  }

  updateBar() {
    const { undo, redo, mapping, outside, folds, density } = this.refs, { look } = this;
    undo.disabled = !this.history.canUndo;
    redo.disabled = !this.history.canRedo;
    for (const button of mapping.children) button.setAttribute("aria-pressed", (button.dataset.map === "forward") === look.forward);
    Object.assign(outside, { checked: look.outside, disabled: look.forward });
    Object.assign(folds, { checked: look.folds, disabled: look.forward });
    density.value = look.density;
    this.refs.wrap.classList.toggle("forward", look.forward);
  }

  updateStatus() {
    const { outsideShare, foldsShare, holesText, wrap } = this.refs, { shares, forward, look } = this;
    outsideShare.textContent = look.outside && !forward ? percentOf(shares.outside) : "";
    foldsShare.textContent = look.folds && !forward ? percentOf(shares.folds) : "";
    holesText.hidden = !forward;
    if (!forward) return;
    const count = this.picture.width * this.picture.height;
    wrap.dataset.holes = this.waits && this.transform.family === "tps" ? "" : this.holes;
    holesText.lastChild.textContent = wrap.dataset.holes === "" ? "holes are counted on release"
      : `${this.holes.toLocaleString("en")} holes, ${percentOf(this.holes / count)}`;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  const { head, end } = readFrame(data), old = parentElement.drag;
  if (old && (old.key !== head.key || !old.refs.wrap.isConnected)) old.destroy();
  if (!old || old.dead) parentElement.drag = new Drag(parentElement, head.key);
  parentElement.drag.receive(head, data, end, setStateValue);
  return () => parentElement.drag.destroy();
}
