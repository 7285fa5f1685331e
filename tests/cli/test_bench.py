"""`graphssl bench` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import toy_overrides

SET = [word for path, value in toy_overrides("simclr").items() for word in ("--set", f"{path}={json.dumps(value)}")]
TOY = ("bench", "simclr@quick", "--data", "shapes:32,64", "--steps", "1", "--device", "cpu", *SET)


pytestmark = pytest.mark.usefixtures("short_bench")


def test_the_table_the_sentence_and_the_drawing(run: Run, tmp_path: Path) -> None:
    code, out, err = run(*TOY, "-o", str(tmp_path / "step.svg"))
    assert code == 0 and "wrote" in err
    words = [line.split()[0] for line in out.splitlines() if line]
    assert {"f", "g", "loss", "(data)", "(optimizer)", "(rest)", "speed", "data", "memory", "FLOPs", "limit"} <= {
        *words
    }
    drawn = (tmp_path / "step.svg").read_text()
    assert "step time 0." in drawn and "share of the step's time" in drawn.replace("&#x27;", "'")


def test_json_is_one_document_whose_shares_are_one(run: Run) -> None:
    code, out, _ = run(*TOY, "--format", "json")
    found = json.loads(out)
    assert code == 0 and found["limit"] and found["images_per_s"] > 0
    assert sum(found["shares"].values()) + sum(node["share"] for node in found["nodes"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "nowhere"], "`nowhere` does not exist"),
        (["--data", "shapes:32,64", "--steps", "0"], "--steps expects at least 1, got 0"),
        (["--data", "shapes:32,64", "-o", "step.gif"], "there is no drawing as `.gif`"),
        (["--data", "shapes:32,64", "--device", "tpu"], "--device expects cpu, cuda or mps, got `tpu`"),
        (["--data", "shapes:32,10"], "16"),
    ],
)
def test_a_mistake_is_one_line(run: Run, words: list[str], said: str) -> None:
    code, out, err = run("bench", "simclr@quick", *SET, *words)
    assert code == 2 and not out
    assert err.count("\n") == 1 and err.startswith("graphssl: error: ") and said in err, err
