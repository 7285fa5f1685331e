// A drawing in the colours of what a run measured, in a page as views/heat.py and views/palette.py do it in a file.

/** Where a value lies on a measure's colour scale, 0 to 1. */
function placeOn({ low, high, scale }) {
  const bent = scale === "log" ? (value) => Math.log10(Math.max(value, low)) : (value) => value;
  if (!(high > low)) return () => 1;
  return (value) => Math.min(1, Math.max(0, (bent(value) - bent(low)) / (bent(high) - bent(low))));
}

/** The colour of a place on the scale, and whether dark text (`bright`) or white is the better readable on it. */
function shade(place) {
  const at = place * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const [low, high] = [VIRIDIS[i], VIRIDIS[i + 1]].map((colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16)));
  const channels = low.map((value, k) => Math.round(value + (high[k] - value) * (at - i)));
  const [r, g, b] = channels.map((c) => (c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const bright = (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) ** 2 > 0.05 * 1.05;
  return { colour: `rgb(${channels.join(", ")})`, ink: bright ? "bright" : "dim" };
}

const isMeasured = (value) => typeof value === "number" && Number.isFinite(value);

/** Colour a node by a value and write that on its corner; where nothing was measured, take both away. */
function warm(node, value, placed, unit = "") {
  const { colour, ink } = isMeasured(value) ? shade(placed(value)) : {};
  node.classList.toggle("hot", Boolean(colour));
  for (const each of ["bright", "dim"]) node.classList.toggle(each, ink === each);
  const bodies = [...node.querySelectorAll(".body")].filter((body) => body.style.fill !== "none");
  for (const body of bodies) body.style.fill = colour ?? "";
  node.querySelector(".value")?.remove();
  if (colour) node.append(chip(bodies[0].getBBox(), `${short(value)} ${unit}`.trim()));
}

function chip(body, text) {
  const width = 6.4 * text.length + 12;
  const left = body.x + body.width - width + 6;
  return make("svg:g", { class: "value" },
    make("svg:rect", { x: left, y: body.y - 9, width, height: 16, rx: 8 }),
    make("svg:text", { x: left + width / 2, y: body.y + 3, "text-anchor": "middle" }, text));
}

/** Make the edges that carry gradient as wide as its norm is large. norm: by the number of an edge, where it is known. */
function thicken(drawing, norm, placed) {
  for (const group of drawing.querySelectorAll("[data-edges]")) {
    const line = group.querySelector(".edge.gradient");
    if (!line) continue;
    const places = group.dataset.edges.split(" ").map(norm).filter(isMeasured).map(placed);
    line.style.strokeWidth = places.length ? 1.2 + 4 * Math.max(...places) : "";
  }
}

const THICKER = "Edges that carry gradient are thicker where its norm is larger.";
