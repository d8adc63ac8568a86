// Named transforms: a button for each, which goes there before one's eyes, and a slider between any two.
import { fillSelect, make } from "../viewer/dom.js";

const GLIDE = 600, SWEEP = 2400; // milliseconds to a preset, and from A to B

/** Between a and b, each parameter linearly. @returns {number[]} */
export const between = (a, b, t) => a.map((value, i) => (1 - t) * value + t * b[i]);

/** Slow, fast, slow. */
export const eased = (t) => t * t * (3 - 2 * t);

export class Play {
  /** @param {import("./drag.js").Drag} owner */
  constructor(owner) {
    this.owner = owner;
    const { from, to, slider, play } = owner.refs;
    slider.addEventListener("input", () => { this.stop(); this.slide(); });
    slider.addEventListener("change", () => owner.commit());
    for (const select of [from, to]) select.addEventListener("change", () => { this.slide(); owner.commit(); });
    play.addEventListener("click", () => (this.frame ? this.end() : this.sweep()));
  }

  build(presets) {
    const { names, from, to, slider } = this.owner.refs, known = Object.keys(presets);
    if (JSON.stringify(presets) === this.sign) return;
    this.sign = JSON.stringify(presets);
    this.presets = presets;
    names.replaceChildren(...known.map((name) => {
      const button = make("button", { type: "button", "data-preset": name }, name);
      button.addEventListener("click", () => this.glide(presets[name]));
      return button;
    }));
    const options = known.map((name) => [name, name, ""]);
    fillSelect(from, options, known[0]);
    fillSelect(to, options, known.at(-1));
    slider.value = 0;
  }

  /** Mark the preset that is shown. */
  update(theta) {
    const same = (name) => this.presets[name].every((value, i) => Math.abs(value - theta[i]) < 1e-6);
    for (const button of this.owner.refs.names.children) button.setAttribute("aria-pressed", same(button.dataset.preset));
  }

  slide() {
    const { from, to, slider } = this.owner.refs;
    this.owner.take(between(this.presets[from.value], this.presets[to.value], Number(slider.value)));
  }

  /** Go to theta before one's eyes, or at once for those who want no motion. */
  glide(theta) {
    this.stop();
    const { transform } = this.owner;
    this.run(GLIDE, (t) => this.owner.show(t < 1 ? between(transform.theta, theta, eased(t)) : theta));
  }

  sweep() {
    const { from, to, slider } = this.owner.refs, a = this.presets[from.value], b = this.presets[to.value];
    const start = Number(slider.value) < 1 ? Number(slider.value) : 0;
    this.run(SWEEP * (1 - start), (t) => {
      slider.value = start + (1 - start) * t;
      this.owner.show(t < 1 ? between(a, b, Number(slider.value)) : b);
    });
  }

  /** Call `act` with 0 to 1 over so many milliseconds. */
  run(milliseconds, act) {
    const begun = performance.now(), still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.owner.refs.play.setAttribute("aria-pressed", "true");
    const tick = () => {
      const t = still ? 1 : Math.min(1, (performance.now() - begun) / milliseconds);
      act(t);
      if (t < 1) this.frame = requestAnimationFrame(tick);
      else this.end();
    };
    tick();
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.owner.refs.play.setAttribute("aria-pressed", "false");
  }

  /** Stop where it is, and let Python know. */
  end() {
    this.stop();
    this.owner.commit();
  }
}
