from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import MagicMock

import psutil
import pytest
import torch

from graphssl.data import loader as loading
from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.errors import DataError
from graphssl.data.loader import Batch, eval_batches, train_loader
from graphssl.data.sampler import EpochSampler
from graphssl.data.samples import Labels
from graphssl.data.sources import ImageSource, cached, open_data
from graphssl.data.subset import Subset

Plan = Callable[..., ViewPlan]
EVAL = (("resize", {}), ("center_crop", {}), ("normalize", "none"))


def _batches(
    source: ImageSource, plan: Plan, first: int, last: int, workers: int, device: str | None = None, **ranks: int
) -> list[Batch]:
    augmenter = Augmenter({"v1": plan("quick"), "v2": [plan("simclr", 16, "v2.0"), plan("quick", 24, "v2.1")]}, seed=7)
    sampler = EpochSampler(len(source), 16, seed=7, **ranks)
    makers = {"y": Labels(), **augmenter.makers}
    return list(train_loader(source, sampler, makers, first_step=first, last_step=last, workers=workers,
                             device=device and torch.device(device)))  # fmt: skip


def _tensors(batch: Batch) -> list[torch.Tensor]:
    return [batch.views["v1"], *batch.views["v2"], batch.views["y"], batch.labels, batch.indices]


def _same(some: Batch, other: Batch) -> bool:
    return (
        all(torch.equal(a, b) for a, b in zip(_tensors(some), _tensors(other), strict=True)) and some.bad == other.bad
    )


def test_any_number_of_workers_makes_the_same_bytes(plan: Plan) -> None:
    source = cached(open_data("shapes:32,100"), 1 << 20)
    here = _batches(source, plan, 0, 8, 0)
    assert len(here) == 8 and here[0].views["v2"][1].shape == (16, 3, 24, 24)
    for workers in (1, 2):
        there = _batches(source, plan, 0, 8, workers)
        assert len(there) == 8 and all(_same(a, b) for a, b in zip(here, there, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_views_made_on_the_device_are_those_of_the_host(class_folder: Path, plan: Plan, workers: int) -> None:
    (class_folder / "dog" / "3.png").write_bytes(b"")
    for source in (cached(open_data("shapes:32,100"), 1 << 20), _Uneven(open_data(str(class_folder)))):
        host = _batches(source, plan, 0, 3, 0)
        there = _batches(source, plan, 0, 3, workers, device="cpu")
        assert len(there) == 3 and all(_same(a, b) for a, b in zip(host, there, strict=True))
        assert all(list(batch.views) == ["y", "v1", "v2"] for batch in there)


def test_large_views_made_on_the_device_are_those_of_the_host(plan: Plan) -> None:
    makers = Augmenter({"v": plan("byol_2", 72, "v")}, seed=7).makers
    how = {"first_step": 0, "last_step": 2, "workers": 0}
    for source in (open_data("shapes:96,16"), _Uneven(open_data("shapes:96,10"))):
        host, there = (train_loader(source, EpochSampler(len(source), 8), makers, **how, device=device)
                       for device in (None, torch.device("cpu")))  # fmt: skip
        assert all(torch.equal(a.views["v"], b.views["v"]) for a, b in zip(host, there, strict=True))


class _Uneven(Subset):
    """Twice the images of a source, each with some columns and rows less than the one before it."""

    def __init__(self, source: ImageSource) -> None:
        super().__init__(source, [*range(len(source))] * 2)

    def load(self, index: int) -> torch.Tensor:
        return super().load(index)[:, index % 3 :, index % 5 :]


def test_working_a_batch_ahead_loses_none_before_an_error(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    stream = MagicMock()
    for name in ("Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda device: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda entered: contextlib.nullcontext())
    made = iter(_batches(open_data("shapes:32,100"), plan, 0, 3, 0, device="cpu"))
    begun = []

    def batches() -> Iterator[Batch]:
        for batch in made:
            begun.append(batch)
            yield batch
        raise DataError("no more")

    ahead = loading._one_ahead(batches(), torch.device("cuda"))
    for step in range(3):
        assert next(ahead) is begun[step] and len(begun) == min(step + 2, 3)
    with pytest.raises(DataError, match="no more"):
        next(ahead)


@pytest.mark.gpu
def test_views_made_on_a_gpu_are_those_of_the_host_but_for_rounding(plan: Plan) -> None:
    source = open_data("shapes:32,100")
    for workers in (0, 2):
        pairs = zip(_batches(source, plan, 0, 4, 0), _batches(source, plan, 0, 4, workers, device="cuda"), strict=True)
        for host, there in pairs:
            for a, b in zip(_tensors(host), _tensors(there), strict=True):
                torch.testing.assert_close(a, b.cpu(), atol=1e-4, rtol=0)


def test_a_resumed_loader_continues_with_the_same_bytes(plan: Plan) -> None:
    source = open_data("shapes:32,100")
    whole, rest = _batches(source, plan, 0, 9, 0), _batches(source, plan, 7, 9, 2)
    assert all(_same(a, b) for a, b in zip(whole[7:], rest, strict=True))


def test_ranks_together_make_the_views_of_one_rank(plan: Plan) -> None:
    source = open_data("shapes:32,100")
    alone = list(train_loader(source, EpochSampler(100, 32, seed=7), Augmenter({"v1": plan("simclr")}, seed=7).makers,
                              first_step=0, last_step=4, workers=0))  # fmt: skip
    ranks = [
        list(train_loader(source, EpochSampler(100, 16, rank=rank, world_size=2, seed=7),
                          Augmenter({"v1": plan("simclr")}, seed=7).makers, first_step=0, last_step=4, workers=0))
        for rank in range(2)
    ]  # fmt: skip
    for step, batch in enumerate(alone):
        together = torch.cat([rank[step].views["v1"] for rank in ranks])
        torch.testing.assert_close(batch.views["v1"], together, atol=1e-5, rtol=0)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_what_workers_decode_stays_in_the_cache(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = open_data("shapes:32,20")
    source = cached(inner, 1 << 20)
    _batches(source, plan, 0, 1, 1)
    shown = EpochSampler(20, 16, seed=7).batch(0)
    monkeypatch.setattr(inner, "load", lambda index: pytest.fail("decoded again"))
    assert all(source.load(index).float().std() > 0 for index in shown)


def test_the_caller_keeps_its_number_of_threads(plan: Plan) -> None:
    before = torch.get_num_threads()
    _batches(open_data("shapes:32,20"), plan, 0, 1, 0)
    assert torch.get_num_threads() == before


@pytest.fixture
def damaged(class_folder: Path) -> Path:
    (class_folder / "cat" / "4.png").write_bytes(b"")
    (class_folder / "dog" / "4.png").write_text("hello")
    return class_folder


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_images_are_replaced_by_the_next_good_one_and_reported(damaged: Path, plan: Plan, workers: int) -> None:
    source = open_data(str(damaged))  # images 4 and 9 are bad
    augmenter = Augmenter({"v1": plan("quick")}, seed=0)
    (batch,) = train_loader(source, EpochSampler(10, 10), augmenter.makers, first_step=0, last_step=1, workers=workers)
    order = EpochSampler(10, 10).batch(0)
    assert batch.indices.tolist() == [{4: 5, 9: 0}.get(index, index) for index in order]
    assert batch.labels.tolist() == [source.label(index) for index in batch.indices.tolist()]
    assert sorted(batch.bad) == [
        (str(damaged / "cat" / "4.png"), "is empty"),
        (str(damaged / "dog" / "4.png"), "is not an image in a known format"),
    ]
    first, second = (batch.views["v1"][order.index(index)] for index in (4, 5))  # the same image, not the same view
    assert not torch.equal(first, second)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_source_without_one_good_image_ends_in_a_data_error(tmp_path: Path, plan: Plan, workers: int) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"nothing")
    loader = train_loader(open_data(str(tmp_path)), EpochSampler(3, 2), Augmenter({"v1": plan("quick")}, seed=0).makers,
                          first_step=0, last_step=1, workers=workers)  # fmt: skip
    with pytest.raises(DataError, match=r"^none of the 3 images of .* can be decoded: `.*\d.jpg` is not an image"):
        list(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_gives_all_images_in_order(workers: int) -> None:
    source = open_data("shapes:32,50")
    batches = list(eval_batches(source, size=32, steps=EVAL, batch_size=16, workers=workers))
    assert [len(labels) for _, labels in batches] == [16, 16, 16, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == [i % 10 for i in range(50)]
    expected = torch.stack([source.load(i) for i in range(50)]).float() / 255
    torch.testing.assert_close(torch.cat([images for images, _ in batches]), expected)
    ((images, labels),) = eval_batches(source, size=32, steps=EVAL, batch_size=16, workers=workers, indices=[7, 3])
    assert labels.tolist() == [7, 3] and torch.allclose(images, expected[[7, 3]])


def test_evaluation_leaves_bad_images_out_and_says_so(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    batches = list(eval_batches(open_data(str(damaged)), size=16, steps=EVAL, batch_size=4, workers=0))
    assert sum(len(labels) for _, labels in batches) == 8 == sum(len(images) for images, _ in batches)
    assert "4.png` is empty" in caplog.text and len(caplog.records) == 2


def test_a_worker_ignores_ctrl_c(plan: Plan) -> None:
    source = open_data("shapes:32,100")
    loader = train_loader(source, EpochSampler(100, 10), Augmenter({"v1": plan("quick")}, seed=0).makers,
                          first_step=0, last_step=20, workers=1)  # fmt: skip
    next(loader)
    for child in psutil.Process().children():
        os.kill(child.pid, signal.SIGINT)
    assert len(list(loader)) == 19


def test_cifar10_loads_and_augments(cifar10: Path, plan: Plan) -> None:
    source = open_data(str(cifar10))
    assert len(source) == 50000 and len(source.classes) == 10 and len(open_data(str(cifar10), "test")) == 10000
    batch = _batches(source, plan, 0, 1, 0)[0]
    assert batch.views["v1"].shape == (16, 3, 32, 32) and not batch.bad and batch.labels.min() >= 0
