"""The recipe of training: the keys of `train:`, declared once, and what they read into."""

from __future__ import annotations

from collections.abc import Mapping as ABCMapping
from dataclasses import dataclass
from typing import Any

from graphssl.language.diagnostics import Finding, Span
from graphssl.language.fields import (
    INVALID,
    Either,
    Field,
    Group,
    Later,
    Leaf,
    MapOf,
    Report,
    Scheduled,
    choice,
    flag,
    integer,
    length,
    number,
    read_fields,
    scheduled,
    text,
)
from graphssl.language.schedule import Curve, Duration, Piece, Schedule, constant
from graphssl.language.tree import Mapping, Tree

OPTIMIZER = Either(
    doc="An optimizer of torch or timm by name, or `{name: …, argument: value}`.",
    short=text(doc="optimizer name"),
    long=MapOf(value=Leaf(json={}, expected="a value"), what="`{name: adamw, betas: [0.9, 0.999]}`"),
)

_THEN = Later(
    json={"anyOf": [{"type": "number"}, {"$ref": "#/$defs/schedule"}]},
    default=None,
    doc="What follows the warm-up, a schedule from the scaled `base`; its own numbers are taken as written. Default: cosine to 0.",
)
LR_FIELDS: dict[str, Field] = {
    "base": number(doc="Peak learning rate, for a global batch of `per` samples.", minimum=0),
    "per": integer(None, doc="Scale `base` with the global batch size over this; none: `base` as it is."),
    "scale": choice("linear", "sqrt", default="linear", doc="How `per` scales: batch/per, or its square root."),
    "warmup": length(None, doc="Rise linearly from 0 over this long."),
    "then": _THEN,
}

GROUP_FIELDS: dict[str, Field] = {
    "match": Leaf(
        json={"type": "array", "items": {"type": "string"}, "minItems": 1},
        expected="a list of words such as `[bias, norm]`",
        default=(),
        convert=tuple,
        doc="Parameters with one of these words in their name; `norm` means all of a normalisation layer.",
    ),
    "node": text(None, doc="Parameters of this node, or of a module inside it (`h.last_layer`)."),
    "weight_decay": scheduled(None, doc="Weight decay of the group.", minimum=0),
    "lr_scale": number(None, doc="Multiplies the learning rate of the group.", minimum=0),
    "lr_constant": flag(False, doc="Keep the peak learning rate: the schedule does not move this group."),
    "freeze_until": length(None, doc="No updates before this point."),
    "frozen_as": choice(
        "no_grad",
        "lr_zero",
        default="no_grad",
        doc="Frozen by dropping gradients (no decay, no moments) or by lr 0 (moments advance).",
    ),
}


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / 100
    if not share > 0:
        raise ValueError(text)
    return share


CLIP_FIELDS: dict[str, Field] = {
    "norm": number(doc="Largest gradient norm.", above=0),
    "scope": choice("parameter", "node", "global", default="global", doc="Norm of each tensor, each node, or all."),
}

TRAIN: dict[str, Field] = {
    "optimizer": OPTIMIZER,
    "lr": Either(
        doc="Learning rate: a number, or `{base, per, scale, warmup, then}`.",
        short=number(doc="learning rate", minimum=0),
        long=Group(fields=LR_FIELDS),
    ),
    "warmup": length(None, doc="Short for `lr.warmup`."),
    "weight_decay": scheduled(0.0, doc="Weight decay, a number or a schedule.", minimum=0),
    "groups": MapOf(
        default=None,
        doc="Rules for some parameters; the first that matches wins, one that matches none is an error.",
        value=Group(fields=GROUP_FIELDS),
        what="a map of named rules",
    ),
    "layer_decay": number(
        None,
        doc="Learning rate of an encoder's last block times this, of the one before times its square, and so on.",
        above=0,
        maximum=1,
    ),
    "clip": Either(
        default=None,
        doc="Gradient clipping: a norm, or `{norm, scope}`.",
        short=number(doc="norm", above=0),
        long=Group(fields=CLIP_FIELDS),
    ),
    "epochs": number(doc="Passes over the training set.", above=0, maximum=1e6),
    "images": Leaf(
        json={"type": "string", "pattern": r"^([1-9][0-9]?|100|[0-9]{1,2}\.[0-9]+)%$"},
        expected="a share such as `10%`",
        default="100%",
        convert=_share,
        doc="Train on this share of the images of each class, chosen by `seed`; evaluation's images stay.",
    ),
    "batch_size": integer(doc="Samples per optimizer step, over all ranks and micro-batches.", minimum=2),
    "accumulate": integer(1, doc="Micro-batches per optimizer step, each with a loss of its own; see `micro_batch`."),
    "micro_batch": integer(
        None,
        doc="Samples on each rank that go through the encoders at once. The loss is still that of the whole batch and so is the "
        "gradient (exact accumulation): the memory is that of the micro-batch, the encoders run twice.",
    ),
    "micro_batch_norm": choice(
        "refuse",
        "per_micro_batch",
        default="refuse",
        doc="BatchNorm sees one micro-batch at a time, so with it the result is not that of the whole batch: refuse, or accept.",
    ),
    "precision": choice(
        "fp32",
        "bf16",
        "fp16",
        "auto",
        default="fp32",
        doc="Autocast precision; state stays in fp32. `auto`: bf16 where the hardware has it, fp32 elsewhere.",
    ),
    "sync_bn": flag(True, doc="BatchNorm statistics over all ranks when there are several, or of each by itself."),
    "seed": integer(0, doc="Seed of initial weights, data order and augmentation.", minimum=0),
}


@dataclass(frozen=True)
class ParameterGroup:
    """One rule of `train.groups`."""

    name: str
    match: tuple[str, ...]
    node: str | None
    weight_decay: float | Schedule | None
    lr_scale: float | None
    lr_constant: bool
    freeze_until: Duration | None
    frozen_as: str
    span: Span


@dataclass(frozen=True)
class Train:
    """The recipe of training. `lr` is effective: its base is `lr_base`, scaled by `lr_factor()`."""

    optimizer: str
    optimizer_args: ABCMapping[str, Any]
    lr: Schedule
    lr_base: float
    lr_per: int | None
    lr_scale: str
    weight_decay: Schedule
    groups: tuple[ParameterGroup, ...]
    layer_decay: float | None
    clip_norm: float | None
    clip_scope: str
    epochs: float
    images: float
    batch_size: int
    accumulate: int
    micro_batch: int | None
    micro_batch_norm: str
    precision: str
    sync_bn: bool
    seed: int
    span: Span
    spans: ABCMapping[str, Span]

    def lr_factor(self) -> float:
        """How the global batch scales the learning rate: batch / per, or its square root."""
        return _factor(self.batch_size, self.lr_per, self.lr_scale)

    def peak_lr(self) -> float:
        """The highest learning rate that the schedule reaches."""
        return max(self.lr.values())

    def lr_curve(self, steps: int, steps_per_epoch: int) -> Curve:
        """The effective learning rate by optimizer step."""
        return self.lr.bind(steps, steps_per_epoch)


def read_train(tree: Tree, report: Report) -> Train | None:
    """The `Train` of a `train:` map, or None after reporting what is wrong."""
    values = read_fields(tree, TRAIN, "train", report, what="`train`")
    if values is INVALID or not isinstance(tree, Mapping):
        return None
    lr = _lr(tree, values, report)
    optimizer = values["optimizer"]
    arguments = dict(optimizer) if isinstance(optimizer, dict) else {"name": optimizer}
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        span = tree.entries["optimizer"].value.span
        report(Finding("missing-key", "`train.optimizer` lacks `name`", span, help="write `{name: adamw, …}`"))
        return None
    if lr is None:
        return None
    if values["micro_batch"] and values["accumulate"] > 1:
        spans = tree.entries["micro_batch"].key_span, tree.entries["accumulate"].key_span
        message = "the batch is split twice, by `train.micro_batch` and by `train.accumulate`"
        help = "keep `micro_batch`: its loss is that of the whole batch; `accumulate` takes the mean of the micro-batches' own losses"
        report(Finding("two-splits", message, spans[0], also=(spans[1], "and here"), help=help))
        return None
    clip = values["clip"]
    clip = {"norm": clip, "scope": "global"} if isinstance(clip, float) else clip or {"norm": None, "scope": "global"}
    groups_tree = tree.get("groups")
    groups = []
    for key, group in (values["groups"] or {}).items():
        assert isinstance(groups_tree, Mapping)
        span = groups_tree.entries[key].key_span
        if not group["match"] and not group["node"]:
            help = "add `match: [bias, norm]` or `node: NAME`"
            report(Finding("missing-key", f"group `{key}` says not which parameters it means", span, help=help))
            return None
        groups.append(ParameterGroup(key, span=span, **group))
    decay = values["weight_decay"]
    values["images"] = _share(values["images"]) if isinstance(values["images"], str) else values["images"]
    rest = {
        k: values[k]
        for k in (
            "layer_decay",
            "epochs",
            "images",
            "batch_size",
            "accumulate",
            "micro_batch",
            "micro_batch_norm",
            "precision",
            "sync_bn",
            "seed",
        )
    }
    return Train(
        optimizer=name,
        optimizer_args=arguments,
        **lr,
        weight_decay=decay if isinstance(decay, Schedule) else constant(decay),
        groups=tuple(groups),
        clip_norm=clip["norm"],
        clip_scope=clip["scope"],
        span=tree.span,
        spans={entry.key: entry.value.span for entry in tree},
        **rest,
    )


def _factor(batch_size: int, per: int | None, scale: str) -> float:
    ratio = batch_size / per if per else 1.0
    return float(ratio if scale == "linear" else ratio**0.5)


def _lr(tree: Mapping, values: dict[str, Any], report: Report) -> dict[str, Any] | None:
    """The learning rate as one schedule: warm-up from 0 to the scaled `base`, then `then` (default: cosine to 0)."""
    given = values["lr"]
    long = (
        given
        if isinstance(given, dict)
        else {"base": given, "per": None, "scale": "linear", "warmup": None, "then": None}
    )
    warmup = values["warmup"]
    if warmup and long["warmup"]:
        spans = tree.entries["warmup"].key_span, tree.entries["lr"].key_span
        message = "the warm-up is given twice, as `train.warmup` and as `train.lr.warmup`"
        report(Finding("two-warmups", message, spans[0], also=(spans[1], "and here"), help="remove one"))
        return None
    warmup = warmup or long["warmup"]
    base = long["base"] * _factor(values["batch_size"], long["per"], long["scale"])
    pieces: tuple[Piece, ...] = (Piece("cosine", base, 0.0, None),)
    every_epoch = False
    if long["then"] is not None:
        then = Scheduled(base=base, minimum=0).read(long["then"], "train.lr.then", report)
        if then is INVALID:
            return None
        schedule = then if isinstance(then, Schedule) else constant(then)
        pieces, every_epoch = schedule.pieces, schedule.every_epoch
    if warmup:
        pieces = (Piece("linear", 0.0, base, warmup), *pieces)
    schedule = Schedule(pieces, every_epoch)
    return {"lr": schedule, "lr_base": long["base"], "lr_per": long["per"], "lr_scale": long["scale"]}


TRAIN_SCHEMA = Group(fields=TRAIN).schema()
