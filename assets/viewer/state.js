// What the user looks at, and nothing about the model: defaults, text for addresses, memory across reruns and pages.

/**
 * @typedef {object} State
 * @property {number} step index of the step shown
 * @property {number} opacity 0..1 of what lies over the picture
 * @property {boolean} smooth enlarge bilinearly, or show raw cells
 * @property {string} mode fill, outline or greyed
 * @property {string} palette safe or data
 * @property {string} view labels, probability, entropy or margin
 * @property {string} cls name of the class whose map is shown; "" lets the viewer choose
 * @property {number} threshold 0..1, probabilities below are hidden
 * @property {string[]} hidden names of classes that are not shown; a background is a place where nothing is drawn
 * @property {Object<string, boolean>} layers layers that the user turned on or off, by name
 * @property {boolean} wipe compare two steps
 * @property {number} at 0..1, where the wipe stands
 * @property {string} left step on the left, "2", or one of its layers, "2.0"; "" lets the viewer choose
 * @property {string} right layer alone on the right, "3.1"; "" shows the step
 * @property {string} tree which regions of a tree are shown, cut or cover
 * @property {number} regions of the cut; 0 lets the viewer choose
 * @property {number} node of a tree that is selected, -1 for none
 */

const CHOICES = {
  mode: ["fill", "outline", "greyed"],
  palette: ["safe", "data"],
  view: ["labels", "probability", "entropy", "margin"],
  tree: ["cut", "cover"],
};
const WHOLE = { step: -1, regions: 0, node: -1 }; // whole numbers and the least that each may be
const SIDE = /^(\d{1,4}(\.\d{1,4})?)?$/;

/** @returns {State} */
export function defaults() {
  return { step: -1, opacity: 0.55, smooth: true, mode: "fill", palette: "safe", view: "labels", cls: "",
    threshold: 0, hidden: ["background"], layers: {}, wipe: false, at: 0.5, left: "", right: "",
    tree: "cut", regions: 0, node: -1 };
}

/** Keep of an untrusted object only what a State may hold. @returns {Partial<State>} */
export function clean(raw) {
  const out = {}, usual = defaults();
  for (const [name, usually] of Object.entries(usual)) {
    const value = raw?.[name];
    if (value === undefined || value === null) continue;
    if (name in CHOICES) { if (CHOICES[name].includes(value)) out[name] = value; }
    else if (name in WHOLE) { if (Number.isInteger(value) && value >= WHOLE[name] && value < 1e4) out[name] = value; }
    else if (name === "left" || name === "right") { if (SIDE.test(value)) out[name] = String(value); }
    else if (name === "hidden") { if (Array.isArray(value)) out.hidden = value.filter((v) => typeof v === "string"); }
    else if (name === "layers") {
      if (typeof value !== "object" || Array.isArray(value)) continue;
      out.layers = Object.fromEntries(Object.entries(value).filter(([, v]) => typeof v === "boolean"));
    } else if (typeof usually === "number") { if (value >= 0 && value <= 1) out[name] = Number(value); }
    else if (typeof value === typeof usually) out[name] = value;
  }
  return out;
}

/** Text such as "step:3,mode:outline,hidden:sky~tree", only what differs from the defaults. @param {State} state */
export function stateText(state) {
  const usual = defaults(), parts = [], code = (text) => encodeURIComponent(text).replace(/~/g, "%7E");
  for (const [name, value] of Object.entries(state)) {
    if (!(name in usual) || JSON.stringify(value) === JSON.stringify(usual[name])) continue;
    let text = value;
    if (name === "hidden") text = value.map(code).join("~");
    else if (name === "layers") text = Object.entries(value).map(([k, on]) => `${on ? "" : "!"}${code(k)}`).join("~");
    else if (typeof value === "boolean") text = value ? 1 : 0;
    else if (typeof value === "number") text = Number(value.toFixed(3));
    else text = code(value);
    parts.push(`${name}:${text}`);
  }
  return parts.join(",");
}

/** What `stateText` wrote, or the same as JSON; anything else gives {}. @returns {Partial<State>} */
export function parseState(text) {
  try {
    if (text.trim().startsWith("{")) return clean(JSON.parse(text));
    const usual = defaults(), raw = {};
    for (const part of text.split(",")) {
      const cut = part.indexOf(":"), name = part.slice(0, cut).trim(), value = part.slice(cut + 1).trim();
      if (cut < 0 || !(name in usual)) continue;
      if (name === "hidden") raw.hidden = value ? value.split("~").map(decodeURIComponent) : [];
      else if (name === "layers") {
        raw.layers = Object.fromEntries(value.split("~").filter(Boolean)
          .map((t) => (t[0] === "!" ? [decodeURIComponent(t.slice(1)), false] : [decodeURIComponent(t), true])));
      } else if (typeof usual[name] === "boolean") raw[name] = value === "1" || value === "true";
      else if (typeof usual[name] === "number") raw[name] = Number(value);
      else raw[name] = decodeURIComponent(value);
    }
    return clean(raw);
  } catch {
    return {};
  }
}

/** @param {string} key */
export function recall(key) {
  try {
    return clean(JSON.parse(sessionStorage.getItem(`saccade.${key}`) ?? "{}"));
  } catch {
    return {};
  }
}

/** @param {string} key @param {State} state */
export function remember(key, state) {
  try {
    sessionStorage.setItem(`saccade.${key}`, JSON.stringify(state));
  } catch { /* a browser that forbids storage only forgets */ }
}
