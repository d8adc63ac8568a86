// One node of a tree in words and numbers: its class, size, cost, class histogram, and what the cover makes of it.
import { make, swatch } from "./dom.js";
import { css } from "./palette.js";
import { className, percent, short } from "./reading.js";

const BARS = 4; // classes in the histogram
const NO_CLASS = [128, 128, 128];

/** The child of node i that covers more of the picture, or the other one; undefined for a leaf. */
export function childOf({ children, pixels }, i, larger) {
  const [a, b] = children[i] ?? [];
  return pixels[a] >= pixels[b] === larger ? a : b;
}

/** Name, facts, histogram and the cover's choice of node i. @returns {HTMLElement[]} */
export function describeNode(tree, i, { classes }, colours) {
  const name = (k) => className({ classes }, k), colour = (k) => css(colours[k] ?? NO_CLASS);
  const fact = (key, value) => make("span", {}, [make("span", { class: "soft" }, `${key} `), value]);
  const facts = [fact("size", percent(tree.size[i])), fact("cost", `${short(tree.cost[i])} nat`),
    fact("height", short(tree.height[i])), fact("leaves", String(tree.leaves[i]))];
  const shares = Array.from(tree.shares(i), (share, k) => [k, share]).sort((a, b) => b[1] - a[1]).slice(0, BARS);
  const bars = shares.filter(([, share]) => share > 0.001).map(([k, share]) => {
    const bar = make("i");
    bar.style.cssText = `width: ${(100 * share).toFixed(1)}%; background: ${colour(k)}`;
    return make("div", {}, [make("span", { class: "name" }, name(k)), make("span", { class: "track" }, [bar]),
      make("span", { class: "value" }, percent(share))]);
  });
  const best = tree.best[i], chosen = tree.cover().includes(i);
  return [make("b", {}, [swatch(colour(tree.top[i])), `${name(tree.top[i])}, node ${i}`]),
    make("div", { class: "facts" }, facts), make("div", { class: "histogram" }, bars),
    make("p", { class: "hint" }, [chosen ? "The cover chooses this region. " : "The cover passes it over. ",
      best === i ? "Nothing above it that may be chosen costs less."
        : make("button", { type: "button", class: "link", "data-node": best, title: "Select the best node on its way" },
          `Less on its way: ${name(tree.top[best])}, ${short(tree.cost[best])} nat`)])];
}
