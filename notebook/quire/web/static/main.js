// Puts the page to work.

import "./patches.js";
import "./controls.js";
import "./charts.js";
import "./contents.js";
import { connect } from "./connection.js";
import { current } from "./state.js";
import { jump } from "./follow.js";
import { foldAll, nextTheme } from "./reading.js";
import { bind, help, section } from "./keys.js";
import { steer } from "./run.js";
import { toggleLog } from "./log.js";
import { keepFresh } from "./author.js";

const actions = {
  theme: nextTheme,
  help,
  log: toggleLog,
  ...Object.fromEntries(["pause", "resume", "stop", "exit"].map((verb) => [verb, () => steer(verb)])),
};
document.querySelector(".actions").addEventListener("click", (event) => {
  actions[event.target.closest("[data-do]")?.dataset.do]?.();
});
for (const menu of document.querySelectorAll(".menu")) {
  // A click beside an open menu closes it, and so does what is chosen from it.
  document.addEventListener("click", (event) => { if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false; });
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); } });
}
const downloads = document.querySelector(".downloads");

bind("?", "this list", help);
bind("n", "next section", () => section(1));
bind("p", "previous section", () => section(-1));
bind("g", "to the beginning", () => scrollTo({ top: 0 }));
bind("G", "to the end, and follow it", jump);
bind("c", "fold or open all code", foldAll);
bind("l", "open or close the log", toggleLog);
bind("t", "colours: auto, light, dark", nextTheme);
bind("d", "the downloads", () => { downloads.open = !downloads.open; downloads.querySelector("summary").focus(); });
bind("r", "pause or resume the run", () => {
  const can = current().can ?? [];
  if (can.includes("resume")) steer("resume");
  else if (can.includes("pause")) steer("pause");
});

const refresh = Number(document.documentElement.dataset.refresh ?? 0);
if (refresh) {
  keepFresh(refresh);
} else {
  connect();
}
