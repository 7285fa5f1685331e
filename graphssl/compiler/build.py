"""Program -> `nn.Module`, whose errors say which node and which YAML line they come from."""

from __future__ import annotations

import linecache
from contextlib import ContextDecorator
from typing import Any

from torch import nn

from graphssl.compiler.emit import Program, emit
from graphssl.ir.graph import Graph, Node

GENERATED = "graphssl.generated"
"""The module that compiled classes belong to."""


def build(graph: Graph, steps: int, steps_per_epoch: int) -> nn.Module:
    """One module with the whole method: `module(views, step, keep)`, `module.commit(moment, step)`.

    steps, steps_per_epoch: length of the training in optimizer steps, which schedules need.
    """
    program = emit(graph)
    located = _located(program, graph)
    with _Notes(program, graph):
        module: nn.Module = located(steps=steps, steps_per_epoch=steps_per_epoch)
    return module


def _located(program: Program, graph: Graph) -> Any:
    """The generated class, with notes added to whatever goes wrong in it."""
    file = f"<graphssl {graph.name}>"
    namespace: dict[str, Any] = {**program.names, "__name__": GENERATED}
    linecache.cache[file] = (len(program.source), None, program.source.splitlines(keepends=True), file)
    exec(compile(program.source, file, "exec"), namespace)
    generated = namespace[program.class_name]
    notes = _Notes(program, graph)

    class Located(generated):  # type: ignore[misc, valid-type]
        source = program.source
        node_of_line = program.nodes

    for name in ("__call__", "commit", "encode", "conclude"):
        if hasattr(generated, name):
            setattr(Located, name, notes(getattr(generated, name)))
    Located.__module__ = GENERATED
    Located.__name__ = Located.__qualname__ = program.class_name
    return Located


def own_module(module: nn.Module, node: Node) -> nn.Module | None:
    """The part of a built module that belongs to this node and no other, if there is one."""
    return module._modules.get(node.name.replace("/", "_"))


class _Notes(ContextDecorator):
    """Adds to an exception the node and YAML line that the failing generated line belongs to."""

    def __init__(self, program: Program, graph: Graph):
        self.program, self.graph = program, graph
        self.file = f"<graphssl {graph.name}>"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        name = None
        while error is not None and trace is not None:
            if trace.tb_frame.f_code.co_filename == self.file:
                name = self.program.nodes.get(trace.tb_lineno, name)
            trace = trace.tb_next
        if error is None or name is None or getattr(error, "graphssl_node", None):
            return
        node = self.graph.nodes[name]
        error.graphssl_node = name  # type: ignore[attr-defined]
        error.add_note(f"in node `{name}` ({node.op.name}), {node.span}\n{node.span.excerpt()}")
