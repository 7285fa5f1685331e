"""Linear evaluation and fine-tuning against the protocols of the papers (reference: the authors' scripts)."""

from __future__ import annotations

import pytest

import graphssl
from graphssl.ops.modules.encoder import encoder
from tests.graphs.paper import attrs, graph_of, nodes, steps, taken

# protocol: (peak learning rate, batch, epochs, nesterov, learning rate at these shares of the training over the peak)
PROTOCOLS = {
    "moco": (30.0, 256, 100, False, {0.0: 1.0, 0.59: 1.0, 0.61: 0.1, 0.81: 0.01}),
    "moco_v3": (12.0, 1024, 90, False, {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
    "simclr": (1.6, 4096, 90, True, {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
    "dino": (0.004, 1024, 100, False, {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
    "dinov2": (0.4, 1024, 10, False, {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_linear_classifier_is_trained_as_in_the_paper(protocol: str) -> None:
    peak, batch, epochs, nesterov, places = PROTOCOLS[protocol]
    train = graph_of(f"linear@{protocol}").train
    assert train.peak_lr() == pytest.approx(peak)
    assert (train.batch_size, train.epochs, train.optimizer) == (batch, epochs, "sgd")
    assert train.optimizer_args["momentum"] == 0.9 and train.optimizer_args.get("nesterov", False) == nesterov
    assert set(train.weight_decay.values()) == {0.0} and not train.groups and train.clip_norm is None
    curve = train.lr_curve(1000, 10)
    assert [curve(round(1000 * place)) / peak for place in places] == pytest.approx(list(places.values()), abs=1e-9)


@pytest.mark.parametrize("method", ["linear", "linear@dinov2", "finetune"])
def test_images_are_cropped_and_flipped_and_no_more(method: str) -> None:
    _, found = steps(method, "v")
    assert list(found) == ["crop", "flip", "normalize"]
    assert found["crop"]["scale"] == [0.08, 1.0] and found["flip"]["p"] == 0.5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_encoder_is_frozen_and_classifiers_begin_with_deviation_001(protocol: str) -> None:
    graph = graph_of(f"linear@{protocol}")
    assert graph.nodes["f/f"].attrs["frozen"] is True
    assert not any(value.grad for edge in graph.nodes["f/f"].outputs.values() for value in edge.values)
    heads = [node for node in graph if node.attrs.get("init_std")]
    assert heads and all(node.attrs["init_std"] == 0.01 for node in heads)


def test_dinos_vit_s_gives_class_tokens_of_four_blocks() -> None:
    method = graphssl.load("linear@dino_blocks", {"params.run": "dino", "params.of": "ft"})
    graph = method.checked_graph()
    assert [str(ref) for ref in graph.nodes["x"].inputs["x"]] == [f"f/ft.blocks.{-i}.cls" for i in (4, 3, 2, 1)]
    assert graphssl.check(method) == []


def test_dinov2s_grid_is_13_rates_times_one_or_four_blocks_times_the_mean() -> None:
    method = graphssl.load("linear@dinov2_blocks", {"params.run": "dino", "params.of": "ft"})
    graph = method.checked_graph()
    grids = [node for node in graph if node.op.name == "linear_grid"]
    rates = [graph.train.peak_lr() / 4 * scale for scale in grids[0].attrs["lr_scales"]]  # at batch 256
    theirs = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1]
    assert len(grids) == 4 and all(node.attrs["lr_scales"] == grids[0].attrs["lr_scales"] for node in grids)
    assert rates == pytest.approx(theirs)
    module = graphssl.compile(method)
    d = module.f_ft.num_features
    widths = {node.name: getattr(module, node.name).classifiers[0].in_features for node in grids}
    assert widths == {"blocks_1": d, "blocks_1_mean": 2 * d, "blocks_4": 4 * d, "blocks_4_mean": 5 * d}


def test_fine_tuning_trains_everything_and_transformers_with_layer_decay() -> None:
    assert attrs("finetune", "f/f").get("frozen") in (None, False)
    assert taken("finetune", "logits", "features") == ["f/f"]
    train = graph_of("finetune").train
    assert (train.peak_lr(), train.epochs, train.layer_decay) == (pytest.approx(0.8), 30, None)
    vit = graph_of("finetune@vit")
    assert (vit.train.optimizer, vit.train.layer_decay) == ("adamw", 0.65)
    assert nodes("finetune@vit")["f/ft"].attrs["drop_path"] == 0.1


def test_a_transformer_of_the_timm_zoo_has_the_ports_that_the_protocols_take() -> None:
    assert encoder("vit_small_patch16_224", image_sizes=[32]).num_prefix_tokens == 1
