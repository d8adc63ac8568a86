// The input with the sampling grid on it, and its handles, which are dragged or moved by the arrow keys.
import { make } from "../viewer/dom.js";
import { Pane, Sheet } from "./pane.js";
import { Points } from "./families.js";
import { HANDLES, dragged, handlePlace, turned } from "./handles.js";
import { fromPixel, sample } from "./sampling.js";

export const REACH = 1.25; // how far the pane shows beyond the picture
const SEGMENTS = 48; // of a line of the grid
const DIMMED = 0.55; // how much of the surroundings is covered
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Output points (N, 2) flat of the lines of a grid of so many cells, SEGMENTS + 1 for each line. */
export function gridLines(cells) {
  const out = [];
  for (let i = 0; i <= cells; i++) {
    for (const upright of [false, true]) {
      for (let k = 0; k <= SEGMENTS; k++) {
        const fixed = (2 * i) / cells - 1, runs = (2 * k) / SEGMENTS - 1;
        out.push(...(upright ? [fixed, runs] : [runs, fixed]));
      }
    }
  }
  return Float64Array.from(out);
}

export class InputPane {
  /** @param {import("./drag.js").Drag} owner */
  constructor(owner) {
    const { inputBox, input, handles } = owner.refs;
    this.owner = owner;
    this.pane = new Pane(inputBox, input, REACH, () => owner.request());
    this.layer = handles;
    this.buttons = new Map();
    this.lines = null;
    this.grip = null; // what is dragged
    this.listen(inputBox);
  }

  destroy() { this.pane.destroy(); }

  /** Another family has other handles. */
  build(family) {
    this.buttons = new Map(HANDLES[family].map((handle) => {
      const button = make("button", { type: "button", class: `handle ${handle.kind}`, "data-handle": handle.id,
        "aria-label": `${handle.label}. Arrow keys move it.`, title: handle.label });
      button.addEventListener("pointerdown", (e) => this.down(e, handle));
      button.addEventListener("keydown", (e) => this.key(e, handle));
      return [handle, button];
    }));
    this.layer.replaceChildren(...this.buttons.values());
  }

  listen(box) {
    box.addEventListener("pointerdown", (e) => {
      const centre = HANDLES[this.owner.transform.family].find(({ kind }) => kind === "centre");
      if (centre && e.pointerType === "mouse" && e.target === this.pane.canvas) this.down(e, centre);
    });
    box.addEventListener("pointermove", (e) => (this.grip ? this.move(e) : this.owner.hoverInput(this.pane.at(e))));
    box.addEventListener("pointerleave", () => { if (!this.grip) this.owner.hoverInput(null); });
    for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => this.up());
  }

  down(event, handle) {
    if (event.button) return;
    event.stopPropagation();
    this.owner.stopPlaying();
    const { transform, geometry } = this.owner;
    this.grip = { handle, start: transform, from: handlePlace(transform, handle, geometry), at: this.pane.at(event) };
    this.pane.box.setPointerCapture(event.pointerId);
    this.pane.box.classList.add("dragging");
  }

  move(event) {
    const { handle, start, from, at } = this.grip, now = this.pane.at(event);
    const to = [from[0] + now[0] - at[0], from[1] + now[1] - at[1]];
    this.owner.take(dragged(start, handle, from, to, { ...this.owner.geometry, shift: event.shiftKey }));
  }

  up() {
    if (!this.grip) return;
    this.grip = null;
    this.pane.box.classList.remove("dragging");
    this.owner.commit();
  }

  /** An arrow key moves a handle by a pixel of the input, with Shift by ten; the rotation turns by degrees. */
  key(event, handle) {
    const arrow = ARROWS[event.key];
    if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { transform, geometry, picture } = this.owner, many = event.shiftKey ? 10 : 1;
    const from = handlePlace(transform, handle, geometry);
    const to = [from[0] + (2 * many * arrow[0]) / picture.width, from[1] + (2 * many * arrow[1]) / picture.height];
    const turn = (many * (arrow[0] + arrow[1]) * Math.PI) / 180;
    this.owner.take(handle.kind === "rotation" ? turned(transform, turn, geometry) : dragged(transform, handle, from, to, geometry));
    this.owner.commitSoon();
  }

  /** The picture among what padding supplies around it, made anew where the picture, its padding or the pane changed. */
  makeSurroundings() {
    const { picture, sampling } = this.owner, { width: w, height: h } = picture;
    const W = Math.round(w * REACH) || 1, H = Math.round(h * REACH) || 1, grid = new Float64Array(2 * W * H);
    for (let y = 0, i = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        grid[i++] = fromPixel(x, W, false) * REACH;
        grid[i++] = fromPixel(y, H, false) * REACH;
      }
    }
    this.around = new Sheet(W, H);
    sample(picture, grid, this.around.pixels, { ...sampling, mode: "bilinear", align: false });
    this.around.flush();
    this.sheet = new Sheet(w, h);
    this.sheet.pixels.set(picture.pixels);
    this.sheet.flush();
  }

  draw(explained) {
    const { pane, owner } = this, { colours } = owner, context = pane.begin(), { width: W, height: H } = pane;
    const { picture: { width: w, height: h }, sampling: { align } } = owner;
    const [x0, y0] = pane.toScreen([fromPixel(-0.5, w, align), fromPixel(-0.5, h, align)]);
    const [x1, y1] = pane.toScreen([fromPixel(w - 0.5, w, align), fromPixel(h - 0.5, h, align)]);
    this.around.draw(context, 0, 0, W, H);
    context.globalAlpha = DIMMED;
    context.fillStyle = colours.wash;
    context.fillRect(0, 0, W, H);
    context.globalAlpha = 1;
    this.sheet.draw(context, x0, y0, x1 - x0, y1 - y0);
    this.drawGrid(context);
    if (explained) this.drawNeighbours(context, explained);
    this.placeHandles();
  }

  drawGrid(context) {
    const { pane, owner } = this, { density, transform, colours } = owner;
    if (this.cells !== density) {
      this.cells = density;
      this.lines = new Points(gridLines(density));
    }
    const places = this.lines.follow(transform), inside = new Path2D(), border = new Path2D(), top = new Path2D();
    const length = SEGMENTS + 1, count = places.length / 2 / length, [halfX, halfY] = [pane.width / 2, pane.height / 2];
    for (let line = 0; line < count; line++) {
      const outer = line < 2 || line >= count - 2, path = line === 0 ? top : outer ? border : inside;
      for (let k = 0; k < length; k++) {
        const i = 2 * (line * length + k);
        const x = (places[i] / pane.reach + 1) * halfX, y = (places[i + 1] / pane.reach + 1) * halfY; // pane.toScreen
        if (k) path.lineTo(x, y);
        else path.moveTo(x, y);
      }
    }
    context.lineJoin = "round";
    const stroke = (path, colour, width) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke(path);
    };
    stroke(inside, "rgba(0, 0, 0, 0.45)", 2);
    stroke(inside, "rgba(255, 255, 255, 0.8)", 0.8);
    for (const path of [border, top]) stroke(path, "rgba(0, 0, 0, 0.6)", 4);
    stroke(border, "#fff", 2);
    stroke(top, colours.accent, 3);
  }

  /** The pixels that the hovered output pixel is mixed from. */
  drawNeighbours(context, { neighbours }) {
    const { pane, owner: { picture: { width: w, height: h }, sampling: { align } } } = this;
    context.lineWidth = 1.5;
    for (const { x, y, weight } of neighbours) {
      const [X0, Y0] = pane.toScreen([fromPixel(x - 0.5, w, align), fromPixel(y - 0.5, h, align)]);
      const [X1, Y1] = pane.toScreen([fromPixel(x + 0.5, w, align), fromPixel(y + 0.5, h, align)]);
      context.fillStyle = `rgba(255, 235, 59, ${Math.min(0.85, Math.abs(weight))})`;
      context.fillRect(X0, Y0, X1 - X0, Y1 - Y0);
      context.strokeStyle = "#ffeb3b";
      context.strokeRect(X0, Y0, X1 - X0, Y1 - Y0);
    }
  }

  placeHandles() {
    const { pane, owner } = this;
    for (const [handle, button] of this.buttons) {
      const [x, y] = pane.toScreen(handlePlace(owner.transform, handle, owner.geometry)), edge = 9;
      const X = Math.min(Math.max(x, edge), pane.width - edge), Y = Math.min(Math.max(y, edge), pane.height - edge);
      button.style.transform = `translate(${X.toFixed(2)}px, ${Y.toFixed(2)}px)`;
      button.classList.toggle("away", X !== x || Y !== y);
    }
  }

  /** Where a normalised place lies in the client's window, clamped to the pane. */
  clientOf(place) {
    const box = this.pane.box.getBoundingClientRect(), [x, y] = this.pane.toScreen(place);
    return [box.left + Math.min(Math.max(x, 0), box.width), box.top + Math.min(Math.max(y, 0), box.height)];
  }
}
