"""The last layer of checks: the module is built and run forward and backward on the meta device.

No memory is taken for tensors and nothing is computed, so that a large model takes about a second, yet every shape and
every way of the gradient is the real one. Leaves no global state behind.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook, register_module_module_registration_hook

from graphssl.checks.flow import head, is_teacher, place
from graphssl.checks.not_in_run import begun
from graphssl.checks.recipe import recipe_findings
from graphssl.compiler.build import GENERATED, build, own_module
from graphssl.compiler.flops import Flops
from graphssl.compiler.output import StepOutput
from graphssl.ir.graph import Graph, Node
from graphssl.ir.types import Edge, Value
from graphssl.language.diagnostics import Finding, did_you_mean
from graphssl.language.resolve import resolve
from graphssl.language.runs import read_origin
from graphssl.language.tree import at
from graphssl.ops.modules.lists import as_list
from graphssl.runtime.errors import RunError
from graphssl.runtime.weights import from_file, misfit

SAMPLES = 4
MAX_MODULES = 20_000
MAX_CALLS = 50_000
_BUG = "this is a bug in graphssl, please report it"


def dry_run(graph: Graph) -> list[Finding]:
    """Findings of one step of a graph that has no static errors."""
    unknown = [finding for node in graph for finding in _unknown_arch(node)]
    if unknown:
        return unknown
    with _meta():
        step, found = _step(graph)
        if step is None:
            return found
        found = [*_contradictions(graph, step), *_gradients(graph, step.module), *_origins(graph, step.module)]
        if graph.train and not found:
            found += recipe_findings(graph, step.module)
    return found


def measure(graph: Graph) -> dict[str, dict[str, Any]]:
    """Shapes and sizes per node, from a step on the meta device; empty when the step fails.

    NODE -> {"outputs": {PORT: [shape per view, ["b", 2048]]}, "parameters": count, "trainable": count, "buffers": count,
    "parameter_bytes": size, "buffer_bytes": size, "flops": of the forward per image, over all its views}.
    """
    with _meta():
        step, _ = _step(graph)
        if step is None:
            return {}
        flops = _flops(graph, step.module)
        return {node.name: {**_measured(node, step), "flops": flops[node.name]} for node in graph}


def on_meta(graph: Graph) -> nn.Module:
    """The module on the meta device: names and shapes of its parameters without their memory."""
    with _meta():
        return build(graph.without_downloads(), 100, 10)


def _flops(graph: Graph, module: nn.Module) -> dict[str, int]:
    """Floating-point operations of one forward per image, by the node whose line of the program they belong to."""
    lines: Mapping[int, str] = module.node_of_line  # type: ignore[assignment]
    file = f"<graphssl {graph.name}>"

    def node() -> str:
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_filename != file:
            frame = frame.f_back  # type: ignore[assignment]
        return lines.get(frame.f_lineno, "") if frame is not None else ""

    with torch.no_grad(), Flops(node) as flops:
        module(_views(graph), step=0)
    return {name: flops.counts[name] // SAMPLES for name in graph.nodes}


def _measured(node: Node, step: _Step) -> dict[str, Any]:
    owner = own_module(step.module, node)
    parameters = list(owner.parameters()) if owner else []
    return {
        "outputs": {port: [_sample_axis(shape) for shape in step.shapes(node, port)] for port in node.outputs},
        "parameters": sum(p.numel() for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
        "buffers": sum(b.numel() for b in owner.buffers()) if owner else 0,
        "parameter_bytes": sum(p.numel() * p.itemsize for p in parameters),
        "buffer_bytes": sum(b.numel() * b.itemsize for b in owner.buffers()) if owner else 0,
    }


def _sample_axis(shape: tuple[int, ...]) -> list[int | str]:
    return ["b" if i == 0 and size == SAMPLES else size for i, size in enumerate(shape)]


# One step


@dataclass(frozen=True)
class _Step:
    module: nn.Module
    out: StepOutput

    def shapes(self, node: Node, port: str) -> list[tuple[int, ...]]:
        return [tuple(x.shape) for x in as_list(self.out.values[str(node.output(port))])]


@contextmanager
def _meta() -> Iterator[None]:
    """The meta device as the default one, and an end of what may be built and called; random state and warnings as before.

    With gradient, also where whoever asks works without.
    """
    with (
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
        torch.device("meta"),
        torch.enable_grad(),
        _bounded(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _bounded() -> Iterator[None]:
    """Raise where more modules are built or called than any method needs, so that a check ends whatever a file asks for."""
    built = called = 0

    def build(parent: nn.Module, name: str, child: nn.Module | None) -> None:
        nonlocal built
        # a copy does not register its parts: it is counted where the whole is registered
        built += sum(1 for _ in child.modules()) if type(parent).__module__ == GENERATED and child is not None else 1
        if built > MAX_MODULES:
            raise ValueError(f"more than {MAX_MODULES:,} modules are built")

    def call(module: nn.Module, inputs: Any) -> None:
        nonlocal called
        called += 1
        if called > MAX_CALLS:
            raise ValueError(f"modules are called more than {MAX_CALLS:,} times in a step")

    hooks = [register_module_module_registration_hook(build), register_module_forward_pre_hook(call)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _step(graph: Graph) -> tuple[_Step | None, list[Finding]]:
    """The module after a forward and a backward, or what went wrong."""
    graph = graph.without_downloads()
    try:
        module = build(graph, 100, 10)
    except Exception as error:
        return None, [_failure(graph, "build-failed", "cannot be built", error)]
    try:
        keep = [str(node.output(port)) for node in graph for port in node.outputs]
        out = module(_views(graph), step=0, keep=keep)
        if isinstance(out.loss, Tensor) and out.loss.requires_grad:
            out.loss.backward()
    except Exception as error:
        return None, [_failure(graph, "run-failed", "cannot run", error)]
    return _Step(module, out), []


def _views(graph: Graph) -> dict[str, Any]:
    """What the data side would give, by source."""
    return {node.name: _input(node.outputs[node.signature.default_port()]) for node in graph.sources()}


def _input(edge: Edge) -> Any:
    tensors = [_tensor(value) for value in edge.values]
    return tensors if edge.listed else tensors[0]


def _tensor(value: Value) -> Tensor:
    kinds = {"label": torch.int64, "mask": torch.bool}
    shape = [axis if isinstance(axis, int) else SAMPLES for axis in value.axes]
    return torch.zeros(shape, dtype=kinds.get(value.kind, torch.float32))


# What went wrong


def _unknown_arch(node: Node) -> Iterator[Finding]:
    arch = node.attrs.get("arch")
    if isinstance(arch, str) and not timm.is_model(arch):
        help = did_you_mean(arch.partition(".")[0], timm.list_models())
        yield Finding("unknown-arch", f"timm has no model `{arch}`", node.place("arch"), node=node.name, help=help)


def _failure(graph: Graph, code: str, what: str, error: Exception) -> Finding:
    name = getattr(error, "graphssl_node", "")
    if name not in graph.nodes:
        message = f"the graph {what}: {_sentence(error)}"
        return Finding(code, message, head(graph), help=_BUG)
    node = graph.nodes[name]
    span = node.span
    if " unexpected keyword argument '" in str(error):
        word = str(error).rpartition(" unexpected keyword argument '")[2].partition("'")[0]
        args = node.attrs.get("args")
        if isinstance(args, dict) and word in args:
            span = place(graph, "nodes", name, "args", word)
    arrived = _arrived(graph, node, error) if code == "run-failed" else ""
    message = f"`{name}` {what}{f' on {arrived}' if arrived else ''}: {_sentence(error)}"
    return Finding(code, message, span, node=name)


def _sentence(error: Exception) -> str:
    """The exception's message as one sentence without a stop."""
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0].strip().rstrip(".:")
    line = line if len(line) <= 300 else f"{line[:299]}…"
    word = line.split(" ", 1)[0]
    return line[:1].lower() + line[1:] if word[1:].isalpha() and word[1:].islower() else line


def _arrived(graph: Graph, node: Node, error: Exception) -> str:
    """The inputs of a node with the shapes they had in the generated forward: `f` (4 2048)."""
    names: dict[str, Any] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith("<graphssl ") and frame.f_code.co_name == "forward":
            names = frame.f_locals
    words = []
    for _, ref in node.refs():
        word = ref.node.replace("/", "_")
        value = names.get(word, names.get(f"{word}_"))
        if isinstance(value, dict):
            value = value.get(graph.port(ref))
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, Tensor):
            words.append(f"`{ref}` ({' '.join(map(str, value.shape))})")
    return ", ".join(dict.fromkeys(words))


# What was measured


def _contradictions(graph: Graph, step: _Step) -> Iterator[Finding]:
    """Nodes whose measured shapes are not what the types say, though those of their inputs are."""
    widths: dict[str, int] = {}
    wrong: set[str] = set()
    for node in graph:
        if any(ref.node in wrong for _, ref in node.refs()):
            wrong.add(node.name)
            continue
        for port, edge in node.outputs.items():
            shapes = step.shapes(node, port)
            if any(value.kind == "unknown" for value in edge.values):
                continue
            agree = len(shapes) == len(edge.values) and all(
                _agrees(value, shape, widths) for value, shape in zip(edge.values, shapes, strict=True)
            )
            if not agree:
                wrong.add(node.name)
                words = ", ".join(f"({' '.join(map(str, shape))})" for shape in shapes[:3])
                message = f"`{node.output(port)}` should be {edge}, but one step on {SAMPLES} samples gives {words}"
                yield Finding("shape-contradiction", message, node.span, node=node.name, help=_BUG)


def _agrees(value: Value, shape: tuple[int, ...], widths: dict[str, int]) -> bool:
    if len(shape) != len(value.axes):
        return False
    for axis, size in zip(value.axes, shape, strict=True):
        if axis in ("b", "B"):
            expected = SAMPLES
        elif isinstance(axis, int):
            expected = axis
        else:  # the width of a node is one number everywhere; counts of tokens and pixels differ between views
            expected = widths.setdefault(axis, size) if axis.endswith(".d") else size
        if size != expected:
            return False
    return True


def _gradients(graph: Graph, module: nn.Module) -> Iterator[Finding]:
    """Trainable parameters that no loss reaches, and gradient where none may be."""
    for node in graph:
        owner = own_module(module, node)
        if owner is None:
            continue
        if is_teacher(node):
            if any(p.requires_grad or p.grad is not None for p in owner.parameters()):
                message = f"gradient reaches the weights of the teacher `{node.name}`"
                yield Finding("gradient-into-teacher", message, node.span, node=node.name, help=_BUG)
            continue
        named = [(name, p) for name, p in owner.named_parameters() if p.requires_grad]
        without = [name for name, p in named if p.grad is None]
        if without:
            more = f" and {len(without) - 3} more" if len(without) > 3 else ""
            words = ", ".join(f"`{name}`" for name in without[:3]) + more
            message = f"no loss reaches {len(without)} of {len(named)} parameters of `{node.name}`: {words}"
            help = "use an output that depends on them, or take a model without these parts"
            yield Finding("no-gradient", message, node.span, node=node.name, help=help)


def _origins(graph: Graph, module: nn.Module) -> Iterator[Finding]:
    """Nodes whose weights come from a run that has them in another shape."""
    for node in graph if not begun(graph) else ():
        owner, text = own_module(module, node), node.attrs.get("from")
        origin = read_origin(text, node.name, node.place("from"), lambda finding: None) if text and owner else None
        if owner is not None and origin and origin.file:
            yield from _file(graph, node, owner, origin.file, origin.node)
        if owner is None or origin is None or origin.checkpoint is None:
            continue
        if words := misfit(owner, node, origin):
            tree = resolve(origin.reference, (), lambda finding: None)
            also = (at(tree, ["nodes", origin.node]).span, f"`{origin.node}` of the run is this")
            message = f"`{node.name}` does not fit the weights of `{origin.place}`: it {words}"
            help = "build both alike: compare `arch`, `stem`, the size of the images and `dims`"
            yield Finding("run-differs", message, node.place("from"), node=node.name, help=help, also=also)


def _file(graph: Graph, node: Node, owner: nn.Module, file: Path, network: str) -> Iterator[Finding]:
    """A file of weights that has none for the node, or others."""
    try:
        from_file(graph, node, owner, file, network, shapes=True)
    except RunError as error:
        help = (
            "build the node as the authors did: compare `arch`, `args`, `ffn`, `dims` and `hidden` with their release"
        )
        yield Finding("run-differs", str(error), node.place("from"), node=node.name, help=help)
