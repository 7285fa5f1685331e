"""Whatever a person writes, reading and checking a graph raises nothing."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphssl
from graphssl.bundled import method_files
from graphssl.language.diagnostics import render_github, render_json, render_sarif, render_text

TEXTS = {name: path.read_text() for name, path in method_files().items()}
TOKENS = re.compile(r"[\w.@$-]+|[^\w\s]|\s+")
WORDS = [
    "null", "true", "0", "-1", "1e-3", "1e400", "[]", "{}", "''", '"', "f", "g", "loss", "v1", "op", "in", "of", "ema", "queue",
    "gather", "concat", "label", "linear_probe", "${x}", "${", "$replace: true", "&a", "*a", "<<", "!!int", "? ", "---", "#",
    "\t", "\n", ": ", ",", "f.blocks.-4", "f.cls", "10ep", "cosine", "steps", "block", "like: v1", "share", "x" * 50, "ü", "\x00",
]  # fmt: skip


def mutated(text: str, draw: random.Random) -> str:
    tokens = TOKENS.findall(text)
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        i = draw.randrange(len(tokens))
        match draw.randrange(5):
            case 0:
                del tokens[i]
            case 1:
                tokens.insert(i, tokens[draw.randrange(len(tokens))])
            case 2:
                tokens[i] = draw.choice(WORDS)
            case 3:
                tokens[i] = tokens[draw.randrange(len(tokens))]
            case 4:
                j = draw.randrange(len(tokens))
                tokens[i], tokens[j] = tokens[j], tokens[i]
    return "".join(tokens)


def check(text: str) -> None:
    method = graphssl.load(text if "\n" in text else text + "\n")
    findings = method.static
    for render in (render_text, render_json, render_github, render_sarif):
        assert isinstance(render(findings), str)
    if method.graph is not None and not any(f.severity == "error" for f in findings):
        assert len(method.fingerprint) == 64


@pytest.mark.parametrize("name", TEXTS)
def test_a_graph_with_tokens_deleted_doubled_or_replaced_raises_nothing(name: str) -> None:
    draw = random.Random(f"{name} 1")
    for _ in range(40):
        text = mutated(TEXTS[name], draw)
        try:
            check(text)
        except Exception as error:
            raise AssertionError(f"this graph raises {error!r}:\n{text}") from error


@pytest.mark.parametrize("variant", ["quick", "cifar10"])
def test_a_variant_of_a_mutated_file_raises_nothing(variant: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    draw = random.Random(variant)
    path = tmp_path / "m.yaml"
    for _ in range(40):
        text = mutated(TEXTS["byol"], draw)
        path.write_text(text)
        try:
            check_path(f"{path}@{variant}")
        except Exception as error:
            raise AssertionError(f"this graph raises {error!r}:\n{text}") from error


def check_path(reference: str) -> None:
    render_text(graphssl.load(reference).static)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_any_text_raises_nothing(text: str) -> None:
    check(text)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.sampled_from(WORDS)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = [
    "nodes", "nodes.f", "nodes.f.in", "nodes.f.arch", "nodes.f.args", "nodes.loss", "nodes.loss.in", "nodes.loss.temperature",
    "nodes.loss.pairs", "nodes.g.dims", "nodes.v1.steps", "nodes.v1.views", "nodes.v1.count", "nodes.ft.of", "nodes.ft.momentum",
    "nodes.ft.update", "train", "train.lr", "train.lr.then", "train.groups", "train.optimizer", "train.warmup", "represent",
    "monitors", "params", "params.dim", "schedules", "schedules.tau", "blocks", "name", "title", "graphssl", "nodes.q.block",
]  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PATHS), values)
def test_any_value_at_any_place_raises_nothing(path: str, value: object) -> None:
    render_text(graphssl.load("byol@quick", {path: value}).static)
