// Small helpers for the page: text only ever enters as text.

/** A new element; `content` becomes its text or its children. */
export function make(tag, attributes = {}, content = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  if (typeof content === "string") element.textContent = content;
  else element.append(...content);
  return element;
}

/** Elements below `root` by their data-ref. @returns {Object<string, HTMLElement>} */
export function refs(root) {
  return Object.fromEntries(Array.from(root.querySelectorAll("[data-ref]"), (e) => [e.dataset.ref, e]));
}

/** A square of colour. @param {string} colour as CSS */
export function swatch(colour) {
  const element = make("i", { class: "swatch", "aria-hidden": "true" });
  element.style.background = colour;
  return element;
}

/** Fill a <select> unless it already holds these [value, text, group] options. */
export function fillSelect(select, options, value) {
  const sign = JSON.stringify(options);
  if (select.dataset.sign !== sign) {
    select.dataset.sign = sign;
    const groups = new Map();
    for (const [v, text, group] of options) {
      const option = make("option", { value: v }, text);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(option);
    }
    const parts = Array.from(groups, ([label, members]) => (label ? [make("optgroup", { label }, members)] : members));
    select.replaceChildren(...parts.flat());
  }
  select.value = value;
}

const knownColours = new Map();

/** Red, green, blue of any CSS colour. @returns {number[]} */
export function rgbOf(colour) {
  if (!knownColours.has(colour)) {
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    knownColours.set(colour, Array.from(context.getImageData(0, 0, 1, 1).data.slice(0, 3)));
  }
  return knownColours.get(colour);
}

/** Call `work` when the browser has nothing better to do. @returns {() => void} cancels it */
export function whenIdle(work) {
  if (window.requestIdleCallback) {
    const id = requestIdleCallback(work, { timeout: 800 });
    return () => cancelIdleCallback(id);
  }
  const id = setTimeout(work, 60);
  return () => clearTimeout(id);
}
