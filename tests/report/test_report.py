"""The report of a run: what it tells, from whatever lies in the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphssl.cli import main
from graphssl.report.page import command, repeated, report, score_words
from graphssl.report.run import read_run
from tests.report.conftest import Logged


def test_it_tells_all_that_the_run_knows(logged: Logged) -> None:
    told = [{"code": "collapsed", "node": "f", "message": "all the same", "help": "add a predictor"}]
    knn = {"knn": {"step": 50, "data": "shapes", "top1": 0.4321, "k": 20}}
    page = report(read_run(logged("a", last={"diagnosis": told}, evaluations=knn, device="cpu")))
    for part in (
        "Bootstrap",
        "collapsed",
        "all the same",
        "seen at step 50",
        "top1 43.21%",
        "gradient norm",
        "finished",
    ):
        assert part in page
    assert page.index("all the same") < page.index('id="method"') < page.index('id="evaluations"')
    assert (
        'class="node' in page and "<script" not in page and "://" not in page.replace("http://www.w3.org/2000/svg", "")
    )


def test_parts_that_a_run_has_not_are_left_out(logged: Logged) -> None:
    run = logged("a", finished=False)
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss"')
    page = report(read_run(run))
    assert "not finished" in page and 'id="evaluations"' not in page and 'id="monitors"' not in page
    (run / "metrics.jsonl").unlink()
    assert 'id="curves"' not in report(read_run(run))


def test_the_commands_repeat_the_run(logged: Logged) -> None:
    run = read_run(logged("a run"))
    assert command(run) == "graphssl train m --out r"
    assert repeated(run).startswith(f"graphssl train '{run.path}/method.yaml' --data shapes --out ")
    many = read_run(logged("many", processes=4))
    assert command(many) == "accelerate launch --num_processes 4 -m graphssl train m --out r"


def test_nothing_of_a_run_is_more_than_text(logged: Logged) -> None:
    evil = "</style><img src=x onerror=alert(1)><script>alert(1)</script>"
    told = [{"code": evil, "message": evil, "help": evil}]
    run = logged(
        "a", overrides={"title": evil}, data=evil, command=f"x {evil}", evaluations={evil: {"data": evil, evil: 0.5}},
        last={"diagnosis": told, evil: 1.0, "nodes": {evil: {evil: 1.0}}},
    )  # fmt: skip
    page = report(read_run(run))
    assert "<script" not in page and "<img" not in page and "&lt;img" in page


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"step": 5, "data": "d", "top1": 0.5, "k": 20}, "top1 50.00%"),
        ({"step": 5, "losses": {"loss": 1.25}, "images": 9}, "losses loss 1.25"),
        ({"step": 5, "data": "d", "name": "x"}, ""),
    ],
)
def test_the_result_of_a_protocol_is_its_first_number(result: dict[str, object], said: str) -> None:
    assert score_words(result) == said


def test_the_command_needs_no_torch(logged: Logged, without_torch: object, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    code = "import sys; from graphssl.cli import main; main(sys.argv[1:])"
    without_torch(code, "report", str(logged("a")), "-o", str(out))  # type: ignore[operator]
    assert out.read_text().endswith("</html>")


def test_mistakes_are_one_sentence(logged: Logged, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = logged("a")
    (run / "summary.json").write_text('{"steps"')
    for words, said in (
        (["report", str(tmp_path)], "is no run folder"),
        (["report", str(run)], "is damaged"),
        (["report", str(logged("b")), "-o", "report.pdf"], "not as `report.pdf`"),
        (["curves", str(tmp_path / "b"), "-o", "curves.pdf"], "not as `curves.pdf`"),
    ):
        assert main(words) == 2
        told = capsys.readouterr().err
        assert said in told and told.count("\n") == 1


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_curves_of_runs_are_drawn_over_each_other(logged: Logged, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"curves.{suffix}"
    assert main(["curves", str(logged("first")), str(logged("second", "simclr@quick")), "-o", str(out)]) == 0
    if suffix == "svg":
        assert {"first", "second", "learning rate", "kNN accuracy"} <= set(out.read_text().replace("<", ">").split(">"))
    else:
        assert out.read_bytes().startswith(b"\x89PNG")


def test_compare_prints_a_table_curves_and_the_diff(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    first = str(logged("first", evaluations={"knn": {"step": 50, "top1": 0.25}}))
    second = str(logged("second", "byol@quick@no_predictor", finished=False))
    assert main(["compare", first, second]) == 0
    out = capsys.readouterr().out
    for part in ("not finished", "top1 25.00%", "last kNN", "first → second", "without the predictor", "▁"):
        assert part in out
    assert main(["compare", first, second, first, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["last"]["knn"] for run in found["runs"]] == [0.4, 0.4, 0.4]
    assert [diff["same"] for diff in found["diffs"]] == [False, True]
    assert main(["compare", first]) == 2
    assert "name at least two" in capsys.readouterr().err


def test_a_comparison_is_a_page(logged: Logged, tmp_path: Path) -> None:
    out = tmp_path / "both.html"
    assert main(["compare", str(logged("a")), str(logged("b", "simclr@quick")), "-o", str(out)]) == 0
    page = out.read_text()
    assert "<script" not in page and page.count("<svg") >= 4 and "a → b" in page
