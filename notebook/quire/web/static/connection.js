// The stream of messages: a WebSocket, or where that is blocked server-sent events, or else long polls.

import { address, pageKey, tell } from "./page.js";

const SILENT = 40_000; // without even a heartbeat for so long, a connection is dead
const LONGEST_WAIT = 5_000;

const transports = [socket, stream, poll];
let transport = 0;
let failures = 0; // of this transport, in a row, without a message
let wait = 250;
let since = Number(document.documentElement.dataset.number ?? 0);
let close = () => {};
let watchdog, timer;
let epoch = 0;

/** Connects, and keeps connected. Tells "message" of each message, and "connected" or "offline". */
export function connect() {
  clearTimeout(timer);
  close();
  const mine = ++epoch;
  let heard = false;
  const hear = (text) => {
    if (mine !== epoch) return;
    alive(() => lost(mine, heard));
    if (!heard) tell("connected");
    heard = true;
    failures = 0;
    wait = 250;
    const message = JSON.parse(text);
    since = Math.max(since, message.n ?? 0);
    tell("message", message);
  };
  alive(() => lost(mine, heard));
  close = transports[transport](hear, () => lost(mine, heard));
}

/** Takes up the stream behind event number `number`: the page now shows all before. */
export function resumeAt(number) {
  since = number;
}

function alive(dead) {
  clearTimeout(watchdog);
  watchdog = setTimeout(dead, SILENT);
}

async function lost(mine, heard) {
  if (mine !== epoch) return;
  epoch += 1;
  clearTimeout(watchdog);
  close();
  close = () => {};
  if (heard) tell("offline");
  // A server that is there but lets nothing through is behind something that blocks this transport.
  if (!heard && (await isThere())) {
    failures += 1;
    if (failures >= 2 && transport < transports.length - 1) {
      transport += 1;
      failures = 0;
      wait = 250;
    }
  } else if (!heard) {
    tell("offline");
  }
  timer = setTimeout(connect, wait * (0.75 + Math.random() / 2));
  wait = Math.min(wait * 2, LONGEST_WAIT);
}

async function isThere() {
  try {
    const answer = await fetch(address("state"), { cache: "no-store", signal: AbortSignal.timeout(3000) });
    return answer.ok;
  } catch {
    return false;
  }
}

function query(path) {
  const url = address(path);
  url.search = new URLSearchParams({ since, page: pageKey });
  return url;
}

function socket(hear, fail) {
  const url = query("events");
  url.protocol = url.protocol.replace("http", "ws");
  const made = new WebSocket(url);
  made.onmessage = (event) => hear(event.data);
  made.onclose = fail;
  return () => { made.onclose = null; made.close(); };
}

function stream(hear, fail) {
  const made = new EventSource(query("stream"));
  made.onmessage = (event) => hear(event.data);
  made.onerror = fail;
  return () => made.close();
}

function poll(hear, fail) {
  const stop = new AbortController();
  const ask = async () => {
    try {
      // The first poll may wait for long, if nothing happens; how the run stands is known at once.
      const answer = await fetch(address("state"), { cache: "no-store", signal: stop.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      hear(JSON.stringify({ state: await answer.json() }));
      while (!stop.signal.aborted) {
        const answer = await fetch(query("poll"), { cache: "no-store", signal: stop.signal });
        if (!answer.ok) throw new Error(String(answer.status));
        hear(await answer.text());
      }
    } catch {
      if (!stop.signal.aborted) fail();
    }
  };
  ask();
  return () => stop.abort();
}
