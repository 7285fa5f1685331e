"""The commands as a person types them: output, exit codes, and mistakes without traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run


def test_list_names_methods_variants_ops_and_recipes(run: Run) -> None:
    code, out, _ = run("list", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert {"cifar10", "quick"} <= set(found["methods"]["byol"]["variants"])
    assert found["ops"]["queue"]["kind"] == "state"
    assert "moco_v2" in found["recipes"]
    assert "byol" in run("list")[1]


@pytest.mark.parametrize("format", ["text", "json", "github", "sarif"])
def test_check_reports_in_every_format_and_exits_with_one_on_errors(format: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("graphssl: 1\nname: bad\nnodes:\n  v: {op: augmnt, size: 32}\n")
    code, out, err = run("check", str(file), "--static", "--format", format)
    assert code == 1
    assert "unknown-op" in out + err
    if format == "json":
        first = json.loads(out)[0]
        assert set(first) == {"code", "severity", "message", "file", "line", "column", "node", "help"}
        assert (first["line"], first["column"]) == (4, 11)
    if format == "sarif":
        assert json.loads(out)["version"] == "2.1.0"


def test_check_of_a_good_method_exits_with_zero(run: Run) -> None:
    assert run("check", "byol@quick", "moco_v2@quick")[0] == 0


def test_explain_tells_what_why_and_instead(run: Run) -> None:
    code, out, _ = run("explain", "width-mismatch")
    assert code == 0 and "instead" in out
    code, _, err = run("explain", "with-mismatch")
    assert code == 2 and "width-mismatch" in err


def test_resolve_says_where_each_value_was_set(run: Run) -> None:
    code, out, _ = run("resolve", "moco_v2@cifar10", "--set", "nodes.loss.temperature=0.3")
    assert code == 0
    lines = {line.split(":")[0].strip(): line for line in out.splitlines()}
    assert "moco_v1.yaml:" in lines["size"] or "moco_v1.yaml:" in out
    assert "--set:1" in next(line for line in out.splitlines() if "temperature" in line)


def test_a_resolved_file_is_the_same_method(run: Run, tmp_path: Path) -> None:
    import graphssl

    _, out, _ = run("resolve", "byol@quick")
    assert graphssl.load(out).fingerprint == graphssl.load("byol@quick").fingerprint


@pytest.mark.parametrize("suffix", ["svg", "png", "mmd", "dot", "json", "html"])
def test_viz_writes_a_picture(suffix: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / f"byol.{suffix}"
    assert run("viz", "byol", "-o", str(file))[0] == 0
    assert file.stat().st_size > 500


def test_viz_draws_a_file_with_mistakes_when_asked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "byol.svg"
    words = ("viz", "byol", "--set", "nodes.q.in=nowhere", "-o", str(file))
    code, _, err = run(*words)
    assert code == 1 and "unknown-node" in err and not file.exists()
    code, _, err = run(*words, "--with-errors")
    assert code == 0 and "unknown-node" in err and "no such node" in file.read_text()


def test_show_prints_nodes_shapes_and_parameters(run: Run) -> None:
    code, out, _ = run("show", "byol@cifar10")
    assert code == 0
    assert "resnet18" in out and "ft" in out


def test_eject_prints_python(run: Run) -> None:
    code, out, _ = run("eject", "byol@quick")
    assert code == 0
    compile(out, "ejected.py", "exec")


def test_new_writes_a_starter_that_checks_and_never_overwrites(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", "mine")[0] == 0
    assert run("new", "other", "--from", "byol")[0] == 0
    assert run("check", "mine.yaml", "other.yaml", "--static")[0] == 0
    code, _, err = run("new", "mine")
    assert code == 2 and "exists" in err


@pytest.mark.parametrize(
    "words",
    [
        ("check", "byoll"),
        ("check", "no/such/file.yaml"),
        ("check", "byol@nothing"),
        ("check", "byol", "--set", "nodes.f.ach=resnet18"),
        ("check", "byol", "--set", "nonsense"),
        ("viz", "byol", "-o", "byol.xyz"),
        ("viz", "byol", "-o", "byol.svg", "--collapse", "head"),
        ("viz", "byol", "-o", "/no/such/folder/byol.svg"),
        ("train", "byol@quick", "--data", "no/such/data", "--out", "OUT"),
        ("train", "byol@quick", "--data", "shapes", "--out", "OUT", "--set", "train.batch_size=many"),
        ("train", "byol@quick", "--data", "shapes", "--out", "OUT", "--cache-dir", "somewhere"),
        ("train", "byol@quick", "--data", "shapes", "--out", "OUT", "--cache", "disk", "--cache-dir", "/dev/null"),
        ("eval", "knn", "no/such/run", "--data", "shapes"),
        ("new", "not a name"),
        ("explain", "nothing-like-it"),
        ("check", "byol", "--plugin", "no_such_module"),
    ],
)
def test_a_users_mistake_is_one_message_without_traceback(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    code, _, err = run(*(str(tmp_path / "run") if word == "OUT" else word for word in words))
    assert code in (1, 2)
    assert "Traceback" not in err and len(err) > 20
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("check", "byol", "--static"),
        ("resolve", "byol"),
        ("list",),
        ("viz", "byol", "-o", "FILE.svg"),
        ("viz", "byol", "-o", "FILE.html"),
        ("schema",),
        ("diff", "byol", "simsiam"),
    ],
)
def test_looking_at_methods_never_imports_torch(words: tuple[str, ...], tmp_path: Path, without_torch: Any) -> None:
    words = tuple(word.replace("FILE", str(tmp_path / "x")) for word in words)
    without_torch("import sys; from graphssl.cli import main; assert main(sys.argv[1:]) == 0", *words)
