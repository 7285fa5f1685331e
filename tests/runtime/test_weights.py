"""Starting from another run: weights by node, a whole network as a frozen teacher, and what is said when it does not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import graphssl
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.weights import start_from_runs
from tests.conftest import TOY_ENCODER

TOY = {"nodes.f.args": TOY_ENCODER, "train.batch_size": 16, "train.images": "50%"}
TEACHER = """
graphssl: 1
extends: simclr@quick
name: student
nodes:
  f: {args: {channels: [8, 8, 8, 8]}}
  teacher: {op: frozen, of: g.hidden.0, from: "RUN", in: [v1, v2]}
  h: {op: predictor, in: f, dims: [256]}
  distil: {op: cosine_loss, in: {prediction: h, target: teacher}, pairs: same}
"""


def weights(run: Path) -> dict[str, torch.Tensor]:
    latest = RunFolder(run).latest_checkpoint()
    assert latest is not None
    return load_file(latest / "model.safetensors")


@pytest.fixture
def pretrained(train: Callable[..., int], tmp_path: Path) -> Path:
    assert train("simclr_v2", tmp_path / "pretrained", steps=2) == 0
    return tmp_path / "pretrained"


def finetune(run: Path | str, **more: Any) -> Any:
    return graphssl.load("simclr_v2_finetune@quick", {**TOY, "params.run": str(run), **more})


def loaded(method: Any) -> Any:
    module = graphssl.compile(method)
    start_from_runs(module, method.checked_graph())
    return module


def test_a_node_starts_as_the_node_of_its_name_in_the_run(pretrained: Path) -> None:
    method = finetune(pretrained)
    assert method.findings == []
    module, saved = loaded(method), weights(pretrained)
    for node in ("f", "g"):
        for name, tensor in getattr(module, node).state_dict().items():
            assert torch.equal(tensor, saved[f"{node}.{name}"]), name
    assert "linear2.weight" not in module.g.state_dict(), "only the first layer of the head is needed"


def test_a_copy_of_such_a_node_starts_like_it_and_an_own_origin_goes_first(pretrained: Path) -> None:
    changes = {"nodes.f.args": TOY_ENCODER, "nodes.f.from": str(pretrained)}
    module = loaded(graphssl.load("byol@quick", changes))
    assert torch.equal(module.ft.conv1.weight, module.f.conv1.weight)
    assert torch.equal(module.f.conv1.weight, weights(pretrained)["f.conv1.weight"])
    module = loaded(graphssl.load("byol@quick", {"nodes.f.args": TOY_ENCODER, "nodes.ft.from": f"{pretrained}:f"}))
    assert torch.equal(module.ft.conv1.weight, weights(pretrained)["f.conv1.weight"])
    assert not torch.equal(module.f.conv1.weight, module.ft.conv1.weight)


def test_checking_and_compiling_load_nothing(pretrained: Path) -> None:
    module = graphssl.compile(finetune(pretrained))
    assert not torch.equal(module.f.conv1.weight, weights(pretrained)["f.conv1.weight"])


def test_a_network_of_a_run_is_a_frozen_teacher(pretrained: Path) -> None:
    method = graphssl.load(TEACHER.replace("RUN", str(pretrained)))
    assert [f.code for f in method.findings] == []
    graph = method.checked_graph()
    assert [n for n in graph.nodes if n.startswith("teacher")] == ["teacher/f", "teacher/g"]
    assert [str(v) for v in graph.nodes["distil"].given["target"].values] == ["features[b 256]"] * 2
    module, saved = loaded(method).train(), weights(pretrained)
    assert torch.equal(module.teacher_f.conv1.weight, saved["f.conv1.weight"])
    assert not any(p.requires_grad for p in [*module.teacher_f.parameters(), *module.teacher_g.parameters()])
    assert not module.teacher_f.training and not module.teacher_g.training and module.f.training
    x = torch.randn(4, 3, 32, 32)
    before = {k: v.clone() for k, v in module.state_dict().items() if k.startswith("teacher")}
    out = module({"v1": x, "v2": x, "y": torch.zeros(4, dtype=torch.long)}, keep=("teacher/g.hidden.0",))
    out.loss.backward()
    source = graphssl.compile(graphssl.load(str(pretrained)))
    source.load_state_dict(saved)
    source.eval()
    expected = source.g.act1(source.g.norm1(source.g.linear1(source.f(x))))
    torch.testing.assert_close(out.values["teacher/g.hidden.0"][0], expected)
    assert all(torch.equal(module.state_dict()[k], v) for k, v in before.items())


def test_a_linear_classifier_leaves_its_frozen_backbone_as_it_was_to_the_bit(pretrained: Path, tmp_path: Path) -> None:
    """Parameters and BatchNorm statistics: an evaluation that moves either is fine-tuning under another name."""
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train as run

    out, frozen = tmp_path / "linear", {"nodes.f.frozen": True, "nodes.g.frozen": True}
    options = Options(data="shapes:32,64", out=str(out), steps=3, eval_every=0, device="cpu")
    assert run(finetune(pretrained, **frozen), options) == 0
    before, after = weights(pretrained), weights(out)
    backbone = [name for name in after if name.startswith(("f.", "g."))]
    assert {"f.conv1.weight", "f.bn1.running_mean", "f.bn1.num_batches_tracked"} <= set(backbone)
    assert [name for name in backbone if not torch.equal(before[name], after[name])] == []
    assert after["logits.weight"].abs().max() > 0.03, "the classifier learns"


def test_an_ejected_teacher_needs_no_run(pretrained: Path) -> None:
    from graphssl.compiler.eject import eject

    source = eject(graphssl.load(TEACHER.replace("RUN", str(pretrained))).checked_graph())
    names: dict[str, Any] = {}
    exec(compile(source, "ejected", "exec"), names)
    assert hasattr(names["Student"](), "teacher_f")


def test_a_run_that_has_begun_needs_the_other_no_more(
    pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphssl.evaluate.run import load_run
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train as run

    out = tmp_path / "finetuned"
    options: dict[str, Any] = {"data": "shapes:32,64", "eval_every": 0, "device": "cpu"}
    assert run(finetune(pretrained), Options(out=str(out), steps=2, **options)) == 0
    shutil.rmtree(pretrained)
    method = graphssl.load(str(out / "method.yaml"))
    assert method.findings == []
    load_run(out)
    assert run(method, Options(out=str(out), steps=3, resume=True, allow_changed=True, **options)) == 0


def test_a_method_has_no_weights_to_train_from(tmp_path: Path) -> None:
    method = finetune("simclr_v2@quick")
    assert method.findings == []
    with pytest.raises(RunError, match=r"`f` starts from a run, and `simclr_v2@quick` is a method"):
        loaded(method)


def test_what_does_not_fit_is_said_with_both_shapes_and_both_places(pretrained: Path) -> None:
    [found] = [
        f for f in finetune(pretrained, **{"nodes.f.args": {"channels": [16, 8, 8, 8]}}).findings if f.node == "f"
    ]
    assert found.code == "run-differs"
    assert "`layer1.0.conv1.weight` of shape (16 64 3 3), there it is (8 64 3 3)" in found.message
    assert found.also and found.also[0].source.name.endswith("method.yaml")


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [("{run}x", "no-such-run", "does not exist"), ("{run}:e", "not-in-run", "has no weights of a node `e`"),
     ("{run}/checkpoints", "no-such-run", "is no run folder")],
)  # fmt: skip
def test_a_run_or_node_that_is_not_there_is_named_without_torch(
    value: str, code: str, words: str, pretrained: Path
) -> None:
    found = finetune(pretrained, **{"nodes.f.from": value.format(run=pretrained)}).static
    assert [(f.code, f.node) for f in found] == [(code, "f")]
    assert words in found[0].message


def test_a_run_without_checkpoint_is_refused(pretrained: Path) -> None:
    shutil.rmtree(pretrained / "checkpoints")
    assert {f.code for f in finetune(pretrained).static} == {"no-such-run"}
    [found] = graphssl.load(TEACHER.replace("RUN", str(pretrained))).static
    assert "has no checkpoint yet" in found.message and found.node == "teacher"


def test_pretrained_weights_that_cannot_be_had_are_one_sentence_and_leave_no_folder(
    train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm

    whole = timm.create_model

    def offline(arch: str, pretrained: bool = False, **more: Any) -> Any:
        if pretrained:
            raise FileNotFoundError("cannot find the requested files in the local cache\nand more lines")
        return whole(arch, **more)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(RunError, match="`f` cannot start: timm's weights of 'resnet18' cannot be had: cannot find"):
        train("simclr", tmp_path / "run", {"nodes.f.pretrained": True}, steps=1)
    assert not (tmp_path / "run").exists()


def test_a_run_that_began_from_pretrained_weights_needs_them_no_more(
    train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm

    from graphssl.evaluate.run import load_run

    whole, asked = timm.create_model, []

    def counted(arch: str, pretrained: bool = False, **more: Any) -> Any:
        asked.append(pretrained)
        return whole(arch, **more)

    monkeypatch.setattr(timm, "create_model", counted)
    change = {"nodes.f.pretrained": True}
    assert train("simclr", tmp_path / "run", change, steps=1) == 0
    assert asked.count(True) == 1, "the dry run asks for none"
    assert train("simclr", tmp_path / "run", change, steps=2, resume=True, allow_changed=True) == 0
    load_run(tmp_path / "run")
    assert asked.count(True) == 1


PRETRAINED = """
graphssl: 1
name: tuned
nodes:
  v: {op: augment, recipe: quick, size: 32}
  y: {op: label}
  f: {op: pretrained, of: NODE, from: "RUN", in: v}
  logits: {op: linear, in: f, dim: 10}
  loss: {op: cross_entropy, in: {logits: logits, label: y}}
represent: f
train: {optimizer: sgd, lr: 0.1, epochs: 1, batch_size: 16}
"""


def test_a_pretrained_network_is_the_runs_from_the_image_on_and_is_trained(pretrained: Path) -> None:
    method = graphssl.load(PRETRAINED.replace("RUN", str(pretrained)).replace("NODE", "g.hidden.0"))
    assert method.findings == []
    module, saved = loaded(method), weights(pretrained)
    for name, tensor in module.state_dict().items():
        if name.startswith(("f_f.", "f_g.")):
            assert torch.equal(tensor, saved[name.removeprefix("f_")]), name
    assert all(parameter.requires_grad for parameter in module.parameters())
    module.train()
    assert module.f_f.training


def test_with_random_weights_a_pretrained_network_needs_no_run(pretrained: Path) -> None:
    text = PRETRAINED.replace("RUN", str(pretrained)).replace("NODE", "f").replace("in: v}", "in: v, init: random}")
    module, saved = loaded(graphssl.load(text)), weights(pretrained)
    assert not torch.equal(module.f_f.conv1.weight, saved["f.conv1.weight"])
    fixed = loaded(graphssl.load(text.replace("op: pretrained", "op: frozen")))
    assert not torch.equal(fixed.f_f.conv1.weight, saved["f.conv1.weight"])
    assert not any(parameter.requires_grad for parameter in fixed.f_f.parameters())


def test_attributes_of_a_pretrained_node_can_be_changed_and_of_a_frozen_one_not(pretrained: Path) -> None:
    text = PRETRAINED.replace("RUN", str(pretrained)).replace("NODE", "f").replace("in: v}", "in: v, drop_path: 0.2}")
    assert graphssl.load(text).checked_graph().nodes["f/f"].attrs["drop_path"] == 0.2
    for wrong, help in (
        (text.replace("drop_path", "droppath"), "write `drop_path`"),
        (text.replace("op: pretrained", "op: frozen"), "known: `from`, `in`, `init`, `of`, `op`"),
        (text.replace("drop_path: 0.2", "mode: train"), "known"),
    ):
        [finding] = [f for f in graphssl.check(wrong) if f.code == "unknown-key"]
        assert finding.help is not None and help in finding.help


def test_how_the_run_fed_its_batches_is_not_taken_over(train: Callable[..., int], tmp_path: Path) -> None:
    assert train("moco_v2", tmp_path / "moco", steps=1) == 0
    node = (
        graphssl.load(PRETRAINED.replace("RUN", str(tmp_path / "moco")).replace("NODE", "f"))
        .checked_graph()
        .nodes["f/f"]
    )
    assert node.attrs["bn_group"] is None and node.attrs["batch"] == "per_view"


def test_a_pretrained_node_needs_a_run() -> None:
    text = PRETRAINED.replace(', from: "RUN"', "").replace("NODE", "e")
    text = text.replace("  f: {", "  e: {op: encoder, in: v, arch: resnet18}\n  f: {")
    assert "missing-key" in [f.code for f in graphssl.check(text)]
