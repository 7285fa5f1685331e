"""Names of tensors in a file of others and in our nodes: pairs of templates, read in both directions.

    ("fc.{index}.{rest}", "{child}.{rest}")

`{rest}` is anything, `{i}` a number, `{index}` the number of a layer in an `nn.Sequential`, `{child}` the name of that layer
in ours. `{chunk}` is a number that only the file has, so such a pair is for reading alone. The first pair that fits counts; two with
the same template of ours are one tensor of ours under two names of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from torch import nn

_PIECE = re.compile(r"\{(rest|i|index|child|chunk)\}")
_PATTERNS = {"rest": ".+", "i": "[0-9]+", "index": "[0-9]+", "chunk": "[0-9]+", "child": "[a-z_0-9]+"}
_WRAPPERS = re.compile(r"^(state_dict\.|model\.)+|(?:(?<=\.)|^)(module\.|_orig_mod\.|_fsdp_wrapped_module\.)+")

Pair = tuple[str, str]
"""Their template, and ours."""


@dataclass(frozen=True)
class Part:
    """What a file calls the weights of one module.

    op: of the node that such a module is. under: what stands before the names; default: what stands before the network's.
    """

    op: str
    names: tuple[Pair, ...]
    under: str | None = None


@dataclass(frozen=True)
class Network:
    """One of several networks in a file. prefix: what stands before its names. slow: whether it follows another as a moving average."""

    name: str
    prefix: str = ""
    slow: bool = False


def _always(backbone: nn.Module) -> bool:
    return True


@dataclass(frozen=True)
class Layout:
    """How the checkpoints of one release are laid out.

    method: what it is exported as; none: only read. networks: the one that the authors evaluate comes first. marks: templates of
    which each is in a network of such a file. parts: modules; the encoder is last and takes what is left. drop: templates of
    names that no node needs. fits: whether an encoder of ours can be written so.
    """

    title: str
    method: str | None
    networks: tuple[Network, ...]
    marks: tuple[str, ...]
    parts: tuple[Part, ...]
    drop: tuple[str, ...] = ()
    fits: Callable[[nn.Module], bool] = _always

    def networks_in(self, names: Iterable[str]) -> list[Network]:
        """Those of its networks that a file with these names has."""
        plain = [unwrapped(name) for name in names]
        return [each for each in self.networks if all(_has(plain, unwrapped(each.prefix), mark) for mark in self.marks)]

    def part(self, op: str, place: int = 0) -> Part | None:
        """The part that the node at `place` among those of this op is; the last one where there are fewer."""
        parts = [part for part in self.parts if part.op == op]
        return parts[min(place, len(parts) - 1)] if parts else None

    def read(self, part: Part, network: Network, names: Iterable[str], layers: Sequence[str]) -> dict[str, list[str]]:
        """Our name -> the file's, of the tensors of a part; more than one are the same. layers: of our `nn.Sequential`, by name."""
        found: dict[str, list[str]] = {}
        for name in names:
            plain = unwrapped(name)
            owner = next((each for each in self.parts if self._inner(each, network, plain) is not None), None)
            if owner is part and (ours := _other(str(self._inner(part, network, plain)), part.names, layers)):
                found.setdefault(ours, []).append(name)
        return found

    def _inner(self, part: Part, network: Network, plain: str) -> str | None:
        """What is left of a name behind what stands before those of a part; None: it is not of the part."""
        under = unwrapped(network.prefix if part.under is None else part.under)
        inner = plain.removeprefix(under)
        dropped = any(_regex(drop).fullmatch(inner) for drop in self.drop)
        fits = plain.startswith(under) and any(_regex(theirs).fullmatch(inner) for theirs, _ in part.names)
        return inner if fits and not dropped else None

    def write(self, part: Part, network: Network, ours: Iterable[str], layers: Sequence[str]) -> dict[str, str]:
        """The file's name -> ours."""
        under = network.prefix if part.under is None else part.under
        back = [(mine, theirs) for theirs, mine in part.names if "{chunk}" not in theirs]
        found: dict[str, str] = {}
        for name in ours:
            first = next((mine for mine, _ in back if _regex(mine).fullmatch(name)), None)
            for pair in back:
                if pair[0] == first and (theirs := _other(name, [pair], layers)):
                    found[under + theirs] = name
        return found


def layers_of(module: nn.Module) -> list[str]:
    """Names of the layers of the (first) `nn.Sequential` in a head."""
    numbered = next((each for each in module.modules() if isinstance(each, nn.Sequential)), module)
    return [name for name, _ in numbered.named_children()]


def unwrapped(name: str) -> str:
    """A name without what only wraps: `state_dict`, `model` in front, and what DistributedDataParallel, FSDP and torch.compile add."""
    return _WRAPPERS.sub("", name)


def _has(plain: Sequence[str], prefix: str, mark: str) -> bool:
    pattern = _regex(mark)
    return any(name.startswith(prefix) and pattern.fullmatch(name.removeprefix(prefix)) for name in plain)


def _other(name: str, pairs: Iterable[Pair], layers: Sequence[str]) -> str | None:
    """What the first pair whose left side fits `name` calls it on the right."""
    for left, right in pairs:
        if match := _regex(left).fullmatch(name):
            groups: Mapping[str, str] = match.groupdict()
            if "child" in groups:
                return (
                    right.format(**groups, index=layers.index(groups["child"])) if groups["child"] in layers else None
                )
            if "index" in groups:
                place = int(groups["index"])
                return right.format(**groups, child=layers[place]) if place < len(layers) else None
            return right.format(**groups)
    return None


@cache
def _regex(template: str) -> re.Pattern[str]:
    parts = _PIECE.split(template)
    words = [f"(?P<{part}>{_PATTERNS[part]})" if i % 2 else re.escape(part) for i, part in enumerate(parts)]
    return re.compile("".join(words))
