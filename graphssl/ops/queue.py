"""The queue of past keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphssl.ir.signature import Input, Output, State
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import choice, integer


class Queue(State):
    """The last `size` rows it was given, first in first out (MoCo, arXiv:1911.05722, section 3.2; moco/builder.py).

    Reading gives the rows from before this step, so a fresh key is never among its own negatives; the rows of all ranks,
    and of all views and micro-batches, are written together after the optimizer step, wrapping at the end: view by view, each
    in the order of the samples in the global batch. It starts as random rows, of length 1 when what it stores is l2-normalised.
    features (b d) -> features (size d), no gradient.
    Differs: the authors require size % batch = 0; here any size works.
    """

    name = "queue"
    term = "a queue of past keys"
    features = Input(
        "features[b d]", "rows to remember, or a list", takes_list=True, delayed=True, blocks_gradient=True
    )
    output = Output("features[q d]", "remembered rows, oldest first after the pointer", unit="same")
    size = integer(doc="Rows remembered.")
    update = choice("after_step", default="after_step", role="wiring", doc="When rows are written.")

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        return {"q": attrs["size"]}

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.queue import Queue as Module

        return Module

    @classmethod
    def build_arguments(cls, attrs: Mapping[str, Any], inputs: Mapping[str, tuple[Value, ...]]) -> dict[str, Any]:
        return {"size": attrs["size"], "unit": all(value.unit for value in inputs.get("features", ()))}
