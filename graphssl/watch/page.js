"use strict";
// A run as it happens: lines of metrics arrive as server-sent events; curves and the graph are drawn again at most once a frame.

const facts = JSON.parse(document.getElementById("facts").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const RUN = new Set(["step", "epoch", "nodes"]);
const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f8790", "#a8457f"]; // Okabe and Ito
const DASHES = ["", "6 3", "2 3"]; // for more nodes than colours

let curves = new Map(); // name -> {x: [step], y: [value]}
let measured = []; // {step, nodes}
let newest = {};
let hover = null; // step under the pointer
let chosen = null; // the node seen alone
let live = true;
let pending = false;
let span = [0, 1]; // steps of the run, the same for all panels

function forget() {
  curves = new Map();
  measured = [];
  newest = {};
  span = [0, 1];
  live = true;
  redraw();
}

function take(records) {
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) {
      if (RUN.has(name)) continue;
      if (!curves.has(name)) curves.set(name, { x: [], y: [] });
      const curve = curves.get(name);
      curve.x.push(record.step);
      curve.y.push(value);
    }
    span = [Math.min(span[0], record.step), Math.max(span[1], record.step)];
    const { nodes, ...rest } = record;
    Object.assign(newest, rest);
    if (nodes) measured.push({ step: record.step, nodes });
  }
  redraw();
}

function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    drawNow();
    drawCurves();
    drawNodes();
    drawGraph();
  });
}

// numbers

function words(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace(/\.?0*e\+?/, "e");
  return String(Number(value.toPrecision(4)));
}

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
  const box = document.createElement("div");
  box.className = "panel";
  box.dataset.panel = key;
  const head = document.createElement("h3");
  const name = document.createElement("span");
  name.textContent = title;
  if (help) head.title = help;
  const value = document.createElement("b");
  head.append(name, value);
  const chart = document.createElementNS(SVG, "svg");
  chart.setAttribute("role", "img");
  const names = document.createElement("div");
  names.className = "names";
  box.append(head, chart, names);
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

function element(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

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
    parts.push(element("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: up(mark), y2: up(mark) }));
    parts.push(element("text", { x: LEFT - 6, y: up(mark) + 3.5, "text-anchor": "end" }, words(mark)));
  }
  for (const mark of ticks(x0, x1, Math.max(2, width / 90)).filter(Number.isInteger)) {
    parts.push(element("text", { x: Math.min(at(mark), width - RIGHT - 10), y: HEIGHT - 4, "text-anchor": "middle" }, words(mark)));
  }
  parts.push(element("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  for (const s of series) {
    const d = path(s.x, s.y, at, up, log, width);
    const look = { class: `curve${s.raw ? " raw" : ""}`, d, stroke: s.colour, "stroke-dasharray": s.dash || "none", opacity: s.faint ? 0.15 : 1 };
    parts.push(element("path", look));
    if (s.x.length === 1 && d) parts.push(element("circle", { cx: at(s.x[0]), cy: up(s.y[0]), r: 2.5, fill: s.colour }));
  }
  if (hover !== null && hover >= x0 && hover <= x1) {
    parts.push(element("line", { class: "cross", x1: at(hover), x2: at(hover), y1: TOP, y2: HEIGHT - BOTTOM }));
    for (const s of series.filter((s) => !s.raw && !s.faint)) {
      const i = nearest(s.x, hover);
      if (s.y[i] !== null && (!log || s.y[i] > 0)) parts.push(element("circle", { cx: at(s.x[i]), cy: up(s.y[i]), r: 3, fill: s.colour }));
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

// curves of the run

const TITLES = new Map([["lr", "learning rate"], ["knn", "kNN accuracy"], ["images_per_s", "images/s"]]);

function drawCurves() {
  const order = ["loss", ...facts.losses, ...facts.monitors, "knn", "lr", "images_per_s"];
  const names = [...new Set([...order.filter((name) => curves.has(name)), ...curves.keys()])];
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
  for (const name of names) {
    const curve = curves.get(name);
    const single = name === "loss" && facts.losses.length > 1 && !facts.losses.includes("loss");
    const title = name === "loss" ? (single ? "total loss" : "loss") : TITLES.get(name) ?? name;
    const made = panel($("curves"), `curve:${name}`, title);
    const noisy = $("smooth").checked && curve.y.length > 30 && name !== "lr" && name !== "knn";
    const series = [{ name, x: curve.x, y: noisy ? smoothed(curve.y) : curve.y, colour: ink }];
    if (noisy) series.unshift({ name, x: curve.x, y: curve.y, colour: ink, raw: true });
    plot(made, series, { log: $("log").checked });
    const i = hover === null ? curve.x.length - 1 : nearest(curve.x, hover);
    made.value.textContent = name === "knn" ? percent(curve.y[i]) : words(curve.y[i]);
    made.chart.setAttribute("aria-label", `${title}: ${words(curve.y[i])} at step ${curve.x[i]}`);
  }
  prune("curve:", (name) => curves.has(name));
  $("at").textContent = hover === null ? "" : `at step ${Math.round(hover)}`;
}

function prune(prefix, wanted) {
  for (const [key, made] of panels) {
    if (key.startsWith(prefix) && !wanted(key.slice(prefix.length))) { made.box.remove(); panels.delete(key); }
  }
}

const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);

// measures of nodes

function about(name) {
  return facts.measures.find((m) => m.name === name) ?? { name, title: name, unit: "", doc: "", low: null, high: null, scale: "linear" };
}

function measuresFound() {
  const found = new Set(measured.flatMap(({ nodes }) => Object.values(nodes).flatMap(Object.keys)));
  const known = facts.measures.map((m) => m.name).filter((name) => found.has(name));
  return [...known, ...[...found].filter((name) => !known.includes(name)).sort()];
}

function nodeNames() {
  return [...new Set(measured.flatMap(({ nodes }) => Object.keys(nodes)))];
}

function drawNodes() {
  const found = measuresFound(), names = nodeNames();
  $("nodes-section").hidden = !found.length;
  for (const name of found) {
    const measure = about(name);
    const made = panel($("nodes"), `node:${name}`, measure.title + (measure.unit ? ` (${measure.unit})` : ""), measure.doc);
    const series = [];
    names.forEach((node, k) => {
      const x = [], y = [];
      for (const { step, nodes } of measured) if (nodes[node] && name in nodes[node]) { x.push(step); y.push(nodes[node][name]); }
      if (x.length) series.push({ name: node, x, y, colour: LINES[k % LINES.length], dash: DASHES[Math.floor(k / LINES.length) % 3], faint: chosen !== null && chosen !== node });
    });
    plot(made, series, { log: $("log").checked || measure.scale === "log", low: measure.low, high: measure.high });
    legend(made, series);
  }
  prune("node:", (name) => found.includes(name));
}

function legend(made, series) {
  while (made.names.children.length > series.length) made.names.lastChild.remove();
  series.forEach((s, i) => {
    let item = made.names.children[i];
    if (!item) {
      item = document.createElement("button");
      item.type = "button";
      item.append(document.createElement("i"), document.createElement("span"), document.createElement("b"));
      item.addEventListener("click", () => choose(item.dataset.node));
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

function choose(node) {
  chosen = chosen === node ? null : node;
  redraw();
}

// the graph

function colourAt(place) {
  const at = Math.min(1, Math.max(0, place)) * (facts.colours.length - 1);
  const i = Math.min(Math.floor(at), facts.colours.length - 2);
  const [a, b] = [facts.colours[i], facts.colours[i + 1]].map((c) => [1, 3, 5].map((k) => parseInt(c.slice(k, k + 2), 16)));
  return a.map((v, k) => Math.round(v + (b[k] - v) * (at - i)));
}

function isBright(channels) {
  const [r, g, b] = channels.map((c) => (c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) ** 2 > 0.05 * 1.05;
}

function scaleOf(name) {
  const measure = about(name);
  const values = measured.flatMap(({ nodes }) => Object.values(nodes).map((v) => v[name])).filter((v) => v !== undefined);
  const highest = values.reduce((a, b) => Math.max(a, b), -Infinity), lowest = values.reduce((a, b) => Math.min(a, b), Infinity);
  if (measure.scale === "log") {
    const high = Math.ceil(Math.log10(Math.max(highest, 1e-300)));
    const positive = values.filter((v) => v > 0).reduce((a, b) => Math.min(a, b), highest);
    const low = Math.min(high - 1, Math.max(Math.floor(Math.log10(Math.max(positive, 1e-300))), high - 8));
    return { low: 10 ** low, high: 10 ** high, place: (v) => (Math.log10(Math.max(v, 10 ** low)) - low) / (high - low) };
  }
  const low = Math.min(measure.low ?? 0, lowest), high = measure.high ?? (highest > low ? highest : low + 1);
  return { low, high, place: (v) => (v - low) / (high - low) };
}

function drawGraph() {
  const found = measuresFound(), select = $("measure"), slider = $("step");
  select.disabled = slider.disabled = !found.length;
  if (found.length && select.dataset.names !== found.join()) {
    const before = found.includes(select.value) ? select.value : found[0];
    select.replaceChildren(...found.map((name) => new Option(about(name).title, name)));
    select.value = before;
    select.dataset.names = found.join();
  }
  slider.max = Math.max(0, measured.length - 1);
  if (live) slider.value = slider.max;
  $("live").setAttribute("aria-pressed", String(live));
  const now = measured[Number(slider.value)];
  $("step-value").textContent = now ? now.step : "–";
  $("scale").hidden = !now;
  const name = select.value, scale = now ? scaleOf(name) : null;
  if (now) {
    $("low").textContent = words(scale.low);
    $("high").textContent = words(scale.high);
    $("ramp").style.background = `linear-gradient(to right, ${facts.colours.join(", ")})`;
    const edges = found.includes("grad_norm") ? " Edges that carry gradient are thicker where its norm is larger." : "";
    $("doc").textContent = `${about(name).doc || about(name).title}.${edges}`;
  }
  for (const group of document.querySelectorAll("#graph [data-node]")) {
    const node = group.getAttribute("data-node");
    const value = now && now.nodes[node] ? now.nodes[node][name] : undefined;
    warm(group, value, value === undefined ? 0 : scale.place(value));
    group.classList.toggle("faint", chosen !== null && chosen !== node);
  }
  thicken(now);
}

function warm(group, value, place) {
  const bodies = [...group.querySelectorAll(".body")].filter((b) => b.style.fill !== "none");
  const channels = value === undefined ? null : colourAt(place);
  for (const body of bodies) body.style.fill = channels ? `rgb(${channels.join(",")})` : "";
  group.classList.toggle("warm", channels !== null);
  group.classList.toggle("bright", channels !== null && isBright(channels));
  group.classList.toggle("dim", channels !== null && !isBright(channels));
  let chip = group.querySelector(".chip");
  if (!channels) return chip && chip.remove();
  if (!chip) {
    chip = element("g", { class: "chip" });
    chip.append(element("rect", { rx: 8, height: 17 }), element("text", { "text-anchor": "middle" }));
    group.append(chip);
  }
  const text = words(Number(value.toPrecision(3)));
  if (chip.children[1].textContent === text) return undefined;
  chip.children[1].textContent = text;
  const box = bodies[0].getBBox(), width = 12 + 6.6 * text.length;
  const left = box.x + box.width - width + 6, top = box.y - 9;
  for (const [key, v] of Object.entries({ x: left, y: top, width })) chip.children[0].setAttribute(key, v);
  chip.children[1].setAttribute("x", left + width / 2);
  chip.children[1].setAttribute("y", top + 12.5);
  return undefined;
}

function thicken(now) {
  const scale = now ? scaleOf("grad_norm") : null;
  for (const group of document.querySelectorAll("#graph [data-edges]")) {
    const norms = group.dataset.edges.split(" ").map((i) => now && now.nodes[facts.receivers[i]]?.grad_norm).filter((v) => typeof v === "number");
    const line = group.querySelector(".edge.gradient");
    if (line) line.style.strokeWidth = norms.length ? 1.2 + 4 * Math.min(1, Math.max(0, scale.place(Math.max(...norms)))) : "";
  }
}

// how the run stands

const STATES = {
  begun: "no step yet", running: "running", finished: "finished", stalled: "nothing new", gone: "folder is gone",
  refused: "not readable", lost: "watch has ended", connecting: "connecting",
};

function stand({ state, why, since }) {
  const mark = $("status");
  mark.dataset.state = state;
  mark.textContent = STATES[state] ?? state;
  if (since) mark.textContent += ` since ${new Date(1000 * since).toLocaleTimeString()}`;
  mark.title = why ?? { stalled: "the training was stopped, or its step takes long", gone: "the run folder was deleted or moved" }[state] ?? "";
}

function drawNow() {
  const shown = [["step", newest.step], ["epoch", newest.epoch], ["loss", newest.loss], ["kNN", newest.knn], ["images/s", newest.images_per_s]];
  $("now").replaceChildren(...shown.filter(([, value]) => value !== undefined).map(([name, value]) => {
    const pair = document.createElement("div"), term = document.createElement("dt"), detail = document.createElement("dd");
    term.textContent = name;
    detail.textContent = name === "kNN" ? percent(value) : name === "step" ? String(value) : words(value);
    pair.append(term, detail);
    return pair;
  }));
}

// start

const picture = document.querySelector("#graph svg");
if (picture) { // its title stands in the header
  const [, , width, height] = picture.getAttribute("viewBox").split(" ").map(Number);
  picture.setAttribute("viewBox", `0 50 ${width} ${height - 50}`);
  picture.setAttribute("height", height - 50);
}

$("measure").addEventListener("change", redraw);
$("log").addEventListener("change", redraw);
$("smooth").addEventListener("change", redraw);
$("step").addEventListener("input", () => { live = $("step").value === $("step").max; redraw(); });
$("live").addEventListener("click", () => { live = !live; redraw(); });
$("graph").addEventListener("click", (event) => {
  const group = event.target.closest("[data-node]");
  if (group) choose(group.getAttribute("data-node"));
});
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

const source = new EventSource(`events${location.search}`);
source.addEventListener("reset", forget);
source.addEventListener("lines", (event) => take(JSON.parse(event.data)));
source.addEventListener("status", (event) => stand(JSON.parse(event.data)));
source.addEventListener("error", () => stand({ state: "lost" }));
