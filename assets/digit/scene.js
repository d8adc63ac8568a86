// The network's input with the transformer's grid on it, the digit's handles and the distractors; or the pad to draw on.
import { make } from "../viewer/dom.js";
import { Pane, Sheet } from "../drag/pane.js";
import { DIGIT, PIECE, UPRIGHT, inkTransform, placingDragged, placingHandleAt, placingHandles, placingMoved } from "./placing.js";
import { placeOfPoint } from "../drag/families.js";

const ROOM = { pose28: 1.3, pose: 1.08, corners: 1.25, points: 1.25 }; // how far the pane shows beyond the canvas
const NUDGES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const EDGE = 9; // pixels of the screen that a handle keeps from the pane's edge
const INNER = 20; // pixels that the longer side of MNIST's digits fills
const FRAME = [[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]];

/** Grey levels into 32-bit pixels. */
export function greyInto(pixels, levels) {
  for (let i = 0; i < levels.length; i++) pixels[i] = 0xff000000 | (levels[i] << 16) | (levels[i] << 8) | levels[i];
}

export class Scene {
  /** @param {import("./digit.js").Digit} owner */
  constructor(owner) {
    const { inputBox, input, handles } = owner.refs;
    this.owner = owner;
    this.layer = handles;
    this.pane = new Pane(inputBox, input, 1, () => owner.request());
    this.buttons = new Map();
    this.pieces = [];
    this.grip = null; // what is dragged: (place, event) => void
    this.pad = new Sheet(DIGIT, DIGIT);
    inputBox.addEventListener("pointerdown", (e) => this.downOnPane(e));
    inputBox.addEventListener("pointermove", (e) => { if (this.grip) this.grip(this.pane.at(e), e); });
    for (const name of ["pointerup", "pointercancel"]) inputBox.addEventListener(name, () => this.up());
  }

  destroy() { this.pane.destroy(); }

  /** Another task has another canvas, other handles, and distractors or none. */
  build({ kind, size }, pieces) {
    this.canvas = { kind, size };
    this.sheet = new Sheet(size, size);
    this.buttons = new Map(placingHandles(kind).map((handle) => {
      const label = handle.kind === "centre" ? "Digit" : handle.label;
      const button = make("button", { type: "button", class: `handle ${handle.kind}`, "data-handle": handle.id,
        "aria-label": `${label}. Arrow keys move it.`, title: label });
      button.addEventListener("pointerdown", (e) => this.downOnHandle(e, handle));
      button.addEventListener("keydown", (e) => this.nudge(e, (by) => this.nudgeHandle(handle, by)));
      return [handle, button];
    }));
    this.pieces = Array.from({ length: pieces }, (_, k) => {
      const button = make("button", { type: "button", class: "piece", "data-piece": k, title: "Distractor",
        "aria-label": `Distractor ${k + 1} of ${pieces}. Arrow keys move it.` });
      button.addEventListener("pointerdown", (e) => this.downOnPiece(e, k));
      button.addEventListener("keydown", (e) => this.nudge(e, ([x, y]) => this.movePiece(k, this.owner.state.places[k], x, y)));
      return button;
    });
    this.layer.replaceChildren(...this.pieces, ...this.buttons.values());
  }

  take(event, grip) {
    if (event.button) return;
    event.stopPropagation();
    this.grip = grip;
    this.pane.box.setPointerCapture(event.pointerId);
    this.pane.box.classList.add("dragging");
  }

  up() {
    if (!this.grip) return;
    this.grip = null;
    this.last = null;
    this.pane.box.classList.remove("dragging");
    this.owner.commit();
  }

  downOnPane(event) {
    const { owner } = this;
    if (event.target !== this.pane.canvas || owner.mode === "film") return;
    if (owner.mode === "draw") {
      this.take(event, (place) => this.strokeTo(place));
      this.strokeTo(this.pane.at(event));
    } else if (event.pointerType === "mouse") {
      const { numbers } = owner.state, at = this.pane.at(event);
      this.take(event, (now) => owner.place(placingMoved(this.canvas, numbers, [now[0] - at[0], now[1] - at[1]])));
    }
  }

  strokeTo(place) {
    const at = place.map((v) => ((v + 1) / 2) * DIGIT);
    this.owner.drawing.stroke(this.last ?? at, at);
    this.last = at;
  }

  downOnHandle(event, handle) {
    const { owner, canvas } = this, { numbers } = owner.state, at = this.pane.at(event);
    const from = placingHandleAt(canvas, numbers, handle);
    this.take(event, (now, e) => {
      const to = [from[0] + now[0] - at[0], from[1] + now[1] - at[1]];
      owner.place(placingDragged(canvas, numbers, handle, from, to, e.shiftKey));
    });
  }

  downOnPiece(event, k) {
    const from = this.owner.state.places[k], at = this.pane.at(event), half = this.canvas.size / 2;
    this.take(event, (now) => this.movePiece(k, from, Math.round((now[0] - at[0]) * half), Math.round((now[1] - at[1]) * half)));
  }

  movePiece(k, [left, top], dx, dy) {
    const most = this.canvas.size - PIECE, within = (v) => Math.min(most, Math.max(0, v));
    this.owner.placePiece(k, [within(left + dx), within(top + dy)]);
  }

  /** Arrow keys move by a pixel of the canvas, with Shift by five. */
  nudge(event, act) {
    const arrow = NUDGES[event.key];
    if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(arrow.map((v) => v * (event.shiftKey ? 5 : 1)));
    this.owner.commitSoon();
  }

  nudgeHandle(handle, [x, y]) {
    const { canvas, owner } = this, { numbers } = owner.state;
    if (handle.kind === "rotation") return owner.turn(-(x + y), 1);
    const from = placingHandleAt(canvas, numbers, handle), step = 2 / canvas.size;
    return owner.place(placingDragged(canvas, numbers, handle, from, [from[0] + x * step, from[1] + y * step]));
  }

  /** @param {Uint8Array} levels of the canvas @param {?import("./frames.js").Frame} frame whose grid is drawn */
  draw(levels, frame) {
    const { pane, owner, canvas } = this, { mode } = owner;
    pane.reach = mode === "draw" ? 1 : ROOM[canvas.kind + canvas.size] ?? ROOM[canvas.kind];
    const context = pane.begin(), [x0, y0] = pane.toScreen([-1, -1]), [x1, y1] = pane.toScreen([1, 1]);
    const sheet = mode === "draw" ? this.pad : this.sheet;
    greyInto(sheet.pixels, mode === "draw" ? owner.drawing.pad.bytes() : levels);
    sheet.flush();
    context.fillStyle = owner.colours.wash;
    context.fillRect(0, 0, pane.width, pane.height);
    sheet.draw(context, x0, y0, x1 - x0, y1 - y0);
    this.layer.hidden = mode !== "place";
    if (mode === "draw") {
      this.line(context, FRAME.map(([x, y]) => [(x * INNER) / DIGIT, (y * INNER) / DIGIT]), "rgba(255, 255, 255, 0.35)", 1, [4, 4]);
      if (owner.drawing.pad.blank) this.write(context, "Draw a digit here");
      return;
    }
    if (mode === "place") this.line(context, this.edge(), "rgba(255, 255, 255, 0.5)", 1.2, [5, 4]);
    if (frame) this.drawGrid(context, frame);
    if (mode === "place") this.placeHandles();
  }

  /** The edge of the digit's own 28 x 28 pixels, where it is bent only its corners. */
  edge() {
    const { numbers } = this.owner.state;
    if (this.canvas.kind === "points") return [0, 3, 15, 12, 0].map((k) => numbers.slice(2 * k, 2 * k + 2));
    const transform = inkTransform(this.canvas, numbers);
    return FRAME.map((corner) => placeOfPoint(transform, ...corner));
  }

  drawGrid(context, { lattice, outline }) {
    const n = Math.sqrt(lattice.length / 2), at = (values, i) => this.fromPixels([values[2 * i], values[2 * i + 1]]);
    const { accent } = this.owner.colours;
    for (let i = 0; i < n; i++) {
      for (const step of [1, n]) {
        const start = step === 1 ? i * n : i;
        this.line(context, Array.from({ length: n }, (_, k) => at(lattice, start + k * step)), "rgba(90, 200, 250, 0.65)", 1);
      }
    }
    const edge = Array.from({ length: outline.length / 2 }, (_, i) => at(outline, i)), side = (edge.length - 1) / 4;
    this.line(context, edge, "rgba(0, 0, 0, 0.7)", 5);
    this.line(context, edge, "rgb(90, 200, 250)", 2.5);
    this.line(context, edge.slice(0, side + 1), accent, 4);
  }

  fromPixels([x, y]) {
    const { size } = this.canvas;
    return [(2 * x) / size - 1, (2 * y) / size - 1];
  }

  line(context, places, colour, width, dashes = []) {
    const path = new Path2D();
    places.forEach((place, i) => path[i ? "lineTo" : "moveTo"](...this.pane.toScreen(place)));
    Object.assign(context, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
    context.setLineDash(dashes);
    context.stroke(path);
    context.setLineDash([]);
  }

  /** Words in the middle of the pane. */
  write(context, words) {
    Object.assign(context, { fillStyle: "rgba(255, 255, 255, 0.75)", textAlign: "center", textBaseline: "middle" });
    context.font = `${Math.round(this.pane.width / 18)}px sans-serif`;
    context.fillText(words, this.pane.width / 2, this.pane.height / 2);
  }

  placeHandles() {
    const { pane, canvas, owner: { state } } = this;
    for (const [handle, button] of this.buttons) {
      const [x, y] = pane.toScreen(placingHandleAt(canvas, state.numbers, handle));
      const X = Math.min(Math.max(x, EDGE), pane.width - EDGE), Y = Math.min(Math.max(y, EDGE), pane.height - EDGE);
      button.style.transform = `translate(${X.toFixed(2)}px, ${Y.toFixed(2)}px)`;
      button.classList.toggle("away", X !== x || Y !== y);
    }
    this.pieces.forEach((button, k) => {
      const place = state.places[k], [x, y] = pane.toScreen(this.fromPixels(place));
      const [X, Y] = pane.toScreen(this.fromPixels(place.map((v) => v + PIECE)));
      Object.assign(button.style, { transform: `translate(${x}px, ${y}px)`, width: `${X - x}px`, height: `${Y - y}px` });
    });
  }
}

/** Is a placement the one that changes nothing? */
export const isUpright = (kind, numbers) => numbers.every((value, i) => value === UPRIGHT[kind][i]);
