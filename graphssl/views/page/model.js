// Data: what the page was given, and what can be asked of it. Nothing here touches what is shown.

const data = JSON.parse(document.getElementById("payload").textContent);

const sheetsByName = new Map(data.sheets.map((sheet) => [sheet.name, sheet]));

for (const sheet of data.sheets) {
  for (const drawing of sheet.drawings) {
    drawing.boxes = drawing.boxes.map((number) => data.boxes[number]);
    drawing.edges = drawing.edges.map((number) => data.edges[number]);
    drawing.byName = new Map(drawing.boxes.map((box) => [box.name, box]));
  }
  sheet.folded = new Set(sheet.folded);
}

/** The sheet's drawing whose collapsed blocks are nearest to those asked for. */
function drawingOf(sheet, folded = sheet.folded, must = null) {
  const distance = (drawing) => {
    const has = new Set(drawing.folded);
    const differ = sheet.groups.filter((group) => has.has(group) !== folded.has(group));
    return differ.length + (differ.includes(must) ? 1000 : 0);
  };
  return sheet.drawings.reduce((best, each) => (distance(each) < distance(best) ? each : best));
}

/** The name under which a node is drawn: its own, or that of the collapsed block it is in. */
function shownAs(drawing, name) {
  if (drawing.byName.has(name)) return name;
  const block = name.split("/")[0];
  return drawing.byName.has(block) ? block : null;
}

function detailOf(sheet, name) {
  const others = data.mode === "diff" ? [sheet, sheetsByName.get("after"), sheetsByName.get("before")] : [sheet];
  const found = others.find((other) => other && Object.hasOwn(other.details, name));
  return found ? data.details[found.details[name]] : null;
}

/** In a comparison, what a node was and what it is, where both are known. */
function versionsOf(name) {
  const found = ["before", "after"].map((each) => [each, sheetsByName.get(each)?.details ?? {}]);
  return found.filter(([, details]) => Object.hasOwn(details, name)).map(([each, details]) => [each, data.details[details[name]]]);
}

const textOf = (number) => data.texts[number];

function closure(starts, next) {
  const found = new Set(starts);
  const todo = [...found];
  while (todo.length) {
    for (const name of next(todo.pop())) {
      if (!found.has(name)) {
        found.add(name);
        todo.push(name);
      }
    }
  }
  return found;
}

/** What lights up for a node: everything it depends on, and the nodes and edges by which gradient of the losses reaches it. */
function trace(drawing, name) {
  const before = new Map();
  const up = new Map();
  const down = new Map();
  const push = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  for (const edge of drawing.edges) {
    push(before, edge.target, edge.source);
    if (edge.kind === "gradient") {
      push(up, edge.target, edge.source);
      push(down, edge.source, edge.target);
    }
  }
  const box = drawing.byName.get(name);
  const lit = closure([name], (each) => before.get(each) ?? []);
  const path = gradientPath(drawing, box, up, down);
  const along = (set, edge) => set.has(edge.source) && set.has(edge.target);
  const indices = (test) => new Set([...drawing.edges.keys()].filter((i) => test(drawing.edges[i])));
  return {
    name,
    lit,
    path,
    litEdges: indices((edge) => along(lit, edge)),
    pathEdges: indices((edge) => edge.kind === "gradient" && along(path, edge)),
  };
}

/** Calls of one module share its weights, so gradient reaches them through each call; a loss shows what it trains. */
function gradientPath(drawing, box, up, down) {
  const calls = drawing.boxes.filter((other) => other.name === box.name || (box.module && other.module === box.module));
  const starts = calls.map((other) => other.name);
  const after = closure(starts, (each) => down.get(each) ?? []);
  const losses = [...after].filter((each) => isEnd(drawing.byName.get(each)));
  const towards = closure(losses, (each) => (up.get(each) ?? []).filter((other) => after.has(other)));
  const trained = isEnd(box) ? closure([box.name], (each) => up.get(each) ?? []) : [];
  const found = new Set([...towards, ...trained]);
  return found.size > 1 ? found : new Set();
}

const isEnd = (box) => box.loss || box.kind === "total";

/** Names of boxes in which every word of the query occurs, in drawing order. */
function search(sheet, drawing, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const full = drawingOf(sheet, new Set());
  const text = (box) => [box.name, box.op, box.what, ...box.attributes.flat(), ...box.badges].join("\n");
  const inside = (box) => (box.kind === "block" ? full.boxes.filter((other) => other.group === box.name) : []);
  const matches = (box) => {
    const all = [box, ...inside(box)].map(text).join("\n").toLowerCase();
    return words.every((word) => all.includes(word));
  };
  return drawing.boxes.filter(matches).map((box) => box.name);
}

/** The places that a comparison marks, in drawing order: boxes, then edges between boxes that are not marked. */
function changesOf(drawing) {
  const boxes = drawing.boxes.filter((box) => box.mark).map((box) => box.name);
  const marked = new Set(boxes);
  const edges = drawing.edges.filter((edge) => edge.mark && !marked.has(edge.source) && !marked.has(edge.target));
  return [...new Set([...boxes, ...edges.map((edge) => edge.target)])];
}

const EDGE_WORDS = {
  gradient: "carries gradient", data: "data", write: "stored for later steps",
  ema: "EMA of the weights", copy: "copied once", share: "same weights",
};

/** An edge in a few words: what flows, and between which ports where a node has several. */
function edgeWords(edge) {
  const link = ["ema", "copy", "share"].includes(edge.kind);
  const ports = link || edge.number ? "" : [edge.port, edge.into].filter(Boolean).join(" → ");
  const label = edge.number ? `${edge.kind === "ema" ? "momentum" : "weight"} ${edge.label}` : edge.label;
  return [label, EDGE_WORDS[edge.kind], edge.stops ? "gradient stops" : "", ports].filter(Boolean).join(" · ");
}
