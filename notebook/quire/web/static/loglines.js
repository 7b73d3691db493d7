// The lines of the log that this viewer holds: a bounded number, the newest, by their place in the log's bytes.

const MOST_LINES = 200_000;
const MOST_SIGNS = 24_000_000;
const LEVELS = [["critical", 50], ["fatal", 50], ["error", 40], ["warning", 30], ["warn", 30], ["info", 20], ["debug", 10], ["trace", 5]];
const LEVEL = /\b(CRITICAL|FATAL|ERROR|WARNING|WARN|INFO|DEBUG|TRACE)\b/;
const encoder = new TextEncoder();

export class LogLines {
  constructor() {
    this.lines = [];
    this.levels = []; // of each line; one that names none has that of the line before
    this.signs = 0;
    this.begin = null; // where in the log's bytes the first line begins
    this.end = null; // where the next bytes are expected
    this.dropped = 0; // lines that were let go at the beginning
    this.rest = ""; // a line that has begun
  }

  /** Appends `text`, whose bytes begin at `at`; what is there already is not doubled. */
  append(at, text) {
    if (this.end === null) this.begin = this.end = at;
    if (at < this.end) {
      const bytes = encoder.encode(text);
      if (at + bytes.length <= this.end) return;
      text = new TextDecoder().decode(bytes.slice(this.end - at));
    } else if (at > this.end) {
      if (this.rest) { this.#push(this.rest); this.rest = ""; }
      this.#push(`… ${(at - this.end).toLocaleString("en")} bytes were skipped here; the download has them …`);
    }
    this.end = Math.max(this.end, at) + encoder.encode(text).length;
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop();
    for (const line of lines) this.#push(line);
    this.#bound();
  }

  /** Puts `text`, whose bytes end where the first line begins, in front. */
  prepend(text, begin) {
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    const [own, levels] = [this.lines, this.levels];
    this.lines = [];
    this.levels = [];
    for (const line of lines) this.#push(line);
    this.lines = this.lines.concat(own);
    this.levels = this.levels.concat(levels);
    this.begin = begin;
  }

  #push(line) {
    const found = LEVEL.exec(line.length > 400 ? line.slice(0, 400) : line);
    const level = found ? LEVELS.find(([name]) => name === found[1].toLowerCase())[1] : /^\s|^Traceback/.test(line) ? (this.levels.at(-1) ?? 20) : 20;
    this.lines.push(line);
    this.levels.push(level);
    this.signs += line.length;
  }

  #bound() {
    if (this.lines.length <= MOST_LINES && this.signs <= MOST_SIGNS) return;
    const cut = Math.max(this.lines.length - MOST_LINES, 0) + Math.ceil(MOST_LINES / 10);
    const gone = this.lines.splice(0, Math.min(cut, this.lines.length - 1));
    this.levels.splice(0, gone.length);
    for (const line of gone) this.signs -= line.length;
    this.dropped += gone.length;
    this.begin = null; // nobody counted the bytes that are gone
  }

  /** The numbers of the lines of at least `level` that hold `text`, from line `from` on; null for all. */
  matching(level, text, from = 0) {
    if (!level && !text) return null;
    const wanted = text.toLowerCase();
    const found = [];
    for (let number = from; number < this.lines.length; number += 1) {
      if (this.levels[number] >= level && (!wanted || this.lines[number].toLowerCase().includes(wanted))) found.push(number);
    }
    return found;
  }
}
