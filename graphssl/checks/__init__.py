"""What is checked once a graph is typed: one rule per file, in the order of this table.

A rule is a docstring, an `EXPLAIN` for `graphssl explain`, and `check(graph)`, which yields findings. No rule stumbles
over nodes that earlier stages refused: those are `broken`, and their values of unknown kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from graphssl.checks import (
    accumulate_changes_loss,
    bn_group_does_not_divide,
    collapse_risk,
    ema_never_moves,
    gather_of_gathered,
    gradient_stops_at_teacher,
    group_node_unknown,
    group_on_teacher,
    local_negatives,
    loss_without_gradient,
    lr_zero,
    missing_stop_gradient,
    module_not_trained,
    monitor_not_scalar,
    no_loss,
    no_represent,
    no_train,
    not_in_run,
    queue_not_longer_than_batch,
    queue_not_normalized,
    represent_kind,
    represent_not_a_path,
    reserved_name,
    same_view,
    shuffle_without_groups,
    state_never_read,
    step_after_normalize,
    target_not_sharper,
    unused_node,
    warmup_longer_than_training,
)
from graphssl.ir.graph import Graph
from graphssl.language.codes import CODES
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation


class Rule(Protocol):
    """What the file of a rule holds."""

    EXPLAIN: Explanation

    def check(self, graph: Graph, /) -> Iterator[Finding]: ...


CHECKS: tuple[Rule, ...] = (
    # names and cycles
    reserved_name,
    # what training needs
    not_in_run,
    no_loss,
    no_train,
    group_node_unknown,
    group_on_teacher,
    warmup_longer_than_training,
    lr_zero,
    bn_group_does_not_divide,
    accumulate_changes_loss,
    # what evaluation needs
    no_represent,
    represent_kind,
    represent_not_a_path,
    monitor_not_scalar,
    # the way of the gradient
    loss_without_gradient,
    module_not_trained,
    gradient_stops_at_teacher,
    missing_stop_gradient,
    collapse_risk,
    target_not_sharper,
    # what is left over, or compared with itself
    unused_node,
    same_view,
    # views
    step_after_normalize,
    # state
    state_never_read,
    ema_never_moves,
    queue_not_longer_than_batch,
    queue_not_normalized,
    # several ranks
    shuffle_without_groups,
    gather_of_gathered,
    local_negatives,
)


def static_findings(graph: Graph) -> Iterator[Finding]:
    """Findings of every rule that needs no torch."""
    for rule in CHECKS:
        yield from rule.check(graph)


def dry_run_findings(graph: Graph) -> list[Finding]:
    """Findings of building the module and running it forward and backward on the meta device."""
    from graphssl.checks.dry_run import dry_run

    return dry_run(graph)


def explanations() -> dict[str, Explanation]:
    """Every code that a finding may have, explained."""
    from graphssl.checks.launch import BUILT_CHECKS, LAUNCH_CHECKS  # whose table uses a rule of this one
    from graphssl.curate.checks import CURATION_CHECKS

    rules, launched = (*CHECKS, *CURATION_CHECKS), (*LAUNCH_CHECKS, *BUILT_CHECKS)
    found = [*CODES, *(rule.EXPLAIN for rule in rules), *(rule.EXPLAIN for rule in launched)]
    return {explanation.code: explanation for explanation in sorted(found, key=lambda e: e.code)}
