"""Where the time and memory of a step go: shares, FLOPs and bytes against counts by hand, and planted faults that must be found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import graphssl
from graphssl.compiler.flops import Flops
from graphssl.data.shapes import ShapesSource
from graphssl.runtime.bench import run, timeline
from graphssl.runtime.bench.kept import Kept
from graphssl.runtime.bench.profile import NodeCost, Profile, limit
from graphssl.runtime.options import Options
from graphssl.runtime.train import Ready
from tests.conftest import toy_overrides

BATCH, TIMED = 16, 1
pytestmark = pytest.mark.usefixtures("short_bench")


def measured(name: str, overrides: dict[str, Any] | None = None, **options: Any) -> Profile:
    method = graphssl.load(f"{name}@quick", {**toy_overrides(name), **(overrides or {})})
    return run.bench(method, Options(data="shapes:32,64", out="", steps=TIMED, device="cpu", **options))


@pytest.fixture
def at_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Ready], Any]], None]:
    """`at_start(act)`: from now on `act` gets the training that is benched before its first step."""

    def plant(act: Callable[[Ready], Any]) -> None:
        prepare = run.prepare

        def planted(*given: Any) -> Ready:
            ready = prepare(*given)
            act(ready)
            return ready

        monkeypatch.setattr(run, "prepare", planted)

    return plant


class Clock:
    """A clock on which only `sleep` takes time, so that what else the machine does is not seen; and a tick for every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-9
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timeline, "device_clock", lambda device: clock)
    return clock


@pytest.fixture(scope="module")
def dino(short_bench: None) -> Profile:
    return measured("dino")


@pytest.fixture(scope="module")
def simclr(short_bench: None) -> Profile:
    return measured("simclr", {"nodes.g.dims": [24, 16]})


def total(profile: Profile) -> float:
    return profile.data + profile.optimizer + profile.rest + sum(node.share for node in profile.nodes.values())


def test_shares_of_all_nodes_data_optimizer_and_the_rest_are_one(dino: Profile, simclr: Profile) -> None:
    for profile in (dino, simclr):
        assert total(profile) == pytest.approx(1)
        assert min(profile.data, profile.optimizer, profile.rest) > 0


def test_every_node_has_the_phases_that_the_graph_gives_it(dino: Profile) -> None:
    graph = graphssl.load("dino@quick", toy_overrides("dino")).checked_graph()
    assert list(dino.nodes) == [node.name for node in graph]
    phases = {
        name: tuple(phase for phase in ("forward", "backward", "update") if getattr(node, phase))
        for name, node in dino.nodes.items()
    }
    assert phases["f"] == phases["h"] == phases["loss"] == ("forward", "backward")
    assert phases["ft"] == phases["ht"] == phases["c"] == ("forward", "update")
    assert phases["p"] == ("forward",)


def test_a_step_in_micro_batches_is_attributed_as_well() -> None:
    profile = measured("simclr", {"train.micro_batch": 8, "train.micro_batch_norm": "per_micro_batch"})
    assert total(profile) == pytest.approx(1)
    assert profile.nodes["f"].backward and profile.nodes["loss"].backward
    whole = measured("simclr").nodes["f"]
    # every part is encoded once more, and half of the batch is kept at a time
    assert profile.nodes["f"].flops == pytest.approx(whole.flops * 4 / 3, rel=0.05)
    assert profile.nodes["f"].kept_bytes == pytest.approx(whole.kept_bytes / 2, rel=0.05)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    measured("simclr")
    assert not list(tmp_path.iterdir())


def test_flops_of_layers_are_those_worked_out_by_hand(simclr: Profile, at_start: Any) -> None:
    width, (hidden, out), rows = 8, (24, 16), 2 * BATCH
    forward = 2 * rows * (width * hidden + hidden * out)
    assert simclr.nodes["g"].flops == 3 * forward  # the gradients of input and weight cost as much each

    convolutions: list[tuple[int, bool]] = []

    def note(conv: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        size = conv.kernel_size[0] * conv.kernel_size[1] * conv.in_channels
        convolutions.append((2 * output.numel() * size, inputs[0].requires_grad))

    def watch(ready: Ready) -> None:
        for part in ready.loop.module.f.modules():  # type: ignore[union-attr]
            if isinstance(part, nn.Conv2d):
                part.register_forward_hook(note)

    at_start(watch)
    steps = run.WARM_UP + TIMED + run.LOOKED_INTO + run.COUNTED
    found = measured("simclr").nodes["f"].flops
    assert found == sum(flops * (3 if inner else 2) for flops, inner in convolutions) / steps


def test_flops_count_for_who_asks() -> None:
    asking = "a"
    with Flops(lambda: asking) as flops:
        torch.ones(3, 5) @ torch.ones(5, 7)
        asking = "b"
        F.conv2d(torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3), padding=1)
        asking = ""
        torch.ones(3, 5) @ torch.ones(5, 7)
    assert flops.counts == {"a": 2 * 3 * 5 * 7, "b": 2 * (2 * 4 * 8 * 8) * (3 * 3 * 3)}


def test_attention_on_a_cpu_is_counted_in_both_directions() -> None:
    q, k, v = (torch.rand(2, 3, 10, 8, requires_grad=True) for _ in range(3))
    product = 2 * (2 * 3) * 10 * 10 * 8
    with Flops(lambda: "attention") as flops:
        x = F.scaled_dot_product_attention(q, k, v)
        assert flops.counts["attention"] == 2 * product
        x.sum().backward()
    assert flops.counts["attention"] == (2 + 5) * product  # backward: the scores again, and four gradients


def test_what_is_kept_for_the_backward_is_counted_once_and_let_go() -> None:
    layer = nn.Linear(4, 4, bias=False)
    node = "first"
    kept = Kept(layer, lambda: node)
    with kept.hooks():
        x = layer(torch.ones(8, 4)).exp()  # keeps its input, and the result; the weight is there anyway
        node = "second"
        y = x * x.view(4, 8).view(8, 4)  # keeps what is kept already
        node = "third"
        y = y.square()
    assert kept.now == {"first": 2 * 8 * 4 * 4, "third": 8 * 4 * 4}
    y.sum().backward()
    assert kept.now.total() == 0 and kept.most == {"first": 256, "third": 128}


def test_own_bytes_are_weights_gradients_moments_and_buffers(simclr: Profile, dino: Profile) -> None:
    weights = (8 * 24) + 2 * 24 + (24 * 16) + 16  # linear, norm, linear, norm without bias
    counted = 5 * 4  # AdamW counts the steps of each of the five tensors
    buffers = (2 * 24 * 4 + 8) + (2 * 16 * 4 + 8)  # running mean and variance, and the number of batches
    assert simclr.nodes["g"].own_bytes == 4 * weights * 4 + counted + buffers
    assert 0 < dino.nodes["ft"].own_bytes < dino.nodes["f"].own_bytes / 3  # no gradients and no moments
    assert dino.nodes["ft"].kept_bytes == 0


def test_slow_directions_of_a_node_are_found_where_they_are(at_start: Any, clock: Clock) -> None:
    def slow(ready: Ready) -> None:
        head: Any = ready.loop.module.g
        head.register_forward_hook(lambda *_: clock.sleep(0.2))
        head.linear1.register_full_backward_hook(lambda *_: clock.sleep(0.6))

    at_start(slow)
    profile = measured("simclr")
    head = profile.nodes["g"]
    assert (head.forward, head.backward) == pytest.approx((0.25, 0.75), abs=1e-3)
    assert limit(profile).startswith("the projector `g`: ")


def test_a_slow_source_is_found_to_limit_the_step(monkeypatch: pytest.MonkeyPatch, at_start: Any, clock: Clock) -> None:
    at_start(lambda ready: ready.loop.module.f.register_forward_hook(lambda *_: clock.sleep(0.02 * BATCH / 4)))  # type: ignore[operator, union-attr]
    load = ShapesSource.load
    monkeypatch.setattr(ShapesSource, "load", lambda self, index: (clock.sleep(0.02), load(self, index))[1])
    slow = measured("simclr", cache_gb=0)
    assert not slow.cached and slow.data == pytest.approx(0.8, abs=1e-3) and slow.facts()["shares"]["data"] == slow.data
    assert limit(slow).startswith("the data: ") and "a larger --cache-gb" in limit(slow)


def test_a_cache_is_full_before_steps_are_timed(monkeypatch: pytest.MonkeyPatch, at_start: Any) -> None:
    loads: list[int] = []
    load = ShapesSource.load
    monkeypatch.setattr(ShapesSource, "load", lambda self, index: (loads.append(index), load(self, index))[1])
    before: list[int] = []
    begin = run._Bench.steps
    monkeypatch.setattr(run._Bench, "steps", lambda self, n: (before.append(len(loads)), begin(self, n))[1])
    assert measured("simclr").cached
    assert before[0] == len(loads) > BATCH


def made_up(**given: Any) -> Profile:
    nodes = {"f": NodeCost("encoder", 0.2, 0.4, flops=6 * 10**11, kept_bytes=100), "loss": NodeCost("nt_xent", 0.05)}
    standard: dict[str, Any] = {
        "method": "simclr", "source": "shapes", "device": "cuda", "precision": "bf16", "workers": 8, "cores": 8,
        "cached": True, "augment": "host", "batch_size": 256, "steps": 20, "step_s": 1.0, "fastest_s": 0.9, "data": 0.1, "optimizer": 0.1, "rest": 0.15,
        "nodes": nodes, "product_flops_per_s": 10**13, "peak_bytes": 10 * 2**30, "device_bytes": 80 * 2**30,
    }  # fmt: skip
    return Profile(**{**standard, **given})


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (made_up(data=0.61, workers=2, cached=False),
         "the data: 61% of the time the step waits for images; try more --workers or a larger --cache-gb or --cache disk"),
        (made_up(data=0.61, workers=2), "the data: 61% of the time the step waits for images; try more --workers"),
        (made_up(data=0.61),
         "the data: 61% of the time the step waits for images; a cheaper augmentation or more cores would help"),
        (made_up(optimizer=0.7),
         "the optimizer: 70% of the time goes into changing the weights; a larger train.batch_size has fewer steps an image"),
        (made_up(rest=0.7),
         "the host: 70% of the time passes between the nodes; a larger train.batch_size has fewer steps an image"),
        (made_up(), "the encoder `f`: 60% of the time, at 10% of what a matrix product reaches here; small operations and "
         "moving memory take the rest"),
        (made_up(product_flops_per_s=10**12),
         "the encoder `f`: 60% of the time, at 100% of what a matrix product reaches here; the machine is busy"),
        (made_up(peak_bytes=76 * 2**30), "the encoder `f`: 60% of the time, at 10% of what a matrix product reaches here; 95% of its "
         "memory is in use, most by `f`, so that a larger batch, which would use it better, needs train.micro_batch"),
        (made_up(nodes={"loss": NodeCost("nt_xent", 0.65)}),
         "the nt_xent `loss`: 65% of the time, without a matrix product: it moves memory"),
    ],
)  # fmt: skip
def test_what_limits_a_step_is_one_sentence(profile: Profile, said: str) -> None:
    assert limit(profile) == said


def test_speed_and_share_of_the_peak_follow_from_the_time_of_a_step() -> None:
    profile = made_up(step_s=0.5)
    assert profile.images_per_s == 512
    assert profile.peak_share == pytest.approx(6e11 / 0.5 / 1e13)
    assert profile.peak_share_of("f") == pytest.approx(6e11 / (0.6 * 0.5) / 1e13)
