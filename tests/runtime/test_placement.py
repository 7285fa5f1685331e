"""Where views are made, and where decoded images are kept: the same run in any case."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.loader import TrainSteps
from graphssl.data.sampler import EpochSampler
from graphssl.data.shapes import ShapesSource
from graphssl.data.sources import open_data
from graphssl.runtime import placement as placing
from graphssl.runtime.placement import Placement, faster, placement
from tests.runs import final, logged

Train = Callable[..., int]


def same(a: Path, b: Path) -> bool:
    some, others = final(a), final(b)
    return logged(a) == logged(b) and all(torch.equal(some[name], value) for name, value in others.items())


def test_a_run_is_the_same_wherever_its_views_are_made(train: Train, tmp_path: Path) -> None:
    for augment, workers in (("host", 0), ("device", 0), ("device", 2)):
        train("dinov2", tmp_path / f"{augment}{workers}", steps=2, augment=augment, workers=workers)
    assert same(tmp_path / "host0", tmp_path / "device0") and same(tmp_path / "host0", tmp_path / "device2")


def test_resuming_elsewhere_changes_nothing(train: Train, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train("simclr", whole, steps=2, augment="host", checkpoint_every=0.25)
    shutil.copytree(whole, parts)
    shutil.rmtree(parts / "checkpoints" / "step-00000002")
    (parts / "summary.json").unlink()
    train("simclr", parts, steps=2, augment="device", resume=True)
    assert same(whole, parts)


@pytest.fixture
def steps() -> TrainSteps:
    source = open_data("shapes:32,100")
    plan = ViewPlan("v", 24, (("crop", {}), ("flip", {})), "v")
    return TrainSteps(source, EpochSampler(100, 64), {"y": lambda samples: samples.labels, **_makers(plan)})


def _makers(plan: ViewPlan) -> dict[str, Any]:
    return Augmenter({"v": plan}, seed=0).makers


def take(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Making views takes so long by device; inf: more memory than there is."""

    def measured(make: Callable[[], object], device: torch.device) -> float:
        make()
        if seconds[device.type] == float("inf"):
            raise torch.OutOfMemoryError
        return seconds[device.type]

    monkeypatch.setattr(placing, "_seconds", measured)


@pytest.mark.parametrize(
    (
        "sixteen",
        "device",
        "workers",
        "where",
        "why",
    ),  # seconds of 16 images on the host, of a batch of 64 on the device
    [
        (0.016, 0.040, 2, "host", "a batch takes 32.0 ms there, 40.0 ms on meta"),
        (0.016, 0.030, 2, "device", "a batch takes 30.0 ms there, 32.0 ms on the host"),
        (0.016, 0.040, 0, "device", "a batch takes 40.0 ms there, 64.0 ms on the host"),
        (0.016, float("inf"), 0, "host", "there is no room for them on meta"),
    ],
)
def test_the_faster_place_is_taken(
    sixteen: float,
    device: float,
    workers: int,
    where: str,
    why: str,
    steps: TrainSteps,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take(monkeypatch, cpu=sixteen, meta=device)
    assert faster(steps, 0, torch.device("meta"), workers) == Placement(where, why)


def test_the_time_on_a_cpu_is_that_of_its_views(steps: TrainSteps) -> None:
    assert faster(steps, 0, torch.device("cpu"), workers=10**6).where == "host"


def test_what_is_asked_for_goes_first_then_what_was_before(steps: TrainSteps, monkeypatch: pytest.MonkeyPatch) -> None:
    take(monkeypatch, cpu=1, meta=0.1)
    there, here = (SimpleNamespace(device=torch.device(name), is_main_process=True) for name in ("meta", "cpu"))

    def where(asked: str, facts: dict[str, Any] | None, accelerator: Any) -> str:
        return placement(asked, facts, accelerator, steps, 0, 2).where

    assert where("host", {"augment": "device"}, there) == "host" and where("device", None, here) == "device"
    assert (
        where("auto", {"augment": "host"}, there) == "host" and where("auto", {"augment": "device"}, here) == "device"
    )
    assert where("auto", None, here) == "host" and where("auto", {"step": 3}, there) == "device"
    assert where("auto", {"augment": ["damaged"]}, there) == "device"


def test_a_run_on_kept_images_decodes_nothing(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    load = ShapesSource.load
    monkeypatch.setattr(ShapesSource, "load", lambda self, index: (loads.append(index), load(self, index))[1])
    counts = {}
    for name, cache in {"none": "none", "first": "disk", "second": "disk"}.items():
        loads.clear()
        train("simclr", tmp_path / name, steps=4, cache=cache, cache_dir=str(tmp_path / "kept"))
        counts[name] = len(loads)
    assert counts == {"none": 64, "first": 64, "second": 0}
    assert same(tmp_path / "none", tmp_path / "first") and same(tmp_path / "none", tmp_path / "second")
