"""The report of a curation in a real browser: it asks for nothing, complains about nothing, and fits narrow windows and paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.curate.told import EVIL, Told, told

pytestmark = pytest.mark.browser
Open = Callable[..., Any]

__all__ = ["told"]  # a fixture


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_it_keeps_quiet_and_fits(opened: Open, told: Told, width: int, scheme: str) -> None:
    page = opened(told("manifest"), width=width, color_scheme=scheme)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.page.evaluate("[...document.images].every((image) => image.naturalWidth > 0 && image.alt)")
    assert EVIL in page.text("#stage-pool")
    page.page.locator('a[href="#stage-unique"]').click()
    assert page.page.evaluate("document.querySelector('#stage-unique').getBoundingClientRect().top") < 50


def test_bars_have_the_colours_of_what_became_of_the_images(opened: Open, told: Told) -> None:
    page = opened(told("unique"))
    fills = {
        name: page.page.locator(f".similarities path.{name}").first.evaluate("bar => getComputedStyle(bar).fill")
        for name in ("kept", "dropped")
    }
    assert fills == {"kept": "rgb(0, 114, 178)", "dropped": "rgb(200, 16, 46)"}
    page.page.emulate_media(media="print")
    assert page.page.locator(".card").first.evaluate("card => getComputedStyle(card).breakInside") == "auto"
