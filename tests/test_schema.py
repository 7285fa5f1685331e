"""The committed JSON Schema is the generated one, and agrees with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from graphssl.bundled import bundled, curation_files, method_files
from graphssl.curate.stages import stages
from graphssl.language.diagnostics import Source
from graphssl.language.reader import read
from graphssl.language.tree import plain
from graphssl.ops import registry
from graphssl.schema import curation_schema, graph_schema

FILE = bundled("schemas") / "graph.schema.json"
CURATIONS = bundled("schemas") / "curation.schema.json"


def value(text: str) -> Any:
    return plain(read(Source("test", text)))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(FILE.read_text()))


def test_the_committed_schema_is_the_generated_one() -> None:
    assert FILE.read_text() == json.dumps(graph_schema(registry()), indent=2) + "\n", "run `make schema`"


def test_the_committed_schema_of_curations_is_the_generated_one() -> None:
    text = json.dumps(curation_schema(stages()), indent=2) + "\n"
    assert CURATIONS.read_text() == text, "run `make schema`"


@pytest.mark.parametrize("path", curation_files().values(), ids=lambda path: path.stem)
def test_every_bundled_curation_is_valid_and_no_method(path: Path, validator: Draft202012Validator) -> None:
    text = path.read_text()
    assert [e.message for e in Draft202012Validator(json.loads(CURATIONS.read_text())).iter_errors(value(text))] == []
    assert not validator.is_valid(value(text))


def test_it_is_a_valid_schema_without_conditions(validator: Draft202012Validator) -> None:
    Draft202012Validator.check_schema(validator.schema)
    assert '"if"' not in FILE.read_text()


@pytest.mark.parametrize("path", method_files().values(), ids=lambda path: path.stem)
def test_every_bundled_method_is_valid(path: Path, validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(value(path.read_text()))] == []


@pytest.mark.parametrize(
    "change",
    ["nodes: {f: {op: encodr}}", "nodes: {f: {op: encoder, arch: 3}}", "nodes: {f: {op: encoder, ach: x}}",
     "train: {precision: fp8}", "nonsense: 1", "nodes: {q: {op: queue, size: -1}}",
     "nodes: {t: {op: ema, of: f, momentum: {cosin: {to: 1}}}}"],
)  # fmt: skip
def test_it_refuses_what_the_reader_refuses(change: str, validator: Draft202012Validator) -> None:
    assert not validator.is_valid(value(f"graphssl: 1\nname: x\n{change}\n"))


def test_editors_get_a_description_for_every_op_and_attribute() -> None:
    defs = graph_schema(registry())["$defs"]
    for name, op in registry().items():
        properties = defs[f"node_{name}"]["properties"]
        assert properties["op"]["description"]
        assert all(properties[attribute].get("description") for attribute in op.attrs), name
