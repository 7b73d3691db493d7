// Lines as a terminal shows them: colours as classes, no control character left.

const ESCAPE = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]/g;
const COLOUR = /^\x1b\[[0-9;:]*m$/;
const CONTROL = /[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]|\x1b/g;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const FLAGS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["struck"] };

/** A line without escape sequences, and with a sign for every control character. */
export function plain(line) {
  if (!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(line)) return line;
  return visible(last(line.replace(ESCAPE, "")));
}

// What stands after the last return is what a terminal shows, but for what was longer before it.
function last(line) {
  if (!line.includes("\r")) return line;
  let shown = "";
  for (const part of line.split("\r")) shown = part + shown.slice(part.length);
  return shown;
}

function visible(text) {
  return text.replace(CONTROL, (sign) => {
    const code = sign.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : `\\x${code.toString(16)}`;
  });
}

/** A line as nodes: text, and spans with classes for its colours. */
export function nodes(line) {
  if (!line.includes("\x1b") || line.includes("\r")) return [document.createTextNode(plain(line))];
  const made = [];
  const flags = new Set();
  const colours = { fg: "", bg: "" };
  let at = 0;
  const put = (text) => {
    if (!text) return;
    const classes = [...Object.entries(colours).filter(([, name]) => name).map(([ground, name]) => `${ground}-${name}`), ...flags];
    const node = document.createTextNode(visible(text));
    if (!classes.length) return void made.push(node);
    const span = document.createElement("span");
    span.className = classes.join(" ");
    span.append(node);
    made.push(span);
  };
  for (const found of line.matchAll(ESCAPE)) {
    put(line.slice(at, found.index));
    at = found.index + found[0].length;
    if (COLOUR.test(found[0])) set(found[0].slice(2, -1).split(/[;:]/).map(Number), flags, colours);
  }
  put(line.slice(at));
  return made;
}

function set(codes, flags, colours) {
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) { flags.clear(); colours.fg = colours.bg = ""; }
    else if (FLAGS[code]) flags.add(FLAGS[code]);
    else if (OFF[code]) OFF[code].forEach((flag) => flags.delete(flag));
    else if (code === 38 || code === 48) {
      const ground = code === 38 ? "fg" : "bg";
      if (codes[at + 1] === 5) { colours[ground] = indexed(codes[at + 2]); at += 2; }
      else if (codes[at + 1] === 2) { colours[ground] = nearest(...codes.slice(at + 2, at + 5)); at += 4; }
    } else if ([3, 4, 9, 10].includes(Math.floor(code / 10)) && code < 108) {
      const ground = [3, 9].includes(Math.floor(code / 10)) ? "fg" : "bg";
      colours[ground] = NAMES[code % 10] ?? "";
    }
  }
}

// The page has eight colours that can be read on its ground; of the many others the nearest is shown.
function indexed(index) {
  if (index < 16) return NAMES[index % 8];
  if (index >= 232) return nearest(...Array(3).fill(8 + 10 * (index - 232)));
  const level = (part) => (part ? 55 + 40 * part : 0);
  const cube = index - 16;
  return nearest(level(Math.floor(cube / 36) % 6), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function nearest(red = 0, green = 0, blue = 0) {
  const most = Math.max(red, green, blue), least = Math.min(red, green, blue), range = most - least;
  if (!most || range / most < 0.25 || most < 51) return most < 128 ? "black" : "white";
  const hue = most === red ? (green - blue) / range : most === green ? 2 + (blue - red) / range : 4 + (red - green) / range;
  return ["red", "yellow", "green", "cyan", "blue", "magenta"][((Math.round(hue) % 6) + 6) % 6];
}
