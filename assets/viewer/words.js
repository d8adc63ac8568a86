// The titles of the steps as a line of words: the one that is shown is marked, a click or the arrow keys go on.
import { make } from "./dom.js";

const PUNCTUATION = /^\p{P}+$/u;

export class Words {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.buttons = [];
    viewer.refs.words.addEventListener("click", (e) => {
      const button = e.target.closest("button");
      if (button) viewer.rail.go(Number(button.dataset.index));
    });
  }

  build() {
    const { film: { trace: { steps } }, refs: { words } } = this.viewer;
    const kept = []; // a word and the punctuation after it, which stay on one line
    this.buttons = steps.map(({ title }, i) => {
      const mark = i > 1 && PUNCTUATION.test(title), kind = i === 0 ? "start" : mark ? "mark" : false;
      const button = make("button", { type: "button", "data-index": i, class: kind, title: `${i + 1}. ${title}` }, title);
      if (mark) kept.at(-1).append(button);
      else kept.push(make("span", {}, [button]));
      return button;
    });
    words.replaceChildren(...kept);
  }

  update() {
    const { film, step, wordy, refs: { words, wrap } } = this.viewer;
    words.hidden = !wordy || film.trace.steps.length < 2;
    wrap.classList.toggle("wordy", !words.hidden);
    this.buttons.forEach((button, i) => {
      if (i === step) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.tabIndex = i === step ? 0 : -1;
    });
  }
}
