"""Slow copies: closed form of the average, pairing by name, buffers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphssl.ops.modules.links import copy_of, ema_update, starting_as


def test_after_k_steps_the_average_equals_its_closed_form() -> None:
    torch.manual_seed(0)
    fast = nn.Linear(3, 2).double()
    slow = copy_of(fast)
    start, seen, m = slow.weight.clone(), [], 0.9
    for _ in range(7):
        with torch.no_grad():
            fast.weight.add_(torch.randn_like(fast.weight))
        seen.append(fast.weight.detach().clone())
        ema_update(slow, fast, m)
    k = len(seen)
    closed = m**k * start + (1 - m) * sum(m ** (k - 1 - i) * w for i, w in enumerate(seen))
    assert torch.allclose(slow.weight, closed, rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_momentum_zero_copies_and_one_never_moves(momentum: float) -> None:
    fast, slow = nn.Linear(2, 2), nn.Linear(2, 2)
    before = slow.weight.clone()
    ema_update(slow, fast, momentum)
    assert torch.equal(slow.weight, before if momentum else fast.weight)


def test_a_copy_is_equal_and_receives_no_gradient() -> None:
    fast = nn.Linear(2, 2)
    slow = copy_of(fast)
    assert torch.equal(slow.weight, fast.weight)
    assert slow.weight is not fast.weight
    assert not any(p.requires_grad for p in slow.parameters())


@pytest.mark.parametrize("buffers", ["own", "ema", "copy"])
def test_batch_norm_statistics_move_as_declared_and_integers_are_never_averaged(buffers: str) -> None:
    fast, slow = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        fast.running_mean.fill_(1.0)
        fast.num_batches_tracked.fill_(10)
        slow.num_batches_tracked.fill_(4)
    ema_update(slow, fast, 0.75, buffers=buffers)
    mean, tracked = {"own": (0.0, 4), "ema": (0.25, 10), "copy": (1.0, 10)}[buffers]
    assert slow.running_mean.tolist() == [mean, mean]
    assert slow.num_batches_tracked.item() == tracked


def test_a_copy_whose_names_or_shapes_are_not_its_sources_is_refused() -> None:
    """No parameter of it would follow anything, and nobody would notice."""
    for other in (nn.Linear(2, 3, bias=False), nn.Linear(2, 4), nn.Sequential(nn.Linear(2, 3))):
        with pytest.raises(RuntimeError, match=r"size mismatch|Missing key|Unexpected key"):
            starting_as(other, nn.Linear(2, 3))
    with pytest.raises(KeyError, match="bias"):
        ema_update(nn.Linear(2, 3), nn.Linear(2, 3, bias=False), 0.9)
