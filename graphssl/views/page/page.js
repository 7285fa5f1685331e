// Page: what is chosen, and what keys, pointers and controls do about it.

const state = { sheet: data.sheets[0], overlaid: true, node: null, hover: null, matches: [], match: -1, change: -1 };
const diff = data.mode === "diff";

// Choosing sheets.

function selectSheet(name) {
  const sheet = sheetsByName.get(name);
  if (!sheet) return;
  const touched = view.touched;
  state.sheet = sheet;
  $("sheet").value = name;
  show();
  if (!touched) resized(state.node);
  if (state.node) open(shownAs(panes[0].drawing, state.node), { focus: false });
  remember();
}

/** Draw the chosen sheets again and bring back what was highlighted. */
function show() {
  const shown = diff && !state.overlaid ? ["before", "after"].map((name) => [sheetsByName.get(name), name]) : [[state.sheet, ""]];
  showPanes(shown.filter(([sheet]) => sheet));
  state.hover = null;
  $("title").textContent = diff ? data.title : state.sheet.title || data.title;
  $("paper").textContent = [diff ? state.sheet.title : state.sheet.name, state.sheet.paper].filter(Boolean).join(" · ");
  $("findings").hidden = !state.sheet.findings.length;
  $("findings").replaceChildren(...state.sheet.findings.flatMap((line, i) => (i ? [make("br"), line] : [line])));
  showBlocks();
  showMeasures();
  find($("search").value, { go: false });
  trail();
}

function showBlocks() {
  const groups = state.sheet.groups;
  $("blocks-field").hidden = !groups.length;
  const folded = new Set(panes[0].drawing.folded);
  $("blocks").replaceChildren(...groups.map((group) => make("label", {},
    make("input", { type: "checkbox", checked: folded.has(group), onchange: () => fold(group) }), ` ${group} collapsed`)));
}

/** Collapse a block, or expand it; the node or block stays where the reader looks. */
function fold(group) {
  for (const sheet of data.sheets) {
    if (!sheet.groups.includes(group)) continue;
    const now = new Set(drawingOf(sheet).folded);
    if (now.has(group)) now.delete(group);
    else now.add(group);
    sheet.folded = new Set(drawingOf(sheet, now, group).folded);
  }
  const touched = view.touched;
  const had = document.activeElement?.closest?.("g.node")?.dataset.node;
  show();
  if (!touched) resized(null);
  const first = panes[0].drawing.boxes.find((box) => box.name === group || box.group === group);
  if (first && touched) reveal(first.name);
  if (first && had) focusNode(first.name);
  if (state.node) open(shownAs(panes[0].drawing, state.node) ?? first?.name ?? null, { focus: false });
}

// Highlights: of the node under the pointer, else the focused one, else the one that is open.

function trail() {
  const name = state.hover ?? state.node;
  let said = "";
  for (const pane of panes) {
    const here = name && shownAs(pane.drawing, name);
    const found = here ? trace(pane.drawing, here) : null;
    pane.light(found, here);
    pane.mark("chosen", state.node ? [shownAs(pane.drawing, state.node)] : []);
    if (found) said = sentence(pane.drawing.byName.get(here), found);
  }
  document.body.classList.toggle("traced", Boolean(said));
  $("status").textContent = said || hint();
}

const hint = () => (matchMedia("(hover: none)").matches ? "Tap a node" : "Point at a node, or Tab to one; ? lists the keys");

function sentence(box, found) {
  const count = found.lit.size - 1;
  const depends = count ? `depends on ${count} node${count > 1 ? "s" : ""}` : "depends on nothing else";
  const gradient = isEnd(box) ? `trains through ${Math.max(found.path.size - 1, 0)}` : found.path.size ? "gradient reaches it" : "no gradient reaches it";
  return `${box.name} · ${box.what} · ${depends} · ${gradient}`;
}

const nodeAt = (event) => event.target.closest?.("g.node")?.dataset.node ?? null;

function hover(name) {
  if (state.hover === name) return;
  state.hover = name;
  trail();
}

stage.addEventListener("pointerover", (event) => event.pointerType !== "touch" && !pointers.size && hover(nodeAt(event)));
stage.addEventListener("pointerleave", () => hover(null));
stage.addEventListener("focusin", (event) => {
  const name = nodeAt(event);
  if (!name || !event.target.matches(":focus-visible")) return;
  hover(name);
  stage.scrollTo(0, 0);
  reveal(name);
});
stage.addEventListener("focusout", () => hover(null));

// The panel.

function open(name, { focus = true } = {}) {
  const pane = panes.find((each) => each.drawing.byName.has(name)) ?? panes[0];
  state.node = pane.drawing.byName.has(name) ? name : null;
  const was = panel.hidden;
  panel.hidden = !state.node;
  if (state.node) {
    panel.replaceChildren(...panelFor(pane, name, { close, go, fold }));
    panel.setAttribute("aria-label", `Node ${name}`);
    panel.scrollTop = 0;
  }
  if (was !== panel.hidden) resized(state.node);
  if (state.node && focus) reveal(name);
  trail();
  remember();
}

function close() {
  const name = state.node;
  const inside = panel.contains(document.activeElement);
  open(null);
  if (name && inside) focusNode(name);
}

/** Open a neighbour; a node inside a collapsed block brings the block open. */
function go(name) {
  const found = panes.some((pane) => pane.drawing.byName.has(name));
  if (!found) fold(name.split("/")[0]);
  open(name);
  focusNode(name);
}

function focusNode(name) {
  const pane = panes.find((each) => each.nodes.has(name));
  pane?.nodes.get(name).focus({ preventScroll: true, focusVisible: true });
}

let clicked = null; // the panel may move a node away between the two clicks of a double click

stage.addEventListener("click", (event) => {
  if (dragged > 4) return;
  if (event.detail === 2 && clicked) {
    toggleBlockOf(clicked);
    return;
  }
  clicked = nodeAt(event);
  if (clicked) open(clicked);
  else if (state.node) close();
});

/** Expand the block that is drawn as this node, or collapse the one it is in. */
function toggleBlockOf(name) {
  const box = name && panes.map((pane) => pane.drawing.byName.get(name)).find(Boolean);
  const group = box && (box.kind === "block" ? box.name : box.group);
  if (group) fold(group);
  return Boolean(group);
}

// Search.

function find(query, { go: move = true } = {}) {
  const sheet = panes[0].sheet;
  state.matches = search(sheet, panes[0].drawing, query);
  state.match = state.matches.length && move ? 0 : -1;
  for (const pane of panes) pane.mark("match", state.matches);
  document.body.classList.toggle("searching", Boolean(query.trim()));
  tellMatch(query);
}

function tellMatch(query = $("search").value) {
  const at = state.matches[state.match];
  for (const pane of panes) pane.mark("hit", at ? [at] : []);
  if (at) reveal(at, 80);
  const count = state.matches.length;
  $("matches").textContent = !query.trim() ? "" : !count ? "none" : `${Math.max(state.match, 0) + 1}/${count}`;
}

$("search").addEventListener("input", () => find($("search").value));
$("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    $("search").value = "";
    find("");
    focusNode(state.node ?? panes[0].drawing.boxes[0]?.name);
    event.stopPropagation();
  } else if (event.key === "Enter" && state.matches.length) {
    const count = state.matches.length;
    const current = state.matches[state.match];
    if (state.node === current || event.shiftKey) state.match = (state.match + (event.shiftKey ? count - 1 : 1)) % count;
    tellMatch();
    open(state.matches[state.match]);
    event.preventDefault();
  }
});

// Keys.

const KEYS = [
  ["/", "search; Enter: next, Esc: clear"], ["Tab", "from node to node"], ["← →", "along edges"], ["↑ ↓", "to the node above or below"],
  ["Enter", "open a node, again: go into its panel; expand a block"], ["c", "collapse the block of a node, or expand it"], ["+ − 0", "zoom in, out, to full size"], ["f", "fit"], ["Esc", "close"],
  ...(diff ? [["n p", "next and previous change"]] : []),
];
$("keys").replaceChildren(make("dl", {}, ...KEYS.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])));

const actions = {
  "/": () => $("search").select(),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": () => zoom(1 / view.k), f: fit,
  n: () => diff && step(1), p: () => diff && step(-1),
  "?": () => { $("help").open = !$("help").open; },
  Escape: () => escape(),
};

function escape() {
  const menu = document.querySelector("details.menu[open]");
  if (menu) menu.open = false;
  else if (state.node) close();
  else hover(null);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea") && event.key !== "Escape") return;
  const name = nodeAt(event);
  if (name && nodeKey(event.key, name)) event.preventDefault();
  else if (Object.hasOwn(actions, event.key)) {
    actions[event.key]();
    event.preventDefault();
  }
});

/** What a key does on a focused node; whether it does anything. */
function nodeKey(key, name) {
  const pane = panes.find((each) => each.nodes.get(name)?.contains(document.activeElement));
  const box = pane?.drawing.byName.get(name);
  if (!box) return false;
  if (key === "c") return toggleBlockOf(name);
  if (key === "Enter" && box.kind === "block") return toggleBlockOf(name);
  if ((key === "Enter" || key === " ") && state.node === name) panel.focus();
  else if (key === "Enter" || key === " ") open(name);
  else if (key.startsWith("Arrow")) walk(pane, name, key);
  else return false;
  return true;
}

/** Focus the neighbour along an edge, the nearest in height; up and down the nearest box there. */
function walk(pane, name, key) {
  const here = centre(pane, name);
  const across = key === "ArrowRight" || key === "ArrowLeft";
  const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  const ends = pane.drawing.edges.filter((edge) => edge[sign > 0 ? "source" : "target"] === name).map((edge) => edge[sign > 0 ? "target" : "source"]);
  const names = across ? ends : [...pane.nodes.keys()];
  const far = (at) => (across ? Math.abs(at.y - here.y) + Math.abs(at.x - here.x) / 4 : Math.abs(at.y - here.y) + 2 * Math.abs(at.x - here.x));
  const there = (at) => (across ? at.x - here.x : at.y - here.y) * sign > 1;
  const found = names.filter((each) => each !== name).map((each) => [each, centre(pane, each)]);
  const ahead = found.filter(([, at]) => there(at));
  const best = (ahead.length || !across ? ahead : found).sort((a, b) => far(a[1]) - far(b[1]))[0];
  if (best) pane.nodes.get(best[0]).focus({ preventScroll: true });
}

function centre(pane, name) {
  const place = pane.place(name);
  return { x: place.x + place.width / 2, y: place.y + place.height / 2 };
}

// A comparison.

function arrange(overlaid) {
  state.overlaid = overlaid;
  $("overlaid").setAttribute("aria-pressed", String(overlaid));
  $("beside").setAttribute("aria-pressed", String(!overlaid));
  show();
  fit();
}

function step(by) {
  const changes = changesOf(drawingOf(sheetsByName.get("both") ?? state.sheet));
  if (!changes.length) return;
  state.change = (state.change + by + changes.length + (state.change < 0 && by < 0 ? 1 : 0)) % changes.length;
  const name = changes[state.change];
  if (panes.some((pane) => pane.drawing.byName.has(name))) open(name);
  tellChanges(changes);
}

function tellChanges(changes = changesOf(drawingOf(sheetsByName.get("both") ?? state.sheet))) {
  const all = `${changes.length} change${changes.length === 1 ? "" : "s"}`;
  $("change-count").textContent = state.change < 0 ? all : `${state.change + 1} of ${changes.length}`;
}

$("overlaid").addEventListener("click", () => arrange(true));
$("beside").addEventListener("click", () => arrange(false));
$("next-change").addEventListener("click", () => step(1));
$("previous-change").addEventListener("click", () => step(-1));

// What outlives a visit: the address holds sheet and node. The theme follows the system unless chosen.

function remember() {
  const sheet = diff ? (state.overlaid ? "both" : "beside") : state.sheet.name;
  const hash = `#${encodeURIComponent(sheet)}${state.node ? `/${encodeURIComponent(state.node)}` : ""}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

function restore() {
  const [sheet, node] = location.hash.slice(1).split("/").map((part) => {
    try { return decodeURIComponent(part); } catch { return ""; }
  });
  if (diff) {
    if (sheet === "beside") arrange(false);
  } else if (sheet && sheet !== state.sheet.name) selectSheet(sheet);
  if (node) open(shownAs(panes[0].drawing, node) ?? node, { focus: true });
}

window.addEventListener("hashchange", restore);

$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
});

/** The first pane's drawing as a file that stands alone, without what the page adds. */
function download() {
  const pane = panes[0];
  const svg = figures[pane.drawing.figure].cloneNode(true);
  svg.prepend(make("svg:title", {}, pane.sheet.title), make("svg:style", {}, $("drawing-style").textContent));
  const text = `${new XMLSerializer().serializeToString(svg)}\n`;
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  const name = `${data.title} ${pane.sheet.name}`.replace(/[^\w@-]+/g, "_").slice(0, 80);
  make("a", { href: url, download: `${name}.svg` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

$("download").addEventListener("click", download);
$("zoom-in").addEventListener("click", () => zoom(1.25));
$("zoom-out").addEventListener("click", () => zoom(0.8));
$("zoom-fit").addEventListener("click", fit);
$("sheet").addEventListener("change", () => selectSheet($("sheet").value));
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
// On paper stands the whole drawing, with its title.
window.addEventListener("beforeprint", () => {
  view.printing = true;
  for (const pane of panes) pane.svg.setAttribute("viewBox", `0 0 ${pane.width} ${pane.height}`);
});
window.addEventListener("afterprint", () => {
  view.printing = false;
  redraw();
});

// Begin.

$("sheet").replaceChildren(...data.sheets.map((sheet) => make("option", { value: sheet.name }, sheet.name + (sheet.findings.length ? " (has errors)" : ""))));
$("sheet-field").hidden = diff || data.sheets.length < 2;
$("diff-field").hidden = $("changes-field").hidden = !diff;
if (diff) state.sheet = sheetsByName.get("both") ?? state.sheet;
show();
fit({ first: true });
if (diff) tellChanges();
restore();
new ResizeObserver(() => resized(state.node)).observe(stage);
