// The table of contents: grows with the page, shows which section is being read, and leads to the author's own pages.

import { address, content, element, on } from "./page.js";

const FEW = 3;
const holders = [...document.querySelectorAll(".contents.wide, .contents.narrow")];
let isDue = false;
let offered = ""; // the author's pages, as they were told last

on("changed", (changes) => {
  if (changes.some(({ element: e }) => e.matches?.("[data-block=heading]") || e.querySelector?.("[data-block=heading]"))) build();
  mark();
});
on("message", ({ state }) => {
  const told = JSON.stringify(state?.pages ?? null);
  if (told === "null" || told === offered) return;
  offered = told;
  for (const holder of holders) {
    holder.querySelector(".pages").replaceChildren(...Object.entries(state.pages).map(([name, title]) =>
      element("li", {}, element("a", { href: address(`pages/${encodeURIComponent(name)}`).href }, title))));
  }
  show();
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
  for (const holder of holders) {
    const list = holder.querySelector("ol");
    list.replaceChildren(...found.map((heading) => {
      const text = heading.cloneNode(true);
      text.querySelectorAll(".permalink, .anchor").forEach((part) => part.remove());
      text.querySelectorAll("a").forEach((link) => link.replaceWith(...link.childNodes));
      const link = element("a", { href: `#${heading.id}` });
      link.append(...text.childNodes);
      return element("li", { className: `level-${heading.tagName[1]}` }, link);
    }));
    list.hidden = found.length < FEW;
  }
  show();
}

function show() {
  for (const holder of holders) holder.hidden = !holder.querySelector("ol:not([hidden]) > li, ul > li");
}

function mark() {
  const read = headings().filter((heading) => heading.getBoundingClientRect().top < 120).at(-1);
  const href = read ? `#${read.id}` : "";
  for (const link of document.querySelectorAll(".contents a")) {
    if (link.getAttribute("href") === href) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
}
