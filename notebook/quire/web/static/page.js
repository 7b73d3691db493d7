// What every part of the page needs to know: where the report is, and the elements that are always there.

const root = document.documentElement;

export const pageKey = root.dataset.page ?? "";
export const content = document.getElementById("page");

/** The absolute URL of a path relative to the report, whatever prefix the page is served under. */
export function address(path) {
  return new URL((root.dataset.base ?? "") + path, location.href.split("#")[0]);
}

/** A block, or a piece of output, by its id; an anchor of the same name is neither. */
export function block(id) {
  return content.querySelector(`[id="${CSS.escape(id)}"]:is([data-block], [data-output])`);
}

/** An element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A time as the report writes it: "0.65 s", "12.3 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const listeners = new Map();

/** Calls `listener` whenever something named `name` happened. */
export function on(name, listener) {
  listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

/** Says that something named `name` happened. */
export function tell(name, detail) {
  for (const listener of listeners.get(name) ?? []) listener(detail);
}

/** Asks the server to do something; an Error with its own words where it did not. */
export async function post(path, body, headers = {}) {
  const answer = await fetch(address(path), { method: "POST", body, headers });
  if (answer.ok) return answer;
  let told = {};
  try { told = await answer.json(); } catch { /* not every refusal is JSON */ }
  throw new Error(told.error ?? `the server refused (${answer.status})`);
}

/** Lets the browser keep `data` (a URL or a Blob) as a file. */
export function save(name, data) {
  const url = data instanceof Blob ? URL.createObjectURL(data) : data;
  element("a", { href: url, download: name }).click();
  if (data instanceof Blob) setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
