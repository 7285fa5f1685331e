"""SimSiam (arXiv:2011.10566) against facebookresearch/simsiam."""

from __future__ import annotations

from tests.graphs.paper import built, count, decay, recipe, rules


def test_simsiam_head_and_predictor() -> None:
    _, module = built("simsiam")
    assert count(module.g) == 3 * 2048 * 2048 + 2 * 2 * 2048  # last norm without gamma and beta
    assert count(module.q) == 2048 * 512 + 2 * 512 + 512 * 2048 + 2048


def test_simsiam_predictor_keeps_its_learning_rate() -> None:
    found, _ = rules("simsiam")
    assert all((rule is not None and rule.lr_constant) is key.startswith("q.") for key, rule in found.items())


def test_simsiam_is_trained_by_sgd_for_100_epochs_of_512_images_a_step() -> None:
    train = recipe("simsiam")
    assert (train.optimizer, train.optimizer_args, train.epochs, train.batch_size) == (
        "sgd",
        {"momentum": 0.9},
        100,
        512,
    )
    assert decay("simsiam") == 1e-4
