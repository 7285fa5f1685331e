"""The resolved file: self-contained, it reads back to the same method, and says who set each value."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphssl
from graphssl.bundled import method_files
from graphssl.language.diagnostics import Source
from graphssl.language.reader import read
from graphssl.language.resolve import dump, locate, variants_of
from graphssl.language.tree import plain

METHODS = [f"{name}{at}" for name in method_files() for at in ("", *(f"@{v}" for v in variants_of(locate(name)[0])))]


@pytest.mark.parametrize("name", METHODS)
def test_the_resolved_file_reads_back_to_the_same_method(name: str, tmp_path: Path) -> None:
    method = graphssl.load(name)
    path = tmp_path / "method.yaml"
    path.write_text(method.text())
    again = graphssl.load(str(path))
    assert [f.code for f in again.static] == [f.code for f in method.static]
    assert again.fingerprint == method.fingerprint
    assert again.text() == method.text()


def test_texts_that_look_like_something_else_are_quoted() -> None:
    words = [
        "1",
        "true",
        "null",
        "",
        "on",
        "1e3",
        "a: b",
        "- a",
        "#x",
        " x ",
        "two\nlines",
        "\x85",
        "ü",
        '"',
        "'",
        "${x",
    ]
    tree = read(Source("t", "a: 1\n"))
    from graphssl.language.tree import Entry, Mapping, Scalar

    span = tree.span
    entries = {f"k{i}": Entry(f"k{i}", span, Scalar(word, span, word)) for i, word in enumerate(words)}
    entries |= {word: Entry(word, span, Scalar(i, span, str(i))) for i, word in enumerate(words)}
    made = Mapping(entries, span)
    assert plain(read(Source("t", dump(made)))) == plain(made)


@pytest.mark.parametrize("value", [0.1, 1e-30, 1e29, -0.0, 3, 2**39, True, None])
def test_numbers_come_back_bit_for_bit(value: object) -> None:
    from graphssl.language.tree import Entry, Mapping, Scalar

    span = read(Source("t", "a: 1\n")).span
    text = dump(Mapping({"a": Entry("a", span, Scalar(value, span, ""))}, span))  # type: ignore[arg-type]
    assert repr(plain(read(Source("t", text)))["a"]) == repr(value)


def test_each_line_says_who_set_it() -> None:
    method = graphssl.load("moco_v2@quick", ["train.epochs=3"])
    assert method.tree is not None
    lines = {
        line.split("#")[0].strip(): line.rpartition("# ")[2] for line in dump(method.tree, origins=True).splitlines()
    }
    assert lines["epochs: 3"] == "--set:1"
    assert lines.get("recipe: quick", True)
    assert any(place.startswith("graphs/moco_v1.yaml:") for place in lines.values())
    assert any(place.startswith("graphs/moco_v2.yaml:") for place in lines.values())
    assert any(place.startswith("graphs/recipes/quick.yaml:") for place in lines.values())
