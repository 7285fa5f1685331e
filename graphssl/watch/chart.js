// Small charts of numbers over steps.

function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => s >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  return found;
}

function smoothed(values) {
  // the mean over a window of a fortieth of the curve, leaving out gaps
  const half = Math.max(1, Math.round(values.length / 80));
  const sums = [0], counts = [0];
  for (const value of values) {
    sums.push(sums[sums.length - 1] + (value ?? 0));
    counts.push(counts[counts.length - 1] + (value === null ? 0 : 1));
  }
  return values.map((_, i) => {
    const a = Math.max(0, i - half), b = Math.min(values.length, i + half + 1);
    return counts[b] > counts[a] ? (sums[b] - sums[a]) / (counts[b] - counts[a]) : null;
  });
}

// panels: one small chart each, kept between redraws

const panels = new Map();

function panel(home, key, title, help) {
  if (panels.has(key)) return panels.get(key);
  const value = make("b");
  const chart = make("svg:svg", { role: "img" });
  const names = make("div", { class: "names" });
  const head = make("h3", { title: help || null }, make("span", {}, title), value);
  const box = make("div", { class: "panel", "data-panel": key }, head, chart, names);
  home.append(box);
  const made = { box, chart, value, names, title, span: [0, 1] };
  chart.addEventListener("pointermove", (event) => {
    const { left, width } = chart.getBoundingClientRect();
    const share = (event.clientX - left - LEFT) / (width - LEFT - RIGHT);
    hover = made.span[0] + Math.min(1, Math.max(0, share)) * (made.span[1] - made.span[0]);
    redraw();
  });
  chart.addEventListener("pointerleave", () => { hover = null; redraw(); });
  panels.set(key, made);
  return made;
}

const LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 18, HEIGHT = 150;

// series: [{name, x, y, colour, dash, raw}]; draws them over all steps of the run
function plot(made, series, { log = false, low = null, high = null } = {}) {
  const width = made.chart.clientWidth || 300;
  const all = series.flatMap((s) => s.y).filter((v) => v !== null && (!log || v > 0));
  const [x0, x1] = span;
  made.span = span;
  let y0 = all.reduce((a, b) => Math.min(a, b), Infinity), y1 = all.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!all.length) [y0, y1] = [0, 1];
  if (!log && low !== null) y0 = Math.min(y0, low);
  if (!log && high !== null) y1 = Math.max(y1, high);
  const bend = log ? Math.log10 : (v) => v;
  [y0, y1] = [bend(y0), bend(y1)];
  if (y1 - y0 < 1e-9 * Math.max(1, Math.abs(y1))) [y0, y1] = [y0 - 0.5 * (Math.abs(y0) || 1), y1 + 0.5 * (Math.abs(y1) || 1)];
  const at = (x) => LEFT + ((x - x0) / (x1 - x0)) * (width - LEFT - RIGHT);
  const up = (y) => TOP + (1 - (bend(y) - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
  const parts = [];
  const marks = log && Math.floor(y1) - Math.ceil(y0) >= 1
    ? ticks(Math.ceil(y0), Math.floor(y1), 4).filter(Number.isInteger).map((e) => 10 ** e)
    : log ? ticks(10 ** y0, 10 ** y1, 3).filter((v) => v > 0) : ticks(y0, y1, 4);
  for (const mark of marks) {
    parts.push(make("svg:line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: up(mark), y2: up(mark) }));
    parts.push(make("svg:text", { x: LEFT - 6, y: up(mark) + 3.5, "text-anchor": "end" }, words(mark)));
  }
  for (const mark of ticks(x0, x1, Math.max(2, width / 90)).filter(Number.isInteger)) {
    parts.push(make("svg:text", { x: Math.min(at(mark), width - RIGHT - 10), y: HEIGHT - 4, "text-anchor": "middle" }, words(mark)));
  }
  parts.push(make("svg:line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  for (const s of series) {
    const d = path(s.x, s.y, at, up, log, width);
    const look = { class: `curve${s.raw ? " raw" : ""}`, d, stroke: s.colour, "stroke-dasharray": s.dash || "none", opacity: s.faint ? 0.15 : 1 };
    parts.push(make("svg:path", look));
    if (s.x.length === 1 && d) parts.push(make("svg:circle", { cx: at(s.x[0]), cy: up(s.y[0]), r: 2.5, fill: s.colour }));
  }
  if (hover !== null && hover >= x0 && hover <= x1) {
    parts.push(make("svg:line", { class: "cross", x1: at(hover), x2: at(hover), y1: TOP, y2: HEIGHT - BOTTOM }));
    for (const s of series.filter((s) => !s.raw && !s.faint)) {
      const i = nearest(s.x, hover);
      if (s.y[i] !== null && (!log || s.y[i] > 0)) parts.push(make("svg:circle", { cx: at(s.x[i]), cy: up(s.y[i]), r: 3, fill: s.colour }));
    }
  }
  made.chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  made.chart.replaceChildren(...parts);
}

// the lowest and the highest value of each pixel column, so that a long curve stays cheap and loses no peak
function path(xs, ys, at, up, log, width) {
  let d = "", pen = false, column = null;
  const put = (i) => {
    d += `${pen ? "L" : "M"}${at(xs[i]).toFixed(1)} ${up(ys[i]).toFixed(1)}`;
    pen = true;
  };
  const flush = () => {
    if (!column) return;
    [...new Set([column.first, ...[column.low, column.high].sort((a, b) => a - b), column.last])].forEach(put);
    column = null;
  };
  for (let i = 0; i < xs.length; i++) {
    if (ys[i] === null || (log && ys[i] <= 0)) { flush(); pen = false; continue; }
    const x = xs.length > 2 * width ? Math.round(at(xs[i])) : i;
    if (column && column.x !== x) flush();
    if (!column) column = { x, first: i, last: i, low: i, high: i };
    column.last = i;
    if (ys[i] < ys[column.low]) column.low = i;
    if (ys[i] > ys[column.high]) column.high = i;
  }
  flush();
  return d;
}

function nearest(xs, x) {
  let a = 0, b = xs.length - 1;
  while (b - a > 1) {
    const middle = (a + b) >> 1;
    if (xs[middle] <= x) a = middle; else b = middle;
  }
  return Math.abs(xs[b] - x) < Math.abs(xs[a] - x) ? b : a;
}

function prune(prefix, wanted) {
  for (const [key, made] of panels) {
    if (key.startsWith(prefix) && !wanted(key.slice(prefix.length))) { made.box.remove(); panels.delete(key); }
  }
}

function legend(made, series) {
  while (made.names.children.length > series.length) made.names.lastChild.remove();
  series.forEach((s, i) => {
    let item = made.names.children[i];
    if (!item) {
      item = make("button", { type: "button", onclick: () => choose(item.dataset.node) }, make("i"), make("span"), make("b"));
      made.names.append(item);
    }
    item.dataset.node = s.name;
    item.setAttribute("aria-pressed", String(!s.faint));
    item.children[0].style.borderTopColor = s.colour;
    item.children[0].style.borderTopStyle = s.dash ? "dashed" : "solid";
    item.children[1].textContent = s.name;
    item.children[2].textContent = words(s.y[hover === null ? s.y.length - 1 : nearest(s.x, hover)]);
  });
}
