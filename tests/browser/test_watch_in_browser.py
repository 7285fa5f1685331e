"""The page of `graphssl watch` in a real browser, beside a run folder that changes."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graphssl
from graphssl.watch.events import Pace
from graphssl.watch.folder import RunFiles
from graphssl.watch.server import WatchServer

pytestmark = pytest.mark.browser


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "method.yaml").write_text(graphssl.load("byol@demo", {"title": "<img src=x onerror=alert(1)>"}).text())
    for step in (1, 2):
        log(folder, step)
    return folder


@pytest.fixture
def server(run: Path) -> Iterator[WatchServer]:
    server = WatchServer(RunFiles(run.resolve()), 0, Pace(look_s=0.02))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.close()
    thread.join(10)


@pytest.fixture
def page(browser: Any, server: WatchServer) -> Iterator[Any]:
    """The page; it must ask only its own server and never complain."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, faults = context.new_page(), []
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else 0)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda r: faults.append(r.url) if not r.url.startswith(server.url.partition("?")[0]) else 0)
    page.goto(server.url)
    yield page
    assert faults == []
    context.close()


def log(run: Path, step: int) -> None:
    nodes = {"f": {"std": 0.1 * step, "grad_norm": 1.0}, "ft": {"ema_distance": 0.5}, "<b>hostile</b>": {"std": 1.0}}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, "loss": 4.0 / step, "nodes": nodes}) + "\n")


def waits(page: Any, expression: str) -> None:
    """Until the expression is true; the page's policy forbids to do this inside of it."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(30)
    raise AssertionError(expression)


def test_a_step_appears_in_curves_and_graph_as_it_is_logged(page: Any, run: Path) -> None:
    waits(page, "document.querySelector('#now').textContent.includes('step2')")
    chip = page.locator('#graph [data-node="f"] .value text')
    assert chip.text_content() == "0.2"
    before = page.locator('#graph [data-node="f"] .body').first.get_attribute("style")
    log(run, 7)
    waits(page, "document.querySelector('#now').textContent.includes('step7')")
    assert chip.text_content() == "0.7"
    assert page.locator('#graph [data-node="f"] .body').first.get_attribute("style") != before
    assert page.locator('[data-panel="curve:loss"] h3 b').text_content() == "0.5714"
    page.locator("#step").fill("0")
    waits(page, "document.querySelector('#step-value').textContent === '1'")
    assert chip.text_content() == "0.1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_values_can_be_read_in_light_and_dark(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    drawn = "[...document.querySelectorAll('#graph [data-node=\"f\"] .value > *')]"
    waits(page, f"{drawn}.length > 1 && {drawn}.every(e => getComputedStyle(e).fill.startsWith('rgb'))")
    text, ground = (
        page.locator('#graph [data-node="f"] .value').locator(part).evaluate("e => getComputedStyle(e).fill")
        for part in ("text", "rect")
    )
    lightness = [sum(map(float, colour.strip("rgb()").split(","))) / 765 for colour in (text, ground)]
    assert abs(lightness[0] - lightness[1]) > 0.5


def test_the_end_of_a_run_and_of_its_folder_are_told(page: Any, run: Path, browser: Any, server: WatchServer) -> None:
    waits(page, "document.querySelector('#status').textContent === 'running'")
    second = browser.new_page()
    second.goto(server.url)
    waits(second, "document.querySelector('#status').textContent === 'running'")
    (run / "summary.json").write_text('{"steps": 2}')
    for each in (page, second):
        waits(each, "document.querySelector('#status').textContent === 'finished'")
    second.close()
    shutil.rmtree(run)
    waits(page, "document.querySelector('#status').textContent === 'folder is gone'")


def test_names_of_others_stay_text(page: Any) -> None:
    waits(page, "document.querySelector('#nodes b')")
    assert page.locator("h1").text_content() == "<img src=x onerror=alert(1)>"
    assert "<b>hostile</b>" in page.locator("#nodes").inner_text()
    assert page.locator("img").count() == 0


def test_what_is_wrong_stands_on_top_as_text(page: Any, run: Path) -> None:
    assert page.locator("#diagnosis").is_hidden()
    found = {"code": "collapsed", "node": "g", "message": "<b>g</b> is constant", "help": "add a predictor"}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 3, "loss": 1.0, "diagnosis": [found]}) + "\n")
    page.wait_for_selector("#diagnosis li")
    assert page.locator("#diagnosis").inner_text().split("\n")[0] == "collapsed at step 3 <b>g</b> is constant"
    assert "add a predictor" in page.locator("#diagnosis").inner_text()
