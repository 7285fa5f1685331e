"""Writes docs/gallery.md and docs/gallery/METHOD.svg, the drawing of every bundled method.

Run by `make gallery`; tests/test_docs.py fails when they are not what this file would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import graphssl
from graphssl.bundled import method_files
from graphssl.language.resolve import locate, variants_of
from graphssl.views.scene import Scene
from graphssl.views.svg import svg

FOLDER = Path(__file__).parent
HEAD = """\
# Gallery

Every bundled method, as `graphssl viz METHOD --sizes -o METHOD.svg` draws it. Written by `docs/make_gallery.py`; do not edit.

Time runs from left to right. Trained networks stand in the upper lane, teachers (slow or fixed copies) below them, state that
outlives a step at the bottom. A solid edge carries gradient, a dashed one does not, a bar is where gradient stops, a dotted edge is
an EMA of weights with its momentum, a double line joins calls of the same weights. A small curve is a schedule over the training.
`[b 2048]` are axes: `b` samples, `B` samples of all processes, `n` tokens, `m` masked tokens. The star is what evaluation takes."""


def drawings() -> dict[str, Scene]:
    """The drawing of every bundled method, by name."""
    return {name: graphssl.draw(name, sizes=True).scene for name in method_files()}


def files(scenes: dict[str, Scene]) -> Iterator[tuple[Path, str]]:
    """Every file of the gallery with its content."""
    yield FOLDER / "gallery.md", "\n\n".join([HEAD, *map(entry, scenes.values())]) + "\n"
    for name, scene in scenes.items():
        yield FOLDER / "gallery" / f"{name}.svg", svg(scene)


def entry(scene: Scene) -> str:
    """What the page says of one method."""
    number = scene.paper.removeprefix("arXiv:")
    paper = f" · [{scene.paper}](https://arxiv.org/abs/{number})" if number != scene.paper else ""
    variants = "".join(f" `@{name}`" for name in variants_of(locate(scene.name)[0]))
    return f"""\
## {scene.name}

{scene.title}{paper} · [YAML](../graphs/{scene.name}.yaml) · variants:{variants or " none"}

![{scene.name}](gallery/{scene.name}.svg)"""


if __name__ == "__main__":
    for path, text in files(drawings()):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {path}")
