"""`--set`: the same rules and scalars as in a file, and nothing that silently has no effect."""

from __future__ import annotations

import json
from typing import Any

import pytest

import graphssl
from graphssl.language.resolve import resolve
from graphssl.language.tree import Tree, at, plain


def flat(*overrides: str) -> Tree:
    return resolve("simclr@quick", overrides, lambda finding: None)


def findings(overrides: Any, method: str = "simclr@quick") -> list[tuple[str, str | None]]:
    return [(f.code, str(f.span) if f.span else None) for f in graphssl.load(method, overrides).static]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("train.lr.base=1e-3", 1e-3),
        ("train.lr.base=  1e-3 ", 1e-3),
        ("nodes.g.dims=[2048, 128]", [2048, 128]),
        ("nodes.loss.temperature={linear: {from: 1, to: 0.1}}", {"linear": {"from": 1, "to": 0.1}}),
        ("title=on", "on"),
        ("title='1'", "1"),
        ("title=", ""),
        ("title=a=b", "a=b"),
        ("nodes.f.pretrained=true", True),
    ],
)
def test_a_value_is_read_as_in_a_file(word: str, value: Any) -> None:
    path = word.partition("=")[0].strip().split(".")
    assert plain(at(flat(word), list(path))) == value


def test_null_deletes_and_later_words_win() -> None:
    tree = flat("nodes.probe=null", "nodes.y=null", "monitors=null", "title=a", "title=b")
    assert "probe" not in at(tree, ["nodes"])  # type: ignore[operator]
    assert plain(at(tree, ["title"])) == "b"


@pytest.mark.parametrize(
    ("word", "code", "place"),
    [
        ("nodes.f.arch", "bad-override", "--set:1:1"),
        ("=3", "bad-override", "--set:1:1"),
        ("nodes..arch=3", "bad-override", "--set:1:1"),
        (".".join("a" * 100) + "=3", "bad-override", "--set:1:1"),
        ("variants.quick.train.epochs=1", "bad-override", "--set:1:1"),
        ("extends=byol", "bad-override", "--set:1:1"),
        ("params.dmi=64", "unknown-param", "--set:1:1"),
        ("nodes.loss.temprature=1", "unknown-key", "--set:1:1"),
        ("train.epoch=1", "unknown-key", "--set:1:1"),
        ("nodes.ff.arch=resnet18", "missing-key", "--set:1:1"),
        ("nodes.loss.temperature=warm", "wrong-type", "--set:1:24"),
        ("nodes.g.dims=[64,", "yaml-syntax", "--set:1:18"),
        ("nodes.g.dims=!!python/name:os.system x", "yaml-tag", "--set:1:14"),
        ("nodes.g.dims=[64, wide]", "wrong-type", "--set:1:19"),
    ],
)
def test_a_mistake_is_found_where_it_stands(word: str, code: str, place: str) -> None:
    assert findings([word]) == [(code, place)]
    (finding,) = graphssl.load("simclr@quick", [word]).static
    assert finding.span is not None
    assert finding.span.source.text == word


def test_python_values_are_taken_as_they_are() -> None:
    values = {"title": "1e-3", "doc": "on", "train.lr.base": 1e-5, "nodes.g.dims": (32, 16), "nodes.probe.classes": 5}
    method = graphssl.load("simclr@quick", values)
    assert method.static == []
    assert method.spec is not None
    assert (method.spec.title, method.spec.doc) == ("1e-3", "on")
    assert method.graph is not None
    assert method.graph.nodes["g"].attrs["dims"] == [32, 16]
    assert method.graph.train is not None
    assert method.graph.train.peak_lr() == pytest.approx(1e-5)


@pytest.mark.parametrize("value", ["ü — 'quoted' \"twice\"", "a: b # c", "[", "*x", "two\nlines", "null", "", "{}"])
def test_any_text_survives(value: str) -> None:
    spec = graphssl.load("simclr@quick", {"doc": value}).spec
    assert spec is not None
    assert spec.doc == value


def test_a_python_object_is_refused() -> None:
    assert findings({"nodes.f.arch": object()}) == [("bad-override", None)]


def test_words_and_values_give_the_same_fingerprint() -> None:
    values = {"train.epochs": 3, "nodes.g.dims": [64, 16], "nodes.loss.temperature": {"linear": {"from": 1, "to": 0.1}}}
    words = [f"{path}={json.dumps(value)}" for path, value in values.items()]
    assert graphssl.load("simclr@quick", values).fingerprint == graphssl.load("simclr@quick", words).fingerprint
