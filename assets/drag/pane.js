// A canvas that shows normalised coordinates: from -reach to reach across its width and its height.

export class Pane {
  /** @param {HTMLElement} box @param {HTMLCanvasElement} canvas @param {number} reach @param {() => void} onSize */
  constructor(box, canvas, reach, onSize) {
    Object.assign(this, { box, canvas, reach, context: canvas.getContext("2d"), width: 1, height: 1 });
    this.observer = new ResizeObserver(() => { if (this.resize()) onSize(); });
    this.observer.observe(box);
  }

  destroy() { this.observer.disconnect(); }

  /** Device pixels for each CSS pixel. */
  get density() { return window.devicePixelRatio || 1; }

  /** Follow the size of the box. @returns {boolean} whether anything changed */
  resize() {
    const { density, canvas } = this, { width, height } = this.box.getBoundingClientRect();
    Object.assign(this, { width: Math.max(1, width), height: Math.max(1, height) });
    const W = Math.max(1, Math.round(width * density)), H = Math.max(1, Math.round(height * density));
    if (canvas.width === W && canvas.height === H) return false;
    Object.assign(canvas, { width: W, height: H });
    return true;
  }

  /** CSS pixels of a normalised place. @returns {number[]} */
  toScreen([x, y]) {
    return [((x / this.reach + 1) / 2) * this.width, ((y / this.reach + 1) / 2) * this.height];
  }

  /** The normalised place under a pointer event. @returns {number[]} */
  at(event) {
    const box = this.box.getBoundingClientRect();
    return [((2 * (event.clientX - box.left)) / box.width - 1) * this.reach, ((2 * (event.clientY - box.top)) / box.height - 1) * this.reach];
  }

  /** Draw in CSS pixels. @returns {CanvasRenderingContext2D} */
  begin() {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(canvas.width / this.width, 0, 0, canvas.height / this.height, 0, 0);
    return context;
  }
}

/** A canvas of whole pixels beside the screen, filled from 32-bit pixels and drawn at any size. */
export class Sheet {
  constructor(width, height) {
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /** Show what `pixels` holds. */
  flush() { this.context.putImageData(this.image, 0, 0); }

  /** Draw it into a rectangle; large pixels keep their edges. */
  draw(context, x, y, width, height) {
    const large = width * context.getTransform().a > 5 * this.canvas.width;
    context.imageSmoothingEnabled = !large;
    context.drawImage(this.canvas, x, y, width, height);
  }
}
