"""A folder, a manifest and shards, near and far, keep one contract, shown by counting what the loader gives:

each image exactly once an epoch up to the remainder that fills no global batch; ranks disjoint, of equal work, together the batch of one; any
number of workers; resumed at any step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from graphssl.data import shard_sampler
from graphssl.data.augment import Augmenter
from graphssl.data.loader import Batch, train_loader
from graphssl.data.place import placed
from graphssl.data.shard_sampler import ShardSampler, sampler_of
from graphssl.data.sources import ImageSource, open_data

IMAGES, BATCH = 20, 8


@pytest.fixture(params=["folder", "manifest", "wds", "wds of URLs"])
def source(
    request: pytest.FixtureRequest, shards: Path, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ImageSource:
    monkeypatch.setattr(shard_sampler, "WINDOW_SHARDS", 2)
    monkeypatch.setattr(shard_sampler, "WINDOW_IMAGES", 8)
    sharded = open_data(f"wds:{shards}")
    if request.param == "folder":
        for index in range(IMAGES):
            path = tmp_path / "folder" / sharded.classes[sharded.label(index)] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(placed(sharded).read(index))
        return open_data(str(tmp_path / "folder"))
    if request.param == "manifest":
        places = [placed(sharded).place(index) for index in range(IMAGES)]
        shards_of = [place.shard.replace(str(shards), remote) for place in places]
        pq.write_table(pa.table({"shard": shards_of, "key": [place.key for place in places]}), tmp_path / "m.parquet")
        return open_data(f"manifest:{tmp_path / 'm.parquet'}")
    return sharded if request.param == "wds" else open_data(f"wds:{remote}/*.tar")


def batches(
    source: ImageSource, plan: Any, steps: range, *, rank: int = 0, ranks: int = 1, workers: int = 0
) -> Iterator[Batch]:
    sampler = sampler_of(source, BATCH // ranks, rank=rank, world_size=ranks, seed=5)
    makers = Augmenter({"v": plan("simclr", size=16)}, seed=5).makers
    return train_loader(source, sampler, makers, first_step=steps.start, last_step=steps.stop, workers=workers)


def numbers(found: Iterator[Batch]) -> list[list[int]]:
    return [batch.indices.tolist() for batch in found]


def test_each_image_exactly_once_an_epoch(source: ImageSource, plan: Any) -> None:
    shown = numbers(batches(source, plan, range(6)))
    for epoch in (shown[:2], shown[2:4], shown[4:]):
        counts = Counter(index for batch in epoch for index in batch)
        assert set(counts.values()) == {1} and len(counts) == IMAGES // BATCH * BATCH
    assert shown[:2] != shown[2:4] != shown[4:]


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_are_disjoint_of_equal_work_and_together_the_batch_of_one(
    ranks: int, source: ImageSource, plan: Any
) -> None:
    alone = numbers(batches(source, plan, range(4)))
    parts = [numbers(batches(source, plan, range(4), rank=rank, ranks=ranks)) for rank in range(ranks)]
    assert {len(batch) for part in parts for batch in part} == {BATCH // ranks}
    assert [sum(step, []) for step in zip(*parts)] == alone  # noqa: RUF017
    assert isinstance(sampler_of(source, BATCH), ShardSampler) == bool(getattr(source, "shard_sizes", ()))


def test_the_same_bytes_for_any_number_of_workers_and_resumed_at_any_step(source: ImageSource, plan: Any) -> None:
    whole = list(batches(source, plan, range(6)))
    for first, workers in ((0, 2), (1, 0), (3, 0), (5, 1)):
        again = list(batches(source, plan, range(first, 6), workers=workers))
        assert [batch.indices.tolist() for batch in again] == [batch.indices.tolist() for batch in whole[first:]]
        for one, other in zip(again, whole[first:], strict=True):
            assert torch.equal(one.views["v"], other.views["v"]) and torch.equal(one.labels, other.labels)  # type: ignore[arg-type]


def test_the_shards_of_the_next_window_are_fetched_while_this_one_is_used(
    shards: Path, remote: str, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_sampler, "WINDOW_SHARDS", 2)
    monkeypatch.setattr(shard_sampler, "WINDOW_IMAGES", 8)
    source, fetched = open_data(f"wds:{remote}/*.tar"), []
    monkeypatch.setattr(type(source), "prefetch", lambda _, index: fetched.append(index // 4))
    steps = batches(source, plan, range(2))
    first = {index // 4 for index in next(steps).indices.tolist()}
    sampler = sampler_of(source, BATCH, seed=5)
    assert isinstance(sampler, ShardSampler) and len(first) == 2
    assert set(fetched) == {image // 4 for image in sampler.ahead(0)} and not first & set(fetched)
