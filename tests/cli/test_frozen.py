"""`graphssl eval` on frozen features and `graphssl embed`, as a person types them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from graphssl.runtime.folder import RunFolder
from tests.cli.conftest import Run

DATA = "shapes:32,200"


@pytest.fixture
def own_run(trained: Callable[[str], Path], tmp_path: Path) -> str:
    return str(shutil.copytree(trained("simclr"), tmp_path / "run"))


@pytest.mark.parametrize(
    ("words", "name", "keys"),
    [
        (["knn"], "knn", {"top1", "k", "temperature", "features"}),
        (["knn", "--sweep", "--features", "pixels"], "knn sweep pixels", {"top1", "k", "temperature", "grid", "chosen_on"}),
        (["logistic", "--grid", "dinov2", "--max-iter", "20"], "logistic", {"top1", "C", "grid", "not_converged"}),
        (["few-shot", "--shots", "1,2", "--draws", "2"], "few-shot", {"results", "draws"}),
        (["retrieval"], "retrieval", {"mAP", "precision_at_k", "recall_at_1", "k"}),
    ],
)  # fmt: skip
def test_a_protocol_prints_json_alone_and_keeps_it(
    own_run: str, run: Run, words: list[str], name: str, keys: set[str]
) -> None:
    protocol, *more = words
    code, out, _ = run("eval", protocol, own_run, "--data", DATA, "--format", "json", *more)
    result = json.loads(out)
    assert code == 0 and keys | {"bank", "queries", "precision"} <= set(result)
    kept = RunFolder(own_run).summary()["evaluations"][name]
    assert kept == {"step": 4, "data": DATA, **result}


def test_the_table_of_a_sweep_marks_what_was_chosen(own_run: str, run: Run) -> None:
    code, out, _ = run("eval", "knn", own_run, "--data", DATA, "--sweep")
    assert code == 0 and out.count("[") == 2 and "optimistic" in out
    rows = [line.split()[0] for line in out.splitlines()[1:7]]
    assert rows == ["1", "5", "10", "20", "50", "100"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["knn", "--k", "300"], "use --k 200 or less"),
        (["knn", "--sweep", "--k", "5"], "--sweep chooses"),
        (["few-shot", "--shots", "1;2"], "whole numbers"),
        (["few-shot", "--shots", "50"], "fewer than 50 shots"),
        (["logistic", "--max-iter", "0"], "at least 1"),
        (["retrieval", "--k", "0"], "--k 10"),
    ],
)
def test_a_mistake_is_one_sentence(own_run: str, run: Run, words: list[str], told: str) -> None:
    protocol, *more = words
    code, out, err = run("eval", protocol, own_run, "--data", DATA, "--features", "pixels", *more)
    assert code == 2 and not out
    [line] = [line for line in err.splitlines() if line.startswith("graphssl: error")]
    assert told in line


def test_embed_says_what_it_wrote(own_run: str, run: Run, tmp_path: Path) -> None:
    code, out, _ = run(
        "embed", own_run, "--data", DATA, "--split", "test", "-o", str(tmp_path / "f.parquet"), "--format", "json"
    )
    assert code == 0 and json.loads(out)["images"] == 50
    code, _, err = run("embed", own_run, "--data", DATA, "-o", str(tmp_path / "f.parquet"))
    assert code == 2 and "is there already" in err
