// Follows the end of the page while the reader is there, and never while they read elsewhere.

import { content, on } from "./page.js";

const NEAR = 120; // pixels from the end that count as being there

const news = document.getElementById("news");
const button = news.querySelector("button");
let isFollowing = atEnd();
let count = 0;
let height = document.documentElement.scrollHeight;

on("changed", (changes) => {
  const grown = changes.filter((change) => change.isNew).length;
  const isBusy = content.contains(document.activeElement) || !getSelection().isCollapsed;
  if (isFollowing && !isBusy) end();
  else if (grown && !atEnd()) count += grown;
  height = document.documentElement.scrollHeight;
  show();
});
addEventListener("scroll", () => {
  // A page that grew under a reader at its end has moved them away from it; they have not.
  if (document.documentElement.scrollHeight !== height) { height = document.documentElement.scrollHeight; return; }
  isFollowing = atEnd();
  if (isFollowing) count = 0;
  show();
}, { passive: true });
button.addEventListener("click", jump);

/** Goes to the end, and follows it from there. */
export function jump() {
  isFollowing = true;
  if (content.contains(document.activeElement)) document.activeElement.blur();
  end();
  count = 0;
  show();
}

function atEnd() {
  const { scrollHeight } = document.documentElement;
  return scrollHeight - scrollY - innerHeight < NEAR;
}

function end() {
  scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
}

function show() {
  news.hidden = !count;
  button.textContent = `${count} new, jump to end`;
}
