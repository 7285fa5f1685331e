"""VICReg (arXiv:2105.04906) against facebookresearch/vicreg."""

from __future__ import annotations

import pytest

from tests.graphs.paper import R50, attrs, built, count, decay, flags, layers, lr, nodes, recipe, rules, spared


def test_the_expander_has_three_layers_of_8192_and_a_last_one_without_bias() -> None:
    _, module = built("vicreg")
    assert count(module.f) == R50
    hidden = 8192 + 2 * 8192
    assert count(module.g) == 2048 * 8192 + hidden + 8192 * 8192 + hidden + 8192 * 8192
    assert layers(module.g) == ["linear1", "norm1", "act1", "linear2", "norm2", "act2", "last"]


def test_the_loss_weighs_25_25_1_and_sees_all_ranks_through_gradient() -> None:
    loss = attrs("vicreg", "loss")
    assert (loss["invariance"], loss["variance"], loss["covariance"]) == (25, 25, 1)
    assert flags("vicreg", "z") == {(True, True)}
    assert not [node for node in nodes("vicreg").values() if node.op.name in ("ema", "l2_normalize", "predictor")]


@pytest.mark.parametrize(
    ("reference", "base", "epochs", "batch"), [("vicreg", 0.2, 1000, 2048), ("vicreg@ep100", 0.3, 100, 512)]
)
def test_vicreg_is_trained_by_lars_to_a_thousandth_of_its_peak(
    reference: str, base: float, epochs: int, batch: int
) -> None:
    train = recipe(reference)
    assert (train.optimizer, train.epochs, train.batch_size, decay(reference)) == ("lars", epochs, batch, 1e-6)
    curve, steps = lr(reference)
    peak = base * batch / 256
    assert (curve(0), curve(1000), curve(steps)) == pytest.approx((0, peak, peak / 1000))
    _, parameters = rules(reference)
    assert spared(reference) == {name for name, p in parameters.items() if p.ndim <= 1}
