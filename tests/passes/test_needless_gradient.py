"""A call before a stop-gradient is computed without one."""

from __future__ import annotations

import torch

import graphssl
from graphssl.passes import needless_gradient
from tests.conftest import TOY_ENCODER
from tests.passes.conftest import assert_equal_numbers, compiled, toy_views, trained

TWO_CALLS = """
graphssl: 1
name: two_calls
nodes:
  v1: {op: augment, recipe: simclr, size: 32}
  v2: {op: augment, recipe: simclr, size: 32}
  f: {op: encoder, in: v1, arch: resnet18, args: {channels: [8, 8, 8, 8]}}
  g: {op: projector, in: f, dims: [16, 8]}
  q: {op: predictor, in: g, dims: [8, 8]}
  f2: {op: share, of: f, in: v2}
  g2: {op: share, of: g, in: f2}
  t: {op: stop_grad, in: g2}
  loss: {op: cosine_loss, in: {prediction: q, target: t}}
represent: f
train: {optimizer: {name: sgd}, lr: 0.1, epochs: 1, batch_size: 16}
"""


def test_it_finds_the_calls_that_only_a_stop_gradient_takes() -> None:
    graph = graphssl.load(TWO_CALLS).checked_graph()
    assert needless_gradient.run(graph).plan.no_grad == {"f2", "g2"}


def test_numbers_stay_and_less_is_kept_for_the_backward() -> None:
    method = graphssl.load(TWO_CALLS)
    assert_equal_numbers(trained(method, ()), trained(method, (needless_gradient,)), exact=True)
    with_it, without = (kept_bytes(method, passes) for passes in ((needless_gradient,), ()))
    assert with_it < 0.6 * without


def kept_bytes(method: graphssl.Method, passes: tuple) -> int:
    """Bytes that the forward saves."""
    module, views = compiled(method, passes), toy_views(method)
    sizes: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        sizes[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        out = module(views)
    assert out.loss.requires_grad
    return sum(sizes.values())


def test_a_call_that_one_loss_trains_and_another_does_not_keeps_its_gradient(toy: object) -> None:
    graph = graphssl.load("simsiam@quick", {"nodes.f.args": TOY_ENCODER}).checked_graph()
    assert not needless_gradient.run(graph).plan.no_grad
