// Panel: everything there is to tell of one node, as elements. Texts of the file stay text.

const panel = $("panel");

/** Text in which what stands between backticks is code. */
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part));
}

function section(title, ...children) {
  const found = children.filter(Boolean);
  return found.length ? make("section", {}, make("h3", {}, ...[title].flat()), ...found) : null;
}

/** The panel's content for a node of a pane. actions: what its buttons do. */
function panelFor(pane, name, actions) {
  const box = pane.drawing.byName.get(name);
  const detail = detailOf(pane.sheet, name);
  return [
    head(box, detail, actions),
    notes(pane, box),
    measured(pane.sheet, box),
    blockActions(pane, box, actions),
    box.kind === "total" ? section("Sum", make("p", {}, box.doc)) : null,
    ...yaml(name, detail),
    section("Inputs", ports(detail?.inputs ?? [])),
    section("Outputs", ports(detail?.outputs ?? [])),
    attributes(detail, box),
    edges(pane.drawing, box, actions),
    detail ? section(`Op ${detail.op}`, make("div", { class: "doc" }, ...prose(textOf(detail.doc)))) : null,
  ].filter(Boolean);
}

function head(box, detail, actions) {
  const close = make("button", { type: "button", class: "close", "aria-label": "close (Esc)", title: "close (Esc)", onclick: actions.close }, "×");
  const facts = [box.what, box.lane, box.count > 1 ? `${box.count} views` : "", ...box.badges].filter(Boolean);
  const chips = facts.map((text, i) => make("li", i === 1 ? { class: `lane-chip ${box.lane}` } : {}, text));
  return make("header", {}, make("h2", {}, box.name), close, make("ul", { class: "chips" }, ...chips));
}

function notes(pane, box) {
  const touching = pane.drawing.edges.filter((edge) => edge.mark && (edge.source === box.name || edge.target === box.name));
  const lines = [
    ...(box.mark ? (box.notes.length ? box.notes : [box.mark]).map((note) => [box.mark, note]) : []),
    ...touching.map((edge) => [edge.mark, `${edge.source} → ${edge.target}: ${edge.notes.join("; ") || edge.mark}`]),
  ];
  return section(data.mode === "diff" ? "What changed" : "Findings",
    lines.length ? make("ul", { class: "notes" }, ...lines.map(([mark, note]) => make("li", { class: mark }, note))) : null);
}

function measured(sheet, box) {
  const all = sheet.measures?.measures.filter((measure) => Object.hasOwn(measure.values, box.name)) ?? [];
  const rows = all.map((measure) => {
    const value = valueNow(measure, box.name);
    const words = isMeasured(value) ? `${short(value)} ${measure.unit}`.trim() : "not measured";
    return make("tr", { title: measure.doc }, make("th", { scope: "row" }, measure.title), make("td", {}, words));
  });
  return section("Measured", rows.length ? make("table", {}, make("tbody", {}, ...rows)) : null);
}

function blockActions(pane, box, actions) {
  const toggle = (group, text) => make("button", { type: "button", class: "action", onclick: () => actions.fold(group) }, text);
  if (box.kind !== "block") return box.group ? make("p", {}, toggle(box.group, `Collapse block ${box.group}`)) : null;
  const inside = drawingOf(pane.sheet, new Set()).boxes.filter((other) => other.group === box.name);
  const items = inside.map((other) => make("li", {}, make("button", { type: "button", class: "link", onclick: () => actions.go(other.name) }, other.name), ` ${other.what}`));
  return section("Inside", make("ul", { class: "edges" }, ...items), toggle(box.name, `Expand block ${box.name}`));
}

/** The node's lines; in a comparison those before and those after, where they differ. */
function yaml(name, detail) {
  const versions = data.mode === "diff" ? versionsOf(name) : [];
  const texts = new Set(versions.map(([, each]) => each.yaml.map(([text]) => text).join("\n")));
  if (texts.size > 1) return versions.map(([when, each]) => yamlLines(each, `YAML ${when}`));
  return [yamlLines(detail, "YAML, as resolved")];
}

function yamlLines(detail, title) {
  if (!detail?.yaml.length) return null;
  const places = detail.yaml.map(([, place]) => textOf(place));
  const file = (place) => place.slice(0, place.lastIndexOf(":"));
  const files = [...new Set(places.map(file))];
  let last = files.length > 1 ? null : files[0];
  const rows = detail.yaml.flatMap(([text], i) => {
    const heading = file(places[i]) === last ? [] : [make("tr", { class: "file" }, make("td", { colspan: 2 }, file(places[i])))];
    last = file(places[i]);
    const number = places[i].slice(places[i].lastIndexOf(":") + 1);
    return [...heading, make("tr", {}, make("th", { scope: "row", title: places[i] }, number), make("td", {}, text))];
  });
  const heading = files.length > 1 ? title : [`${title} · `, make("span", {}, files[0])];
  return section(heading, make("div", { class: "scroll" }, make("table", { class: "yaml" }, make("tbody", {}, ...rows))));
}

function ports(list) {
  if (!list.length) return null;
  const rows = list.map((port) => make("tr", {},
    make("th", { scope: "row" }, port.name),
    make("td", {}, make("b", {}, port.shape || textOf(port.type)), ...port.flags.map((flag) => make("span", { class: "flag" }, flag)),
      make("small", {}, ...prose(textOf(port.doc))))));
  return make("table", { class: "ports" }, make("tbody", {}, ...rows));
}

function attributes(detail, box) {
  if (!detail) return box.kind === "block" || !box.attributes.length ? null : section("Attributes", make("table", {}, make("tbody", {},
    ...box.attributes.map(([key, value]) => make("tr", {}, make("th", { scope: "row" }, key), make("td", {}, value))))));
  const row = (each) => {
    const usual = textOf(each.default);
    const also = each.value === usual ? "" : usual === "required" ? "" : usual && ` default ${usual}`;
    return make("tr", {}, make("th", { scope: "row" }, each.name),
      make("td", {}, make("b", {}, each.value), also ? make("span", { class: "flag" }, also) : null,
        make("small", {}, ...prose(textOf(each.doc)), each.place ? ` (${each.place})` : "")));
  };
  const table = (list) => (list.length ? make("table", { class: "attributes" }, make("tbody", {}, ...list.map(row))) : null);
  const given = detail.attributes.filter((each) => each.place || each.value !== textOf(each.default));
  const usual = detail.attributes.filter((each) => !given.includes(each));
  const rest = usual.length ? make("details", {}, make("summary", {}, `${usual.length} at their default`), table(usual)) : null;
  return section("Attributes", table(given), rest);
}

function edges(drawing, box, actions) {
  const list = (title, found, end) => {
    const items = found.map((edge) => make("li", { class: edge.kind },
      make("button", { type: "button", class: "link", onclick: () => actions.go(edge[end]) }, edge[end]), ` ${edgeWords(edge)}`));
    return items.length ? make("div", {}, make("h4", {}, title), make("ul", { class: "edges" }, ...items)) : null;
  };
  return section("Edges",
    list("from", drawing.edges.filter((edge) => edge.target === box.name), "source"),
    list("to", drawing.edges.filter((edge) => edge.source === box.name), "target"));
}
