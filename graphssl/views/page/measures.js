// Measurements: which one colours the nodes, and at which step. last: it follows the newest step.

const meter = { name: null, step: 0, last: true };

function showMeasures() {
  const found = panes[0].sheet.measures;
  const here = found?.measures.length && found.steps.length;
  $("measures").hidden = !here;
  if (!here) {
    for (const pane of panes) paint(pane, null, () => 0, "");
    return;
  }
  const names = found.measures.map((measure) => measure.name);
  if (!names.includes(meter.name)) meter.name = names[0];
  const shown = [...$("measure").options].map((option) => option.value);
  if (shown.join() !== names.join()) {
    $("measure").replaceChildren(...found.measures.map((measure) => make("option", { value: measure.name }, measure.title)));
  }
  $("measure").value = meter.name;
  const last = found.steps.length - 1;
  if (meter.last || meter.step > last) meter.step = last;
  $("step").max = last;
  $("step").value = meter.step;
  colour();
}

function colour() {
  const found = panes[0].sheet.measures;
  const measure = found.measures.find((each) => each.name === meter.name);
  const text = `step ${found.steps[meter.step].toLocaleString("en")}`;
  $("step-text").textContent = text;
  $("step").setAttribute("aria-valuetext", text);
  const unit = measure.unit ? ` ${measure.unit}` : "";
  $("scale-low").textContent = short(measure.low) + unit;
  $("scale-high").textContent = short(measure.high) + unit;
  $("scale-good").textContent = measure.good ? `${measure.good} is healthy` : "";
  $("measure-doc").textContent = measure.doc;
  for (const pane of panes) {
    const series = pane.sheet.measures?.measures.find((each) => each.name === meter.name)?.values ?? {};
    const values = Object.fromEntries(Object.entries(series).map(([name, list]) => [name, list[meter.step]]));
    paint(pane, values, placeOn(measure), measure.unit);
  }
}

/** Where a value lies on a measure's colour scale, 0 to 1. */
function placeOn({ low, high, scale }) {
  const bent = scale === "log" ? (value) => Math.log10(Math.max(value, low)) : (value) => value;
  return (value) => (bent(value) - bent(low)) / (bent(high) - bent(low) || 1);
}

/** Measurements for a sheet, by default the one shown, as the JSON of `Measures`; null takes them away. */
function setMeasures(measures, name = state.sheet.name) {
  const sheet = sheetsByName.get(name);
  if (!sheet) return false;
  sheet.measures = measures;
  if (panes.some((pane) => pane.sheet === sheet)) showMeasures();
  if (state.node) refresh();
  return true;
}

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
  meter.last = meter.step === Number($("step").max);
  colour();
  if (state.node) refresh();
});
