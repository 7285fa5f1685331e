"""Curations are read by the language of methods: the same errors, parents, variants, parameters, and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphssl
from graphssl.bundled import curation_files
from graphssl.curate.checks import CURATION_CHECKS
from graphssl.curate.curation import load
from graphssl.curate.flow import contributors, encoders
from graphssl.language.diagnostics import GraphError

MINE = """\
graphssl: 1
kind: curation
name: mine
nodes:
  pool: {op: images, data: pool}
  test: {op: images, data: bench, split: test}
  flowers: {op: images, data: flowers}
  unique: {op: self_deduplicate, in: pool, encoder: runs/a}
  clean: {op: relative_deduplicate, in: {pool: unique, reference: test}, encoder: runs/b}
  near: {op: retrieve_samples, in: {pool: clean, queries: flowers}, encoder: runs/c}
  manifest: {op: manifest, in: [flowers, near]}
"""


def codes(text: str) -> list[tuple[str, int]]:
    """Code and line of every finding."""
    return [(finding.code, finding.span.line if finding.span else 0) for finding in load(text).findings]


@pytest.mark.parametrize("name", curation_files())
def test_every_bundled_curation_checks_clean(name: str) -> None:
    assert [finding.to_text() for finding in load(name).findings] == []


@pytest.mark.parametrize("name", curation_files())
def test_a_bundled_curation_names_its_paper_and_how_it_is_used(name: str) -> None:
    text = curation_files()[name].read_text()
    assert "arXiv:" in text.partition("graphssl: 1")[0]
    assert f"graphssl curate {name}" in text
    assert "Differs:" in text


def test_a_file_of_ones_own_extends_a_bundled_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("graphssl: 1\nextends: lvd142m\nname: mine\nnodes: {near: {neighbours: 32}, like: null}\n")
    graph = load(str(file), {"params.pool": "crawl", "nodes.manifest.in": ["near"]}).checked_graph()
    assert graph.nodes["near"].attrs["neighbours"] == 32
    assert graph.nodes["pool"].attrs["data"] == "crawl"
    assert "like" not in graph.nodes


def test_the_resolved_text_reads_back_to_the_same() -> None:
    text = load("lvd142m", {"params.clusters": 7}).text()
    assert load(text).text() == text
    assert load(text).checked_graph().nodes["like"].attrs["clusters"] == 7


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("in: pool, encoder", [("missing-key", 8)]),
        ("in: pol, encoder", [("unknown-node", 8)]),
        ("in: pool, similarity: 3, encoder", [("wrong-value", 8)]),
        ("in: pool, similarty: 0.5, encoder", [("unknown-key", 8)]),
        ("in: near, encoder", [("loop", 8)]),
    ],
)
def test_a_mistake_is_found_where_it_stands(change: str, expected: list[tuple[str, int]]) -> None:
    text = MINE.replace("in: pool, encoder", change)
    if change == "in: pool, encoder":
        text = MINE.replace("in: pool, encoder: runs/a", "in: pool")
    assert codes(text) == expected


@pytest.mark.parametrize("key", ["train", "represent", "monitors", "schedules"])
def test_what_only_a_method_has_is_refused_once(key: str) -> None:
    assert codes(f"{MINE}{key}: {{}}\n") == [("unknown-key", 12)]


def test_a_kind_that_is_none_is_refused() -> None:
    assert ("wrong-value", 2) in codes(MINE.replace("kind: curation", "kind: curaton"))


def test_a_curation_is_no_method_and_a_method_no_curation() -> None:
    assert [finding.code for finding in graphssl.load("lvd142m").static] == ["wrong-kind"]
    assert [finding.code for finding in load("simclr").findings] == ["wrong-kind"]
    with pytest.raises(GraphError, match="graphssl curate"):
        graphssl.compile("lvd142m")


@pytest.mark.parametrize("rule", CURATION_CHECKS, ids=lambda rule: rule.EXPLAIN.code)
def test_a_rule_stands_in_the_file_of_its_code(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule.__name__.rpartition(".")[2] == rule.EXPLAIN.code.replace("-", "_")


@pytest.mark.parametrize("rule", CURATION_CHECKS, ids=lambda rule: rule.EXPLAIN.code)
def test_no_rule_stumbles_over_a_stage_that_was_refused(rule) -> None:  # type: ignore[no-untyped-def]
    text = rule.EXPLAIN.example + "  odd: {op: self_deduplicate, in: nothing, neighbours: no}\n"
    assert "unknown-node" in [finding.code for finding in load(text).findings]


def test_images_that_are_only_compared_with_do_not_reach_the_manifest() -> None:
    graph = load(MINE).checked_graph()
    assert contributors(graph, ["manifest"]) == {*graph.nodes} - {"test"}
    assert contributors(graph, ["clean"]) == {"clean", "unique", "pool"}


def test_images_are_embedded_by_the_encoders_of_the_stages_that_take_them() -> None:
    graph = load(MINE).checked_graph()
    assert {node.name: list(encoders(graph, node)) for node in graph.sources()} == {
        "pool": ["runs/a", "runs/b", "runs/c"],
        "test": ["runs/b"],
        "flowers": ["runs/c"],
    }


def test_a_stage_that_is_skipped_needs_no_encoder() -> None:
    graph = load(MINE, {"nodes.clean.skip": True}).checked_graph()
    assert list(encoders(graph, graph.nodes["test"])) == []


def test_a_command_is_run_that_was_typed_and_none_that_a_file_names() -> None:
    assert codes(MINE.replace("data: pool", 'data: "wds+skip:pipe:cat a.tar"')) == [("command-in-file", 5)]
    assert load(MINE, ["nodes.pool.data=wds:pipe:cat a.tar"]).findings == []
