// A grey square on the picture: the browser draws every frame; Python answers with the labels, one message in flight at
// most while it is dragged, and always one when it is let go.
import { make, refs, swatch } from "../viewer/dom.js";
import { readFrame } from "../viewer/payload.js";
import { registry } from "../viewer/registry.js";
import { css, labelTable } from "../viewer/palette.js";
import { Pane, Sheet } from "../drag/pane.js";
import { squareEdges, squareKeyed, squareWithin } from "./square.js";

const KEYS_JOIN = 250; // milliseconds in which further keys join the same release
const LOST = 3000; // milliseconds after which a message counts as lost
const LEAST = 0.005; // share of the picture that a class of the legend has

export class PatchView {
  constructor(root, key) {
    this.key = key;
    this.refs = refs(root);
    this.shows = "labels"; // or "changed", or "picture"
    this.square = null;
    this.flying = null; // {n, at}: the message that is not answered yet
    this.pane = new Pane(this.refs.box, this.refs.canvas, 1, () => this.request());
    this.listen();
    (registry().patches ??= new Map()).set(key, this);
  }

  destroy() {
    this.dead = true;
    cancelAnimationFrame(this.pending);
    for (const timer of [this.soon, this.late]) clearTimeout(timer);
    this.pane.destroy();
    this.bitmap?.close();
    if (registry().patches.get(this.key) === this) registry().patches.delete(this.key);
  }

  /** A call from Streamlit: a header, then the picture as a file, labels and changed cells. */
  receive(head, bytes, end, send) {
    const former = this.head, blobs = {};
    let at = end;
    for (const [name, length] of head.blobs) blobs[name] = bytes.slice(at, (at += length));
    Object.assign(this, { head, send });
    if (former?.image !== head.image) this.load(blobs.picture, head.image);
    if (former?.set !== head.set || former?.image !== head.image) this.square = { x: head.x, y: head.y, side: head.side };
    if (this.flying && head.n >= this.flying.n) this.flying = null;
    this.paint(blobs);
    this.update();
    this.request();
    this.refs.wrap.dataset.answered = head.n;
    if (this.unsent && !this.flying) this.tell(this.unsent === "done");
  }

  async load(file, image) {
    const bitmap = await createImageBitmap(new Blob([file]));
    if (this.dead || this.head.image !== image) { bitmap.close(); return; }
    this.bitmap?.close();
    this.bitmap = bitmap;
    this.request();
  }

  /** Labels and changed cells as two sheets of colour. */
  paint({ labels, changed }) {
    const { cells: [width, height], colours } = this.head, table = labelTable(colours, new Set());
    const same = this.all?.canvas.width === width && this.all.canvas.height === height;
    if (!same) Object.assign(this, { all: new Sheet(width, height), some: new Sheet(width, height) });
    for (let i = 0; i < labels.length; i++) {
      this.all.pixels[i] = table[labels[i]];
      this.some.pixels[i] = changed[i] ? table[labels[i]] : 0x66000000;
    }
    this.all.flush();
    this.some.flush();
  }

  listen() {
    const { box, square, side, shows } = this.refs;
    box.addEventListener("pointerdown", (e) => this.down(e));
    box.addEventListener("pointermove", (e) => { if (this.grip) this.move(e); });
    for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => this.up());
    square.addEventListener("keydown", (e) => this.onKey(e));
    side.addEventListener("input", () => this.take({ ...this.square, side: Number(side.value) }));
    side.addEventListener("change", () => this.tell(true));
    shows.addEventListener("click", (e) => { if (e.target.dataset.shows) this.show(e.target.dataset.shows); });
  }

  /** The place of a pointer in pixels of the picture. */
  at(event) {
    const [x, y] = this.pane.at(event);
    return [((x + 1) / 2) * this.head.width, ((y + 1) / 2) * this.head.height];
  }

  /** On the square it is dragged by where it was taken; elsewhere its middle jumps there first. */
  down(event) {
    if (event.button || !this.head) return;
    event.preventDefault();
    const [x, y] = this.at(event), own = event.target === this.refs.square;
    this.grip = own ? [x - this.square.x, y - this.square.y] : [0, 0];
    this.refs.box.setPointerCapture(event.pointerId);
    this.refs.box.classList.add("dragging");
    this.refs.square.focus({ preventScroll: true });
    this.move(event);
  }

  move(event) {
    const [x, y] = this.at(event);
    this.take({ ...this.square, x: x - this.grip[0], y: y - this.grip[1] });
  }

  up() {
    if (!this.grip) return;
    this.grip = null;
    this.refs.box.classList.remove("dragging");
    this.tell(true);
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const square = squareKeyed(this.square, event.key, event.shiftKey);
    if (!square) return;
    event.preventDefault();
    this.take(square);
    clearTimeout(this.soon);
    this.soon = setTimeout(() => { if (!this.dead) this.tell(true); }, KEYS_JOIN);
  }

  take(wanted) {
    const { width, height, most } = this.head, square = squareWithin(wanted, width, height, most), now = this.square;
    if (square.x === now.x && square.y === now.y && square.side === now.side) return;
    this.square = square;
    this.update();
    this.request();
    this.tell(false);
  }

  show(what) {
    this.shows = what;
    this.update();
    this.request();
  }

  /** Tell Python where the square is; while it has not answered the last message, remember that there is more. */
  tell(done) {
    if (this.flying && performance.now() - this.flying.at < LOST) {
      this.unsent = done || this.unsent === "done" ? "done" : "moving";
      clearTimeout(this.late);
      this.late = setTimeout(() => { if (!this.dead && this.unsent) this.tell(this.unsent === "done"); }, LOST);
      return;
    }
    this.unsent = null;
    this.lastTold = Math.max(Date.now(), (this.lastTold ?? 0) + 1);
    this.flying = { n: this.lastTold, at: performance.now() };
    this.send("moved", { image: this.head.image, ...this.square, done, n: this.lastTold });
  }

  /** Draw with the next frame. */
  request() { this.pending ||= requestAnimationFrame(() => this.render()); }

  render() {
    this.pending = 0;
    if (this.dead || !this.head || !this.bitmap) return;
    const context = this.pane.begin(), { width: W, height: H } = this.pane, { width, height, grey } = this.head;
    const [x0, y0, x1, y1] = squareEdges(this.square, width, height), sx = W / width, sy = H / height;
    context.imageSmoothingEnabled = true;
    context.drawImage(this.bitmap, 0, 0, W, H);
    context.fillStyle = css([grey, grey, grey]);
    context.fillRect(x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy);
    context.globalAlpha = this.shows === "changed" ? 0.8 : 0.45;
    if (this.shows !== "picture") (this.shows === "changed" ? this.some : this.all).draw(context, 0, 0, W, H);
    context.globalAlpha = 1;
    const { style } = this.refs.square;
    style.transform = `translate(${(x0 * sx).toFixed(2)}px, ${(y0 * sy).toFixed(2)}px)`;
    style.width = `${((x1 - x0) * sx).toFixed(2)}px`;
    style.height = `${((y1 - y0) * sy).toFixed(2)}px`;
    this.refs.wrap.dataset.ready = "true";
  }

  update() {
    const { wrap, square, side, sideText, place, shows, legend } = this.refs, { head, square: { x, y, side: long } } = this;
    wrap.style.setProperty("--shape", head.width / head.height);
    side.max = head.most;
    side.value = long;
    sideText.textContent = `${long} px`;
    place.textContent = `middle at (${x}, ${y})`;
    square.setAttribute("aria-label", `Grey square at ${x}, ${y}, side ${long} pixels. Arrow keys move it, [ and ] change its side.`);
    for (const button of shows.children) button.setAttribute("aria-pressed", button.dataset.shows === this.shows);
    const named = head.shares.map((share, k) => [share, k]).filter(([share]) => share >= LEAST).sort(([a], [b]) => b - a);
    legend.replaceChildren(...named.map(([share, k]) => make("span", {}, [swatch(css(head.colours[k])), head.classes[k],
      make("output", {}, `${(100 * share).toFixed(0)} %`)])));
  }
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  const { head, end } = readFrame(data), old = parentElement.patch;
  if (old && (old.key !== head.key || !old.refs.wrap.isConnected)) old.destroy();
  if (!old || old.dead) parentElement.patch = new PatchView(parentElement, head.key);
  parentElement.patch.receive(head, data, end, setStateValue);
  return () => parentElement.patch.destroy();
}
