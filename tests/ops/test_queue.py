"""The queue as a register: read before, written after, first in first out, any size."""

from __future__ import annotations

import pytest
import torch

from graphssl.ops.modules.queue import Queue


def pushed(queue: Queue, *batches: torch.Tensor) -> Queue:
    for batch in batches:
        queue.stage(batch)
        queue.commit()
    return queue


def test_it_starts_with_random_rows_of_length_one() -> None:
    rows = Queue(4, size=7, unit=True)()
    assert torch.allclose(rows.norm(dim=1), torch.ones(7))
    assert not torch.allclose(rows[0], rows[1])


def test_reading_does_not_see_what_is_only_staged() -> None:
    queue = Queue(2, size=4, unit=False)
    before = queue().clone()
    queue.stage(torch.ones(2, 2))
    assert torch.equal(queue(), before)
    queue.commit()
    assert torch.equal(queue()[:2], torch.ones(2, 2))


@pytest.mark.parametrize(("size", "batch"), [(6, 2), (7, 3), (5, 4), (3, 3)])
def test_it_holds_the_newest_rows_whether_or_not_the_batch_divides_its_size(size: int, batch: int) -> None:
    queue = Queue(1, size=size, unit=False)
    history = torch.arange(1, 1 + batch * 9, dtype=torch.float32)[:, None]
    pushed(queue, *history.split(batch))
    assert sorted(queue().flatten().tolist()) == history[-size:].flatten().tolist()
    assert int(queue.pointer) == len(history) % size


def test_more_rows_than_fit_leave_the_newest() -> None:
    queue = pushed(Queue(1, size=3, unit=False), torch.arange(8, dtype=torch.float32)[:, None])
    assert sorted(queue().flatten().tolist()) == [5, 6, 7]


def test_micro_batches_are_written_together() -> None:
    whole, parts = Queue(1, size=5, unit=False), Queue(1, size=5, unit=False)
    parts.load_state_dict(whole.state_dict())
    rows = torch.arange(4, dtype=torch.float32)[:, None]
    pushed(whole, rows)
    for part in rows.split(2):
        parts.stage(part)
    parts.commit()
    assert torch.equal(whole(), parts())


def test_rows_and_pointer_are_part_of_a_checkpoint() -> None:
    assert set(Queue(2, size=3, unit=True).state_dict()) == {"rows", "pointer"}


def test_what_is_staged_keeps_no_gradient() -> None:
    queue = Queue(2, size=4, unit=True)
    queue.stage(torch.ones(2, 2, requires_grad=True) * 2)
    assert not queue.staged[0].requires_grad
