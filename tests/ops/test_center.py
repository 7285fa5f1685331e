"""The centre as a register: read before, written after, over views, micro-batches and ranks."""

from __future__ import annotations

import pytest
import torch

from graphssl.ops.modules.center import Center


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def stepped(center: Center, *batches: torch.Tensor) -> Center:
    for batch in batches:
        center.stage(batch)
    center.commit()
    return center


def test_hand_computed_numbers() -> None:
    center = Center(2, momentum=0.9)
    x = torch.tensor([[1.0, 0.0], [3.0, 10.0]])
    assert torch.equal(center(x), x)  # it starts at 0
    stepped(center, x)
    assert center.center.tolist() == pytest.approx([0.2, 0.5])
    assert center(x).tolist()[0] == pytest.approx([0.8, -0.5])
    stepped(center, x)
    assert center.center.tolist() == pytest.approx([0.38, 0.95])


def test_it_equals_a_slow_loop_over_steps_views_and_rows() -> None:
    center, c = Center(3, momentum=0.7).double(), [0.0] * 3
    for step in range(4):
        views = [rows(5, 3, seed=2 * step), rows(2, 3, seed=2 * step + 1)]  # a short last micro-batch counts less
        stepped(center, *views)
        for k in range(3):
            numbers = [row[k].item() for view in views for row in view]
            c[k] = 0.7 * c[k] + 0.3 * sum(numbers) / len(numbers)
        assert center.center.tolist() == pytest.approx(c, rel=1e-12)


def test_tokens_count_each() -> None:
    x = rows(4, 6, 3)
    assert torch.allclose(stepped(Center(3).double(), x).center, 0.1 * x.mean(dim=1).mean(dim=0))


@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_only_rows_that_the_mask_names_count(shape: tuple[int, ...]) -> None:
    x = rows(*shape, 4)
    mask = torch.tensor([1, 0, 1, 0, 0, 1]).view(shape)
    x[mask == 0] = float("nan")
    center = Center(4).double()
    center.stage(x, mask)
    center.commit()
    assert torch.allclose(center.center, 0.1 * x[mask == 1].mean(dim=0))
    before = center.center.clone()
    center.stage(x, torch.zeros_like(mask))
    center.commit()
    assert torch.equal(center.center, before)


def test_gradient_flows_through_x_and_nothing_staged_keeps_any() -> None:
    center = Center(2)
    x = torch.ones(3, 2, requires_grad=True)
    center.stage(x * 2)
    assert not center.staged[0].requires_grad
    center(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(3, 2))


def test_reading_does_not_see_what_is_only_staged_and_a_checkpoint_holds_it() -> None:
    center, x = Center(2), torch.ones(3, 2)
    center.stage(x)
    assert torch.equal(center(x), x)
    center.staged.clear()
    center.commit()
    assert torch.equal(center(x), x)
    assert list(center.state_dict()) == ["center"]


def test_half_inputs_are_averaged_in_float32() -> None:
    x = torch.full((3000, 1), 1.001).bfloat16()
    center = stepped(Center(1, momentum=0.0), x)
    assert center.center.dtype == torch.float32
    assert center.center.item() == pytest.approx(x[0].item(), rel=1e-6)
