// Controls: what a viewer sets is sent at once; while one answer is awaited, only the latest value waits.

import { content, on, post } from "./page.js";
import { pad } from "./sketch.js";

const LATE = 1000; // milliseconds for which what the server says may be older than what the viewer set

const sending = new Map(); // by key: {next} while a request is under way
const waiting = new Map(); // by key: {timer, told}: what the server said meanwhile

content.addEventListener("input", (event) => {
  const form = event.target.closest("[data-block=control]");
  if (form?.dataset.kind === "slider") { label(form); send(form, event.target.valueAsNumber); }
});
content.addEventListener("change", (event) => {
  const form = event.target.closest("[data-block=control]");
  if (!form) return;
  const { target } = event;
  if (form.dataset.kind === "number") send(form, Number.isNaN(target.valueAsNumber) ? null : target.valueAsNumber);
  else if (form.dataset.kind === "checkbox") send(form, target.checked);
  else if (form.dataset.kind === "choice" || form.dataset.kind === "text") send(form, target.value);
  else if (form.dataset.kind === "upload" && target.files[0]) upload(form, target.files[0]);
});
content.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.dataset.kind !== "button") return;
  const button = form.querySelector("button");
  button.dataset.pressed = String(Number(button.dataset.pressed) + 1);
  send(form, Number(button.dataset.pressed));
});
on("control", ({ there, made }) => {
  // A control in the viewer's hand takes what the server says only when nothing newer can be on its way.
  const held = waiting.get(there.id);
  if (held) held.told = made;
  else take(there, made);
});

function take(there, made) {
  const [old, fresh] = [there, made].map((form) => form.querySelector("input, select"));
  if (!old || !fresh || old.type === "file") return;
  if (old.type === "checkbox") old.checked = fresh.checked;
  else if (old.type !== "text") old.value = fresh.value;
  label(there);
}

function hold(key) {
  clearTimeout(waiting.get(key)?.timer);
  waiting.set(key, { told: null, ...waiting.get(key), timer: null });
}

function release(key) {
  const held = waiting.get(key);
  held.timer = setTimeout(() => {
    waiting.delete(key);
    const there = document.getElementById(key);
    if (held.told && there) take(there, held.told);
  }, LATE);
}

on("changed", prepare);
prepare();

function prepare() {
  for (const canvas of content.querySelectorAll("canvas.pad:not([data-ready])")) {
    canvas.dataset.ready = "";
    const form = canvas.closest("form");
    pad(canvas, (values) => send(form, values));
  }
}

function label(form) {
  const input = form.querySelector("input");
  const output = form.querySelector("output");
  if (input?.type === "range" && output) output.textContent = String(Number(Number(input.value).toPrecision(6)));
}

async function send(form, value) {
  hold(form.id);
  const before = sending.get(form.id);
  if (before) return void (before.next = { value });
  const mine = { next: { value } };
  sending.set(form.id, mine);
  try {
    while (mine.next) {
      const { value: latest } = mine.next;
      mine.next = null;
      // eslint-disable-next-line no-await-in-loop -- one at a time is the point
      await post(`controls/${encodeURIComponent(form.id)}`, JSON.stringify({ value: latest }), { "Content-Type": "application/json" });
    }
    refuse(form.id, "");
  } catch (error) {
    refuse(form.id, error.message);
  } finally {
    sending.delete(form.id);
    release(form.id);
  }
}

async function upload(form, file) {
  const output = form.querySelector("output");
  output.textContent = `sending ${file.name} …`;
  try {
    await post(`uploads/${encodeURIComponent(form.id)}`, file, { "X-Name": encodeURIComponent(file.name), "Content-Type": "application/octet-stream" });
    output.textContent = file.name;
    refuse(form.id, "");
  } catch (error) {
    output.textContent = "";
    refuse(form.id, error.message);
  }
}

function refuse(key, message) {
  const told = document.getElementById(`${key}-error`);
  const input = document.getElementById(`${key}-input`);
  if (!told) return;
  told.textContent = message;
  told.hidden = !message;
  if (message) input?.setAttribute("aria-invalid", "true");
  else input?.removeAttribute("aria-invalid");
}
