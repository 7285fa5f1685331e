"""Pages in a real browser: each test opens one, and fails when it complains, asks for anything, or shows a dialog."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A running Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


class Opened:
    """A page in the browser, with short words for what tests do and look at. faults: what it must not do."""

    def __init__(self, page: Any, address: str):
        self.page, self.address = page, address
        self.faults: list[str] = []
        page.on("console", lambda m: self.faults.append(f"console: {m.text}") if m.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda r: self.faults.append(f"request: {r.url}") if self.foreign(r.url) else 0)
        page.on("dialog", self.refuse)

    def foreign(self, url: str) -> bool:
        return url.partition("#")[0] != self.address and not url.startswith(("data:", "blob:"))

    def refuse(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, hash: str = "") -> Opened:
        self.page.goto(self.address + hash)
        return self

    def node(self, name: str) -> Any:
        return self.page.locator(f'g.node[data-node="{name}"]')

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def having(self, *classes: str) -> set[str]:
        """Names of nodes with all these classes."""
        found = self.page.locator("g.node" + "".join(f".{name}" for name in classes))
        return set(found.evaluate_all("nodes => nodes.map(node => node.dataset.node)"))

    def edges(self, kind: str) -> set[tuple[str, str]]:
        """Ends of the edges with a class, of the strokes that carry one edge."""
        found = self.page.locator(f"g[data-edges].{kind} > title").all_text_contents()
        return {tuple(text.partition(":")[0].split(" → ")) for text in found if "\n" not in text}  # type: ignore[misc]

    def focused(self) -> str | None:
        return self.page.evaluate("document.activeElement.dataset.node ?? null")

    def text(self, selector: str = "#panel") -> str:
        return self.page.locator(selector).inner_text()

    def box(self, selector: str) -> dict[str, float]:
        return self.page.locator(selector).bounding_box()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """`opened(text)` shows a page; at the end of the test every page must have kept quiet."""
    pages: list[Opened] = []

    def show(text: str, hash: str = "", width: int = 1280, height: int = 800, **more: Any) -> Opened:
        file = tmp_path / f"{len(pages)}.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", accept_downloads=True, **more
        )
        page = Opened(context.new_page(), file.as_uri())
        pages.append(page)
        return page.go(hash)

    yield show
    for page in pages:
        page.page.wait_for_timeout(50)
        assert page.faults == []
        page.page.context.close()
