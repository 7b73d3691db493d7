// The page's one dialog: help, questions, and enlarged pictures.

import { element } from "./page.js";

const dialog = document.getElementById("dialog");
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

/** Shows `parts` under `title`, with a button that closes. Resolves when it is closed, to the value given. */
export function open(title, parts, buttons = [["close", ""]]) {
  const row = element("p", { className: "buttons" });
  for (const [text, value] of buttons) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => dialog.close(value));
    row.append(button);
  }
  dialog.replaceChildren(element("h2", { id: "dialog-title" }, title), ...parts, row);
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  row.lastElementChild.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

/** Asks before something is done that cannot be undone. */
export async function confirm(question, explanation, yes) {
  const answer = await open(question, [element("p", {}, explanation)], [[yes, "yes"], ["cancel", ""]]);
  return answer === "yes";
}
