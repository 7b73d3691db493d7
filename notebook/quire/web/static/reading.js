// What a reader does with what is there: copy, fold, enlarge, print, and choose the colours.

import { content, element, on, tell } from "./page.js";
import { open } from "./dialog.js";

// Copying

content.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const owner = button.closest("[data-block], [data-output]");
  const scope = button.closest("[data-own]") ?? owner;
  const texts = [...scope.querySelectorAll(button.dataset.copy)].map((part) => part.textContent);
  let told = "copied";
  try {
    await navigator.clipboard.writeText(texts.join("\n"));
  } catch {
    told = "not allowed";
  }
  button.textContent = told;
  setTimeout(() => { button.textContent = "copy"; }, 1500);
});

// Folding

/** Folds all code, or opens it if all of it is folded. */
export function foldAll() {
  const folds = [...content.querySelectorAll("details.fold")];
  const isOpen = folds.some((fold) => fold.open);
  for (const fold of folds) fold.open = !isOpen;
}

let wereClosed = [];
addEventListener("beforeprint", () => {
  wereClosed = [...document.querySelectorAll("main details:not([open])")];
  for (const fold of wereClosed) fold.open = true;
});
addEventListener("afterprint", () => { for (const fold of wereClosed) fold.open = false; });

// A link may lead into a part that is closed.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  let closed = false;
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    closed ||= !fold.open;
    fold.open = true;
  }
  if (closed) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();

// Pictures

content.addEventListener("click", (event) => {
  const link = event.target.closest(".enlarge");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const small = link.querySelector("img");
  const large = element("img", { src: small.src, alt: small.alt, className: "large" });
  const caption = link.parentElement.querySelector("figcaption")?.firstChild?.textContent ?? small.alt;
  large.addEventListener("load", () => {
    const factor = Math.min((innerWidth - 64) / large.naturalWidth, (innerHeight - 160) / large.naturalHeight);
    large.width = large.naturalWidth * factor;
    large.height = large.naturalHeight * factor;
    if (factor > 1) large.classList.add("sharp");
  });
  open(caption || "Picture", [large]);
});

/** Pictures without more pixels than they are shown with keep the edges of their pixels. */
function sharpen(image) {
  if (image.naturalWidth) image.classList.toggle("sharp", image.naturalWidth <= image.width);
}
content.addEventListener("load", (event) => { if (event.target.tagName === "IMG") sharpen(event.target); }, true);
for (const image of content.querySelectorAll("img")) if (image.complete) sharpen(image);

// Colours

const THEMES = ["auto", "light", "dark"];
const themeButton = document.querySelector('[data-do="theme"]');

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

/** Goes on to the next of auto, light and dark. */
export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("quire-theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("quire-theme", next);
  }
  showTheme();
}

function showTheme() {
  themeButton.textContent = theme();
  themeButton.setAttribute("aria-label", `Colours: ${theme()}`);
  tell("theme");
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tell("theme"));
showTheme();
on("changed", () => {
  // An address may name a block that has only now come.
  if (location.hash && !document.querySelector(":target")) reveal();
});
