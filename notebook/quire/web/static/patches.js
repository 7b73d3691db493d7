// Puts what the server rendered in its place, a little in each frame, so that the page stays quick.

import { block, content, on, pageKey, tell } from "./page.js";
import { connect, resumeAt } from "./connection.js";

const BUDGET = 24; // milliseconds of a frame
const HELD = 400; // milliseconds for which an emptied part keeps its height

let queue = [];
let isDue = false;
let stands = document.documentElement.dataset.state;

on("message", (message) => {
  if (message.reset) {
    queue = [];
    return void reload();
  }
  if (message.state) ending(message.state.state);
  for (const patch of message.patches ?? []) if ((patch.page ?? "") === pageKey) queue.push(patch);
  due();
});
document.addEventListener("visibilitychange", () => { isDue = false; due(); });

function due() {
  if (isDue || !queue.length) return;
  isDue = true;
  // A hidden tab gets no frames, but must not pile up what it was sent.
  if (document.hidden) setTimeout(work, 250);
  else requestAnimationFrame(work);
}

function work() {
  isDue = false;
  const end = performance.now() + BUDGET;
  let done = 0;
  const changed = [];
  while (done < queue.length && performance.now() < end) {
    const patch = queue[done++];
    // Patches are whole states: of several for one block in a row, the last is enough.
    const next = queue[done];
    if (next && next.id === patch.id && !patch.gone && !patch.empty && !next.empty && !patch.own && !next.own) continue;
    const made = place(patch);
    if (made) changed.push(made);
  }
  queue.splice(0, done);
  if (changed.length) tell("changed", changed);
  due();
}

function place(patch) {
  const there = block(patch.id) ?? (patch.id === "page" || patch.id === "" ? content : null);
  if (patch.gone) return void there?.remove();
  if (patch.empty) return empty(there);
  if (patch.own) {
    const own = there && part(there, "own");
    if (!own) return null;
    keeping(own, () => own.replaceChildren(fragment(patch.html)));
    return { element: there, isNew: false };
  }
  const made = fragment(patch.html).firstElementChild;
  if (!made) return null;
  if (there) {
    if (isHeld(there)) return update(there, made);
    keeping(there, () => there.replaceWith(made), made);
    return { element: made, isNew: false };
  }
  const parent = patch.parent ? block(patch.parent) : null;
  const inside = parent ? part(parent, "inside") : content;
  inside.append(made);
  inside.style.minHeight = "";
  // What a control's function shows anew is no news.
  return { element: made, isNew: !made.closest("[data-block=interact]") };
}

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function part(owner, name) {
  return owner.querySelector(`:scope > [data-${name}]`);
}

function empty(there) {
  const inside = there === content ? content : there && part(there, "inside");
  if (!inside) return null;
  // What comes next is most often as high: without this the page below would jump twice.
  inside.style.minHeight = `${inside.offsetHeight}px`;
  inside.replaceChildren();
  setTimeout(() => { inside.style.minHeight = ""; }, HELD);
  return { element: inside, isNew: false };
}

/** How the run ended, and how the report was made, the server says in words of its own. */
async function ending(state) {
  if (state === stands) return;
  stands = state;
  const fresh = await fetched();
  if (!fresh || state !== stands) return;
  for (const part of ["#notice", ".made"]) {
    const [old, made] = [document, fresh].map((page) => page.querySelector(part));
    if (made.dataset.state) old.dataset.state = made.dataset.state;
    if (old.innerHTML !== made.innerHTML) keeping(old, () => old.replaceChildren(...made.childNodes));
  }
}

/** Whether the viewer holds this control: it must not be taken out of their hand. */
function isHeld(there) {
  return there.dataset.block === "control" && there.contains(document.activeElement);
}

function update(there, made) {
  tell("control", { there, made });
  return { element: there, isNew: false };
}

/** Keeps what the viewer opened, folded or stands on through a change of `element`. */
function keeping(element, change, made = element) {
  const folds = [...element.querySelectorAll("details")].map((fold) => fold.open);
  const own = element.tagName === "DETAILS" ? element.open : null;
  const focus = element.contains(document.activeElement) ? document.activeElement.id : "";
  change();
  if (own !== null) made.open = own;
  const now = [...made.querySelectorAll("details")];
  if (now.length === folds.length) now.forEach((fold, number) => { fold.open = folds[number]; });
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

/** The page as the server would give it now, or null where it gives none: the connection says so itself. */
async function fetched() {
  try {
    const answer = await fetch(location.href.split("#")[0], { cache: "no-store" });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null;
  }
}

/** Fetches the page anew and puts it in place, the reader still seeing what they saw. */
export async function reload() {
  const fresh = await fetched();
  if (!fresh) return;
  const seen = [...content.querySelectorAll("[data-block]")].find((b) => b.getBoundingClientRect().bottom > 60);
  const top = seen?.getBoundingClientRect().top ?? 0;
  const at = scrollY;
  queue = [];
  content.replaceChildren(...fresh.getElementById("page").childNodes);
  document.documentElement.dataset.number = fresh.documentElement.dataset.number;
  const again = seen && block(seen.id);
  scrollTo({ top: again ? scrollY + again.getBoundingClientRect().top - top : at, behavior: "instant" });
  resumeAt(Number(fresh.documentElement.dataset.number ?? 0));
  tell("changed", [{ element: content, isNew: false }]);
  connect();
}
