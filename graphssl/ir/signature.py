"""What an op declares: inputs, outputs and attributes. The only place where a default is written.

Reading a signature never imports torch. The JSON Schema, the reference page, error messages and the compiler all read
from here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from graphssl.ir.types import UNKNOWN, Axis, Edge, Value, any_grad, patterns
from graphssl.language.fields import Field, choice, flag, integer, scheduled, text

if TYPE_CHECKING:
    from graphssl.data.samples import Samples


@dataclass(frozen=True)
class Input:
    """An input port. `takes_list`: the op consumes the whole list of views itself instead of being lifted over it.

    views: how many elements such a list needs at least.
    delayed: the value is only stored, to be read at a later step; such an edge closes no loop.
    blocks_gradient: the op detaches it.
    training_only: left out in evaluation, where nothing is hidden from the model; the op works without it.
    """

    type: str
    doc: str = ""
    optional: bool = False
    takes_list: bool = False
    views: int = 1
    delayed: bool = False
    blocks_gradient: bool = False
    training_only: bool = False


@dataclass(frozen=True)
class Output:
    """An output port. unit: "yes", "no", or "same" as the first input."""

    type: str
    doc: str = ""
    unit: str = "no"


def _declared(cls: type, kind: type) -> dict[str, Any]:
    found = {name: value for name, value in vars(cls).items() if isinstance(value, kind)}
    return {name.rstrip("_"): value for name, value in found.items()}


class Op:
    """Base of all ops; a subclass declares ports and attributes as class attributes and documents itself.

    kind: source, module, link, pure, state or loss (see docs/language.md).
    term: what a sentence calls it, with its article (`a queue of past keys`); default: its name.
    observer: has weights of its own that only watch the method.
    spare_weights: names of weights that only some calls need: a run may have them, and a node that starts from it not.
    prevents_collapse: keeps its inputs from becoming the same vector for every image (negatives, a variance term).
    by_vector: maps each vector (the last axis) of its one input, whatever the axes before it.
    score: the output port that says how often it is right, which evaluation reads on images it was not trained on.
    takes_views_at_once: its function also takes a list of views, and gives what it gives of each.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    term: ClassVar[str] = ""
    inputs: ClassVar[Mapping[str, Input]] = {}
    outputs: ClassVar[Mapping[str, Output]] = {}
    attrs: ClassVar[Mapping[str, Field]] = {}
    needs_width: ClassVar[bool] = False
    observer: ClassVar[bool] = False
    spare_weights: ClassVar[tuple[str, ...]] = ()
    prevents_collapse: ClassVar[bool] = False
    by_vector: ClassVar[bool] = False
    takes_views_at_once: ClassVar[bool] = False
    score: ClassVar[str | None] = None

    def __init_subclass__(cls, **_: Any) -> None:
        cls.inputs = {**cls.inputs, **_declared(cls, Input)}
        cls.outputs = {**cls.outputs, **_declared(cls, Output)}
        cls.attrs = {**_declared(cls, Field), **cls.attrs}

    @classmethod
    def doc(cls) -> str:
        return inspect.cleandoc(cls.__doc__ or "")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        """The torch function that a pure op or a loss calls."""
        raise NotImplementedError(cls.name)

    @classmethod
    def build(cls) -> Callable[..., Any]:
        """The constructor of the torch module of a module, state or observing op."""
        raise NotImplementedError(cls.name)

    @classmethod
    def build_arguments(cls, attrs: Mapping[str, Any], inputs: Mapping[str, tuple[Value, ...]]) -> dict[str, Any]:
        """Keyword arguments of `build`: by default every attribute that belongs to the build."""
        return {name: attrs[name] for name, kind in cls.attrs.items() if kind.role == "build"}

    @classmethod
    def call_arguments(cls, attrs: Mapping[str, Any], given: Mapping[str, Edge]) -> dict[str, Any]:
        """Keyword arguments of each call: by default every attribute that belongs to the call."""
        return {name: attrs[name] for name, kind in cls.attrs.items() if kind.role == "call"}

    @classmethod
    def needed(cls, attrs: Mapping[str, Any], ports: Collection[str]) -> dict[str, Any]:
        """More keyword arguments of `build`: they leave out the parts that no used output port needs."""
        return {}

    @classmethod
    def lr_scale(cls, attrs: Mapping[str, Any], parameter: str) -> float:
        """What the learning rate of one of its parameters is multiplied with; `parameter`: its name inside the module."""
        return 1.0

    @classmethod
    def take(cls) -> Callable[..., Any]:
        """The function `take(module, x, *ports)` that gives several outputs of a module by port."""
        raise NotImplementedError(cls.name)

    @classmethod
    def port_pattern(cls, port: str) -> str | None:
        """The type of an output port, or None when there is no such port."""
        output = cls.outputs.get(port)
        return output.type if output else None

    @classmethod
    def default_port(cls) -> str:
        return next(iter(cls.outputs))

    @classmethod
    def infer(
        cls, node: str, port: str, attrs: Mapping[str, Any], inputs: Mapping[str, Value], bound: Mapping[str, Axis]
    ) -> Value:
        """The value at one output port, from one value per input and the axes they bound."""
        pattern = patterns(cls.port_pattern(port) or "unknown")[0]
        first = next(iter(inputs.values()), UNKNOWN)
        known = {**bound, **cls.known_axes(attrs, inputs)}
        same = pattern.kind == "any"
        output = cls.outputs.get(port)
        return Value(
            first.kind if same else pattern.kind,
            first.axes if same else tuple(known.get(axis, f"{node}.{axis}") for axis in pattern.axes),
            grad=cls.gives_gradient(inputs),
            unit={"yes": True, "same": first.unit}.get(output.unit if output else "no", False),
            gathered=any(value.gathered for value in inputs.values()),
            view=first.view,
        )

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        """Output axes that the attributes fix, such as the last of a projector's `dims`."""
        return {}

    @classmethod
    def row_by_row(cls, attrs: Mapping[str, Any]) -> bool:
        """Whether row i of every output depends on row i of the inputs alone, so that a batch may be computed in parts.

        BatchNorm breaks it; that is told apart once the module is built.
        """
        return False

    @classmethod
    def separable(cls, given: Collection[str]) -> bool:
        """Whether, with these inputs given, micro-batches give the whole batch's result: for a loss, by their mean."""
        return True

    @classmethod
    def gives_gradient(cls, inputs: Mapping[str, Value]) -> bool:
        return cls.kind == "module" or any_grad(
            value for name, value in inputs.items() if not cls.inputs[name].blocks_gradient
        )


class Source(Op):
    """What the data side gives each step; it says itself how that is made (`maker`).

    An input of a source is read for its type alone: as many values are made as arrive there.

    follows: the input that names the source node whose maker this one's works with (`following`).
    """

    kind = "source"
    follows: ClassVar[str | None] = None

    @classmethod
    def row_by_row(cls, attrs: Mapping[str, Any]) -> bool:
        return True

    @classmethod
    def views_of(cls, node: str, attrs: Mapping[str, Any]) -> list[str]:
        """Names of the views in the list this node gives; empty when it gives a single value."""
        return []

    @classmethod
    def maker(
        cls, node: str, attrs: Mapping[str, Any], given: Mapping[str, Edge], *, seed: int, steps: int, per_epoch: int
    ) -> Callable[[Samples], Any]:
        """What makes the node's value for the samples of one step: a tensor with a row each, or a list of those.

        It is called in loader processes, with samples in any order of steps, so it must depend on nothing else.
        steps, per_epoch: length of the training and of an epoch, in optimizer steps.
        """
        raise NotImplementedError(cls.name)

    @classmethod
    def following(cls, maker: Any) -> Callable[[Samples], Any]:
        """Likewise, from the maker of the node that it follows."""
        raise NotImplementedError(cls.name)


class Module(Op):
    """Has weights; lifted over a list of views by calling it per view, or as `batch:` says."""

    kind = "module"
    needs_width = True
    batch = choice(
        "per_view",
        "joint",
        "by_size",
        default="per_view",
        role="wiring",
        doc="How a list of views is fed: a call each, one call on all (BatchNorm sees all), or one call per image size.",
    )
    from_ = text(
        None,
        role="wiring",
        doc="Initial weights: those of the node of this name in a finished run (`RUN`), or of another (`RUN:NODE`), or those of a "
        "checkpoint that others released (`FILE.pth`; `FILE.pth:student` for one of several networks in it).",
    )
    frozen = flag(False, role="wiring", doc="Never train it; its BatchNorm and dropout stay in eval mode.")
    bn_group = integer(
        None,
        minimum=2,
        doc="BatchNorm normalises each group of this many rows by its own statistics, on any number of ranks (SplitBN, "
        "ghost BatchNorm); default: all rows together.",
    )

    @classmethod
    def row_by_row(cls, attrs: Mapping[str, Any]) -> bool:
        return True


class Link(Op):
    """Another call of a module: takes ports and attributes of the node it links to.

    trained: gradient flows through it into the weights.
    from_run: with `from: RUN`, `of` names a node of that run, and the nodes that it is computed by there take its place (ir/splice.py).
    """

    kind = "link"
    trained: ClassVar[bool] = False
    from_run: ClassVar[bool] = False

    @classmethod
    def row_by_row(cls, attrs: Mapping[str, Any]) -> bool:
        return not attrs.get("shuffle_bn")


class Pure(Op):
    """No weights, no memory."""

    kind = "pure"


class RowByRow(Pure):
    """A function of each sample alone."""

    @classmethod
    def row_by_row(cls, attrs: Mapping[str, Any]) -> bool:
        return True


class State(Op):
    """Remembers across steps: reading gives the value from before this step.

    running_mean: name of the buffer that holds a running mean, whose length runs measure.
    """

    kind = "state"
    needs_width = True
    running_mean: ClassVar[str | None] = None


class Loss(Op):
    """A scalar that training minimises; the total is the sum of all losses, each times its `weight`.

    Unless it says otherwise (`separable`), every row of the batch may be compared with every other.

    paired: the inputs that `pairs` runs over when they are lists of views.
    candidates: the inputs whose rows a sample is told apart from; the first that is given counts.
    undecided: the input that, where it is all zero, makes every answer equally likely: the loss is then what guessing costs,
        ln(candidates) or ln(classes). To measure that, one process calls the function without the others.
    """

    kind = "loss"
    paired: ClassVar[tuple[str, ...]] = ()
    candidates: ClassVar[tuple[str, ...]] = ()
    undecided: ClassVar[str | None] = None
    loss = Output("scalar", "the loss, unweighted")
    weight = scheduled(1.0, "Weight of this loss in the total.", role="wiring")

    @classmethod
    def separable(cls, given: Collection[str]) -> bool:
        return False

    @classmethod
    def gives_gradient(cls, inputs: Mapping[str, Value]) -> bool:
        return cls.needs_width or super().gives_gradient(inputs)


class RowLoss(Loss):
    """A mean over rows of what depends on that row alone."""

    @classmethod
    def separable(cls, given: Collection[str]) -> bool:
        return True
