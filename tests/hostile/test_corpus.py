"""Whatever a file holds: findings or success, nothing executed, within two seconds and 500 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.corpus import FAMILIES

SECONDS = 2.0
"""CPU seconds that any one thing may take on an idle machine; a busy one shares its caches and gets three times as many."""


def test_there_are_hundreds_and_no_two_are_alike() -> None:
    cases = [case for family in FAMILIES.values() for case in family]
    texts = [(case.text, tuple(case.overrides)) for case in cases if case.file is None]
    assert len(cases) >= 300 and len(set(texts)) == len(texts)
    for family in FAMILIES.values():
        assert len({case.name for case in family}) == len(family)


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_inputs_are_refused_or_drawn_within_limits(family: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.hostile.child", family],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = {outcome["name"]: outcome for outcome in map(json.loads, ran.stdout.splitlines())}
    missing = [case.name for case in FAMILIES[family] if case.name not in found]
    assert not missing, f"the process ended at `{missing[0]}`: {ran.stderr[-2000:]}"
    wrong = [o for o in found.values() if "error" in o]
    assert not wrong, f"{len(wrong)} of {len(found)}: {wrong[:3]}"
    slow = [o for o in found.values() if o["seconds"] > 3 * SECONDS]
    assert not slow, slow
    unseen = [
        (case.name, case.code, found[case.name]["codes"])
        for case in FAMILIES[family]
        if case.code and case.code not in found[case.name]["codes"]
    ]
    assert not unseen, unseen
