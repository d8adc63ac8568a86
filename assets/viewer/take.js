// The button that takes the picture away as it stands on the page: step, wipe, view, opacity and classes of the viewers.
import { registry } from "./registry.js";

const LATER = "The picture is on its way";

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = () => {
    const { viewers } = registry(), named = data.keys.map((key) => viewers.get(key));
    const [first, ...others] = named.length ? named : viewers.values().next().value?.together() ?? [];
    const whole = first?.film && others.every((viewer) => viewer?.film);
    button.title = whole ? "" : LATER;
    if (whole) first.toolbar.download([first, ...others], 1);
  };
}
