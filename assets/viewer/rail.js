// The steps in a row: thumbnails drawn from the steps themselves, scrubbing, play, and the step's sentence.
import { make } from "./dom.js";
import { drawStep } from "./scene.js";
import { linked } from "./link.js";

const HEIGHT = 108; // pixels of a thumbnail, twice its height on the page
const PACE = 1300; // milliseconds that play stays on a step

export class Rail {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.timer = 0;
    const { rail } = viewer.refs;
    rail.addEventListener("click", (e) => {
      const button = e.target.closest("button");
      if (button) this.go(Number(button.dataset.index));
    });
    rail.addEventListener("pointermove", (e) => { if (e.buttons & 1) this.scrub(e); });
  }

  destroy() {
    if (this.timer) this.stop();
  }

  build() {
    const { film, refs: { rail, sentences } } = this.viewer, { steps, width, height } = film.trace;
    const W = Math.max(16, Math.min(4 * HEIGHT, Math.round((HEIGHT * width) / height))), old = this.buttons ?? [];
    this.buttons = steps.map((step, i) => {
      const former = old[i]?.firstChild; // an old thumbnail stays until the new one is drawn over it
      const canvas = former?.width === W ? former : make("canvas", { width: W, height: HEIGHT, "aria-hidden": "true" });
      const label = make("span", {}, step.title);
      return make("button", { type: "button", "data-index": i, title: `${i + 1}. ${step.title}` }, [canvas, label]);
    });
    rail.replaceChildren(...this.buttons);
    rail.hidden = steps.length < 2;
    this.sentences = steps.map((step) => make("p", {}, step.sentence));
    sentences.replaceChildren(...this.sentences);
    this.signs = [];
  }

  update() {
    const { step } = this.viewer;
    this.buttons.forEach((button, i) => {
      if (i === step) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.tabIndex = i === step ? 0 : -1;
      this.sentences[i].classList.toggle("now", i === step);
      this.sentences[i].setAttribute("aria-hidden", String(i !== step));
    });
  }

  /** Scroll the rail, and nothing else, until the step is seen. */
  reveal() {
    const { rail } = this.viewer.refs, button = this.buttons[this.viewer.step];
    if (!button || rail.scrollWidth <= rail.clientWidth) return;
    const from = button.offsetLeft - rail.offsetLeft, to = from + button.offsetWidth;
    if (from < rail.scrollLeft) rail.scrollLeft = from - 8;
    else if (to > rail.scrollLeft + rail.clientWidth) rail.scrollLeft = to - rail.clientWidth + 8;
  }

  /** Draw thumbnail i unless it already shows this look. */
  thumb(i) {
    const { film, look } = this.viewer, { width, height, steps } = film.trace, sign = look.signOf(steps[i]);
    if (this.signs[i] === sign) return;
    this.signs[i] = sign;
    const canvas = this.buttons[i].firstChild;
    const scale = Math.max(canvas.width / width, canvas.height / height);
    const place = { scale, left: (canvas.width - scale * width) / 2, top: (canvas.height - scale * height) / 2 };
    drawStep(canvas.getContext("2d"), film, i, look, place, { line: 2 });
  }

  scrub(event) {
    const index = this.buttons.findIndex((b) => {
      const { left, right } = b.getBoundingClientRect();
      return event.clientX >= left && event.clientX < right;
    });
    if (index >= 0 && index !== this.viewer.step) this.go(index);
  }

  /** Show step i; anything that the user does stops the play. */
  go(i) {
    this.stop();
    this.viewer.show(i);
  }

  /** Does this viewer play, or one that is linked with it? */
  get playing() { return linked(this.viewer).some(({ rail }) => rail.timer !== 0); }

  toggle() {
    if (this.playing) {
      this.stop();
      return;
    }
    const { wanted, last } = this.viewer;
    if (wanted === last) this.viewer.show(0);
    this.next();
    for (const { toolbar } of linked(this.viewer)) toolbar.update();
  }

  next() {
    this.timer = setTimeout(() => {
      const { wanted, last } = this.viewer;
      if (wanted < last) this.viewer.show(wanted + 1);
      if (wanted + 1 < last) this.next();
      else this.stop();
    }, PACE);
  }

  stop() {
    if (!this.playing) return;
    const all = linked(this.viewer);
    for (const { rail } of all) {
      clearTimeout(rail.timer);
      rail.timer = 0;
    }
    for (const { toolbar } of all) toolbar.update();
  }
}
