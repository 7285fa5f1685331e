// Measurements: which one colours the nodes, and at which step; edges show the gradient's norm.

const meter = { name: null, step: null };

function showMeasures() {
  const found = state.sheet.measures;
  const here = Boolean(found?.measures.length && found.steps.length);
  $("measures").hidden = !here;
  if (!here) return;
  meter.name ??= found.measures[0].name;
  meter.step ??= found.steps.length - 1;
  $("measure").replaceChildren(...found.measures.map((measure) => make("option", { value: measure.name }, measure.title)));
  $("measure").value = meter.name;
  $("step").max = found.steps.length - 1;
  $("step").value = meter.step;
  colour();
}

function colour() {
  const { steps, measures } = state.sheet.measures;
  const measure = measures.find((each) => each.name === meter.name);
  const text = `step ${steps[meter.step].toLocaleString("en")}`;
  $("step-text").textContent = text;
  $("step").setAttribute("aria-valuetext", text);
  const unit = measure.unit ? ` ${measure.unit}` : "";
  $("scale-low").textContent = short(measure.low) + unit;
  $("scale-high").textContent = short(measure.high) + unit;
  $("scale-good").textContent = measure.good ? `${measure.good} is healthy` : "";
  const norms = measures.find((each) => each.name === "grad_norm");
  $("measure-doc").textContent = [measure.doc, norms && THICKER].filter(Boolean).join(". ");
  for (const pane of panes) {
    for (const [name, node] of pane.nodes) warm(node, valueNow(measure, name), placeOn(measure), measure.unit);
    if (norms) thicken(pane.svg, (i) => valueNow(norms, state.sheet.receivers[pane.drawing.edges[i].origin]), placeOn(norms));
  }
}

/** What a measure is of a node at the chosen step, or nothing. */
const valueNow = (measure, name) => (Object.hasOwn(measure.values, name) ? measure.values[name][meter.step] : null);

/** The open panel with present values; what was scrolled stays. */
function refresh() {
  const top = panel.scrollTop;
  const pane = panes.find((each) => each.drawing.byName.has(state.node));
  if (pane && !panel.contains(document.activeElement)) panel.replaceChildren(...panelFor(pane, state.node, { close, go, fold }));
  panel.scrollTop = top;
}

$("measure").addEventListener("change", () => { meter.name = $("measure").value; colour(); });
$("step").addEventListener("input", () => {
  meter.step = Number($("step").value);
  colour();
  if (state.node) refresh();
});
