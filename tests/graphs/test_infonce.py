"""InfoNCE (arXiv:1807.03748): which candidates, with what gradient, and the value that says that nothing is learnt."""

from __future__ import annotations

import math

import pytest
import torch

import graphssl
from tests.graphs.paper import attrs, flags, nodes, recipe, taken, tiny


def test_infonce_compares_with_the_other_view_alone_and_simclr_with_both() -> None:
    loss = nodes("infonce")["loss"]
    assert (loss.op.name, loss.pairs, set(loss.inputs)) == ("info_nce", ((0, 1), (1, 0)), {"query", "positive"})
    assert nodes("simclr")["loss"].op.name == "nt_xent"
    assert taken("moco_v1", "loss", "negatives") == ["queue"]


def test_losses_on_identical_outputs_are_the_known_constants() -> None:
    """What the first log line shows when wiring is broken: ln of the number of candidates."""
    for name, expected in (("simclr@quick", math.log(2 * 8 - 1)), ("infonce@quick", math.log(8))):
        method = graphssl.load(name, {"nodes.f.args": {"channels": [8, 8, 8, 8]}})
        module = graphssl.compile(method)
        with torch.no_grad():
            for parameter in module.g.parameters():
                parameter.zero_()
            if module.g[-1].bias is not None:
                module.g[-1].bias.fill_(1.0)
        x = torch.randn(8, 3, 32, 32)
        out = module({"v1": x, "v2": x, "y": torch.zeros(8, dtype=torch.long)})
        assert out.losses["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_a_queue_of_equal_keys_costs_the_logarithm_of_one_more_than_its_length() -> None:
    _, module = tiny("moco_v1")
    with torch.no_grad():
        for head in (module.g, module.gk):
            head.last.weight.zero_()
            head.last.bias.fill_(1.0)
        module.queue.rows.fill_(module.queue.rows.shape[1] ** -0.5)
    x = torch.randn(8, 3, 32, 32)
    loss = module({"vq": x, "vk": x}).losses["loss"].item()
    assert loss == pytest.approx(math.log(1 + len(module.queue.rows)), rel=1e-5)


@pytest.mark.parametrize(
    ("method", "query", "key", "trained"),
    [("infonce", "g", "k", True), ("simclr", "z", "z", True), ("moco_v1", "zq", "zk", False),
     ("moco_v2", "zq", "zk", False), ("moco_v3", "q", "k", False)],
)  # fmt: skip
def test_gradient_flows_through_queries_and_through_keys_of_simclr_but_not_of_moco(
    method: str, query: str, key: str, trained: bool
) -> None:
    assert {grad for grad, _ in flags(method, query)} == {True}
    assert {grad for grad, _ in flags(method, key)} == {trained}


def test_infonce_is_trained_as_simclr_is() -> None:
    ours, theirs = recipe("infonce"), recipe("simclr")
    assert (ours.optimizer, ours.peak_lr(), ours.batch_size) == (theirs.optimizer, theirs.peak_lr(), theirs.batch_size)
    assert attrs("infonce", "v1")["steps"] == attrs("simclr", "v1")["steps"]
