"""Changes of bundled methods: of their tree (nodes, keys, values, references) and of their text (bytes, indentation, ends)."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml

Place = tuple[Any, Any]
"""A dict or list, and a key or index in it."""

EXTREMES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**40, 10**30, -(10**30), 1e-300, 0.5, "", " ", "x" * 300, "x" * 20_000, [], {}, [[]], [None], {"": None},
    {"op": "label"}, {"cosine": {"from": 1, "to": 0}}, {"warmup": "1ep"}, ["v1", "v1"], "v1", "f", "f.blocks.-1", "f.cls", "loss", "10ep",
    "5%", "${dim}", "${", "${schedules.x}", "auto", "cosine", "../x.yaml", "/dev/zero", "a\nb", "\x00", "\x1b[2J", "\u202e", "é", "😀", "*a",
    "!!python/name:os.system", "__import__('os')", "\"\"\"", "<script>",
)  # fmt: skip


def places(tree: Any) -> Iterator[Place]:
    """Every place of a tree."""
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from places(tree[key])


def deleted(tree: Any, pick: random.Random) -> None:
    holder, key = pick.choice(list(places(tree)))
    del holder[key]


def doubled(tree: Any, pick: random.Random) -> None:
    """A value a second time, under another name."""
    holder, key = pick.choice(list(places(tree)))
    if isinstance(holder, dict):
        holder[f"{key}_2"] = copy.deepcopy(holder[key])
    else:
        holder.append(copy.deepcopy(holder[key]))


def exchanged(tree: Any, pick: random.Random) -> None:
    """A value in the place of another."""
    (holder, key), (other, name) = pick.choice(list(places(tree))), pick.choice(list(places(tree)))
    holder[key] = copy.deepcopy(other[name])


def renamed(tree: Any, pick: random.Random) -> None:
    """A key called as another one is, somewhere."""
    found = [(holder, key) for holder, key in places(tree) if isinstance(holder, dict)]
    (holder, key), (_, name) = pick.choice(found), pick.choice(found)
    holder[name] = holder.pop(key)


def extreme(tree: Any, pick: random.Random) -> None:
    holder, key = pick.choice(list(places(tree)))
    holder[key] = copy.deepcopy(pick.choice(EXTREMES))


def scaled(tree: Any, pick: random.Random) -> None:
    """A number, but a larger, smaller or negative one."""
    found = [(h, k) for h, k in places(tree) if isinstance(h[k], int | float) and not isinstance(h[k], bool)]
    if found:
        holder, key = pick.choice(found)
        holder[key] = holder[key] * pick.choice((-1, 0, 2, 1000, 10**9, 1e-9))


def rewired(tree: Any, pick: random.Random) -> None:
    """An input of a node from another node, or from itself."""
    nodes = tree.get("nodes")
    nodes = nodes if isinstance(nodes, dict) else {}
    found = [node for node in nodes.values() if isinstance(node, dict) and ("in" in node or "of" in node)]
    if found:
        node = pick.choice(found)
        name = pick.choice([str(n) for n in nodes])
        node[pick.choice([key for key in ("in", "of") if key in node])] = pick.choice(
            (name, [name, name], {"x": name}, f"{name}.cls")
        )


TREES: tuple[Callable[[Any, random.Random], None], ...] = (
    deleted, doubled, exchanged, renamed, extreme, extreme, scaled, rewired, rewired,
)  # fmt: skip


def of_tree(text: str, pick: random.Random) -> str:
    """The text with its tree changed in a few places."""
    tree = yaml.safe_load(text)
    for _ in range(pick.choice((1, 1, 1, 2, 3, 6))):
        if isinstance(tree, dict) and tree:
            pick.choice(TREES)(tree, pick)
    return yaml.safe_dump(
        tree, sort_keys=False, allow_unicode=True, default_flow_style=pick.choice((None, True, False))
    )


def of_text(text: str, pick: random.Random) -> str:
    """The text with some of its characters or lines changed."""
    for _ in range(pick.choice((1, 1, 2, 5))):
        lines = text.split("\n")
        i, at = pick.randrange(len(lines)), pick.randrange(len(text) + 1)
        match pick.randrange(8):
            case 0:
                text = text[:at] + pick.choice(":{}[],&*#?|->%@`'\"\\\t\n \x00\x85\ufeff\u2028é😀<!") + text[at:]
            case 1:
                text = text[:at] + text[at + pick.choice((1, 2, 10)) :]
            case 2:
                text = text[:at]
            case 3:
                lines[i] = " " * pick.randrange(6) + lines[i].lstrip()
                text = "\n".join(lines)
            case 4:
                lines.insert(pick.randrange(len(lines)), lines[i])
                text = "\n".join(lines)
            case 5:
                del lines[i]
                text = "\n".join(lines)
            case 6:
                text = text[:at] + text[at : at + 40][::-1] + text[at + 40 :]
            case 7:
                text = (
                    text[:at]
                    + pick.choice(("null", "1e999", "${x}", "<<: *a", "&a ", "*a", "---\n", "!!set ", "0x" + "f" * 30))
                    + text[at:]
                )
        text = text or "x"
    return text


def mutated(text: str, pick: random.Random) -> str:
    """A changed text; with a line break, as YAML text must have."""
    return (of_tree if pick.random() < 0.6 else of_text)(text, pick).rstrip("\n") + "\n"
