// A run as it happens: lines of metrics arrive as server-sent events; curves and the graph are drawn again at most once a frame.

const facts = JSON.parse(document.getElementById("facts").textContent);
const RUN = new Set(["step", "epoch", "nodes", "diagnosis"]);
const DASHES = ["", "6 3", "2 3"]; // for more nodes than colours

let curves = new Map(); // name -> {x: [step], y: [value]}
let measured = []; // {step, nodes}
let diagnoses = []; // {step, code, message, help}
let newest = {};
let hover = null; // step under the pointer
let chosen = null; // the node seen alone
let live = true;
let pending = false;
let span = [0, 1]; // steps of the run, the same for all panels

function forget() {
  curves = new Map();
  measured = [];
  diagnoses = [];
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
    const { nodes, diagnosis, ...rest } = record;
    Object.assign(newest, rest);
    for (const found of diagnosis ?? []) diagnoses.push({ step: record.step, ...found });
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
    drawDiagnoses();
    drawCurves();
    drawNodes();
    drawGraph();
  });
}

// what is wrong

function drawDiagnoses() {
  const list = $("diagnosis");
  list.hidden = !diagnoses.length;
  if (list.children.length === diagnoses.length) return;
  list.replaceChildren(...diagnoses.map(({ step, code, message, help }) => {
    const item = document.createElement("li"), head = document.createElement("b"), advice = document.createElement("p");
    head.textContent = `${code ?? ""} at step ${step}`;
    advice.className = "soft";
    advice.textContent = help ?? "";
    item.append(head, ` ${message ?? ""}`, advice);
    return item;
  }));
}

// numbers

function words(value) {
  return value === null || value === undefined ? "–" : short(value, 4);
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

function choose(node) {
  chosen = chosen === node ? null : node;
  redraw();
}

// the graph

function scaleOf(name) {
  const measure = about(name);
  const values = measured.flatMap(({ nodes }) => Object.values(nodes).map((v) => v[name])).filter((v) => v !== undefined);
  const highest = values.reduce((a, b) => Math.max(a, b), -Infinity), lowest = values.reduce((a, b) => Math.min(a, b), Infinity);
  if (measure.scale === "log") {
    const high = Math.ceil(Math.log10(Math.max(highest, 1e-300)));
    const positive = values.filter((v) => v > 0).reduce((a, b) => Math.min(a, b), highest);
    const low = Math.min(high - 1, Math.max(Math.floor(Math.log10(Math.max(positive, 1e-300))), high - 8));
    return { low: 10 ** low, high: 10 ** high, scale: "log" };
  }
  const low = Math.min(measure.low ?? 0, lowest), high = measure.high ?? (highest > low ? highest : low + 1);
  return { low, high, scale: "linear" };
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
    const edges = found.includes("grad_norm") ? ` ${THICKER}` : "";
    $("doc").textContent = `${about(name).doc || about(name).title}.${edges}`;
  }
  const placed = now && placeOn(scale);
  for (const node of document.querySelectorAll("#graph [data-node]")) {
    warm(node, now?.nodes[node.dataset.node]?.[name], placed);
    node.classList.toggle("faint", chosen !== null && chosen !== node.dataset.node);
  }
  thicken($("graph"), (edge) => now?.nodes[facts.receivers[edge]]?.grad_norm, placeOn(scaleOf("grad_norm")));
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
    const said = name === "kNN" ? percent(value) : name === "step" ? String(value) : words(value);
    return make("div", {}, make("dt", {}, name), make("dd", {}, said));
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
