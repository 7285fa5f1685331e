"""The drawing of a curation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphssl.bundled import curation_files
from graphssl.cli import main
from graphssl.curate.curation import load
from graphssl.curate.drawing import draw, scene
from graphssl.views import SUFFIXES


@pytest.mark.parametrize("name", curation_files())
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_bundled_curation_is_drawn_in_every_format(name: str, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"drawn.{suffix}"
    assert main(["viz", name, "-o", str(file)]) == 0
    assert file.stat().st_size > 500
    assert suffix == "png" or "manifest" in file.read_text()


def test_what_may_be_kept_is_told_apart_from_what_is_compared_with() -> None:
    drawn = scene(load("lvd142m").checked_graph())
    kinds = {(edge.source, edge.target): edge.kind for edge in drawn.edges}
    assert kinds["pool", "unique"] == kinds["clean", "near"] == kinds["curated", "manifest"] == "gradient"
    assert kinds["benchmark", "clean"] == kinds["curated", "near"] == "data"
    assert dict(drawn.legend).keys() == {"gradient", "data"}


def test_counts_of_a_run_stand_in_the_boxes() -> None:
    drawn = scene(load("lvd142m").checked_graph(), {"unique": 1234567})
    assert "1,234,567 images" in drawn.box("unique").lines
    assert not [line for line in drawn.box("clean").lines if line.endswith(" images")]


def test_it_is_checked_and_drawn_without_torch(without_torch: Any, tmp_path: Path) -> None:
    code = "from graphssl.cli import main; import sys; assert main(['check', 'lvd142m']) == 0; assert 'faiss' not in sys.modules; "
    without_torch(code + "main(['viz', 'lvd142m', '-o', sys.argv[1]])", str(tmp_path / "drawn.svg"))


def test_one_with_errors_is_refused_with_all_of_them(capsys: Any, tmp_path: Path) -> None:
    words = ["viz", "lvd142m", "--set", "nodes.near.neighbours=0", "--set", "nodes.like.images=x"]
    assert main([*words, "-o", str(tmp_path / "a.svg")]) == 1
    assert capsys.readouterr().err.count("error[wrong-") == 2


def test_the_same_file_gives_the_same_bytes() -> None:
    assert draw(load("lvd142m")).as_("svg") == draw(load("lvd142m")).as_("svg")
