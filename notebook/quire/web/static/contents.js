// The table of contents: grows with the page, and shows which section is being read.

import { content, element, on } from "./page.js";

const FEW = 3;
const lists = [...document.querySelectorAll(".contents ol")];
let isDue = false;

on("changed", (changes) => {
  if (changes.some(({ element: e }) => e.matches?.("[data-block=heading]") || e.querySelector?.("[data-block=heading]"))) build();
  mark();
});
addEventListener("scroll", () => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; mark(); });
}, { passive: true });
mark();

function headings() {
  return [...content.querySelectorAll(":is(h2, h3)[data-block=heading]")];
}

function build() {
  const found = headings();
  for (const list of lists) {
    list.replaceChildren(...found.map((heading) => {
      const text = heading.cloneNode(true);
      text.querySelectorAll(".permalink, .anchor").forEach((part) => part.remove());
      text.querySelectorAll("a").forEach((link) => link.replaceWith(...link.childNodes));
      const link = element("a", { href: `#${heading.id}` });
      link.append(...text.childNodes);
      return element("li", { className: `level-${heading.tagName[1]}` }, link);
    }));
    list.closest(".contents.narrow, .contents.wide").hidden = found.length < FEW;
  }
}

function mark() {
  const read = headings().filter((heading) => heading.getBoundingClientRect().top < 120).at(-1);
  const href = read ? `#${read.id}` : "";
  for (const link of document.querySelectorAll(".contents a")) {
    if (link.getAttribute("href") === href) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
}
