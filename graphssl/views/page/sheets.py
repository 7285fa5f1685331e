"""What a page shows: a drawing of the method and of each variant, with what a reader may ask of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from graphssl.ir.graph import Graph, Node
from graphssl.ir.types import Edge
from graphssl.language.diagnostics import Finding, GraphError
from graphssl.language.fields import REQUIRED, Field
from graphssl.language.resolve import dumped, locate, variants_of
from graphssl.language.tree import Mapping as MapTree
from graphssl.views.describe import shapes_of, words
from graphssl.views.diff.compare import Diff
from graphssl.views.diff.overlay import diff_scenes
from graphssl.views.measures import Measures
from graphssl.views.scene import Scene, scene

if TYPE_CHECKING:
    from graphssl.pipeline import Method


MOST_VARIANTS, MOST_BOXES = 32, 500
"""Variants that a page shows, and boxes behind which it shows no more of them."""


@dataclass(frozen=True)
class Port:
    """An input or output of a node: the type it declares, what flows there, and the flags of that."""

    name: str
    type: str
    doc: str
    shape: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attribute:
    """An attribute in words. place: where it was set, nothing for a default."""

    name: str
    value: str
    default: str
    doc: str
    place: str = ""


@dataclass(frozen=True)
class Detail:
    """What a page tells of a node besides its box. yaml: its resolved lines, each with file and line that set it."""

    op: str
    doc: str
    yaml: tuple[tuple[str, str], ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class Sheet:
    """One entry of the page's switch. name: `byol`, `@cifar10`, or `before`, `after`, `both` in a comparison.

    details: by box name, where there is more to tell. folded: blocks that are collapsed at first. findings: its
    errors, a line each.
    """

    name: str
    scene: Scene
    details: Mapping[str, Detail] = field(default_factory=dict)
    measures: Measures | None = None
    folded: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


def sheets(method: Method, folded: Sequence[str] = (), see: Callable[[Method], Scene] | None = None) -> list[Sheet]:
    """The method's own sheet, then one for each variant of its file, loaded with the same overrides.

    see: what draws each of them, by default plainly.
    Of a file with more than MOST_VARIANTS, or larger than MOST_BOXES together, the first ones.
    A variant with errors is there as far as it is understood, with its findings; one that holds no graph is left out.
    """
    from graphssl.pipeline import load

    own = sheet(method, method.reference if "\n" not in method.reference else "", folded, see)
    found = [own] if own else []
    for reference, name in islice(_others(method.reference), MOST_VARIANTS):
        if sum(len(sheet.scene.boxes) for sheet in found) > MOST_BOXES:
            break
        other = sheet(load(reference, method.overrides, plugins=method.plugins), name, folded, see)
        found += [other] if other else []
    return found


def sheet(
    method: Method, name: str = "", folded: Sequence[str] = (), see: Callable[[Method], Scene] | None = None
) -> Sheet | None:
    """A method as a sheet, nothing where its file holds no graph. name: by default the method's own."""
    if method.graph is None:
        return None
    findings = tuple(_said(finding) for finding in method.static if finding.severity == "error")
    details = dict(_details(method.graph))
    drawn = see(method) if see else scene(method.graph)
    return Sheet(name or method.graph.name, drawn, details, None, tuple(folded), findings)


def _others(reference: str) -> Iterator[tuple[str, str]]:
    """References to the plain method, when a variant was asked for, and to its variants, with the names to show."""
    if "\n" in reference:
        return
    name, *chosen = reference.split("@")
    try:
        names = variants_of(locate(name)[0])
    except GraphError:
        return
    if chosen:
        yield name, name
    yield from ((f"{name}@{variant}", f"@{variant}") for variant in names if chosen != [variant])


def _said(finding: Finding) -> str:
    place = f"{finding.span.place}: " if finding.span else ""
    return f"{place}error[{finding.code}]: {finding.message}"


def comparison(diff: Diff) -> list[Sheet]:
    """Both methods in one drawing, and each by itself, marked: the sheets of a page of mode `diff`."""
    before, after, both = diff_scenes(diff)
    names = diff.merged_names()
    old, new = dict(_details(diff.a)), dict(_details(diff.b))
    renamed = {names[name]: detail for name, detail in old.items()}
    return [
        Sheet("before", before, {**renamed, **old}),
        Sheet("after", after, new),
        Sheet("both", both, {**renamed, **new}),
    ]


def _details(graph: Graph) -> Iterator[tuple[str, Detail]]:
    nodes = graph.spec.tree.get("nodes")
    entries = nodes.entries if isinstance(nodes, MapTree) else {}
    for node in graph:
        entry = entries.get(node.name)
        own = MapTree({node.name: entry}, entry.key_span) if entry else None
        lines = tuple((text, span.place) for text, span in dumped(own)) if own else ()
        yield node.name, _detail(node, lines)


def _detail(node: Node, lines: tuple[tuple[str, str], ...]) -> Detail:
    declared = node.signature.inputs
    inputs = [
        _port(port, declared[port].type, declared[port].doc, node.given.get(port))
        for port in node.inputs
        if port in declared
    ]
    outputs = [_port(port, *_declared(node, port), edge) for port, edge in node.outputs.items()]
    attributes = tuple(_attribute(node, key, value) for key, value in node.attrs.items())
    return Detail(node.op.name, node.op.doc(), lines, tuple(inputs), tuple(outputs), attributes)


def _declared(node: Node, port: str) -> tuple[str, str]:
    """Type and documentation of an output port; those of a family, such as `blocks.4`, have no documentation."""
    output = node.signature.outputs.get(port)
    return node.signature.port_pattern(port) or "", output.doc if output else ""


def _port(name: str, type: str, doc: str, edge: Edge | None) -> Port:
    edge = edge or Edge(())
    values = edge.values
    facts = {
        "gradient": edge.grad,
        "unit length": any(value.unit for value in values),
        "rows of all ranks": any(value.gathered for value in values),
    }
    flags = tuple(name for name, true in facts.items() if true)
    return Port(name, type, doc, ", ".join(map(str, shapes_of(values, edge.listed))), flags)


def _attribute(node: Node, key: str, value: Any) -> Attribute:
    declared = node.op.attrs.get(key) or node.signature.attrs.get(key)
    place = node.spans[key].place if key in node.spans else ""
    return Attribute(key, words(value), _default(declared), declared.doc if declared else "", place)


def _default(declared: Field | None) -> str:
    if declared is None or callable(declared.default):
        return ""
    return "required" if declared.default is REQUIRED else words(declared.default)
