// The row of controls under the picture, full screen, and the picture as a file.
import { drawStep } from "./scene.js";
import { onPage } from "./link.js";
import { copyLink, toggleScreen } from "./screen.js";

const PLAY = "M4 2.5v11l9-5.5z", PAUSE = "M4 2.5h3v11H4zM9 2.5h3v11H9z";
const MODED = ["labels", "tree", "mask"]; // kinds of layers that can be filled, outlined or greyed
const GAP = 16; // pixels between two pictures in one file
const SMALL = 1000; // pictures whose longer side is below this are saved at twice their size

export class Toolbar {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    const { tools, opacity } = viewer.refs;
    tools.addEventListener("click", (e) => this.press(e.target.closest("button")));
    opacity.addEventListener("input", () => viewer.set({ opacity: Number(opacity.value) }, { later: true }));
    this.onFull = () => this.update();
    document.addEventListener("fullscreenchange", this.onFull);
  }

  destroy() {
    document.removeEventListener("fullscreenchange", this.onFull);
  }

  press(button) {
    if (!button || !this.viewer.film) return;
    if (button.dataset.set) {
      const { set, value } = button.dataset;
      this.viewer.set({ [set]: set === "smooth" ? value === "true" : value });
    } else this.act(button.dataset.do);
  }

  act(name) {
    const { viewer } = this, { rail, stage } = viewer;
    ({
      play: () => rail.toggle(),
      previous: () => rail.go(viewer.wanted - 1),
      next: () => rail.go(viewer.wanted + 1),
      wipe: () => viewer.set({ wipe: !viewer.state.wipe }),
      in: () => stage.zoom(1.5),
      out: () => stage.zoom(1 / 1.5),
      link: () => this.link(),
      download: () => this.download(),
      full: () => this.fullScreen(),
    })[name]?.();
  }

  update() {
    const { state, refs, rail, wanted, last, film: { trace }, full } = this.viewer;
    for (const button of refs.tools.querySelectorAll("[data-set]")) {
      button.setAttribute("aria-pressed", String(String(state[button.dataset.set]) === button.dataset.value));
    }
    const by = (name) => refs.tools.querySelector(`[data-do="${name}"]`);
    refs.modes.hidden = !trace.steps.some(({ layers }) => layers.some(({ kind }) => MODED.includes(kind)));
    refs.opacity.value = state.opacity;
    refs.playIcon.setAttribute("d", rail.playing ? PAUSE : PLAY);
    by("play").setAttribute("aria-label", rail.playing ? "Pause" : "Play");
    by("play").disabled = by("wipe").disabled = last < 1;
    by("previous").disabled = wanted <= 0;
    by("next").disabled = wanted >= last;
    by("wipe").setAttribute("aria-pressed", String(state.wipe));
    by("full").setAttribute("aria-pressed", String(full));
  }

  /** Copy the page's address with what is looked at now, in the first viewer where there are several. */
  link() {
    const address = new URL(location.href);
    address.searchParams.set("view", onPage(this.viewer)[0].stateText());
    return copyLink(this.viewer.refs.tools.querySelector('[data-do="link"]'), address);
  }

  async fullScreen() {
    await toggleScreen(this.viewer.refs.wrap, this.viewer.refs.canvas);
    this.update();
  }

  /** The whole picture with its layers, so many times its own size; without `times` twice where it is small. */
  picture(times = 0) {
    const { film, look, wipe, state } = this.viewer, { width, height } = film.trace;
    const scale = times || (Math.max(width, height) < SMALL ? 2 : 1), canvas = new OffscreenCanvas(scale * width, scale * height);
    const context = canvas.getContext("2d"), [left, right] = wipe.sides(), place = { scale, left: 0, top: 0 };
    drawStep(context, film, right.step, look, place, { only: right.only, line: 2 * scale });
    if (left) {
      const split = Math.round(state.at * canvas.width);
      context.save();
      context.beginPath();
      context.rect(0, 0, split, canvas.height);
      context.clip();
      drawStep(context, film, left.step, look, place, { only: left.only, line: 2 * scale });
      context.restore();
      context.fillStyle = "#fff";
      context.fillRect(split - scale, 0, 2 * scale, canvas.height);
    }
    return canvas;
  }

  /** Save what the viewers show, side by side where they are several. @param {import("./viewer.js").Viewer[]} viewers */
  async download(viewers = [this.viewer], times = 0) {
    const file = await beside(viewers.map(({ toolbar }) => toolbar.picture(times))).convertToBlob({ type: "image/png" });
    const url = URL.createObjectURL(file), link = document.createElement("a");
    const titles = viewers.map(({ film, step }) => film.trace.steps[step].title);
    link.href = url;
    link.download = `${[viewers[0].film.trace.name, ...new Set(titles)].map(tidy).filter(Boolean).join("-") || "picture"}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

/** A part of a file's name: letters and digits of any script. */
const tidy = (text) => text.normalize("NFC").replace(/[^\p{L}\p{M}\p{N}_]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);

/** Pictures in a row on white, from the top. @param {OffscreenCanvas[]} pictures @returns {OffscreenCanvas} */
function beside(pictures) {
  if (pictures.length === 1) return pictures[0];
  const width = pictures.reduce((sum, picture) => sum + picture.width + GAP, -GAP);
  const canvas = new OffscreenCanvas(width, Math.max(...pictures.map(({ height }) => height)));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  let x = 0;
  for (const picture of pictures) {
    context.drawImage(picture, x, 0);
    x += picture.width + GAP;
  }
  return canvas;
}
