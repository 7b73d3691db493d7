// The log panel: however long the log is, only the lines in sight are elements.

import { address, element, on } from "./page.js";
import { LogLines } from "./loglines.js";
import { nodes, plain } from "./terminal.js";

const TAIL = 1_000_000; // bytes to begin with
const ROW = 18; // pixels, as in live.css
const MORE = 12; // lines above and below what is in sight
const SIGN = 7.8; // pixels, until measured

const panel = document.getElementById("log");
const log = new LogLines();
let view = null;
let shown = null; // the numbers of the lines that match, or null for all
let rows = null; // with wrapped lines: the row at which each shown line begins
let isDue = false;
let isLoaded = false;
let placed = 0; // where this script itself has scrolled to

on("message", (message) => {
  if (message.reset) restart();
  if (!message.log) return;
  const before = log.lines.length, dropped = log.dropped;
  log.append(message.log.at, message.log.text);
  if (!view || panel.hidden) return;
  if (dropped !== log.dropped) filter();
  else if (shown) shown.push(...log.matching(level(), view.search.value, before));
  rows = null;
  due();
});

function restart() {
  Object.assign(log, new LogLines());
  shown = rows = null;
  isLoaded = false;
  if (view && !panel.hidden) load();
}

/** Opens or closes the panel. */
export function toggleLog() {
  const button = document.querySelector('[data-do="log"]');
  panel.hidden = !panel.hidden;
  document.body.classList.toggle("with-log", !panel.hidden);
  button.setAttribute("aria-expanded", String(!panel.hidden));
  if (panel.hidden) return button.focus();
  view ??= build();
  load();
  filter();
  view.search.focus();
  return undefined;
}

function build() {
  const search = element("input", { type: "search", placeholder: "search", ariaLabel: "Search the log" });
  const levels = element("select", { ariaLabel: "Least level" },
    ...[["all", 0], ["info", 20], ["warning", 30], ["error", 40]].map(([name, value]) => element("option", { value }, name)));
  const wrap = element("input", { type: "checkbox" });
  const tail = element("input", { type: "checkbox", checked: true });
  const count = element("span", { className: "count", role: "status" });
  const close = element("button", { type: "button", ariaLabel: "Close the log" }, "close");
  const body = element("div", { className: "window" });
  const spacer = element("div", { className: "spacer" }, body);
  const scroller = element("div", { className: "lines", tabIndex: 0, role: "group", ariaLabel: "Lines of the log" }, spacer);
  const bar = element("div", { className: "log-bar" }, search, levels,
    element("label", {}, wrap, " wrap"), element("label", {}, tail, " follow"), count,
    element("a", { href: address("log").href, download: "log.txt" }, "download"), close);
  panel.replaceChildren(bar, scroller);
  search.addEventListener("input", () => { filter(); if (!tail.checked) scroller.scrollTop = 0; });
  levels.addEventListener("change", filter);
  wrap.addEventListener("change", () => { scroller.classList.toggle("wrapped", wrap.checked); rows = null; due(); });
  tail.addEventListener("change", due);
  close.addEventListener("click", toggleLog);
  scroller.addEventListener("scroll", () => { if (scroller.scrollTop !== placed && !isAtEnd()) tail.checked = false; due(); }, { passive: true });
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") toggleLog(); });
  new ResizeObserver(() => { rows = null; due(); }).observe(scroller);
  return { search, levels, wrap, tail, count, body, spacer, scroller };
}

/** Fetches what was logged before this viewer came. */
async function load() {
  if (isLoaded) return;
  isLoaded = true;
  try {
    const begin = log.begin;
    if (begin === null && log.lines.length === 0) {
      const answer = await fetch(withQuery({ tail: TAIL }), { cache: "no-store" });
      const text = await answer.text();
      // What came meanwhile says where it stands; the tail does not.
      if (log.lines.length === 0 && log.end === null) return void take(text);
    }
    if (log.begin) {
      const from = Math.max(0, log.begin - TAIL), to = log.begin;
      const answer = await fetch(withQuery({ from, to }), { cache: "no-store" });
      log.prepend(await answer.text(), from);
    }
  } catch {
    isLoaded = false;
  }
  filter();
}

function take(text) {
  const lines = new LogLines();
  lines.append(0, text.endsWith("\n") ? text : `${text}\n`);
  Object.assign(log, { lines: lines.lines, levels: lines.levels, signs: lines.signs });
  filter();
}

function withQuery(query) {
  const url = address("log");
  url.search = new URLSearchParams(query);
  return url;
}

function level() {
  return Number(view.levels.value);
}

function filter() {
  if (!view) return;
  shown = log.matching(level(), view.search.value);
  rows = null;
  due();
}

function isAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = view.scroller;
  return scrollHeight - scrollTop - clientHeight < 2 * ROW;
}

function due() {
  if (isDue || !view || panel.hidden) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; draw(); });
}

function draw() {
  const { scroller, spacer, body, count, tail } = view;
  const length = shown ? shown.length : log.lines.length;
  if (view.wrap.checked) rows ??= wrapped(length);
  spacer.style.height = `${(rows ? rows[length] : length) * ROW}px`;
  if (tail.checked) scroller.scrollTop = scroller.scrollHeight;
  placed = scroller.scrollTop;
  const row = Math.floor(scroller.scrollTop / ROW);
  const first = Math.max(0, (rows ? lineAt(row) : row) - MORE);
  const last = Math.min(length, (rows ? lineAt(row + Math.ceil(scroller.clientHeight / ROW)) + 1 : row + Math.ceil(scroller.clientHeight / ROW)) + MORE);
  const made = [];
  for (let number = first; number < last; number += 1) {
    const line = shown ? shown[number] : number;
    const text = log.lines[line];
    made.push(element("div", { className: `line level-${log.levels[line]}` }, ...nodes(text.length > 20_000 ? `${text.slice(0, 20_000)}…` : text)));
  }
  body.style.transform = `translateY(${(rows ? rows[first] : first) * ROW}px)`;
  body.replaceChildren(...made);
  highlight();
  const told = `${length.toLocaleString("en")}${shown ? ` of ${log.lines.length.toLocaleString("en")}` : ""} ${length === 1 && !shown ? "line" : "lines"}${log.dropped ? ", earlier ones in the download" : ""}`;
  if (count.textContent !== told) count.textContent = told;
}

/** The row at which each shown line begins, and behind the last one their number. */
function wrapped(length) {
  const columns = Math.max(10, Math.floor((view.scroller.clientWidth - 24) / signWidth()));
  const begins = new Uint32Array(length + 1);
  for (let number = 0; number < length; number += 1) {
    const text = log.lines[shown ? shown[number] : number];
    const signs = text.includes("\x1b") ? plain(text).length : Math.min(text.length, 20_001);
    begins[number + 1] = begins[number] + Math.max(1, Math.ceil(signs / columns));
  }
  return begins;
}

function lineAt(row) {
  let low = 0, high = rows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows[middle] <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

let measured = 0;
function signWidth() {
  if (!measured) {
    const probe = element("span", { className: "line" }, "m".repeat(100));
    view.body.append(probe);
    measured = probe.getBoundingClientRect().width / 100 || SIGN;
    probe.remove();
  }
  return measured;
}

/** Marks what was searched for, without an element of its own for each. */
function highlight() {
  if (!window.CSS?.highlights) return;
  const wanted = view.search.value.toLowerCase();
  const ranges = [];
  const walker = wanted ? document.createTreeWalker(view.body, NodeFilter.SHOW_TEXT) : null;
  while (walker?.nextNode()) {
    const text = walker.currentNode.data.toLowerCase();
    for (let at = text.indexOf(wanted); at >= 0 && ranges.length < 2000; at = text.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(walker.currentNode, at);
      range.setEnd(walker.currentNode, at + wanted.length);
      ranges.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}
