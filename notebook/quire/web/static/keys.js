// Everything by keyboard, and a list of the keys.

import { content, element } from "./page.js";
import { open } from "./dialog.js";

const commands = new Map();

/** Makes `key` do something, described by `text` in the list. */
export function bind(key, text, command) {
  commands.set(key, { text, command });
}

export function help() {
  const rows = [...commands].map(([key, { text }]) => element("tr", {},
    element("td", {}, element("kbd", {}, key)), element("td", {}, text)));
  const table = element("table", {}, element("tbody", {}, ...rows));
  open("Keys", [table]);
}

/** Goes to the next (1) or the last (-1) heading. */
export function section(direction) {
  const found = [...content.querySelectorAll("[data-block=heading]")];
  const at = found.findLastIndex((heading) => heading.getBoundingClientRect().top < 100);
  const next = found[direction > 0 ? at + 1 : Math.max(0, at - 1)];
  next?.scrollIntoView();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, canvas, [contenteditable], dialog")) return;
  const found = commands.get(event.key);
  if (!found) return;
  event.preventDefault();
  found.command();
});
