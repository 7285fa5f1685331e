"""BatchNorm over groups of rows, and shuffled rows: against a slow loop, and what an order may change."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

import graphssl
from graphssl.ops.modules.batch_norm import Grouped, grouped_batch_norm, shuffled, synchronise_batch_norm


def images(rows: int = 12) -> torch.Tensor:
    return torch.randn(rows, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, BatchNormAct2d])
def test_each_group_is_normalised_by_its_own_statistics(kind: type[nn.BatchNorm2d]) -> None:
    plain = kind(3).double()
    nn.init.normal_(plain.weight)
    parts = [copy.deepcopy(plain) for _ in range(3)]
    layer = grouped_batch_norm(nn.Sequential(plain), rows=4)[0]
    x = images().requires_grad_()
    y = layer(x)
    expected = torch.cat([part(rows) for part, rows in zip(parts, x.split(4), strict=True)])
    assert torch.equal(y, expected)
    [grad] = torch.autograd.grad(y.square().mul(images().cos()).sum(), x)
    [slow] = torch.autograd.grad(expected.square().mul(images().cos()).sum(), x)
    assert torch.allclose(grad, slow, rtol=1e-12)
    for name in ("running_mean", "running_var"):
        mean = torch.stack([getattr(part, name) for part in parts]).mean(dim=0)
        assert torch.allclose(getattr(layer, name), mean, rtol=1e-12)
    assert int(layer.num_batches_tracked) == 1


def test_evaluation_takes_the_running_statistics_whatever_the_number_of_rows() -> None:
    plain, x = nn.BatchNorm2d(3).double(), images(7)
    layer = grouped_batch_norm(copy.deepcopy(plain), rows=4).eval()
    assert torch.equal(layer(x), plain.eval()(x))


def test_rows_that_do_not_split_are_refused() -> None:
    with pytest.raises(ValueError, match="7 rows cannot be split into BatchNorm groups of 4"):
        grouped_batch_norm(nn.BatchNorm2d(3).double(), rows=4)(images(7))


def test_synchronised_batch_norm_leaves_groups_alone() -> None:
    model = nn.ModuleDict({"f": grouped_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), rows=4), "g": nn.BatchNorm1d(3)})
    synchronise_batch_norm(model, torch.device("cuda"))
    assert isinstance(model["f"][0], Grouped)
    assert isinstance(model["g"], nn.SyncBatchNorm)


def test_shuffled_rows_come_back_in_their_places() -> None:
    x = images(6)
    seen: list[torch.Tensor] = []

    def double(rows: torch.Tensor) -> torch.Tensor:
        seen.append(rows)
        return 2 * rows

    assert torch.equal(shuffled(double, x, step=3), 2 * x)
    assert torch.equal(shuffled(lambda rows: {"a": rows, "b": -rows}, x, step=4)["b"], -x)
    assert not torch.equal(seen[0], x)
    assert torch.equal(seen[0].sum(dim=0), x.sum(dim=0)) or torch.allclose(seen[0].sum(dim=0), x.sum(dim=0))


def test_keys_of_moco_are_grouped_otherwise_than_queries_and_otherwise_in_each_step() -> None:
    overrides = {"nodes.f.args": {"channels": [8, 8, 8, 8]}, "nodes.f.bn_group": 4, "params.queue": 64}
    module = graphssl.compile(graphssl.load("moco_v1@quick", overrides))
    x = torch.randn(16, 3, 32, 32)
    first, again, later = (module({"vq": x, "vk": x}, step=s, keep=["zq", "zk"]).values for s in (0, 0, 1))
    assert not torch.allclose(first["zq"], first["zk"], atol=1e-4), "the same image, other companions"
    assert torch.equal(first["zk"], again["zk"])
    assert not torch.allclose(first["zk"], later["zk"], atol=1e-4)
