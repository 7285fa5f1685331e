"""Strict YAML: what words mean, where they stand, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from graphssl.language.diagnostics import GraphError, Source
from graphssl.language.reader import MAX_BYTES, read, read_value, scalar_value
from graphssl.language.tree import Mapping, Scalar, plain


def text(yaml: str) -> Mapping:
    return read(Source("test.yaml", yaml))


def code(yaml: str) -> str:
    with pytest.raises(GraphError) as caught:
        text(yaml)
    return caught.value.findings[0].code


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1), ("-3", -3), ("+3", 3), ("0", 0), ("0x1F", 31),
        ("1e-3", 1e-3), ("1E5", 1e5), ("1.", 1.0), (".5", 0.5), ("1.5e+2", 150.0), ("-0.0", -0.0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("No", "No"), ("y", "y"), ("TrUe", "TrUe"),
        ("12:30", "12:30"), ("1_000", "1_000"), ("0o17", "0o17"), ("017", "017"), ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"), (".nan", ".nan"), ("nan", "nan"), ("1e", "1e"), ("e3", "e3"), ("1.5.2", "1.5.2"), ("-", "-"),
        ("10ep", "10ep"), ("5%", "5%"), ("9" * 41, "9" * 41),
    ],
)  # fmt: skip
def test_a_plain_word_means(word: str, value: Any) -> None:
    found = scalar_value(word)
    assert found == value
    assert type(found) is type(value)


def test_a_quoted_word_is_a_text() -> None:
    assert plain(text("a: '1'\nb: \"true\"\nc: ''\nd: !  null\n")) == {"a": "1", "b": "true", "c": "", "d": None}


def test_block_texts_are_texts() -> None:
    assert plain(text("a: |\n  1\nb: >-\n  two\n  words\n")) == {"a": "1\n", "b": "two words"}


def test_every_piece_knows_its_place() -> None:
    tree = text("nodes:\n  f: {op: encoder,\n      in: [v1, v2]}\n")
    nodes = tree.entries["nodes"]
    assert (nodes.key_span.line, nodes.key_span.column) == (1, 1)
    f = nodes.value.entries["f"]  # type: ignore[union-attr]
    assert (f.key_span.line, f.key_span.column, f.value.span.end_line) == (2, 3, 3)
    v2 = f.value.entries["in"].value.items[1]
    assert (v2.span.line, v2.span.column, v2.span.end_column) == (3, 16, 18)


def test_columns_count_characters_not_bytes() -> None:
    (entry,) = text("ä: {ü: é}\n")
    assert entry.value.entries["ü"].value.span.column == 8  # type: ignore[union-attr]


def test_an_alias_is_the_same_value_and_keeps_the_place_of_its_anchor() -> None:
    tree = text("a: &x [1, 2]\nb: *x\n")
    assert plain(tree) == {"a": [1, 2], "b": [1, 2]}
    assert tree.entries["b"].value.span.line == 1


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("", "empty-file"),
        ("# nothing\n", "empty-file"),
        ("- 1\n", "not-a-map"),
        ("just words\n", "not-a-map"),
        ("a: 1\na: 2\n", "duplicate-key"),
        ("a: {b: 1, 'b': 2}\n", "duplicate-key"),
        ("a: !!python/object/apply:os.system [ls]\n", "yaml-tag"),
        ("a: !!int 3\n", "yaml-tag"),
        ("? [a]\n: 1\n", "key-not-a-word"),
        ("a: {<<: {b: 1}}\n", "merge-key"),
        ("a: 1\n---\nb: 1\n", "several-documents"),
        ("a: *b\n", "yaml-syntax"),
        ("a: &a [*a]\n", "yaml-syntax"),
        ("a: [1, 2\n", "yaml-syntax"),
        ("a: 'open\n", "yaml-syntax"),
        ("\ta: 1\n", "yaml-syntax"),
        ("a: b: c\n", "yaml-syntax"),
        ("a: \x00\n", "yaml-syntax"),
        ("a: \ud800\n", "yaml-syntax"),
        ("%YAML 9.9\n---\na: 1\n", "yaml-syntax"),
        ("a: 1e999\n", "number-too-large"),
    ],
)
def test_what_is_refused(yaml: str, expected: str) -> None:
    assert code(yaml) == expected


def test_a_quoted_merge_key_is_a_word() -> None:
    assert plain(text("a: {'<<': 1}\n")) == {"a": {"<<": 1}}


def test_all_duplicate_keys_are_reported() -> None:
    with pytest.raises(GraphError) as caught:
        text("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [(f.span.line, f.also[0].line) for f in caught.value.findings if f.span and f.also] == [(2, 1), (3, 3)]


def test_a_text_that_is_too_long_is_not_read() -> None:
    assert code("a: " + "x" * MAX_BYTES) == "file-too-large"


def test_a_single_value_can_be_read() -> None:
    value = read_value(Source("--set", "[2048, 128]"))
    assert plain(value) == [2048, 128]
    assert isinstance(read_value(Source("--set", "on")), Scalar)
