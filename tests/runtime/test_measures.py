"""What a run measures of its nodes, against slow loops and cases worked out by hand; measuring changes nothing."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import graphssl
from graphssl.ops.modules.queue import Queue
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.measures.formulas import (
    ROWS,
    alignment,
    distance,
    effective_rank,
    entropy,
    gradient_norm,
    gram,
    spread,
    uniformity,
    vectors,
)
from graphssl.runtime.measures.measuring import Measuring, default_every
from graphssl.runtime.stopwatch import Stopwatch
from graphssl.runtime.writes import Writes
from tests.runs import at_step, poison

Train = Callable[..., int]


def weights(run: Path) -> dict[str, torch.Tensor]:
    latest = RunFolder(run).latest_checkpoint()
    assert latest is not None
    return {**load_file(latest / "model.safetensors"), **load_file(latest / "optimizer.safetensors")}


def nodes_of(run: Path) -> dict[int, dict[str, dict[str, float]]]:
    return {record["step"]: record["nodes"] for record in RunFolder(run).metrics() if "nodes" in record}


def test_spread_is_the_mean_deviation_of_unit_vectors_times_root_d() -> None:
    rows = torch.randn(11, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1
    unit = [[float(x) / math.sqrt(sum(float(y) ** 2 for y in row)) for x in row] for row in rows]
    deviations = []
    for d in range(5):
        column = [row[d] for row in unit]
        mean = sum(column) / 11
        deviations.append(math.sqrt(sum((x - mean) ** 2 for x in column) / 11))
    assert float(spread(rows)) == pytest.approx(sum(deviations) / 5 * math.sqrt(5), rel=1e-12)


def test_collapsed_vectors_have_no_spread_and_rank_one() -> None:
    rows = torch.outer(torch.rand(40) + 0.1, torch.randn(16)).double()
    assert float(spread(rows)) == pytest.approx(0, abs=1e-7)
    assert effective_rank(gram(rows)) == pytest.approx(1, abs=1e-5)


def test_vectors_all_over_the_sphere_have_spread_one() -> None:
    rows = torch.randn(4000, 32, generator=torch.Generator().manual_seed(0)).double()
    assert float(spread(rows)) == pytest.approx(1, abs=0.01)
    assert float(spread(torch.cat([torch.eye(8), -torch.eye(8)]).double())) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (7, 7)])
def test_orthonormal_vectors_have_full_rank(shape: tuple[int, int]) -> None:
    rows, _ = torch.linalg.qr(torch.randn(max(shape), min(shape), dtype=torch.float64))
    rows = rows if shape[0] > shape[1] else rows.T
    assert rows.shape == shape
    assert effective_rank(gram(rows)) == pytest.approx(min(shape))


def test_rank_is_exp_of_the_entropy_of_singular_values() -> None:
    by_hand = math.exp(-(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)))
    assert effective_rank(gram(torch.diag(torch.tensor([2.0, 1.0, 1.0, 0.0])).double())) == pytest.approx(by_hand)
    rows = torch.randn(30, 12, dtype=torch.float64)
    shares = [float(s) for s in torch.linalg.svdvals(rows)]
    shares = [s / sum(shares) for s in shares]
    assert effective_rank(gram(rows)) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)))
    assert effective_rank(gram(torch.zeros(3, 4).double())) == 0


def test_one_vector_a_sample_is_taken_from_tokens_maps_and_long_values() -> None:
    tokens, maps = torch.randn(4, 9, 3), torch.randn(4, 3, 2, 2)
    assert torch.equal(vectors(tokens), tokens.mean(dim=1).double())
    assert torch.allclose(vectors(maps), maps.flatten(2).mean(dim=2).double())
    long = torch.arange(2 * ROWS + 2.0)[:, None].expand(-1, 3)
    found = vectors(long)[:, 0].tolist()
    assert found == [3.0 * i for i in range(len(found))] and ROWS / 2 < len(found) <= ROWS


def test_alignment_is_the_mean_squared_distance_of_unit_vectors_of_two_views() -> None:
    rows, others = (torch.randn(7, 5, generator=torch.Generator().manual_seed(i)).double() for i in (0, 1))
    total = 0.0
    for x, y in zip(rows.tolist(), others.tolist(), strict=True):
        a, b = math.hypot(*x), math.hypot(*y)
        total += sum((p / a - q / b) ** 2 for p, q in zip(x, y, strict=True))
    assert float(alignment(rows, others)) == pytest.approx(total / 7, rel=1e-12)
    assert float(alignment(rows, 3 * rows)) == pytest.approx(0, abs=1e-15)


def test_uniformity_is_the_log_of_the_mean_potential_of_all_pairs() -> None:
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = [[x / math.hypot(*row) for x in row] for row in rows.tolist()]
    potentials = [
        math.exp(-2 * sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))
        for i, a in enumerate(unit)
        for j, b in enumerate(unit)
        if i != j
    ]
    assert float(uniformity(rows)) == pytest.approx(math.log(sum(potentials) / 30), rel=1e-12)
    assert float(uniformity(torch.ones(5, 3).double())) == pytest.approx(0, abs=1e-12)
    assert float(uniformity(torch.eye(40).double())) == pytest.approx(-4)  # all √2 apart


def test_entropy_is_ln_k_for_even_shares_and_0_for_a_certain_answer() -> None:
    found = entropy(torch.tensor([[0.25] * 4, [0, 1, 0, 0], [0.5, 0.5, 0, 0]]).double())
    assert found.tolist() == pytest.approx([math.log(4), 0, math.log(2)])


def test_distance_of_a_copy_after_steps_of_a_moving_student() -> None:
    from graphssl.ops.modules.links import copy_of, ema_update

    fast = nn.Linear(2, 1, bias=False)
    fast.weight.data = torch.tensor([[3.0, 4.0]])
    slow = copy_of(fast)
    assert float(distance(slow, fast)) == 0
    fast.weight.data *= 2  # (6, 8): the copy is 5 away from a student of length 10
    assert float(distance(slow, fast)) == pytest.approx(0.5)
    for k in range(1, 4):
        ema_update(slow, fast, momentum=0.9)
        assert float(distance(slow, fast)) == pytest.approx(0.5 * 0.9**k)


def test_gradient_norm_is_over_all_parameters_of_a_module() -> None:
    head = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    assert gradient_norm(head) is None
    head[0].weight.grad = torch.tensor([[2.0, 3.0]])
    head[1].bias.grad = torch.tensor([6.0])
    assert float(gradient_norm(head) or 0) == pytest.approx(7)


@pytest.mark.parametrize(("steps", "age", "filled"), [(1, 0, 1 / 3), (2, 0.5, 2 / 3), (3, 1, 1), (10, 1, 1)])
def test_age_of_a_queue_of_three_batches(steps: int, age: float, filled: float) -> None:
    writes = Writes({"queue": 12})
    for step in range(1, steps + 1):
        writes.note("queue", step, 4)
    assert writes.held("queue", steps) == {"age": pytest.approx(age), "filled": pytest.approx(filled)}


def test_a_queue_that_nothing_was_written_to_has_no_age() -> None:
    assert Writes({"queue": 12}).held("queue", 5) == {"filled": 0}


@pytest.mark.parametrize("size", [1, 7, 10, 64])
def test_age_is_that_of_the_rows_that_a_queue_really_holds(size: int) -> None:
    """Each row of a real queue carries the step that wrote it; steps write different numbers of rows, or none."""
    queue, writes = Queue(1, size=size, unit=False), Writes({"queue": size})
    queue.rows.fill_(-1)
    for step in range(1, 40):
        for rows in {0: [], 1: [3], 2: [2, 4], 3: [11]}[step * step % 7 % 4]:
            queue.stage(torch.full((rows, 1), float(step)))
        writes.note("queue", step, sum(map(len, queue.staged)))
        queue.commit()
        written = queue.rows[queue.rows >= 0]
        held = writes.held("queue", step)
        assert held["filled"] == len(written) / size
        if len(written):
            assert held["age"] == pytest.approx(float((step - written).mean()))
        again = Writes({"queue": size})
        again.restore(json.loads(json.dumps(writes.facts())))
        assert again.held("queue", step + 5) == writes.held("queue", step + 5)


def test_the_stopwatch_sees_calls_of_parts_and_counts_nested_ones_once() -> None:
    whole, other = nn.Sequential(nn.Linear(300, 300), nn.Sequential(nn.Linear(300, 300))), nn.Linear(2, 2)
    watch = Stopwatch({"whole": whole, "other": other}, torch.device("cpu"))
    x = torch.randn(200, 300)
    with watch:
        whole(x)
        whole[1](x)
    assert len(watch.marks["whole"]) == 2 and "other" not in watch.marks
    shares = watch.shares()
    assert 0 < shares["whole"] <= 1
    assert all(not part._forward_hooks and not part._forward_pre_hooks for part in whole.modules())


def test_a_run_is_measured_about_two_hundred_times_at_both_ends_and_often_at_first() -> None:
    assert default_every(300) == 50 and default_every(100_000) == 500
    method = graphssl.load("simclr@quick", {"nodes.f.args.channels": [8, 8, 8, 8]})
    module = graphssl.compile(method)
    graph = method.checked_graph()
    due = Measuring(graph, module, 130, 13).due
    assert [done for done in range(1, 131) if due(done)] == [1, 2, 4, 8, 16, 32, 50, 100, 130]
    never = Measuring(graph, module, 130, 13, 0)
    assert not any(never.due(done) for done in range(1, 131))
    assert Measuring(graph, module, 130, 13, 1, main=False).reading(1) is None


@pytest.mark.parametrize(
    ("name", "more"),
    [("byol", {}), ("moco_v2", {}), ("dinov2", {}), ("simclr", {"train.accumulate": 2}), ("vicreg", {}),
     ("byol", {"train.precision": "bf16"})],
)  # fmt: skip
def test_measuring_changes_no_bit_of_the_training(
    name: str, more: dict[str, Any], train: Train, tmp_path: Path
) -> None:
    train(name, tmp_path / "measured", more, steps=4, measure_every=1)
    train(name, tmp_path / "plain", more, steps=4, measure_every=0)
    a, b = weights(tmp_path / "measured"), weights(tmp_path / "plain")
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    assert set(nodes_of(tmp_path / "measured")) == {1, 2, 3, 4} and nodes_of(tmp_path / "plain") == {}
    losses = [[r["loss"] for r in RunFolder(tmp_path / run).metrics()] for run in ("measured", "plain")]
    assert losses[0] == losses[1]


def test_copies_and_queues_are_measured_as_the_step_leaves_them(train: Train, tmp_path: Path) -> None:
    train("moco_v2", tmp_path / "run", steps=6, measure_every=3, log_every=100)
    found = nodes_of(tmp_path / "run")
    assert list(found) == [1, 2, 3, 6]
    tensors = load_file(RunFolder(tmp_path / "run").latest_checkpoint() / "model.safetensors")  # type: ignore[operator]
    names = [n for n in tensors if n.startswith("fk.") and n.endswith(("weight", "bias"))]
    apart = sum(float((tensors[n] - tensors[n.replace("fk.", "f.", 1)]).square().sum()) for n in names)
    length = sum(float(tensors[n.replace("fk.", "f.", 1)].square().sum()) for n in names)
    assert found[6]["fk"]["ema_distance"] == pytest.approx(math.sqrt(apart / length), rel=1e-4)
    assert found[1]["queue"]["age"] == 0 and found[1]["queue"]["filled"] == 16 / 40
    assert found[6]["queue"]["age"] == pytest.approx((16 * 0 + 16 * 1 + 8 * 2) / 40)
    assert "grad_norm" in found[6]["f"] and "grad_norm" not in found[6]["fk"]


def test_every_kind_of_node_says_what_it_can(train: Train, tmp_path: Path) -> None:
    train("dinov2", tmp_path / "run", steps=2)
    found = nodes_of(tmp_path / "run")[2]
    assert found["f"].keys() >= {"std", "rank", "rank_share", "grad_norm", "weight_norm", "update", "time"}
    assert found["ft"].keys() >= {"std", "rank", "ema_distance", "momentum", "time"}
    assert found["c"]["mean_norm"] > 0 and found["p"].keys() >= {"entropy", "entropy_share", "prototypes"}
    assert found["patch_loss"].keys() >= {"chance", "chance_share", "kl"}
    assert 0 < found["f"]["time"] + found["ft"]["time"] <= 1
    assert all(0 <= values["std"] <= 1 and values["rank"] >= 0 for values in found.values() if "std" in values)
    assert all(0 <= values["rank_share"] <= 1 for values in found.values() if "rank_share" in values)


def test_a_step_is_measured_by_how_much_it_changes_weights(train: Train, tmp_path: Path) -> None:
    """The first step of SGD without decay moves weights by lr times the gradient."""
    plain = {"train.weight_decay": 0, "train.lr": {"$replace": True, "base": 0.01}}
    train("simsiam", tmp_path / "run", plain, steps=1)
    for values in (found for found in nodes_of(tmp_path / "run")[1].values() if "update" in found):
        assert values["update"] == pytest.approx(0.01 * values["grad_norm"] / values["weight_norm"], rel=1e-3)


def test_lines_have_a_weight_decay_where_it_is_scheduled(train: Train, tmp_path: Path) -> None:
    for name in ("dino", "simclr"):
        train(name, tmp_path / name, steps=2)
    found = {name: [r.get("weight_decay") for r in RunFolder(tmp_path / name).metrics()] for name in ("dino", "simclr")}
    assert found == {"dino": [pytest.approx(0.04), pytest.approx(0.04 + 0.36 / 2)], "simclr": [None, None]}


def test_a_resumed_run_knows_the_age_of_its_queue(train: Train, tmp_path: Path) -> None:
    train("moco_v2", tmp_path / "whole", steps=6, checkpoint_every=1, measure_every=1)
    train("moco_v2", tmp_path / "parts", steps=4, checkpoint_every=1, measure_every=1)
    train("moco_v2", tmp_path / "parts", steps=6, resume=True, allow_changed=True, measure_every=1)
    ages = [[n["queue"]["age"] for n in nodes_of(tmp_path / run).values()] for run in ("whole", "parts")]
    assert ages[0] == ages[1] and ages[0][-1] > 0


def test_a_skipped_step_ages_the_queue_and_writes_nothing(train: Train, tmp_path: Path, monkeypatch: Any) -> None:
    with at_step(4, lambda _: poison("vq", monkeypatch)), at_step(5, lambda _: monkeypatch.undo()):
        train("moco_v2", tmp_path / "run", steps=5, measure_every=1)
    found = nodes_of(tmp_path / "run")
    assert found[3]["queue"]["age"] == pytest.approx((0 + 16 + 8 * 2) / 40)
    assert found[4]["queue"]["age"] == pytest.approx(found[3]["queue"]["age"] + 1)
    assert "grad_norm" not in found[4]["f"] and "std" not in found[4]["f"], "not a number is left out"


@pytest.mark.slow
def test_measuring_on_two_processes_changes_no_bit_and_ends(tmp_path: Path) -> None:
    words = [
        "-m", "graphssl", "train", "moco_v2@quick", "--data", "shapes:32,256", "--steps", "5", "--device", "cpu",
        "--eval-every", "0", "--log-every", "100", "--set", "nodes.f.args.channels=[8,8,8,8]", "--set", "train.batch_size=64",
        "--set", "train.precision=fp32", "--set", "params.queue=160", "--set", "nodes.f.bn_group=8", "--set", "nodes.g.bn_group=8",
    ]  # fmt: skip
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    for run, every in (("measured", "2"), ("plain", "0")):
        launcher = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29631"]
        done = subprocess.run(
            [sys.executable, "-m", *launcher, *words, "--measure-every", every, "--out", str(tmp_path / run)],
            capture_output=True, text=True, env=environment, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    a, b = weights(tmp_path / "measured"), weights(tmp_path / "plain")
    assert all(torch.equal(a[key], b[key]) for key in a)
    found = nodes_of(tmp_path / "measured")
    assert list(found) == [1, 2, 4, 5]
    assert found[5]["queue"]["filled"] == 1 and found[5]["queue"]["age"] == pytest.approx(
        0.8
    )  # 64 rows of 0, 64 of 1, 32 of 2
