// A map of painted labels: round strokes, undo, redo, and its text; no events and no drawing.

export const UNTOUCHED = 255;
const KEPT = 50; // strokes that can be undone
const FINEST = Math.SQRT1_2; // radius of a tip that always reaches the centre of the cell that it stands in

export class Painting {
  /** Cells of a painting over a picture: `longest` along its longest side, never more than it has pixels. */
  static sizeFor(width, height, longest) {
    const scale = Math.min(1, longest / Math.max(width, height));
    return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  }

  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.cells = new Uint8Array(width * height).fill(UNTOUCHED);
    this.past = [];
    this.future = [];
  }

  get empty() { return this.cells.every((label) => label === UNTOUCHED); }

  /** Remember the cells as they are, before a stroke or a clearing. */
  begin() {
    this.past.push(this.cells.slice());
    if (this.past.length > KEPT) this.past.shift();
    this.future = [];
  }

  /** Take the stroke that began last back for good. */
  cancel() {
    if (this.past.length) this.cells = this.past.pop();
  }

  undo() {
    if (!this.past.length) return;
    this.future.push(this.cells);
    this.cells = this.past.pop();
  }

  redo() {
    if (!this.future.length) return;
    this.past.push(this.cells);
    this.cells = this.future.pop();
  }

  clear() {
    this.begin();
    this.cells.fill(UNTOUCHED);
  }

  /**
   * Label every cell whose centre a round tip passes on the way from (x0, y0) to (x1, y1).
   * @param {number} diameter of the tip; this and the places are measured in cells
   */
  stroke([x0, y0], [x1, y1], diameter, label) {
    const r = Math.max(diameter / 2, FINEST), dx = x1 - x0, dy = y1 - y0, long = dx * dx + dy * dy;
    const from = (a, b, most) => Math.max(0, Math.min(most, Math.floor(Math.min(a, b) - r)));
    const to = (a, b, most) => Math.max(0, Math.min(most, Math.ceil(Math.max(a, b) + r)));
    for (let row = from(y0, y1, this.height); row < to(y0, y1, this.height); row++) {
      for (let column = from(x0, x1, this.width); column < to(x0, x1, this.width); column++) {
        const x = column + 0.5 - x0, y = row + 0.5 - y0, along = long ? (x * dx + y * dy) / long : 0;
        const t = Math.min(1, Math.max(0, along)); // the nearest place on the way
        if ((x - t * dx) ** 2 + (y - t * dy) ** 2 <= r * r) this.cells[row * this.width + column] = label;
      }
    }
  }

  /** Runs of equal cells, row by row: "label count label count ...". */
  get text() {
    const out = [];
    for (let i = 0, from = 0; i < this.cells.length; i++) {
      if (i + 1 < this.cells.length && this.cells[i + 1] === this.cells[i]) continue;
      out.push(this.cells[i], i + 1 - from);
      from = i + 1;
    }
    return out.join(" ");
  }

  /** Take the cells from what `text` gave for the same size; anything else leaves them untouched. */
  read(text) {
    const numbers = String(text).split(" ").map(Number), cells = [];
    for (let i = 0; i + 1 < numbers.length && cells.length <= this.cells.length; i += 2) {
      const count = Math.min(numbers[i + 1], this.cells.length + 1);
      for (let j = 0; j < count; j++) cells.push(numbers[i]);
    }
    if (cells.length === this.cells.length) this.cells.set(cells);
  }
}
