// Canvas: panes with a drawing each, moved together, and highlights on them.

const stage = $("stage");
const figures = [
  stage.querySelector("svg"),
  ...[...document.querySelectorAll("template.figure")].map((template) => template.content.firstElementChild),
].map((figure) => figure.cloneNode(true));

// touched: the reader moved it. whole: everything is in sight. printing: it is that of the paper.
const view = { x: 0, y: 0, k: 1, touched: false, whole: false, printing: false };
const HEAD = 34; // pixels of a drawing's title, which the page shows in its bar instead
const READABLE = 0.55;
let panes = [];

class Pane {
  constructor(sheet, caption) {
    this.sheet = sheet;
    this.drawing = drawingOf(sheet);
    this.element = make("div", { class: "pane" });
    if (caption) this.element.append(make("p", { class: "caption" }, caption));
    this.svg = figures[this.drawing.figure].cloneNode(true);
    this.width = Number(this.svg.getAttribute("width"));
    this.height = Number(this.svg.getAttribute("height"));
    this.svg.removeAttribute("width");
    this.svg.removeAttribute("height");
    this.svg.setAttribute("aria-label", this.drawing.title ?? sheet.title);
    this.nodes = new Map();
    for (const node of this.svg.querySelectorAll("g.node")) this.prepare(node);
    this.strokes = [...this.svg.querySelectorAll("g[data-edges]")].map((group) => ({
      group, edges: group.dataset.edges.split(" ").map(Number),
    }));
    this.element.append(this.svg);
  }

  prepare(node) {
    const box = this.drawing.byName.get(node.dataset.node);
    this.nodes.set(box.name, node);
    const about = [box.what, box.lane, ...box.badges, box.mark].filter(Boolean).join(", ");
    for (const [name, value] of [["tabindex", "0"], ["role", "button"], ["aria-label", `${box.name}: ${about}`]]) {
      node.setAttribute(name, value);
    }
    node.classList.add(`kind-${box.kind}`);
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    this.svg.setAttribute("viewBox", `${view.x} ${view.y} ${width / view.k} ${height / view.k}`);
  }

  /** Pixels of the drawing around a node: x, y, width, height. */
  place(name) {
    return this.nodes.get(name)?.querySelector(".body")?.getBBox() ?? null;
  }

  light(found, here) {
    this.svg.classList.toggle("tracing", Boolean(found));
    for (const [name, node] of this.nodes) {
      node.classList.toggle("here", Boolean(found) && name === here);
      node.classList.toggle("lit", Boolean(found?.lit.has(name)) && name !== here);
      node.classList.toggle("path", Boolean(found?.path.has(name)));
    }
    for (const { group, edges } of this.strokes) {
      group.classList.toggle("lit", Boolean(found && edges.some((i) => found.litEdges.has(i))));
      group.classList.toggle("path", Boolean(found && edges.some((i) => found.pathEdges.has(i))));
    }
  }

  mark(kind, names) {
    const set = new Set(names);
    for (const [name, node] of this.nodes) node.classList.toggle(kind, set.has(name));
  }
}

/** Show these sheets side by side, each with the caption that belongs to it. */
function showPanes(shown) {
  panes = shown.map(([sheet, caption]) => new Pane(sheet, caption));
  stage.replaceChildren(...panes.map((pane) => pane.element));
  stage.classList.toggle("stacked", panes.length > 1 && roomFor(1, 2) > roomFor(2, 1));
  redraw();
}

/** The scale at which every drawing fits into so many columns and rows of panes. */
function roomFor(columns = 1, rows = 1, width = stage.clientWidth, height = stage.clientHeight) {
  const { widest, highest } = extent();
  return Math.min(width / columns / widest, height / rows / highest);
}

const extent = () => ({
  widest: Math.max(...panes.map((pane) => pane.width)),
  highest: Math.max(...panes.map((pane) => pane.height)) - HEAD,
});

function redraw() {
  if (view.printing) return;
  for (const pane of panes) pane.draw();
  stage.style.setProperty("--grid", `${24 * view.k}px`);
  stage.style.setProperty("--grid-at", `${-view.x * view.k}px ${-view.y * view.k}px`);
}

// The view: one place and scale for all panes.

/** The whole of every drawing; at the very first as large as can be read, from the left. */
function fit({ first = false } = {}) {
  const { clientWidth: width, clientHeight: height } = panes[0].element;
  const { widest, highest } = extent();
  const room = Math.max(0.05, Math.min(roomFor(1, 1, width, height) * 0.97, 1.5));
  const k = first ? Math.max(room, Math.min(READABLE, height / highest)) : room;
  const x = k > room ? 0 : (widest - width / k) / 2;
  const y = HEAD + (highest - height / k) / 2;
  if (first) Object.assign(view, { x, y, k });
  else glide({ x, y, k });
  view.touched = k > room;
  view.whole = !view.touched;
  redraw();
}

const still = matchMedia("(prefers-reduced-motion: reduce)");
let gliding = 0;

/** Move the view to a place within a moment, or at once where motion is not wanted. */
function glide(to) {
  cancelAnimationFrame(gliding);
  const from = { x: view.x, y: view.y, k: view.k };
  const { clientWidth: width, clientHeight: height } = panes[0].element;
  const begun = performance.now();
  const frame = (now) => {
    const share = still.matches ? 1 : Math.min(1, Math.max(0, (now - begun) / 180));
    const t = share * (2 - share);
    view.k = from.k * (to.k / from.k) ** t;
    for (const [axis, size] of [["x", width], ["y", height]]) {
      const middle = (place) => place[axis] + size / place.k / 2;
      view[axis] = middle(from) + (middle(to) - middle(from)) * t - size / view.k / 2;
    }
    redraw();
    if (share < 1) gliding = requestAnimationFrame(frame);
  };
  frame(still.matches ? begun : begun + 1);
}

function zoom(factor, at = null) {
  cancelAnimationFrame(gliding);
  const { clientWidth: width, clientHeight: height } = panes[0].element;
  const point = at ?? { x: width / 2, y: height / 2 };
  const k = Math.max(0.1, Math.min(view.k * factor, 8));
  view.x += point.x / view.k - point.x / k;
  view.y += point.y / view.k - point.y / k;
  view.k = k;
  Object.assign(view, { touched: true, whole: false });
  redraw();
}

function pan(dx, dy) {
  cancelAnimationFrame(gliding);
  view.x -= dx / view.k;
  view.y -= dy / view.k;
  Object.assign(view, { touched: true, whole: false });
  redraw();
}

/** Move the view so that a node is well inside, as little as that takes; where all is in view, nothing moves. */
function reveal(name, margin = 48) {
  const pane = panes.find((each) => each.nodes.has(name));
  const place = pane?.place(name);
  if (!place || view.whole) return;
  const width = pane.element.clientWidth / view.k;
  const height = pane.element.clientHeight / view.k;
  const gap = Math.min(margin / view.k, width / 6, height / 6);
  const move = (at, room, low, size) => {
    if (size + 2 * gap > room) return low + size / 2 - room / 2;
    return Math.min(Math.max(at, low + size + gap - room), low - gap);
  };
  const x = move(view.x, width, place.x, place.width);
  const y = move(view.y, height, place.y, place.height);
  if (x === view.x && y === view.y) return;
  glide({ x, y, k: view.k });
}

// Pointers: drag moves, two fingers and the wheel zoom around where they are.

const pointers = new Map();
let dragged = 0;

const paneAt = (event) => panes.find((pane) => pane.element.contains(event.target)) ?? panes[0];

function inPane(event) {
  const box = paneAt(event).element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), inPane(event));
}, { passive: false });

stage.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "mouse" && event.button !== 0) return;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (pointers.size === 1) dragged = 0;
});

stage.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last) return;
  const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
  dragged += Math.abs(dx) + Math.abs(dy);
  if (dragged > 4 && !stage.hasPointerCapture(event.pointerId)) {
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("dragging");
  }
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (!other) {
    if (dragged > 4) pan(dx, dy);
    return;
  }
  const length = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
  const box = panes[0].element.getBoundingClientRect();
  const middle = { x: (event.clientX + other.x) / 2 - box.left, y: (event.clientY + other.y) / 2 - box.top };
  pan(dx / 2, dy / 2);
  zoom(length({ x: event.clientX, y: event.clientY }) / length(last), middle);
});

for (const end of ["pointerup", "pointercancel"]) {
  window.addEventListener(end, (event) => {
    pointers.delete(event.pointerId);
    if (!pointers.size) stage.classList.remove("dragging");
  });
}

/** After the stage changed its size: the whole again where it can be read, else what is open moves into sight. */
function resized(open) {
  redraw();
  if (view.touched) return;
  const { clientWidth: width, clientHeight: height } = panes[0].element;
  if (!open || roomFor(1, 1, width, height) >= READABLE) {
    fit();
  } else {
    view.whole = false;
    reveal(open);
  }
}
