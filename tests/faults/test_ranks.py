"""One process of several fails: the others say so and end; a signal to one stops all of them after the same step."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.faults.commands import TINY, ended, start_ranks

SCRIPT = str(Path(__file__).with_name("failing_rank.py"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "codes", "message"),
    [
        ("raises", (3, 3), "process 1 of 2 failed: the disk of this machine is full"),
        ("killed", (3, -9), "the connection to another process broke: it was killed"),
        ("stopped", (3, None), "process 1 of 2 failed: no sign of life for 30 s: it was killed"),
    ],
)
def test_the_others_end_with_a_message(kind: str, codes: tuple[int, int | None], message: str, tmp_path: Path) -> None:
    first, second = start_ranks(2, [SCRIPT, kind, *TINY, "--steps", "6", "--out", str(tmp_path / "run")])
    try:
        code, messages = ended(first)
        assert code == codes[0], messages
        assert message in messages and "Traceback" not in messages
        if codes[1] is not None:
            code, messages = ended(second)
            assert code == codes[1] and "Traceback" not in messages
            assert kind != "raises" or "error: the disk of this machine is full; there is no checkpoint yet" in messages
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_a_signal_to_one_rank_stops_all_after_the_same_step(tmp_path: Path) -> None:
    out = tmp_path / "run"
    ranks = start_ranks(2, [SCRIPT, "none", *TINY, "--steps", "500", "--out", str(out)])
    while not (out / "metrics.jsonl").exists():
        assert all(rank.poll() is None for rank in ranks)
        time.sleep(0.2)
    ranks[1].send_signal(signal.SIGUSR1)
    ends = [ended(rank) for rank in ranks]
    assert [code for code, _ in ends] == [138, 138]
    step = len((out / "metrics.jsonl").read_text().splitlines())
    assert f"stopped by SIGUSR1 after step {step}; continue" in ends[0][1]
    (saved,) = (out / "checkpoints").iterdir()
    assert json.loads((saved / "state.json").read_text())["step"] == step
