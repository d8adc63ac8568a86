// What Python is told: the drawing when the user sends it; where the page wants it live, each change of it as well, at
// most one message in flight.
import { asMessage } from "./shapes.js";

const PAUSE = 300; // milliseconds in which further actions join the same message
const LOST = 5000; // milliseconds after which a message counts as lost

export class Messenger {
  /** @param {import("./annotate.js").Annotator} owner */
  constructor(owner) {
    this.owner = owner;
    this.known = null; // the last state that Python was told or has made
    this.told = false; // it was told
    this.flying = null; // {n, at}: the live message that is not answered yet
    this.unsent = false; // there is more to tell
  }

  destroy() { clearTimeout(this.later); }

  /** A call from Streamlit. @param {(name: string, value: object) => void} send @param {number} n what is answered */
  receive(send, n) {
    this.send = send;
    if (this.flying && n >= this.flying.n) this.flying = null;
  }

  /** A state that Python need not be told. */
  know(state) {
    clearTimeout(this.later); // another picture's drawing is not sent for this one
    Object.assign(this, { known: state, told: false, unsent: false });
  }

  /** Is the drawing another one than Python knows? An open polygon is no part of it. */
  get news() {
    const { polygons, cells } = this.owner.sketch.state;
    return polygons !== this.known.polygons || cells !== this.known.cells;
  }

  /** Was the drawing sent as it is? */
  get done() { return this.told && !this.news; }

  /** Send once nothing more is done and the last message is answered. */
  tellSoon() {
    this.unsent = true;
    clearTimeout(this.later);
    const wait = this.flying ? Math.max(PAUSE, LOST - (performance.now() - this.flying.at)) : PAUSE;
    this.later = setTimeout(() => { if (!this.owner.dead && this.owner.ready) this.tell(); }, wait);
  }

  tell() {
    const { sketch, head } = this.owner, { polygons, cells } = asMessage(sketch.state);
    clearTimeout(this.later);
    this.unsent = false;
    if (cells.length > head.limits.text) {
      this.owner.say("The brush strokes are too fine to be sent: fill or erase some of them.");
      return;
    }
    this.last = Math.max(Date.now(), (this.last ?? 0) + 1);
    if (head.live) this.flying = { n: this.last, at: performance.now() };
    Object.assign(this, { known: sketch.state, told: true });
    this.send("drawn", { image: head.image, polygons, cells, n: this.last });
    this.owner.changed();
  }
}
