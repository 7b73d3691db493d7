// The points of a chart's curves: a bounded number, the extremes kept, in order of arrival.

const MOST = 2_000; // some three for each pixel of a chart: what more costs is time for each drawing

export class Curves {
  constructor(points) {
    this.curves = new Map();
    this.broken = new Map(); // how many values of each curve are not finite
    this.add(points);
  }

  /** Adds points [series, step, value or null]. */
  add(points) {
    for (const [name, step, value] of points) {
      if (!this.curves.has(name)) this.curves.set(name, []);
      if (value === null) this.broken.set(name, (this.broken.get(name) ?? 0) + 1);
      const curve = this.curves.get(name);
      curve.push([step, value]);
      if (curve.length > MOST) this.curves.set(name, thinned(curve));
    }
  }

  get names() {
    return [...this.curves.keys()];
  }

  /** The points as rows of a table, with each curve also smoothed by `weight` from 0 to 1. */
  rows(weight) {
    const rows = [];
    for (const [series, curve] of this.curves) {
      let mean = 0, count = 0;
      for (const [step, value] of curve) {
        if (value === null) continue;
        // An exponential moving average that corrects for its beginning at nought (Kingma and Ba 2015, Algorithm 1).
        mean = weight * mean + (1 - weight) * value;
        count += 1;
        rows.push({ series, step, value, smooth: weight ? mean / (1 - weight ** count) : value });
      }
    }
    return rows;
  }

  /** All steps, in order. */
  steps() {
    return [...new Set([...this.curves.values()].flatMap((curve) => curve.map(([step]) => step)))].sort((a, b) => a - b);
  }

  /** Where values were not finite. */
  gaps() {
    return [...this.curves].flatMap(([series, curve]) =>
      curve.filter(([, value]) => value === null).map(([step]) => ({ series, step })));
  }

  csv() {
    const lines = ["series,step,value"];
    for (const [name, curve] of this.curves) {
      for (const [step, value] of curve) lines.push(`${cell(name)},${step},${value === null ? "nan" : value}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

/** A cell that no spreadsheet takes for a formula. */
function cell(text) {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Of each four neighbours the least and the greatest, and one that is not finite. */
function thinned(curve) {
  const kept = [];
  for (let at = 0; at < curve.length; at += 4) {
    const group = curve.slice(at, at + 4);
    const finite = group.filter(([, value]) => value !== null);
    const values = finite.map(([, value]) => value);
    const least = finite[values.indexOf(Math.min(...values))];
    const greatest = finite[values.indexOf(Math.max(...values))];
    const broken = group.find(([, value]) => value === null);
    kept.push(...group.filter((point) => point === least || point === greatest || point === broken));
  }
  return kept;
}
