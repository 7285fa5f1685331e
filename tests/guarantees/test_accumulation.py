"""Column `accumulation`: two micro-batches (`train.accumulate`) equal the whole batch, unless samples meet within one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

import graphssl
from graphssl.ops.modules.batch_norm import Grouped
from tests.guarantees.cases import Case
from tests.guarantees.conftest import ONE, Way, methods

HALVES = Way("accumulated", overrides={"train.accumulate": 2})

NORM = "BatchNorm takes the statistics of a micro-batch"
SHUFFLED = (
    "the keys of a micro-batch are shuffled among themselves, into other BatchNorm groups than those of the whole batch"
)
SINKHORN = "Sinkhorn-Knopp balances the assignments of a micro-batch"
TARGETS = {"dino@sinkhorn": SINKHORN, "dinov2@long": SINKHORN, "dinov2_distill": SINKHORN, "dinov2_highres": SINKHORN}


def reason(case: Case) -> str | None:
    """Why micro-batches of a case give something else."""
    if case.name in TARGETS:
        return TARGETS[case.name]
    graph = graphssl.load(case.name).checked_graph()
    if any(node.attrs.get("shuffle_bn") for node in graph):
        return SHUFFLED
    return NORM if has_plain_norm(case) else None


def has_plain_norm(case: Case) -> bool:
    module = graphssl.compile(graphssl.load(case.name, case.overrides))
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) and not isinstance(m, Grouped) for m in module.modules())


@methods("moco_v1@quick", "ibot")
def test_micro_batches_equal_the_whole_batch(
    case: Case, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    guarantee("accumulation", trained(case, ONE), trained(case, HALVES), because=reason(case))
