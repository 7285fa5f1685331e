"""What a run measured: read from its file, thinned, and put as colours on a drawing."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from drawing_geometry import faults
from small_methods import MOCO, drawn
from test_renderers import parts

from graphssl.bundled import method_files
from graphssl.cli import main
from graphssl.views import FORMATS
from graphssl.views.heat import heated
from graphssl.views.layout import layout
from graphssl.views.measures import Measure, Measures
from graphssl.views.palette import colour, ink
from graphssl.views.run import MOST, gathered, measures_of, thinned
from graphssl.views.scene import Scene
from graphssl.views.svg import svg


def write(file: Path, *records: Any) -> Path:
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def line(step: int, **nodes: dict[str, Any]) -> dict[str, Any]:
    return {"step": step, "loss": 1.0, "nodes": nodes}


def all_measured(scene: Scene) -> Measures:
    """A run that measured everything on every box and every link."""
    row = {"std": 0.123456, "rank": 123.456, "grad_norm": 0.0123, "ema_distance": 0.0123456}
    return gathered([(100_000, {box.name: row for box in scene.boxes})])


def test_measurements_are_read_by_measure_node_and_step(tmp_path: Path) -> None:
    found = measures_of(
        write(tmp_path / "m", {"step": 0, "knn": 0.1}, line(1, f={"std": 0.5}), line(50, f={"std": 0.7}, q={"age": 3}))
    )
    assert found.steps == (1, 50)
    assert [measure.name for measure in found.measures] == ["std", "age"]
    assert found.measures[0].values == {"f": (0.5, 0.7)} and found.measures[1].values == {"q": (None, 3.0)}


def test_a_cut_line_and_lines_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    file = write(
        tmp_path / "m", line(1, f={"std": 0.5}), [1], 3, None, {"step": "x", "nodes": {}}, line(2, f={"std": 0.6})
    )
    file.write_bytes(file.read_bytes() + b'{"step": 3, "nodes": {"f": {"st\n\xff\xfe\n' + b"[" * 100_000 + b"\n")
    assert measures_of(file).steps == (1, 2)


def test_values_that_are_no_finite_numbers_are_left_out(tmp_path: Path) -> None:
    bad: list[Any] = [float("nan"), float("inf"), 10**400, "0.5", None, True, [0.5], {"a": 1}]
    records = [line(i, f={"std": value, "rank": 2}) for i, value in enumerate(bad)]
    found = measures_of(write(tmp_path / "m", *records, {"step": 9, "nodes": {"f": 3}}, {"step": 10, "nodes": [1]}))
    assert [measure.name for measure in found.measures] == ["rank"]
    assert found.steps == tuple(range(len(bad)))


def test_a_long_run_is_thinned_and_keeps_both_ends() -> None:
    rows = thinned((step, {"f": {"std": 0.1}}) for step in range(1, 12_346))
    steps = [step for step, _ in rows]
    assert steps[0] == 1 and steps[-1] == 12_345 and MOST / 2 < len(steps) <= MOST
    gaps = {b - a for a, b in itertools.pairwise(steps[:-1])}
    assert len(gaps) <= 2, "evenly"
    assert thinned([(1, {"f": {"std": 0.1}}), (1, {"f": {"std": 0.2}})]) == [(1, {"f": {"std": 0.2}})]


def test_ends_of_scales_are_fixed_or_hold_everything(tmp_path: Path) -> None:
    found = measures_of(
        write(tmp_path / "m", line(1, f={"std": 0.2, "rank": 33.7, "grad_norm": 0.03, "mine": -2, "age": 0}))
    )
    ends = {m.name: (m.low, m.high, m.scale) for m in found.measures}
    assert ends == {
        "std": (0, 1, "linear"), "rank": (0, 34, "linear"), "grad_norm": (0.01, 0.1, "log"), "age": (0, 1, "linear"),
        "mine": (-2, 0, "linear"),
    }  # fmt: skip
    grad = found.get("grad_norm")
    assert grad and grad.place(0.01) == 0 and grad.place(0.1) == 1 and grad.place(0) == 0
    assert grad.place(10**-1.5) == pytest.approx(0.5)


def test_a_place_on_a_scale_stays_on_it() -> None:
    measure = Measure("m", "m", "", "", 0, 2, "", {})
    assert [measure.place(v) for v in (-1, 0, 1, 2, 9)] == [0, 0, 0.5, 1, 1]


def test_colours_run_from_dark_to_light_and_text_is_readable_on_each() -> None:
    assert colour(0) == "#440154" and colour(1) == "#fde725" and colour(7) == colour(1)
    assert ink(0) == "dim" and ink(1) == "bright"

    def light(shade: str) -> float:
        channels = [int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    shades = [light(colour(i / 50)) for i in range(51)]
    assert shades == sorted(shades)
    for i, shade in enumerate(shades):
        text = light("#111111" if ink(i / 50) == "bright" else "#ffffff")
        high, low = max(text, shade), min(text, shade)
        assert (high + 0.05) / (low + 0.05) > 4.0


def test_boxes_say_and_show_their_value_links_their_distance_edges_their_gradient() -> None:
    found = gathered([
        (1, {"f": {"std": 0.9}}),
        (5, {"f": {"std": 0.25, "grad_norm": 0.5}, "fk": {"std": 0.75, "ema_distance": 0.0123}}),
    ])  # fmt: skip
    scene = heated(drawn(MOCO), found)
    assert scene.box("f").heat == 0.25 and scene.box("fk").heat == 0.75 and scene.box("loss").heat is None
    assert scene.box("f").badges[-1].text == "std 0.25"
    [ema] = [arrow for arrow in scene.edges if arrow.target == "fk" and arrow.kind == "ema"]
    assert ema.number and ema.number.short == "0.999 · 0.0123 apart"
    carrying = [arrow for arrow in scene.edges if arrow.kind == "gradient"]
    assert carrying and all(arrow.heat is not None and "gradient norm of f: 0.5" in arrow.notes for arrow in carrying)
    assert scene.legend[0] == ("heat", "feature std at step 5, 0 to 1")
    assert heated(drawn(MOCO), found, step=4).box("f").heat == 0.9
    with pytest.raises(KeyError):
        heated(drawn(MOCO), found, "age")


def test_an_edge_leads_back_to_the_module_that_its_gradient_reaches_first() -> None:
    found = gathered([(1, {"f": {"std": 0.1, "grad_norm": 0.01}, "g": {"grad_norm": 1.0}})])
    notes = {(a.source, a.target): a.notes for a in heated(drawn(MOCO), found).edges if a.kind == "gradient"}
    assert notes["f", "g"] == ("gradient norm of f: 0.01",)
    assert [said for (_, target), said in notes.items() if target == "loss"] == [("gradient norm of g: 1",)]


@pytest.mark.parametrize("method", [m for m in method_files() if m not in ("ibot", "dinov2")])
def test_coloured_drawings_have_no_fault(method: str) -> None:
    scene = drawn(method)
    assert faults(layout(heated(scene, all_measured(scene))), labels_free=True) == []


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"png"}))
def test_every_renderer_shows_the_value(format: str) -> None:
    scene = drawn(MOCO)
    assert "std 0.123" in FORMATS[format](heated(scene, all_measured(scene)))


def test_an_svg_has_coloured_bodies_and_a_scale_only_when_something_was_measured() -> None:
    scene = drawn(MOCO)
    plain, hot = svg(scene), svg(heated(scene, all_measured(scene)))
    assert ".hot" not in plain and not parts(plain, "g", "hot")
    assert len(parts(hot, "g", "hot")) == len(scene.boxes)
    assert f"fill: {colour(0.1235)}" in hot and "feature std at step 100000, 0 to 1" in hot


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "method.yaml").write_text(MOCO)
    write(folder / "metrics.jsonl", line(1, f={"std": 0.5}), line(9, f={"std": 0.25}))
    return folder


def test_viz_draws_the_methods_of_runs_in_their_colours(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.svg"
    assert main(["viz", "--run", str(run), "-o", str(out)]) == 0
    assert "std 0.25" in out.read_text()
    assert main(["viz", str(run / "method.yaml"), "--run", str(run), "--step", "5", "-o", str(out)]) == 0
    assert "std 0.5" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["byol", "--run", "RUN"], "a run of another graph: `ft` is only in byol and `fk` only in the run"),
        (["--run", "nowhere"], "`nowhere` is no run folder"),
        (["--run", "RUN", "--measure", "stdd"], "no measure `stdd`; it has std"),
        (["--run", "RUN", "--step", "0"], "the first measured step is 1"),
        ([], "name a METHOD to draw"),
        (["byol", "--step", "3"], "--measure and --step choose from what a run measured"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], message: str, run: Path, tmp_path: Path, capsys: Any) -> None:
    words = [word.replace("RUN", str(run)) for word in words]
    assert main(["viz", *words, "-o", str(tmp_path / "x.svg")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "x.svg").exists()


def test_a_run_that_measured_nothing_says_so(run: Path, tmp_path: Path, capsys: Any) -> None:
    write(run / "metrics.jsonl", {"step": 1, "loss": 2.0})
    assert main(["viz", "--run", str(run), "-o", str(tmp_path / "x.svg")]) == 2
    assert "has no measurements of nodes" in capsys.readouterr().err
    (run / "metrics.jsonl").unlink()
    assert main(["viz", "--run", str(run), "-o", str(tmp_path / "x.svg")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_a_run_is_drawn_without_torch(run: Path, tmp_path: Path, without_torch: Any) -> None:
    words = ["viz", "--run", str(run), "-o", str(tmp_path / "x.svg")]
    without_torch("import sys; from graphssl.cli import main; assert main(sys.argv[1:]) == 0", *words)
