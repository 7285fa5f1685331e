"""The picture of docs/architecture.md as code: text -> tree -> spec -> graph -> findings -> passes -> module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphssl.checks import dry_run_findings, static_findings
from graphssl.ir.dump import fingerprint
from graphssl.ir.graph import Graph
from graphssl.ir.lower import lower
from graphssl.ir.splice import splice
from graphssl.language.diagnostics import Finding, GraphError, collecting, has_errors, in_reading_order
from graphssl.language.resolve import dump, require_kind, resolve
from graphssl.language.spec import Spec, parse
from graphssl.language.tree import Mapping as MapTree
from graphssl.ops import registry
from graphssl.passes import PASSES, Pass, optimize

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Method:
    """A method that was read: its flat tree, spec and typed graph, with every finding so far.

    overrides, plugins: what it was loaded with, as one loads its variants.
    """

    reference: str
    tree: MapTree | None
    spec: Spec | None
    graph: Graph | None
    read_findings: tuple[Finding, ...]
    overrides: Mapping[str, Any] | Sequence[str] = ()
    plugins: Sequence[str] = ()

    @cached_property
    def static(self) -> list[Finding]:
        """All findings that need no torch."""
        found = list(self.read_findings)
        report = collecting(found)
        try:
            for finding in static_findings(self.graph) if self.graph else ():
                report(finding)
        except GraphError as error:
            found += error.findings
        return in_reading_order(found)

    @cached_property
    def findings(self) -> list[Finding]:
        """All findings; the module is built and run on the meta device when nothing stands against it."""
        if self.graph is None or has_errors(self.static):
            return self.static
        return in_reading_order([*self.static, *dry_run_findings(self.graph)])

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.checked_graph())

    def checked_graph(self) -> Graph:
        """The graph; raises GraphError with every finding when there are errors."""
        if self.graph is None or has_errors(self.static):
            raise GraphError(self.static)
        return self.graph

    def text(self) -> str:
        """The resolved file, self-contained."""
        if self.tree is None:
            raise GraphError(self.static)
        return dump(self.tree)


def load(reference: str, overrides: Mapping[str, Any] | Sequence[str] = (), *, plugins: Sequence[str] = ()) -> Method:
    """A method by bundled name (`byol@cifar10`), path, or YAML text. Raises nothing: findings say what is wrong.

    overrides: like `--set`, a list of `PATH=VALUE` or a map from path to value.
    """
    found: list[Finding] = []
    report = collecting(found)
    try:
        ops = registry(tuple(plugins))
        whole = resolve(reference, overrides, report)
        require_kind(whole, "method")
        tree = splice(whole, ops, report)
        spec = parse(tree, report)
        graph = lower(spec, ops, report)
    except GraphError as error:
        return Method(reference, None, None, None, (*found, *error.findings), overrides, plugins)
    return Method(reference, tree, spec, graph, tuple(found), overrides, plugins)


def check(method: Method | str, *, static: bool = False) -> list[Finding]:
    """Every finding, in reading order. `static` leaves out the dry run on the meta device (and torch)."""
    method = load(method) if isinstance(method, str) else method
    return method.static if static else method.findings


def compile(
    method: Method | str,
    *,
    steps: int = 100_000,
    steps_per_epoch: int = 1_000,
    pretrained: bool = True,
    passes: Sequence[Pass] = PASSES,
) -> nn.Module:
    """The method as one torch module; raises GraphError with every finding when there are errors.

    steps, steps_per_epoch: length of the training and of an epoch, which schedules need. passes: what makes a step cheaper
    and changes no number (graphssl.passes).
    pretrained: `False` starts at random where the file asks for timm's weights, for a module that a checkpoint is put into.
    Raises OSError when those weights cannot be had.
    """
    method = load(method) if isinstance(method, str) else method
    findings = method.findings
    if method.graph is None or has_errors(findings):
        raise GraphError(findings)
    from graphssl.compiler.build import build

    graph = method.graph if pretrained else method.graph.without_downloads()
    return build(optimize(graph, passes), steps, steps_per_epoch)
