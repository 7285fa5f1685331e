"""How one step of a graph is computed, where there is a choice. What is computed, the nodes say; passes only change this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """By default every node is computed as it is written, in the order of the graph.

    order: names of the nodes in the order in which they are computed; empty: as in the graph.
    no_grad: nodes whose gradient no loss asks for.
    on_request: nodes that nothing needs, so that they are computed only in steps whose values are kept.
    batch: `joint` or `by_size`, by node, where the file says `per_view` and the module does not see the difference.
    joined: by node, those whose rows the same call of the module computes.
    at_once: nodes that take a list of views whole.
    freed: by node, the values that nothing needs behind it.
    """

    order: tuple[str, ...] = ()
    no_grad: frozenset[str] = frozenset()
    on_request: frozenset[str] = frozenset()
    batch: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    at_once: frozenset[str] = frozenset()
    freed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
