// What the networks say: the output held still, theta in numbers, and the ten probabilities of both side by side.
import { make } from "../viewer/dom.js";
import { Pane, Sheet } from "../drag/pane.js";
import { DIGIT } from "./placing.js";
import { winner } from "./frames.js";
import { greyInto } from "./scene.js";

const SURE = 0.005; // less is written as less
const share = (p) => (p < SURE ? "< 1 %" : `${Math.round(100 * p)} %`);
const decimal = (value, places) => (Math.round(value * 10 ** places) / 10 ** places + 0).toFixed(places).replace("-", "−");

/** A pose in words. @param {ArrayLike<number>} summary angle, scale, x, y */
export const poseText = ([angle, scale, x, y]) =>
  `${decimal(angle, 0)}°, × ${decimal(scale, 2)}, (${decimal(x, 1)}, ${decimal(y, 1)}) px`;

export class AnswerPane {
  /** @param {import("./digit.js").Digit} owner */
  constructor(owner) {
    const { cropBox, crop } = owner.refs;
    this.owner = owner;
    this.pane = new Pane(cropBox, crop, 1, () => owner.request());
    this.sheet = new Sheet(DIGIT, DIGIT);
    this.makeRows();
  }

  destroy() { this.pane.destroy(); }

  makeRows() {
    const bar = (name) => make("span", { class: `chance ${name}` }, [make("i")]);
    this.rows = Array.from({ length: 10 }, (_, digit) => make("div", { class: "row" }, [make("b", {}, String(digit)),
      make("span", { class: "pairOf" }, [bar("st"), bar("cnn")])]));
    this.owner.refs.rows.replaceChildren(...this.rows);
  }

  /** @param {?import("./frames.js").Frame} frame null where there is no digit yet @param {?number} truth */
  show(frame, truth) {
    const context = this.pane.begin(), { width, height } = this.pane, { refs, head } = this.owner;
    greyInto(this.sheet.pixels, frame ? frame.crop : new Uint8Array(DIGIT * DIGIT));
    this.sheet.flush();
    this.sheet.draw(context, 0, 0, width, height);
    refs.cnnWins.parentElement.hidden = !head.plain;
    this.sayWinner(refs.stWins, frame?.chances, truth);
    this.sayWinner(refs.cnnWins, frame?.plain, truth);
    this.rows.forEach((row, digit) => {
      row.classList.toggle("truth", digit === truth);
      const [st, cnn] = row.querySelectorAll(".chance > i");
      st.style.width = `${100 * (frame?.chances[digit] ?? 0)}%`;
      cnn.style.width = `${100 * (frame?.plain[digit] ?? 0)}%`;
      cnn.parentElement.hidden = !head.plain;
    });
    this.showTheta(frame);
  }

  sayWinner(element, chances, truth) {
    const known = chances?.length > 0, digit = known ? winner(chances) : -1;
    element.textContent = known ? `${digit} (${share(chances[digit])})` : "";
    element.className = !known || truth === null ? "" : digit === truth ? "right" : "wrong";
    element.dataset.digit = known ? digit : "";
    element.title = element.className && `The truth is ${truth}`;
  }

  showTheta(frame) {
    const { refs, head } = this.owner, text = frame ? poseText(frame.summary) : "";
    refs.thetaNote.textContent = head.family === "tps" ? "the affine part of its 16 points" : "";
    refs.summary.textContent = text;
    const values = !frame ? [] : head.family === "projective" ? [...frame.theta, 1] : Array.from(frame.linear);
    refs.theta.replaceChildren(...values.map((value) => make("span", {}, decimal(value, 2))));
    refs.theta.hidden = !frame;
  }
}
