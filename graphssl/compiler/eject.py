"""Program -> a Python file that needs torch and timm but not graphssl.

The class is the very source that training runs; the helpers it calls are copied in front of it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from types import ModuleType
from typing import Any

from graphssl.compiler.emit import docstring, emit
from graphssl.ir.graph import Graph


def eject(graph: Graph) -> str:
    """The source of a self-contained file."""
    program = emit(graph)
    helpers = _Helpers()
    used = {node.id for node in ast.walk(ast.parse(program.source)) if isinstance(node, ast.Name)}
    for name, thing in program.names.items():
        if name in used:
            helpers.need(name, thing)
    where = graph.spec.tree.span.source.name
    head = f'"""{docstring(graph.title)}\n\nWritten by `graphssl eject` from {docstring(where)}. Comments name the line of each node.\n"""\n'
    body = "\n\n\n".join([*helpers.sources, program.source.rstrip()])
    imports = _import_lines(helpers.imports)
    return f"{head}\nfrom __future__ import annotations\n\n{imports}\n\n\n{body}\n"


class _Helpers:
    """Sources of our functions, classes and constants, each behind those it uses; imports of everything else."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.imports: set[str] = set()
        self.seen: set[str] = set()

    def need(self, name: str, thing: Any) -> None:
        if name in self.seen:
            return
        self.seen.add(name)
        if isinstance(thing, ModuleType):
            self.imports.add(_import(name, thing))
        elif isinstance(thing, int | float | str):
            self.sources.append(f"{name} = {thing!r}")
        elif not getattr(thing, "__module__", "").startswith("graphssl."):
            self.imports.add(f"from {_public(thing)} import {thing.__name__}")
        else:
            self.copy(thing)

    def copy(self, thing: Any) -> None:
        """Copy a function or class of ours, its inner imports moved to the top of the file."""
        source = textwrap.dedent(inspect.getsource(thing))
        module = sys.modules[thing.__module__]
        tree = ast.parse(source)
        inner = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= set(re.findall(r"[A-Za-z_]\w*", " ".join(_annotations(tree))))
        for statement in inner:
            for alias in statement.names:
                self.need(alias.asname or alias.name.partition(".")[0], _imported(statement, alias.name))
        for name in sorted(names):
            if name in vars(module) and vars(module)[name] is not thing:
                found = vars(module)[name]
                called = hasattr(found, "__module__") and callable(found)
                if isinstance(found, ModuleType) or called or name.isupper():
                    self.need(name, found)
            elif name == "Tensor":
                self.imports.add("from torch import Tensor")
        self.sources.append(_without_lines(source, inner).rstrip())


def _import_lines(statements: set[str]) -> str:
    """Import statements sorted as usual, those from one module on one line."""
    whole = sorted(line for line in statements if line.startswith("import "))
    parts: dict[str, list[str]] = {}
    for line in sorted(statements):
        if line.startswith("from "):
            module, _, name = line.removeprefix("from ").partition(" import ")
            parts.setdefault(module, []).append(name)
    return "\n".join([*whole, *(f"from {module} import {', '.join(names)}" for module, names in parts.items())])


def _imported(statement: ast.Import | ast.ImportFrom, name: str) -> Any:
    if isinstance(statement, ast.Import):
        return importlib.import_module(name)
    module = importlib.import_module(statement.module or "")
    return getattr(module, name)


def _annotations(tree: ast.AST) -> list[str]:
    """Texts of all annotations: under `from __future__ import annotations` their names count too."""
    found = []
    for node in ast.walk(tree):
        for part in ("annotation", "returns"):
            value = getattr(node, part, None)
            if isinstance(value, ast.AST):
                found.append(ast.unparse(value))
    return found


def _import(name: str, module: ModuleType) -> str:
    parent, _, last = module.__name__.rpartition(".")
    if name == module.__name__:
        return f"import {name}"
    if last == name:
        return f"from {parent} import {name}"
    return f"import {module.__name__} as {name}"


def _public(thing: Any) -> str:
    module: str = thing.__module__
    for public in ("collections.abc", "typing", "torch", "torch.nn"):
        if getattr(importlib.import_module(public), thing.__name__, None) is thing:
            return public
    return module


def _without_lines(source: str, statements: list[ast.Import | ast.ImportFrom]) -> str:
    drop = {line for s in statements for line in range(s.lineno, (s.end_lineno or s.lineno) + 1)}
    lines = [text for i, text in enumerate(source.splitlines(), start=1) if i not in drop]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    return text.replace('"""\n\n    ', '"""\n    ', 1) if statements else text
