"""Sources: what the data side gives each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from graphssl.data.steps import STEPS
from graphssl.ir.signature import Output, Source
from graphssl.ir.types import Axis, Edge, Value
from graphssl.language.diagnostics import did_you_mean
from graphssl.language.fields import INVALID, Field, Group, Leaf, Report, integer, read_fields, refuse, text
from graphssl.language.limits import MAX_LIST
from graphssl.language.tree import Mapping as MapTree
from graphssl.language.tree import Sequence, Tree, shown

if TYPE_CHECKING:
    from graphssl.data.samples import Samples


@cache
def _step(name: str) -> Group:
    fields = {key: Leaf(p.doc, p.default, json=p.schema, expected=p.expected) for key, p in STEPS[name].items()}
    return Group(fields=fields)


@dataclass(frozen=True)
class Steps(Field):
    """The steps of one view, in the order written."""

    def schema(self) -> dict[str, Any]:
        steps = {name: _step(name).schema() for name in STEPS}
        steps["normalize"] = {"anyOf": [{"enum": ["imagenet", "cifar10", "none"]}, steps["normalize"]]}
        return {"type": "object", "additionalProperties": False, "properties": steps}

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        if not isinstance(tree, MapTree):
            return refuse(report, "wrong-type", f"`{name}` expects a map of steps, got {shown(tree)}", tree.span)
        steps: list[tuple[str, Any]] = []
        for entry in tree:
            if entry.key not in STEPS:
                help = did_you_mean(entry.key, STEPS)
                refuse(report, "unknown-key", f"there is no step `{entry.key}`", entry.key_span, help)
                steps.append((entry.key, INVALID))
                continue
            if entry.key == "normalize" and not isinstance(entry.value, MapTree):
                words = Leaf(json={"enum": ["imagenet", "cifar10", "none"]}, expected="`imagenet`, `cifar10` or `none`")
                steps.append((entry.key, words.read(entry.value, f"{name}.normalize", report)))
                continue
            fields = _step(entry.key).fields
            steps.append((entry.key, read_fields(entry.value, fields, f"{name}.{entry.key}", report)))
        return INVALID if any(value is INVALID for _, value in steps) else tuple(steps)


@dataclass(frozen=True)
class Views(Field):
    """A list of views, each a recipe's name or a map of steps."""

    def schema(self) -> dict[str, Any]:
        return {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_LIST,
            "items": {"anyOf": [{"type": "string"}, Steps().schema()]},
        }

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        if not isinstance(tree, Sequence) or not tree.items:
            return refuse(report, "wrong-type", f"`{name}` expects a list of recipes, got {shown(tree)}", tree.span)
        if len(tree.items) > MAX_LIST:
            message = f"`{name}` expects at most {MAX_LIST} views, got {len(tree.items)}"
            return refuse(report, "wrong-value", message, tree.span)
        found = [Steps().read(item, f"{name}.{i}", report) for i, item in enumerate(tree.items)]
        return INVALID if any(value is INVALID for value in found) else tuple(found)


class Augment(Source):
    """A randomly augmented view of each image of the batch, or a list of views.

    What happens is data: `recipe` names a bundled file of steps, `like` takes another node's, `steps` patches either or
    spells them out; steps run in the order written, each with randomness of its own per sample. `views` gives a list
    with one entry per recipe, `count` a list of that many views of one recipe.

    image: float32 (b 3 h w), normalised as the recipe says.
    Differs: see the comments of each file in `graphs/recipes/`.
    """

    name = "augment"
    term = "an augmentation"
    image = Output("image[b c h w]", "the augmented images")
    size = integer(doc="Height and width of the views, in pixels.", maximum=65_536)
    recipe = text(None, doc="A bundled recipe, for example `simclr`.")
    like = text(None, doc="Take the steps of this other augment node.")
    steps = Steps(doc="Steps in order; with `recipe` or `like`, a patch of theirs.", default=None)
    views = Views(doc="A list of views, one per recipe.", default=None)
    count = integer(None, doc=f"A list of this many views, at most {MAX_LIST}.", minimum=1, maximum=MAX_LIST)

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        return {"b": "b", "c": 3, "h": attrs["size"], "w": attrs["size"]}

    @classmethod
    def views_of(cls, node: str, attrs: Mapping[str, Any]) -> list[str]:
        """Names of the views in the list this node gives; empty when it gives a single view."""
        count = len(attrs["views"]) if attrs["views"] else 1
        if not attrs["views"] and attrs["count"] is None:
            return []
        return [f"{node}.{i}" for i in range(count * (attrs["count"] or 1))]

    @classmethod
    def maker(
        cls, node: str, attrs: Mapping[str, Any], given: Mapping[str, Edge], *, seed: int, steps: int, per_epoch: int
    ) -> Callable[[Samples], Any]:
        from graphssl.data.augment import ViewPlan, Views

        names, size = cls.views_of(node, attrs), attrs["size"]
        recipes = attrs["views"] or (attrs["steps"] or (),)
        if not names:
            return Views(ViewPlan(node, size, recipes[0], node), seed=seed)
        each = [recipe for recipe in recipes for _ in range(attrs["count"] or 1)]
        plans = [ViewPlan(node, size, recipe, name) for name, recipe in zip(names, each, strict=True)]
        return Views(plans, seed=seed)


class Label(Source):
    """The class index of each sample, for probes and supervised losses; -1 where there is none.

    label: int64 (b).
    """

    name = "label"
    term = "labels"
    label = Output("label[b]", "class indices")

    @classmethod
    def maker(
        cls, node: str, attrs: Mapping[str, Any], given: Mapping[str, Edge], *, seed: int, steps: int, per_epoch: int
    ) -> Callable[[Samples], Any]:
        from graphssl.data.samples import Labels

        return Labels()
