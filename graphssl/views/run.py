"""What a run folder's metrics.jsonl says about nodes, as `Measures`. Believes nothing: the file may be cut, huge or hostile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import ceil, floor, isfinite, log10
from pathlib import Path
from typing import IO, Any, NamedTuple

from graphssl.views.measures import Measure, Measures

MOST = 400
"""Steps that are kept of a run; of more, every second one is left out until they fit."""

LINE = 4 * 2**20
"""Bytes of a line that are read; a longer one is no line of ours."""

Nodes = Mapping[str, Mapping[str, float]]


class Quantity(NamedTuple):
    """What there is to know of a measure before it is measured. high: None for the largest that was measured; the rest as of a Measure."""

    name: str
    title: str
    unit: str = ""
    doc: str = ""
    low: float = 0
    high: float | None = None
    good: str = ""
    scale: str = "linear"


_KNOWN: tuple[tuple[str, str, str, str, float, float | None, str, str], ...] = (
    ("std", "feature std", "", "standard deviation of the l2-normalised vectors × √d: 0 collapsed, 1 spread evenly "
     "(SimSiam, arXiv:2011.10566)", 0, 1, "high", "linear"),
    ("rank", "effective rank", "dimensions", "exp of the entropy of the singular values (RankMe, arXiv:2210.02885)",
     0, None, "high", "linear"),
    ("rank_share", "effective rank, share", "", "effective rank / the largest possible, min(samples, width)", 0, 1, "high",
     "linear"),
    ("alignment", "distance of two views", "", "mean squared distance of the l2-normalised vectors of two views: 0 the same, 2 unrelated "
     "(arXiv:2005.10242)", 0, 2, "low", "linear"),
    ("uniformity", "uniformity", "", "log of the mean of exp(-2 × squared distance) over pairs of images: 0 collapsed, about -4 spread "
     "evenly (arXiv:2005.10242)", -4, 0, "low", "linear"),
    ("chance_share", "loss / cost of guessing", "", "the loss divided by what an answer costs that gives all candidates or classes the "
     "same share: 1 is no better than guessing", 0, None, "low", "linear"),
    ("chance", "cost of guessing", "nats", "the loss of giving all candidates or classes the same share: ln(candidates)", 0, None, "",
     "linear"),
    ("kl", "KL(target‖prediction)", "nats", "mean divergence of the predicted distribution from the target", 0, None, "low", "linear"),
    ("entropy", "entropy", "nats", "mean entropy of a sample's distribution: 0 one prototype, ln K all alike", 0, None, "", "linear"),
    ("entropy_share", "entropy / ln K", "", "mean entropy of a sample's distribution, as a share of the largest", 0, 1, "", "linear"),
    ("prototypes", "prototypes in use", "", "exp of the entropy of the mean distribution of the batch", 0, None, "high", "linear"),
    ("mean_norm", "length of the running mean", "", "L2 norm of a centre", 0, None, "", "linear"),
    ("grad_norm", "gradient norm", "", "L2 norm of the gradient of a module's parameters, before clipping", 0, None, "",
     "log"),
    ("weight_norm", "length of the weights", "", "L2 norm of a module's parameters", 0, None, "", "log"),
    ("update", "relative change of weights", "", "‖change of the weights in one step‖ / ‖weights‖", 0, None, "", "log"),
    ("ema_distance", "distance of the copy", "", "‖copy − original‖ / ‖original‖ over the parameters", 0, None, "", "linear"),
    ("age", "age of the queue", "steps", "mean age of the rows that were written; those it began with do not count", 0, None,
     "low", "linear"),
    ("filled", "queue filled", "", "share of the queue's rows that were written", 0, 1, "high", "linear"),
    ("momentum", "momentum", "", "how much of the old value a copy keeps, by its schedule", 0, 1, "", "linear"),
    ("temperature", "temperature", "", "by its schedule", 0, None, "", "linear"),
    ("weight", "weight of the loss", "", "by its schedule", 0, None, "", "linear"),
    ("step_time", "share of the step's time", "", "time in a node, forward, backward and update / time of a training step", 0, None, "",
     "linear"),
    ("peak_share", "share of a matrix product's speed", "", "FLOPs of a node in its own time / what a matrix product reaches", 0, None,
     "high", "linear"),
    ("memory", "memory held", "MiB", "weights, gradients, moments, and values kept for the backward", 0, None, "", "linear"),
    ("time", "share of forward time", "", "time in a module / time of the forward of all", 0, None, "", "linear"),
)  # fmt: skip
KNOWN = tuple(Quantity(*row) for row in _KNOWN)
"""What there is to know of measures, in the order they are offered."""


def measures_of(file: Path) -> Measures:
    """All measurements of nodes in a metrics.jsonl, thinned to at most MOST steps; OSError when it cannot be read."""
    with file.open("rb") as lines:
        return gathered(measured(read_lines(lines)))


def read_lines(file: IO[bytes]) -> Iterator[Any]:
    """Every line that is JSON, one at a time; a line that is cut off, too long or no JSON is left out."""
    while line := file.readline(LINE):
        if not line.endswith(b"\n") and len(line) == LINE:
            while (rest := file.readline(LINE)) and not rest.endswith(b"\n"):
                pass
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue


def measured(records: Iterable[Any]) -> Iterator[tuple[int, Nodes]]:
    """Steps with their measurements; what is of the wrong type is left out."""
    for record in records:
        step = record.get("step") if isinstance(record, dict) else None
        nodes = clean_nodes(record["nodes"]) if isinstance(step, int) and "nodes" in record else {}
        if nodes and isinstance(step, int):
            yield step, nodes


def clean_nodes(value: Any) -> dict[str, dict[str, float]]:
    """The finite numbers among what stands at `nodes`, by node and measure."""
    if not isinstance(value, dict):
        return {}
    found = {
        str(node): {str(name): float(number) for name, number in values.items() if is_number(number)}
        for node, values in value.items()
        if isinstance(values, dict)
    }
    return {node: values for node, values in found.items() if values}


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that a float can hold."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:
        return False


def thinned(found: Iterable[tuple[int, Nodes]], most: int = MOST) -> list[tuple[int, Nodes]]:
    """At most `most` of the steps, evenly, with the first and the last; never holds more."""
    kept: list[tuple[int, Nodes]] = []
    stride, last = 1, None
    for i, last in enumerate(found):
        if i % stride == 0:
            kept.append(last)
        if len(kept) == most:
            kept, stride = kept[::2], 2 * stride
    return sorted(dict([*kept, *([last] if last else [])]).items())


def gathered(found: Iterable[tuple[int, Nodes]]) -> Measures:
    """Steps and measurements as `Measures`: known measures first, then others by name."""
    rows = thinned(found)
    names = dict.fromkeys(name for _, nodes in rows for values in nodes.values() for name in values)
    known = {quantity.name: quantity for quantity in KNOWN}
    order = [name for name in known if name in names] + sorted(names.keys() - known.keys())
    quantities = [known.get(name) or Quantity(name, name) for name in order]
    return Measures(tuple(step for step, _ in rows), tuple(_measure(quantity, rows) for quantity in quantities))


def _measure(quantity: Quantity, rows: list[tuple[int, Nodes]]) -> Measure:
    name, title, unit, doc, low, high, good, scale = quantity
    having = dict.fromkeys(node for _, nodes in rows for node, values in nodes.items() if name in values)
    values = {node: tuple(nodes.get(node, {}).get(name) for _, nodes in rows) for node in having}
    numbers = [value for row in values.values() for value in row if value is not None]
    if scale == "log":
        low, high = _decades(numbers)
    elif high is None:
        low = min(0.0, -_round_up(-min(numbers)))
        high = max(0.0, _round_up(max(numbers))) or (0.0 if low else 1.0)
    return Measure(name, title, unit, doc, float(low), float(high), good, values, scale)


def _round_up(value: float) -> float:
    """The next number of two digits, or the value where it is not above 0."""
    if value <= 0 or not isfinite(value * 10):
        return value
    unit = 10.0 ** (floor(log10(value)) - 1)
    return float(f"{ceil(value / unit - 1e-9) * unit:.2g}") if unit > 0 else value


def _decades(numbers: list[float]) -> tuple[float, float]:
    """Powers of ten below and above all positive numbers, at most eight apart."""
    positive = [value for value in numbers if value > 1e-300] or [1.0]
    high = min(ceil(log10(max(positive))), 307)
    low = max(floor(log10(min(positive))), high - 8)
    return 10.0 ** min(low, high - 1), 10.0**high
