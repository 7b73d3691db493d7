// How the run stands: the chip, the title, the icon, the overall progress.

import { address, block, duration, element, on } from "./page.js";
import { connect } from "./connection.js";

const chip = document.getElementById("state");
const notice = document.getElementById("notice");
const overall = document.getElementById("overall");
const retry = document.getElementById("retry");
const favicon = document.getElementById("favicon");
const ICONS = { running: "running", paused: "paused", done: "done", stopped: "done", connecting: "offline", offline: "offline" };
const MARKS = { paused: "⏸ ", done: "✓ ", stopped: "✓ ", failed: "✗ ", died: "✗ ", interrupted: "✗ ", offline: "… " };

let title = document.title;
let state = { state: document.documentElement.dataset.state };
let isOnline = false;
let received = performance.now();

on("connected", () => { isOnline = true; show(); });
on("offline", () => { isOnline = false; show(); });
on("message", (message) => {
  if (!message.state) return;
  state = { ...state, ...message.state };
  received = performance.now();
  if (state.title) title = state.title;
  show();
});
retry.addEventListener("click", connect);
setInterval(() => { if (isOnline && state.state === "running") showProgress(); }, 1000);
document.documentElement.dataset.connected = "no";
chip.textContent = isOver(state.state) ? chip.textContent : "connecting";
if (!isOver(state.state)) chip.dataset.state = "connecting";

export function current() {
  return state;
}

function isOver(name) {
  return !["running", "paused"].includes(name);
}

function show() {
  const name = isOnline ? state.state : "offline";
  document.documentElement.dataset.connected = isOnline ? "yes" : "no";
  document.documentElement.dataset.state = state.state;
  const detail = isOnline && state.detail ? ` (${state.detail})` : "";
  const told = name === "offline" ? "offline, retrying" : `${name}${detail}`;
  // A status is read out when it changes, not every second.
  if (chip.textContent !== told) chip.textContent = told;
  chip.dataset.state = name;
  retry.hidden = isOnline;
  for (const verb of ["pause", "resume", "stop", "exit"]) {
    const button = document.querySelector(`[data-do="${verb}"]`);
    button.hidden = !isOnline || !(state.can ?? []).includes(verb);
  }
  const icon = address(`assets/icon-${ICONS[name] ?? "failed"}.svg`).href;
  if (favicon.href !== icon) favicon.href = icon;
  showProgress();
}

function showProgress() {
  const name = isOnline ? state.state : "offline";
  const { progress } = state;
  const share = progress?.total ? Math.floor((100 * progress.done) / progress.total) : null;
  const mark = name === "running" ? (share === null ? "▸ " : `${share} % · `) : (MARKS[name] ?? "");
  const told = `${mark}${title}`;
  if (document.title !== told) document.title = told;
  overall.hidden = name !== "running" || !progress;
  if (overall.hidden) return;
  const bar = overall.querySelector("progress");
  if (progress.total) { bar.max = progress.total; bar.value = Math.min(progress.done, progress.total); }
  else bar.removeAttribute("value");
  bar.setAttribute("aria-label", progress.label || "Progress of the run");
  overall.querySelector(".figures").replaceChildren(...figures(progress, (performance.now() - received) / 1000));
}

/** Percent, how many of all, rate, elapsed time and time left, `later` seconds after the figures came, an element each. */
function figures({ label, done, total, elapsed }, later) {
  const rate = elapsed > 0 ? done / elapsed : 0;
  const now = elapsed + (state.state === "running" ? later : 0);
  const count = done.toLocaleString("en");
  const said = Object.entries({
    label,
    share: total ? `${Math.floor((100 * done) / total)} %` : "",
    count: total ? `${count}/${total.toLocaleString("en")}` : count,
    rate: rate ? `${Number(rate.toPrecision(3)).toLocaleString("en")}/s` : "",
    elapsed: duration(now),
    left: total && rate && done < total ? `${duration(Math.max(0, total / rate - now))} left` : "",
  }).filter(([, text]) => text);
  return said.map(([name, text], at) => element("span", { className: name }, at < said.length - 1 ? `${text} · ` : text));
}

// The notice leads to the error.
notice.addEventListener("click", (event) => {
  const error = block(event.target.closest("a")?.hash.slice(1) ?? "");
  if (!error) return;
  error.tabIndex = -1;
  error.focus();
});
