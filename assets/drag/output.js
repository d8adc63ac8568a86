// The output: the picture sampled at the grid, or pushed through its inverse, with what falls outside and what folds.
import { Pane, Sheet } from "./pane.js";
import { Points, centres, foldsAt, splineBasis } from "./families.js";
import { isInside, sample } from "./sampling.js";
import { push } from "./forward.js";

const OUTSIDE = [230, 159, 0], FOLDED = [204, 121, 167];
const HOLES = [0xffa000ff, 0xff3c005a], BLACK = 0xff000000; // as pixels: alpha, blue, green, red
const TINT = 0.62; // how strongly a mask covers
const ARROW_STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class OutputPane {
  /** @param {import("./drag.js").Drag} owner */
  constructor(owner) {
    const { outputBox, output } = owner.refs;
    this.owner = owner;
    this.pane = new Pane(outputBox, output, 1, () => owner.request());
    outputBox.addEventListener("pointermove", (e) => owner.hoverOutput(this.pixelAt(e)));
    outputBox.addEventListener("pointerdown", (e) => owner.hoverOutput(this.pixelAt(e)));
    outputBox.addEventListener("pointerleave", (e) => { if (e.pointerType !== "touch") owner.hoverOutput(null); });
    output.addEventListener("keydown", (e) => this.key(e));
    output.addEventListener("blur", () => owner.hoverOutput(null));
  }

  destroy() { this.pane.destroy(); }

  /** Another size, or other centres of the pixels. */
  build({ width, height }, align) {
    const points = new Float64Array(2 * width * height), xs = centres(width, align), ys = centres(height, align);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i += 2) {
        points[i] = xs[x];
        points[i + 1] = ys[y];
      }
    }
    this.points = new Points(points);
    this.seen = new Uint32Array(width * height); // what was sampled, without masks
    this.sheet = new Sheet(width, height);
    this.slopes = null;
  }

  /** @returns {?{x: number, y: number}} column and row of the output's pixel under a pointer */
  pixelAt(event) {
    const [u, v] = this.pane.at(event), { width, height } = this.owner.picture;
    const x = Math.floor(((u + 1) / 2) * width), y = Math.floor(((v + 1) / 2) * height);
    return x >= 0 && y >= 0 && x < width && y < height ? { x, y } : null;
  }

  key(event) {
    const step = ARROW_STEPS[event.key], { owner } = this, { width, height } = owner.picture;
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const many = event.shiftKey ? 10 : 1, { x, y } = owner.hovered ?? { x: width >> 1, y: height >> 1 };
    const within = (value, most) => Math.min(Math.max(value, 0), most - 1);
    owner.hoverOutput({ x: within(x + many * step[0], width), y: within(y + many * step[1], height) });
  }

  /** Sample, or push, as theta says; `afresh`: nothing is kept from the former frame. */
  compute(afresh) {
    const { owner, seen } = this, { picture, transform, sampling } = owner;
    this.grid = this.points.follow(transform, afresh);
    if (!owner.forward) sample(picture, this.grid, seen, sampling);
    else if (transform.family !== "tps") push(picture, transform, seen, sampling.align);
    else owner.takePushed(seen);
  }

  mask() {
    const { owner, seen, grid, sheet: { pixels } } = this, { transform, look, forward } = owner;
    pixels.set(seen);
    if (forward) this.fillHoles(pixels);
    owner.shares = {};
    const count = (name, hit, colour) => {
      let n = 0;
      for (let i = 0; i < pixels.length; i++) {
        if (!hit(i)) continue;
        n++;
        pixels[i] = mixed(pixels[i], colour);
      }
      owner.shares[name] = n / pixels.length;
    };
    if (look.outside && !forward) count("outside", (i) => !isInside(grid[2 * i], grid[2 * i + 1]), OUTSIDE);
    if (look.folds && !forward) {
      const folds = foldsAt(transform, this.points.points, this.bases());
      count("folds", (i) => folds[i], FOLDED);
    }
  }

  /** Where nothing landed though the input has something there is a hole; else there is nothing to be had. */
  fillHoles(pixels) {
    const { owner, grid } = this, { width } = this.sheet.canvas, [a, b] = HOLES;
    owner.holes = 0;
    for (let i = 0; i < pixels.length; i++) {
      if (pixels[i]) continue;
      const hole = isInside(grid[2 * i], grid[2 * i + 1]);
      owner.holes += hole;
      pixels[i] = hole ? (((i % width) + Math.floor(i / width)) % 2 ? a : b) : BLACK;
    }
  }

  /** How a spline's control points count for its slopes, made once for each lambda. */
  bases() {
    const { system } = this.owner.transform;
    if (!system) return null;
    if (this.slopes?.system !== system) {
      const [x, y] = ["x", "y"].map((axis) => splineBasis(system, this.points.pairs(), axis));
      this.slopes = { system, x, y };
    }
    return this.slopes;
  }

  draw() {
    const { pane, owner } = this, context = pane.begin(), { width, height } = owner.picture;
    this.mask();
    this.sheet.flush();
    this.sheet.draw(context, 0, 0, pane.width, pane.height);
    const mark = owner.forward ? owner.landed : owner.hovered;
    if (!mark) return;
    const [w, h] = [pane.width / width, pane.height / height], size = Math.max(w, h, 7);
    const X = (mark.x + 0.5) * w, Y = (mark.y + 0.5) * h;
    for (const [colour, line] of [["rgba(0, 0, 0, 0.7)", 4], ["#ffeb3b", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(X - size / 2, Y - size / 2, size, size);
    }
  }

  /** The output's pixel whose place is nearest to one of the input, normalised; null where none is near. */
  nearest([u, v]) {
    const { grid, points: { points } } = this, { width } = this.owner.picture;
    let best = 0, least = Infinity;
    for (let i = 0; i < grid.length; i += 2) {
      const far = (grid[i] - u) ** 2 + (grid[i + 1] - v) ** 2;
      if (far < least) [best, least] = [i, far];
    }
    const spacing = [2, 2 * width].map((step) => (best + step < grid.length ? best + step : best - step))
      .map((i) => Math.hypot(grid[i] - grid[best], grid[i + 1] - grid[best + 1]));
    return Math.sqrt(least) <= Math.max(...spacing) ? [points[best], points[best + 1]] : null;
  }

  /** Where the middle of a pixel lies in the client's window. */
  clientOf({ x, y }) {
    const box = this.pane.box.getBoundingClientRect(), { width, height } = this.owner.picture;
    return [box.left + ((x + 0.5) * box.width) / width, box.top + ((y + 0.5) * box.height) / height];
  }
}

/** A pixel under a tint. */
function mixed(p, [r, g, b]) {
  const part = (shift, to) => ((p >> shift) & 255) * (1 - TINT) + to * TINT;
  return 0xff000000 | (part(16, b) << 16) | (part(8, g) << 8) | part(0, r);
}
