// Tools, classes, the size of the tip, and the words below the picture.
import { make, swatch } from "../viewer/dom.js";
import { css } from "../viewer/palette.js";
import { NOTHING } from "./raster.js";
import { ERASER } from "./hand.js";

const HATCHED = "repeating-linear-gradient(135deg, #282828 0 2px, #cdcdcd 2px 4px)";
const HINTS = {
  polygon: "Click sets a point. A click on the first one, a double click or Enter closes; Escape gives up.",
  brush: "Paint over polygons. The eraser takes brush strokes away; ignore hides what lies below.",
  superpixel: "A click or a drag fills whole superpixels with the class.",
  edit: "Click a polygon to choose it. Then drag it or its points, click an edge for a new point, choose another class.",
};

export class Bar {
  /** @param {import("./annotate.js").Annotator} owner */
  constructor(owner) {
    this.owner = owner;
    const { tools, chips, tip, opacity, send, toolbar } = owner.refs;
    tools.addEventListener("click", (e) => this.pressed(e, "tool", (name) => owner.setTool(name)));
    chips.addEventListener("click", (e) => this.pressed(e, "label", (label) => owner.setLabel(Number(label))));
    toolbar.addEventListener("click", (e) => this.pressed(e, "do", (name) => owner.act(name)));
    tip.addEventListener("input", () => owner.setTip(Number(tip.value)));
    opacity.addEventListener("input", () => owner.setLook({ opacity: Number(opacity.value) }));
    send.addEventListener("click", () => owner.send());
  }

  pressed(event, name, act) {
    const value = event.target.closest("button")?.dataset[name];
    if (value !== undefined) act(value);
  }

  update() {
    const { owner, owner: { refs, sketch, tool, label, look, head, regions } } = this;
    refs.wrap.dataset.tool = tool;
    for (const button of refs.tools.children) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    refs.tools.querySelector('[data-tool="superpixel"]').hidden = !regions;
    this.updateChips(head);
    const shown = tool === "edit" && sketch.chosen ? sketch.chosen.label : label;
    for (const chip of refs.chips.children) chip.setAttribute("aria-pressed", String(Number(chip.dataset.label) === shown));
    refs.tipRow.hidden = tool !== "brush";
    refs.tip.value = look.tip;
    refs.tipText.textContent = `${look.tip} px`;
    refs.opacity.value = look.opacity;
    const by = (name) => refs.toolbar.querySelector(`[data-do="${name}"]`);
    by("undo").disabled = !sketch.history.canUndo;
    by("redo").disabled = !sketch.history.canRedo;
    by("remove").disabled = !sketch.chosen;
    by("clear").disabled = sketch.empty && !sketch.state.draft.length;
    refs.send.disabled = sketch.empty;
    refs.send.textContent = head.send;
    const hint = sketch.state.draft.length && tool !== "polygon" ? "A polygon is still open: it counts once it is closed." : HINTS[tool];
    if (refs.hint.textContent !== hint) refs.hint.textContent = hint;
    refs.facts.textContent = owner.facts();
  }

  /** A button for each class, one for what is ignored and one that erases, made anew where the classes are others. */
  updateChips({ classes, colours }) {
    const { chips } = this.owner.refs, sign = JSON.stringify([classes, colours]);
    if (chips.dataset.sign === sign) return;
    chips.dataset.sign = sign;
    const chip = (label, name, colour, title) => make("button", { type: "button", "data-label": label, title },
      [...(colour ? [swatch(colour)] : []), make("span", { class: "name" }, name)]);
    chips.replaceChildren(...classes.map((name, k) => chip(k, name, css(colours[k]), k < 9 ? `${name} (${k + 1})` : name)),
      chip(NOTHING, "ignore", HATCHED, "Void: counts neither for nor against (i)"),
      chip(ERASER, "eraser", "", "Takes brush strokes away (e)"));
  }
}
