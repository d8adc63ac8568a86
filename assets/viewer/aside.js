// The mount that lends a viewer a place in another column.
import { registry } from "./registry.js";

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".aside"), { panels, viewers } = registry(), key = data.key;
  panels.set(key, place);
  viewers.get(key)?.placePanel();
  return () => {
    if (panels.get(key) !== place) return;
    panels.delete(key);
    viewers.get(key)?.placePanel();
  };
}
