"""`graphssl diff` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from graphssl.cli import diff as command
from graphssl.cli import main
from tests.cli.conftest import Run


def test_text_is_one_sentence_then_rows_without_colour_in_a_pipe(run: Run) -> None:
    code, out, err = run("diff", "byol", "simsiam")
    lines = out.splitlines()
    assert code == 0 and err == ""
    assert lines[0] == "byol → simsiam" and lines[2].startswith("simsiam is byol without the EMA target")
    assert "  ~ gt → t  ema of g → stop_grad" in lines and "\x1b" not in out


def test_signs_are_coloured_on_a_terminal(run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        command, "Console", lambda **words: Console(force_terminal=True, color_system="standard", **words)
    )
    assert "\x1b[31m  − ft" in run("diff", "byol", "simsiam")[1]


def test_json_is_one_document(run: Run) -> None:
    code, out, _ = run("diff", "dino", "ibot", "--format", "json")
    found = json.loads(out)
    assert code == 0 and found["same"] is False
    assert {"mask", "patch_loss"} <= {node["new"] for node in found["nodes"] if node["mark"] == "added"}


def test_no_differences_are_no_output(run: Run) -> None:
    code, out, err = run("diff", "byol", "byol", "--exit-code")
    assert (code, out) == (0, "") and "no differences" in err


def test_the_exit_code_tells_a_difference_only_when_asked(run: Run) -> None:
    assert run("diff", "byol", "byol@no_target")[0] == 0
    assert run("diff", "byol", "byol@no_target", "--exit-code")[0] == 1


def test_both_methods_are_drawn_in_one_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.svg"
    code, out, err = run("diff", "byol", "simsiam", "-o", str(file))
    assert (code, out) == (0, "") and "wrote" in err
    assert 'class="halo removed"' in file.read_text(encoding="utf-8")


def test_errors_of_both_files_are_reported(run: Run, tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        file.write_text(f"graphssl: 1\nname: bad\nnodes:\n  v: {{op: {file.stem}ugmnt, size: 32}}\n")
    code, out, err = run("diff", *map(str, files))
    assert (code, out) == (1, "") and err.count("unknown-op") == 2


@pytest.mark.parametrize(
    "words", [("byol", "byoll"), ("byol", "simsiam", "-o", "x.xyz"), ("byol", "simsiam", "-o", "/no/such/folder/x.svg")]
)
def test_a_mistake_is_one_message(words: tuple[str, ...], run: Run) -> None:
    code, _, err = run("diff", *words)
    assert code in (1, 2) and "Traceback" not in err and len(err) > 20


def test_help_shows_an_example(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["diff", "--help"])
    assert "graphssl diff byol simsiam" in capsys.readouterr().out
