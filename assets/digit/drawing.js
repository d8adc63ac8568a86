// A digit drawn by hand: brush, eraser, clear, undo and redo.
import { History } from "../drag/history.js";
import { Pad } from "./pad.js";

export class Drawing {
  /** @param {import("./digit.js").Digit} owner */
  constructor(owner) {
    this.owner = owner;
    this.pad = new Pad();
    this.history = new History(Array.from(this.pad.bytes()));
    this.erases = false;
    const { pen, eraser, clear, width } = owner.refs;
    pen.addEventListener("click", () => this.choose(false));
    eraser.addEventListener("click", () => this.choose(true));
    clear.addEventListener("click", () => { this.pad.clear(); owner.commit(); });
    this.width = width;
    this.choose(false);
  }

  choose(erases) {
    this.erases = erases;
    this.owner.refs.pen.setAttribute("aria-pressed", !erases);
    this.owner.refs.eraser.setAttribute("aria-pressed", erases);
  }

  /** What the pad held when the page was left. @param {Uint8Array} bytes */
  recall(bytes) {
    this.pad.load(bytes);
    this.history = new History(Array.from(bytes));
  }

  stroke(from, to) {
    this.pad.stroke(from, to, Number(this.width.value) / 2, this.erases);
    this.owner.drew();
  }

  /** The stroke is done. @returns {boolean} whether anything changed */
  settle() {
    const before = this.history.at;
    this.history.push(Array.from(this.pad.bytes()));
    return this.history.at !== before;
  }

  travel(step) { this.pad.load(Uint8Array.from(this.history.go(step))); }
}
