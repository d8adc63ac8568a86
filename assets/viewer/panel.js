// The side panel: classes, view, layers, the pixel that is read, the step's numbers, the table behind the picture.
import { fillSelect, make, refs } from "./dom.js";
import { gradient, signed } from "./palette.js";
import { aspect } from "./paint.js";
import { isLogits, perClass } from "./film.js";
import { Legend } from "./legend.js";
import { TreeCard } from "./treecard.js";
import { BrushCard } from "./brushcard.js";
import { scoreScale } from "./scores.js";
import { className, short } from "./reading.js";
import { behindTable, choicesOf, readingRows, tableOf } from "./tables.js";

export class Panel {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.element = viewer.refs.template.content.firstElementChild.cloneNode(true);
    this.refs = refs(this.element);
    this.legend = new Legend(viewer, this.refs.legend);
    this.treeCard = new TreeCard(viewer, this.refs);
    this.brushCard = new BrushCard(viewer, this.refs);
    const { palette, cls, threshold, behind } = this.refs;
    palette.addEventListener("change", () => viewer.set({ palette: palette.value }));
    cls.addEventListener("change", () => viewer.set({ cls: cls.value }));
    threshold.addEventListener("input", () => viewer.set({ threshold: Number(threshold.value) }, { later: true }));
    behind.addEventListener("toggle", () => viewer.film && this.updateBehind());
    this.element.addEventListener("click", (e) => {
      const button = e.target.closest("button");
      if (button?.dataset.do === "all") viewer.set({ hidden: [] });
      if (button?.dataset.row) viewer.chooseRow(Number(button.dataset.row));
      if (button?.dataset.set) viewer.set({ [button.dataset.set]: button.dataset.value });
    });
  }

  get step() { return this.viewer.film.trace.steps[this.viewer.step]; }

  destroy() {
    this.treeCard.destroy();
    this.element.remove();
  }

  forget() {
    this.legend.forget();
    this.layerSign = "";
  }

  update() {
    const { viewer, step } = this, { film: { trace }, state } = viewer, r = this.refs;
    const shares = this.legend.shares(step);
    this.legend.update(shares);
    r.classCard.hidden = !trace.classes.length;
    r.legendHint.textContent = shares.length ? "Click hides a class, double click shows it alone."
      : "This step does not name classes.";
    r.palette.value = state.palette;
    this.treeCard.update();
    this.brushCard.update();
    this.updateView();
    this.updateLayers();
    this.updatePixel();
    this.updateNumbers();
    r.behind.hidden = !shares.length;
    this.updateBehind();
  }

  updateView() {
    const { viewer, step } = this, { film: { trace }, state, look } = viewer, r = this.refs;
    const shown = step.layers.filter((l) => look.on(step, l)), logits = step.layers.some(isLogits);
    const byClass = shown.some((l) => perClass(l) || aspect(l, look) === "probability");
    r.views.hidden = !trace.steps.some((s) => s.layers.some(isLogits));
    r.viewCard.hidden = !trace.steps.some((s) => s.layers.some((l) => isLogits(l) || l.kind === "heat"));
    for (const button of r.views.children) {
      button.setAttribute("aria-pressed", String(state.view === button.dataset.value));
      button.disabled = !logits;
    }
    r.classRow.hidden = !byClass;
    fillSelect(r.cls, trace.classes.map((name) => [name, name]), trace.classes[look.cls] ?? "");
    r.thresholdRow.hidden = !shown.some((l) => aspect(l, look) === "probability");
    r.threshold.value = state.threshold;
    r.thresholdText.textContent = state.threshold.toFixed(2);
    r.bars.replaceChildren(...shown.flatMap((l) => this.bar(l)));
  }

  /** The colour scale of a layer with its ends and its unit. */
  bar(layer) {
    const { look, film: { trace } } = this.viewer, what = aspect(layer, look);
    if (!["heat", "probability", "entropy", "margin"].includes(what)) return [];
    if (what === "probability" && look.mode !== "fill") return []; // it is cut at the threshold and has no scale
    const { low, high, unit } = what === "heat" ? { low: layer.range[0], high: layer.range[1], unit: layer.unit }
      : scoreScale(what, layer.shape[0]);
    const ramp = make("div", { class: "ramp", "aria-hidden": "true" }), ends = signed(low, high)
      ? [-Math.max(-low, high), Math.max(-low, high)] : [low, high];
    ramp.style.background = gradient(low, high);
    const name = className(trace, look.cls), title = what === "heat" ? layer.name + (perClass(layer) ? `, ${name}` : "")
      : what === "probability" ? `probability of ${name}` : what;
    const texts = [short(ends[0]), unit, short(ends[1])].map((text) => make("span", {}, text));
    return [make("div", { class: "bar" }, [make("div", {}, title), ramp, make("div", { class: "ends" }, texts)])];
  }

  updateLayers() {
    const { viewer, step } = this, r = this.refs, sign = JSON.stringify(step.layers.map((l) => [l.name, l.kind]));
    r.layerCard.hidden = !step.layers.length;
    if (sign !== this.layerSign) {
      this.layerSign = sign;
      r.layers.replaceChildren(...step.layers.map((layer) => {
        const box = make("input", { type: "checkbox" });
        const turn = () => viewer.set({ layers: { ...viewer.state.layers, [layer.name]: box.checked } });
        box.addEventListener("change", turn);
        return make("label", { class: "check" }, [box, make("span", {}, layer.name)]);
      }).reverse()); // the topmost first, as it lies
    }
    const boxes = [...r.layers.querySelectorAll("input")].reverse();
    boxes.forEach((box, j) => { box.checked = viewer.look.on(step, step.layers[j]); });
  }

  /** The step's table, made anew only where it is another; a row that has the focus gives it to its successor. */
  updateNumbers() {
    const { viewer: { rows }, step: { table, title } } = this, { numberCard, numbers, rowHint } = this.refs;
    const sign = JSON.stringify([table, title, rows]), focused = numbers.getRootNode().activeElement;
    numberCard.hidden = !table;
    rowHint.hidden = !rows;
    numberCard.classList.toggle("first", Boolean(rows));
    if (sign === this.numberSign) return;
    this.numberSign = sign;
    const row = numbers.contains(focused) ? focused.dataset.row : undefined;
    const made = () => (rows ? choicesOf(table.columns, table.rows, rows, title) : tableOf(table.columns, table.rows));
    rowHint.textContent = `${rows}: click a row.`;
    numbers.replaceChildren(...(table ? [made()] : []));
    if (row) numbers.querySelector(`[data-row="${row}"]`)?.focus({ preventScroll: true });
  }

  updatePixel() {
    const reading = this.viewer.stage.reading();
    this.refs.pixel.replaceChildren(...(reading ? readingRows(this.viewer, reading)
      : [make("span", { class: "soft" }, "Point at the picture, or press Shift and an arrow key on it.")]));
  }

  updateBehind() {
    const { behind, table } = this.refs, { film, look } = this.viewer;
    const content = behind.open && !behind.hidden ? behindTable(film, this.step, look) : null;
    table.replaceChildren(...(content ? [content] : []));
  }
}
