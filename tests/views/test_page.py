"""The HTML page as a text: what is in it, that it needs nothing else, and that it is always the same."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from small_methods import BLOCKS, BROKEN, MOCO
from test_renderers import HOSTILE, hostile

import graphssl
from graphssl.views.measures import Measure, Measures
from graphssl.views.page import Sheet, html, sheet, sheets
from graphssl.views.run import gathered
from graphssl.views.scene import TOTAL


def one(text: str) -> Sheet:
    found = sheet(graphssl.load(text))
    assert found is not None
    return found


def payload(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the texts of its scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        self.inside = (tag, attributes) == ("script", [])

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts.append(data)


def test_there_is_a_sheet_for_the_method_and_each_variant() -> None:
    found = sheets(graphssl.load("byol"))
    assert [each.name for each in found[:3]] == ["byol", "@ep300", "@ep100"] and "@quick" in {s.name for s in found}
    assert not any(each.findings for each in found)
    asked = [each.name for each in sheets(graphssl.load("byol@quick"))]
    assert asked[:2] == ["byol@quick", "byol"] and "@quick" not in asked and "@cifar10" in asked
    assert [each.name for each in sheets(graphssl.load(MOCO))] == ["moco"]


def test_variants_have_the_overrides_of_the_method() -> None:
    found = sheets(graphssl.load("byol", {"nodes.f.arch": "resnet18"}))
    arches = {dict(each.scene.box("f").attributes)["arch"] for each in found}
    assert arches == {"resnet18"}


def test_a_variant_with_errors_is_a_sheet_with_findings(tmp_path: Path) -> None:
    variants = "variants:\n  wrong: {nodes: {g: {in: nowhere}}}\n  gone: {extends: gone}\n"
    (tmp_path / "mine.yaml").write_text(MOCO + variants)
    found = {each.name: each.findings for each in sheets(graphssl.load(str(tmp_path / "mine.yaml")))}
    assert found["@wrong"] and "error[" in found["@wrong"][0]
    assert next(iter(found.values())) == () and "@gone" not in found


def test_a_detail_tells_lines_with_places_ports_and_attributes() -> None:
    found = one("byol@quick").details["q"]
    assert found.yaml[0] == ("q:", next(place for text, place in found.yaml if text == "  op: predictor"))
    assert dict(found.yaml)["  dims: [512, 64]"].startswith("graphs/byol.yaml:")
    assert [(port.name, port.shape) for port in found.inputs] == [("features", "2 × features[b 64]")]
    assert found.outputs[0].flags == ("gradient",) and found.outputs[0].doc == "predictions"
    attributes = {each.name: each for each in found.attributes}
    assert attributes["last_bias"].value == "no" and attributes["last_bias"].default == "yes"
    assert attributes["last_bias"].place and not attributes["act"].place
    assert attributes["dims"].default == "required" and attributes["dims"].doc
    assert found.doc.startswith("MLP on the online side") and "\n\n" in found.doc


def test_a_link_has_ports_and_documentation_of_the_module_it_links_to() -> None:
    found = one("byol").details["ft"]
    assert [port.name for port in found.inputs] == ["image"] and found.inputs[0].doc
    assert all(each.doc for each in found.attributes)


@pytest.mark.parametrize("text", [BROKEN, "graphssl: 1\nname: x\nnodes: {}\n"], ids=["broken", "empty"])
def test_what_is_not_understood_is_shown_as_far_as_it_goes(text: str) -> None:
    page = html("x", [one(text)])
    assert payload(page)["sheets"][0]["findings"]


def test_what_sheets_share_stands_once() -> None:
    found = one("byol")
    page, twice = html("x", [found]), html("x", [found, replace(found, name="again")])
    assert twice.count("<svg ") == page.count("<svg ") == 1
    assert len(twice) - len(page) < 1500
    data = payload(twice)
    assert data["sheets"][0]["drawings"] == data["sheets"][1]["drawings"]


def test_there_is_a_drawing_for_each_choice_of_blocks() -> None:
    sheet = payload(graphssl.draw(BLOCKS, ["t"]).as_("html"))["sheets"][0]
    assert sheet["groups"] == ["h", "t", "loss"] and sheet["folded"] == ["t"]
    assert [drawing["folded"] for drawing in sheet["drawings"]][:3] == [[], ["h"], ["t"]]
    data = payload(graphssl.draw(BLOCKS).as_("html"))
    all_folded = [data["boxes"][i] for i in data["sheets"][0]["drawings"][-1]["boxes"]]
    assert [box["name"] for box in all_folded if box["loss"]] == ["loss"]


def test_edges_know_the_node_they_come_from_and_the_sheet_whose_gradient_that_is() -> None:
    measures = gathered([(1, {name: {"grad_norm": 1.0} for name in ("f", "h/first", "h/last")})])
    data = payload(graphssl.draw(BLOCKS, measures=measures).as_("html"))
    sheet = data["sheets"][0]
    assert sheet["receivers"] == {name: name for name in ("f", "h/first", "h/last")} | {
        "loss/near": "h/last", "loss/far": "h/last", TOTAL: "h/last",
    }  # fmt: skip
    for drawing in sheet["drawings"]:
        edges = [data["edges"][i] for i in drawing["edges"]]
        into_losses = [edge for edge in edges if edge["kind"] == "gradient" and edge["target"].startswith("loss")]
        assert {edge["origin"] for edge in into_losses} == {"h/last"}


def test_a_page_asks_for_nothing_and_runs_nothing_but_its_own_script() -> None:
    page = graphssl.draw("byol").as_("html")
    elements = Elements(page)
    assert not [name for name, _ in elements.found if name in ("img", "iframe", "object", "embed")]
    for _, attributes in elements.found:
        assert not attributes.get("src") and (attributes.get("href") or "data:,") == "data:,"
        assert not [key for key in attributes if key.startswith("on")]
    policy = next(a["content"] for _, a in elements.found if a.get("http-equiv") == "Content-Security-Policy") or ""
    digest = base64.b64encode(hashlib.sha256("".join(elements.scripts).encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}';" in policy
    assert "connect-src" not in policy and "http" not in policy
    assert "innerHTML" not in page and "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_text_of_others_cannot_leave_its_place() -> None:
    found = one(hostile())
    evil = replace(found, name=HOSTILE, findings=(HOSTILE,))
    page = html("</title><script>alert(1)</script>{{payload}}", [evil])
    assert [name for name, _ in Elements(page).found].count("script") == 2
    assert "<script>alert" not in page and "\u202e" not in page and page.count('id="payload"') == 1
    data = payload(page)
    assert data["sheets"][0]["title"] == HOSTILE.replace("\u202e", "\ufffd") == data["sheets"][0]["findings"][0]


def test_numbers_that_are_none_are_null() -> None:
    measure = Measure("rank", "rank", "", "", 0.0, 1.0, "", {"f": (float("nan"), float("inf"), 0.5)})
    found = replace(one(MOCO), measures=Measures((0, 1, 2), (measure,)))
    given = payload(html("x", [found]))["sheets"][0]["measures"]
    assert given["measures"][0]["values"] == {"f": [None, None, 0.5]} and given["steps"] == [0, 1, 2]


def test_a_page_is_the_same_for_any_hash_seed_and_never_imports_torch(without_torch: Any) -> None:
    code = (
        "import sys, hashlib, graphssl\n"
        "text = ''.join(graphssl.draw(name).as_('html') for name in sys.argv[1:])\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    assert len({without_torch(code, "byol", BLOCKS, hash_seed=seed) for seed in (1, 2)}) == 1


def test_a_page_of_byol_with_its_variants_stays_small() -> None:
    assert len(graphssl.draw("byol").as_("html").encode()) < 400_000
