// Live charts: the report's own description of a chart, made to be pointed at, zoomed and smoothed. Vega draws.

import { address, content, element, on, save } from "./page.js";
import { Curves } from "./series.js";

const PAUSE = 250; // milliseconds
const HEIGHT = 210; // pixels
const LEGEND = 30; // pixels, which a chart of one curve has for the curve, so that all are as high

const charts = new Map(); // by key
let loading = null;

on("changed", find);
on("theme", () => { for (const chart of charts.values()) chart.rebuild(); });
on("message", (message) => {
  for (const [key, points] of Object.entries(message.points ?? {})) charts.get(key)?.grow(points);
});
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) charts.get(entry.target.dataset.chart)?.see(entry.isIntersecting);
}, { rootMargin: "300px" });
queueMicrotask(find); // when the class below is there

function find() {
  for (const plot of content.querySelectorAll("[data-chart]")) {
    const known = charts.get(plot.dataset.chart);
    if (known?.plot === plot) continue;
    if (known) { seen.unobserve(known.plot); known.end(); }
    charts.set(plot.dataset.chart, new LiveChart(plot, known));
    seen.observe(plot);
  }
  for (const [key, chart] of charts) if (!chart.plot.isConnected) { chart.end(); charts.delete(key); }
}

function vega() {
  // The version in the name of this very file is that of the bundle's as well.
  loading ??= new Promise((resolve, reject) => {
    const script = element("script", { src: `${address("assets/vega.js")}${new URL(import.meta.url).search}` });
    // The script itself takes most of a frame; what is drawn with it first has the next one.
    script.addEventListener("load", () => requestAnimationFrame(() => setTimeout(resolve)));
    script.addEventListener("error", () => { loading = null; reject(new Error("the script that draws charts could not be loaded")); });
    document.head.append(script);
  });
  return loading;
}

class LiveChart {
  constructor(plot, before) {
    this.plot = plot;
    this.key = plot.dataset.chart;
    // The block came anew, as after a time without connection: points may have been missed.
    this.curves = null;
    this.early = []; // points that came before the chart's own data
    this.options = before?.options ?? { scale: null, smoothing: 0 };
    this.view = null;
    this.domain = before?.domain ?? null; // the steps and values that are zoomed to
    this.isSeen = false;
    this.isStale = true;
    this.timer = null;
    this.pause = PAUSE; // between two drawings, longer where one takes long
  }

  see(isSeen) {
    this.isSeen = isSeen;
    if (isSeen && this.isStale) this.soon(0);
  }

  grow(points) {
    if (this.curves) this.curves.add(points);
    else this.early.push(...points);
    this.isStale = true;
    this.soon(this.pause);
  }

  soon(pause) {
    if (this.timer || !this.isSeen) return;
    this.timer = setTimeout(async () => {
      try {
        const began = performance.now();
        await this.draw();
        this.pause = Math.max(PAUSE, 8 * (performance.now() - began));
      } catch (error) {
        this.view = null;
        this.plot.replaceChildren(element("p", { className: "wait" }, `${this.plot.dataset.title}: ${error.message}`));
      } finally {
        this.timer = null;
        if (this.isStale) this.soon(this.pause);
      }
    }, pause);
  }

  async draw() {
    if (!this.curves) await this.fetch();
    this.isStale = false;
    if (!this.curves.names.length) return;
    if (!this.view || this.drawn !== this.drawing()) return void (await this.build());
    this.view.data("points", this.curves.rows(this.options.smoothing));
    if (this.curves.broken.size) this.view.data("gaps", this.curves.gaps());
    await this.view.runAsync();
    this.tell();
  }

  /** What cannot change without drawing anew: which curves there are, and whether any is broken. */
  drawing() {
    return JSON.stringify([this.curves.names, this.curves.broken.size > 0]);
  }

  async fetch() {
    const answer = await fetch(address(`charts/${encodeURIComponent(this.key)}`), { cache: "no-store" });
    if (!answer.ok) throw new Error(`the server gave no data (${answer.status})`);
    const { spec, points } = await answer.json();
    this.base = spec;
    this.curves = new Curves(points);
    // Of what came meanwhile, what the answer held already is not added twice.
    const last = new Map(this.curves.names.map((name) => [name, this.curves.curves.get(name).at(-1)?.[0]]));
    this.curves.add(this.early.filter(([name, step]) => !(step <= last.get(name))));
    this.early = [];
    this.options.scale ??= spec.encoding?.y?.scale?.type ?? "linear";
  }

  rebuild() {
    if (!this.view) return;
    this.forget();
    this.isStale = true;
    this.soon(0);
  }

  forget() {
    this.domain = this.zoomed();
    this.view?.finalize();
    this.view = null;
  }

  end() {
    clearTimeout(this.timer);
    this.isSeen = false;
    if (this.view) this.forget();
  }

  async build() {
    await vega();
    if (this.view) this.forget();
    this.drawn = this.drawing();
    const canvas = element("div", { className: "canvas", tabIndex: 0, role: "img" });
    this.readout = element("output", { className: "readout" });
    const tools = this.tools ?? this.controls();
    this.tools = tools;
    this.plot.replaceChildren(this.readout, canvas, tools);
    const { view } = await window.vegaEmbed(canvas, this.spec(), {
      ast: true, actions: false, tooltip: false, defaultStyle: false, renderer: "canvas",
    });
    this.view = view;
    this.canvas = canvas;
    if (this.domain) this.look(this.domain);
    // Vega's own search for the nearest point divides the plane anew for each new point, which takes too long.
    canvas.addEventListener("pointermove", (event) => this.point(this.stepAt(event)));
    canvas.addEventListener("pointerleave", () => this.point(undefined));
    canvas.addEventListener("keydown", (event) => this.key_(event));
    view.addSignalListener("zoom", () => this.plot.toggleAttribute("data-zoomed", Boolean(this.zoomed())));
    this.tell();
  }

  /** The report's description of the chart, as one that a viewer can work with. */
  spec() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => resolved(this.plot, style.getPropertyValue(name));
    const [ink, muted, line] = ["--ink", "--muted", "--line"].map(colour);
    const { encoding, config = {}, title } = this.base;
    const names = this.curves.names;
    const given = encoding.color?.scale ?? { domain: [], range: [] };
    const palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", ink];
    const isDark = Number(/\d+/.exec(ink)) > 128;
    this.plot.dataset.ink = isDark ? "light" : "dark";
    const seenWell = { "#000000": ink, currentColor: ink, ...(isDark ? { "#0072B2": "#3b9fdd" } : {}) };
    const range = names.map((name, at) => given.range?.[given.domain.indexOf(name)] ?? palette[at % palette.length])
      .map((one) => seenWell[one] ?? one);
    // Names of this length stand side by side without leaving the page.
    const columns = Math.max(1, Math.floor(this.plot.clientWidth / (6 * Math.max(...names.map((name) => name.length)) + 30)));
    const color = { field: "series", type: "nominal", title: null, sort: names, scale: { domain: names, range },
      legend: names.length > 1 ? { orient: "bottom", symbolType: "stroke", columns } : null };
    const dash = { ...color,
      scale: { domain: names, range: names.map((_, at) => [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]][at % 4]) } };
    const { x } = encoding;
    const yScale = this.options.scale === "log" ? { type: "log" } : { type: "linear", zero: false };
    const y = (field) => ({ ...encoding.y, field, title: encoding.y.title ?? null, scale: yScale });
    // A logarithm of nought or less is nowhere on the axis.
    const drawable = this.options.scale === "log" ? [{ filter: "datum.value > 0 && datum.smooth > 0" }] : [];
    const isSmooth = this.options.smoothing > 0;
    const gaps = this.curves.gaps();
    const height = names.length > 1 ? HEIGHT : HEIGHT + LEGEND;
    return {
      title: typeof title === "string" ? { text: title, anchor: "start" } : { ...title, color: ink },
      width: "container", height, padding: 4, background: null,
      // Anew at each drawing: the labels of an axis may become wider.
      autosize: { type: "fit-x", contains: "padding", resize: true },
      datasets: { points: this.curves.rows(this.options.smoothing), hover: this.at(this.curves.steps()[0]), ...(gaps.length ? { gaps } : {}) },
      params: [{ name: "isHovered", value: false }],
      layer: [
        { data: { name: "points" }, transform: drawable,
          params: [{ name: "zoom", bind: "scales", select: { type: "interval",
            zoom: "wheel![event.ctrlKey || event.shiftKey || event.metaKey]" } }],
          mark: { type: "line", strokeWidth: isSmooth ? 1 : 1.7, opacity: isSmooth ? 0.35 : 1, clip: true },
          encoding: { x, y: y("value"), color, strokeDash: dash } },
        ...(isSmooth ? [{ data: { name: "points" }, transform: drawable, mark: { type: "line", strokeWidth: 2, clip: true },
          encoding: { x, y: y("smooth"), color, strokeDash: dash } }] : []),
        { data: { name: "hover" }, mark: { type: "point", filled: true, size: 45, clip: true, opacity: { expr: "isHovered ? 1 : 0" } },
          encoding: { x, y: y(isSmooth ? "smooth" : "value"), color } },
        ...(gaps.length ? [{ data: { name: "gaps" }, mark: { type: "point", shape: "cross", size: 60, filled: true, clip: true },
          encoding: { x, y: { value: height - 5 }, color } }] : []),
      ],
      resolve: { scale: { y: "shared" } },
      config: { ...config, background: null, axis: { labelColor: muted, titleColor: muted, gridColor: line, domainColor: muted, tickColor: muted },
        legend: { labelColor: ink }, view: { stroke: null } },
    };
  }

  controls() {
    const title = this.plot.dataset.title;
    const scale = element("select", { ariaLabel: `Scale of ${title}` },
      ...["linear", "log"].map((name) => element("option", { selected: name === this.options.scale }, name)));
    const smoothing = element("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: this.options.smoothing, ariaLabel: `Smoothing of ${title}` });
    scale.addEventListener("change", () => { this.options.scale = scale.value; this.reset(); });
    smoothing.addEventListener("input", () => {
      const wasSmooth = this.options.smoothing > 0;
      this.options.smoothing = smoothing.valueAsNumber;
      if (wasSmooth === this.options.smoothing > 0) { this.isStale = true; this.soon(60); } else this.rebuild();
    });
    const button = (text, told, act) => {
      const made = element("button", { type: "button", ariaLabel: `${told} ${title}` }, text);
      made.addEventListener("click", act);
      return made;
    };
    return element("div", { className: "chart-tools" }, scale, element("label", {}, "smooth ", smoothing),
      button("+", "Zoom into", () => this.zoom(0.5)), button("−", "Zoom out of", () => this.zoom(2)),
      button("all", "Show all of", () => this.reset()),
      button("PNG", "Download as PNG:", () => this.image("png")), button("SVG", "Download as SVG:", () => this.image("svg")),
      button("CSV", "Download as CSV:", () => save(`${this.key}.csv`, new Blob([this.curves.csv()], { type: "text/csv" }))));
  }

  /** The steps and values in sight, if that is not all of them. */
  zoomed() {
    const zoom = this.view?.signal("zoom");
    return zoom?.step ? { step: zoom.step, value: zoom.value } : null;
  }

  zoom(factor) {
    const [low, high] = this.zoomed()?.step ?? this.view.scale("x").domain();
    const middle = this.hovered ?? (low + high) / 2;
    const value = this.zoomed()?.value ?? this.view.scale("y").domain();
    this.look({ step: [middle - (middle - low) * factor, middle + (high - middle) * factor], value });
  }

  /** Shows these steps and values: what the selection's own signals would hold after a wheel has turned. */
  look({ step, value }) {
    const fields = this.view.signal("zoom_tuple_fields");
    this.view.signal("zoom_step", step).signal("zoom_value", value);
    this.view.signal("zoom_tuple", { unit: "layer_0", fields, values: [step, value] }).runAsync();
  }

  reset() {
    this.view?.finalize();
    this.view = null;
    this.domain = null;
    this.plot.removeAttribute("data-zoomed");
    this.isStale = true;
    this.soon(0);
  }

  key_(event) {
    const steps = this.curves.steps();
    const at = steps.findIndex((step) => step >= (this.hovered ?? -Infinity));
    if (event.key === "ArrowRight") this.point(steps[Math.min(steps.length - 1, this.hovered === undefined ? 0 : at + 1)]);
    else if (event.key === "ArrowLeft") this.point(steps[Math.max(0, at - 1)]);
    else if (event.key === "+") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
  }

  /** The step nearest to the pointer. */
  stepAt(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left - this.view.origin()[0];
    const wanted = this.view.scale("x").invert(x);
    let nearest;
    for (const step of this.curves.steps()) {
      if (nearest === undefined || Math.abs(step - wanted) < Math.abs(nearest - wanted)) nearest = step;
    }
    return nearest;
  }

  /** The rows at `step` that the chart can show. */
  at(step) {
    const isLog = this.options.scale === "log";
    return this.curves.rows(this.options.smoothing).filter((row) => row.step === step && (!isLog || row.value > 0));
  }

  /** Marks the curves at `step`, and says what they are there. */
  point(step) {
    if (!this.view || step === this.hovered) return;
    this.hovered = step;
    const rows = this.at(step);
    if (rows.length) this.view.data("hover", rows);
    this.view.signal("isHovered", rows.length > 0).runAsync();
    if (step === undefined) return void (this.readout.textContent = "");
    const told = rows.map(({ series, value, smooth }) => `${series} ${figure(value)}${this.options.smoothing ? ` (smoothed ${figure(smooth)})` : ""}`);
    this.readout.textContent = [`step ${figure(step)}`, ...told].join(" · ");
  }

  /** Says the chart in words, and which values could not be drawn. */
  tell() {
    const summary = this.curves.names.map((name) => {
      const curve = this.curves.curves.get(name);
      const finite = curve.filter(([, value]) => value !== null);
      const broken = this.curves.broken.get(name) ?? 0;
      const course = finite.length ? `from ${figure(finite[0][1])} to ${figure(finite.at(-1)[1])} at step ${figure(finite.at(-1)[0])}` : "without a finite value";
      return `${name} ${course}${broken ? ` (${broken} not finite)` : ""}`;
    }).join("; ");
    this.canvas?.setAttribute("aria-label", `${this.plot.dataset.title}: ${summary}. Arrow keys read the values.`);
    const caption = this.plot.closest("figure").querySelector("figcaption");
    let told = caption.querySelector("[data-summary]");
    if (!told) caption.prepend(told = element("span", { "data-summary": "" }));
    told.textContent = summary;
  }

  async image(kind) {
    save(`${this.key}.${kind}`, await this.view.toImageURL(kind, 2));
  }
}

function figure(value) {
  return String(Number(Number(value).toPrecision(5)));
}

/** A colour of the page's style as one that a canvas understands. */
function resolved(near, value) {
  const probe = element("span");
  probe.style.color = value;
  near.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
