"""Reports in a real browser: they ask for nothing, complain about nothing, and fit narrow windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphssl.cli import main
from graphssl.report.compare import Comparison
from graphssl.report.run import read_run
from tests.report.conftest import logged

pytestmark = pytest.mark.browser
Open = Callable[..., Any]

__all__ = ["logged"]  # a fixture


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_a_report_with_pictures_keeps_quiet_and_fits(
    opened: Open, trained: Callable[[str], Path], tmp_path: Path, width: int, scheme: str
) -> None:
    out = tmp_path / "report.html"
    assert main(["report", str(trained("dino")), "--data", "shapes:32,64", "-o", str(out)]) == 0
    page = opened(out.read_text(), width=width, color_scheme=scheme)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.page.evaluate("[...document.images].every((image) => image.hidden || image.naturalWidth > 0)")
    ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(1, 4, 9)" if scheme == "dark" else "rgb(246, 248, 250)")
    tip = page.page.locator(".tip")
    assert not tip.is_visible()
    page.page.locator(".projection circle").last.hover()
    assert tip.is_visible() and "data:image" in tip.locator("i").evaluate("i => i.style.backgroundImage")
    assert tip.inner_text() in page.text(".classes")


def test_a_hostile_run_stays_text(opened: Open, logged: Any) -> None:
    evil = "</style><img src=x onerror=alert(1)><script>alert(1)</script>"
    runs = [read_run(logged(name, overrides={"title": evil}, data=evil, last={evil: 1.0})) for name in ("a", "b")]
    from graphssl.report.page import report

    assert evil in opened(report(runs[0])).text("h1")
    assert evil in opened(Comparison(runs).page()).text("table")
