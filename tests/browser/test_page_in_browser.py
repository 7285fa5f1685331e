"""The HTML page of a method, in Chromium from `file://`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import graphssl
from graphssl.views.measures import Measure, Measures
from graphssl.views.page import Sheet, html, sheet, sheets
from graphssl.views.run import gathered
from tests.views.small_methods import HEAD

pytestmark = pytest.mark.browser
Open = Callable[..., Any]

BLOCKS = """
graphssl: 1
name: blocks
HEAD
nodes:
  v: {op: augment, steps: {flip: {p: 0.5}}, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
  h: {block: head, in: f}
  ft: {op: ema, of: f, in: v, momentum: 0.99}
  ht: {op: ema, of: h/first, in: ft, momentum: 0.99}
  loss: {op: cosine_loss, in: {prediction: h, target: ht}}
represent: f
""".replace("HEAD\n", HEAD)

EVIL = "</script><img src=x onerror=alert(1)><script>alert(2)</script> & \u2028 \u202e {{payload}}"


@cache
def byol() -> str:
    return graphssl.draw("byol").as_("html")


def one(method: str = "byol", **more: Any) -> Sheet:
    found = sheet(graphssl.load(method))
    assert found is not None
    return replace(found, **more)


def rank(*values: float | None) -> Measures:
    series = {"f": values, "g": tuple(reversed(values))}
    measure = Measure("rank", "effective rank", "", "1 is collapse", 0.0, 10.0, "high", series)
    return Measures(tuple(range(0, 100 * len(values), 100)), (measure,))


def body(page: Any, name: str) -> str:
    return str(page.node(name).locator(".body").first.evaluate("body => getComputedStyle(body).fill"))


def test_hover_lights_ancestors_and_the_gradient_path(opened: Open) -> None:
    page = opened(byol())
    assert page.having("lit") == set() == page.having("path")
    page.node("q").hover()
    assert page.having("here") == {"q"}
    assert page.having("lit") == {"g", "f", "v1", "v2"}
    assert page.having("path") == {"q", "loss", "total loss"}
    assert page.edges("path") == {("q", "loss"), ("loss", "total loss")}
    assert {("f", "g"), ("g", "q")} <= page.edges("lit")
    opacity = {
        name: float(page.node(name).evaluate("n => getComputedStyle(n).opacity")) for name in ("gt", "g", "loss")
    }
    assert opacity["g"] == opacity["loss"] == 1 and opacity["gt"] < 0.5
    page.node("gt").hover()
    assert page.having("lit") == {"ft", "g", "f", "v1", "v2"} and page.having("path") == set()
    assert "no gradient reaches it" in page.text("#status")
    page.node("loss").hover()
    assert page.having("path") == {"f", "g", "q", "loss", "total loss"}
    page.page.mouse.move(5, 400)
    assert page.having("lit") == set()


def test_gradient_reaches_shared_weights_through_every_call(opened: Open) -> None:
    page = opened(html("ibot", [one("ibot")]))
    page.node("h").hover()
    assert page.having("path") == {"h", "hp", "loss", "patch_loss", "total loss"}
    assert ("h", "hp") not in page.edges("path") and ("hp", "patch_loss") in page.edges("path")


def test_click_opens_yaml_lines_docs_shapes_attributes_and_neighbours(opened: Open) -> None:
    page = opened(byol())
    assert not page.page.locator("#panel").is_visible()
    page.node("q").click()
    text = page.text()
    assert "dims: [4096, 256]" in text and "op: predictor" in text
    line = next(i for i, row in enumerate(Path("graphs/byol.yaml").read_text().splitlines(), 1) if "  q: {op" in row)
    assert page.text("#panel .yaml tr:first-child th") == str(line)
    assert "2 × features[b 256]" in text and "predicts the target's projection" in text
    assert "Width of each layer" in text
    page.page.locator("#panel .edges button", has_text="loss").click()
    assert page.text("#panel h2") == "loss" and page.focused() == "loss"
    page.page.locator(".close").click()
    assert not page.page.locator("#panel").is_visible()


def test_search_finds_names_ops_and_attributes(opened: Open) -> None:
    page = opened(byol())
    page.press("/")
    page.page.keyboard.type("ema")
    assert {"ft", "gt"} <= page.having("match")
    page.page.fill("#search", "resnet50")
    assert {"f"} <= page.having("match") and "q" not in page.having("match")
    page.page.fill("#search", "projector 4096")
    assert page.having("match") == {"g"}
    page.page.fill("#search", "4096")
    assert page.having("hit") == {"g"} and page.text("#matches") == "1/2"
    page.press("Enter")
    assert page.text("#panel h2") == "g"
    page.press("Enter")
    assert page.text("#panel h2") == "q" and page.having("hit") == {"q"} and page.text("#matches") == "2/2"
    page.press("Shift+Enter")
    assert page.having("hit") == {"g"}
    page.page.fill("#search", "nothing like it")
    assert page.text("#matches") == "none"
    page.press("Escape")
    assert page.page.input_value("#search") == "" and page.having("match") == set()


def test_everything_works_with_the_keyboard_alone(opened: Open) -> None:
    page = opened(byol())
    for _ in range(30):
        page.press("Tab")
        if page.focused():
            break
    assert page.focused() == "v1"
    outline = page.node("v1").evaluate("n => getComputedStyle(n).outlineStyle")
    assert outline == "solid" and page.having("here") == {"v1"}
    page.press("ArrowRight")
    assert page.focused() == "f"
    page.press("ArrowRight", "ArrowRight")
    assert page.focused() == "q" and "loss" in page.having("path")
    page.press("ArrowLeft", "ArrowDown")
    assert page.focused() == "gt"
    page.press("Enter")
    assert page.text("#panel h2") == "gt" and page.focused() == "gt"
    page.press("Enter")
    assert page.page.evaluate("document.activeElement.id") == "panel"
    page.press("Tab", "Tab")
    assert page.page.evaluate("document.activeElement.closest('#panel') !== null")
    page.press("Escape")
    assert not page.page.locator("#panel").is_visible() and page.focused() == "gt"
    page.press("?")
    assert page.page.locator("#keys").is_visible()
    page.press("Escape")
    assert not page.page.locator("#keys").is_visible()


def test_zoom_pan_and_fit(opened: Open) -> None:
    page = opened(byol())
    seen = lambda: [float(n) for n in page.page.locator("#stage svg").get_attribute("viewBox").split()]  # noqa: E731
    whole = seen()
    at = page.box('g.node[data-node="q"]')
    page.page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.page.mouse.wheel(0, -400)
    page.page.wait_for_function(f"document.querySelector('#stage svg').viewBox.baseVal.width < {whole[2] * 0.8}")
    now = page.box('g.node[data-node="q"]')
    assert now["width"] > 1.2 * at["width"]
    assert abs(now["x"] + now["width"] / 2 - at["x"] - at["width"] / 2) < 3  # the node stays under the pointer
    page.page.mouse.move(300, 700)
    page.page.mouse.down()
    page.page.mouse.move(400, 650, steps=4)
    page.page.mouse.up()
    moved = page.box('g.node[data-node="q"]')
    assert abs(moved["x"] - now["x"] - 100) < 8 and abs(moved["y"] - now["y"] + 50) < 8
    assert not page.page.locator("#panel").is_visible()  # a drag is no click
    page.press("f")
    assert seen() == pytest.approx(whole)
    page.press("+")
    assert seen()[2] < whole[2]
    page.press("-", "-")
    assert seen()[2] > whole[2]


def test_two_fingers_zoom_and_a_tap_opens(opened: Open) -> None:
    page = opened(byol(), width=380, height=740, has_touch=True)
    touch = page.page.context.new_cdp_session(page.page)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        where = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    before = page.box('g.node[data-node="f"]')
    fingers("touchStart", (150, 400), (230, 400))
    for spread in (10, 20, 30, 40):
        fingers("touchMove", (150 - spread, 400), (230 + spread, 400))
    fingers("touchEnd")
    after = page.box('g.node[data-node="f"]')
    assert after["width"] == pytest.approx(2 * before["width"], rel=0.1)
    assert not page.page.locator("#panel").is_visible()
    page.press("f")
    page.node("q").tap()
    assert page.text("#panel h2") == "q" and "g" in page.having("lit")


def test_a_block_collapses_and_expands(opened: Open) -> None:
    page = opened(graphssl.draw(BLOCKS).as_("html"))
    assert page.node("h/first").count() == 1 and page.node("h").count() == 0
    page.node("h/first").dblclick()
    assert page.node("h").count() == 1 and page.node("h/first").count() == page.node("h/last").count() == 0
    assert "block of 2 nodes" in page.text()
    page.node("h").hover()
    assert page.having("lit") == {"f", "v"} and page.having("path") == {"h", "loss"}
    page.page.locator("#panel .action").click()
    assert page.node("h/last").count() == 1
    page.node("h/last").focus()
    page.press("c")
    assert page.node("h").count() == 1 and page.focused() == "h"
    page.press("Enter")
    assert page.node("h").count() == 0 and page.focused() == "h/first"
    page.page.locator("#blocks-field summary").click()
    page.page.locator("#blocks input").check()
    assert page.node("h").count() == 1
    page.page.fill("#search", "predictor")
    assert page.having("match") == {"h"}  # found inside
    page.page.fill("#search", "")


def test_a_page_opens_with_the_blocks_collapsed_that_were_asked_for(opened: Open) -> None:
    page = opened(graphssl.draw(BLOCKS, ["h"]).as_("html"))
    assert page.node("h").count() == 1
    page.node("h").dblclick()
    assert page.node("h/first").count() == 1


def test_the_switch_shows_variants_and_the_address_restores_them(opened: Open) -> None:
    page = opened(byol())
    names = page.page.locator("#sheet option").evaluate_all("all => all.map(each => each.value)")
    assert names[0] == "byol" and {"@quick", "@cifar10", "@no_predictor"} <= set(names)
    page.node("q").click()
    page.page.select_option("#sheet", "@no_predictor")
    assert "op: identity" in page.text() and page.page.url.endswith("#%40no_predictor/q")
    page.page.select_option("#sheet", "@negatives")
    assert page.node("negatives").count() == 1
    again = opened(byol(), "#%40cifar10/f")
    assert "resnet18" in again.text() and again.page.input_value("#sheet") == "@cifar10"
    inside = opened(graphssl.draw(BLOCKS, ["h"]).as_("html"), "#blocks/h%2Flast")
    assert inside.text("#panel h2") == "h"  # the block that hides it
    unknown = opened(byol(), "#nothing/%ff")
    assert unknown.page.input_value("#sheet") == "byol"


def test_a_variant_with_errors_is_shown_with_its_findings(opened: Open) -> None:
    wrong = replace(one(), name="@wrong", findings=("mine.yaml:3: error[width-mismatch]: too wide",))
    page = opened(html("byol", [one(), wrong]))
    assert not page.page.locator("#findings").is_visible()
    page.page.select_option("#sheet", "@wrong")
    assert "width-mismatch" in page.text("#findings")


def test_a_slider_colours_nodes_by_measurement(opened: Open) -> None:
    page = opened(html("byol", [one(measures=rank(1.0, 5.0, None, 9.5))]))
    assert page.text("#step-text") == "step 300"
    high = body(page, "f")
    plain = body(page, "q")
    assert page.node("f").locator(".value").text_content() == "9.5"
    page.page.locator("#step").focus()
    page.press("ArrowLeft")
    assert page.node("f").locator(".value").count() == 0 and "hot" not in page.node("f").get_attribute("class")
    page.press("Home")
    assert page.text("#step-text") == "step 0"
    assert body(page, "f") != high and body(page, "g") == high and body(page, "q") == plain
    assert page.node("f").locator(".value").text_content() == "1"
    page.node("f").click()
    assert "effective rank" in page.text().lower() and "\t1" in page.text("#panel section:has(h3:text-is('Measured'))")


@pytest.mark.parametrize("folded", [(), ("h",)], ids=["expanded", "collapsed"])
def test_edges_are_as_wide_as_in_the_picture_of_the_run(opened: Open, folded: tuple[str, ...]) -> None:
    steps = [(1, {"f": 0.1, "h/first": 1.0, "h/last": 100.0}), (2, {"f": 10.0, "h/first": 0.1, "h/last": 0.1})]
    measures = gathered((step, {name: {"grad_norm": norm} for name, norm in norms.items()}) for step, norms in steps)
    page = opened(graphssl.draw(BLOCKS, folded, measures=measures).as_("html"))
    for key, step in (("End", 2), ("Home", 1)):
        page.page.locator("#step").focus()
        page.press(key)
        drawn = graphssl.draw(BLOCKS, folded, measures=measures, measure="grad_norm", step=step)
        expected = widths_of_the_picture(drawn.as_("svg"))
        assert len(set(expected.values())) > 1
        assert widths(page) == pytest.approx(expected, abs=0.051)  # the file has one digit
    assert "thicker" in page.text("#measure-doc")


def widths(page: Any) -> dict[str, float]:
    """The width of each edge that carries gradient, by its ends."""
    found = page.page.locator("g[data-edges]:has(.edge.gradient)").evaluate_all(
        "all => all.map(g => [g.querySelector('title').textContent, getComputedStyle(g.querySelector('.edge')).strokeWidth])"
    )
    return {title.partition(":")[0]: float(width.removesuffix("px")) for title, width in found}


def widths_of_the_picture(text: str) -> dict[str, float]:
    tag = "{http://www.w3.org/2000/svg}"
    strokes = [group for group in ElementTree.fromstring(text).iter(f"{tag}g") if group.get("data-edges")]
    lines = {
        str(g.findtext(f"{tag}title")).partition(":")[0]: g.find(f"{tag}path[@class='edge gradient']") for g in strokes
    }
    styles = {ends: line.get("style", "") for ends, line in lines.items() if line is not None}
    return {ends: float(style.removeprefix("stroke-width: ")) for ends, style in styles.items()}


def test_script_of_others_does_not_run(opened: Open) -> None:
    page = opened(html("byol", [one()]))
    assert not page.page.locator("#measures").is_visible()
    page.page.evaluate(
        "() => document.body.append(Object.assign(document.createElement('script'), {text: 'window.x = 1'}))"
    )
    assert page.page.evaluate("window.x") is None
    assert any("Content Security Policy" in fault for fault in page.faults)
    page.faults.clear()


def test_the_drawing_is_downloaded_as_an_svg_that_stands_alone(opened: Open) -> None:
    page = opened(byol())
    page.node("q").click()
    with page.page.expect_download() as found:
        page.page.locator("#download").click()
    assert found.value.suggested_filename == "byol_byol.svg"
    text = Path(found.value.path()).read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    names = [
        node.get("data-node") for node in root.iter("{http://www.w3.org/2000/svg}g") if node.get("class") == "node"
    ]
    assert "q" in names and "tabindex" not in text and "prefers-color-scheme" in text


def test_hostile_text_is_only_ever_text(opened: Open) -> None:
    method = (
        f"graphssl: 1\nname: evil\ntitle: {json.dumps(EVIL)}\npaper: {json.dumps(EVIL)}\n" + BLOCKS.split("\n", 3)[3]
    )
    method = method.replace("arch: resnet18", f"arch: {json.dumps(EVIL)}")
    found = sheet(graphssl.load(method), EVIL)
    assert found is not None
    details = {name: replace(detail, doc=EVIL, yaml=((EVIL, f"{EVIL}:3"),)) for name, detail in found.details.items()}
    boxes = tuple(replace(box, mark="changed", notes=(EVIL,)) for box in found.scene.boxes)
    evil = replace(found, details=details, findings=(EVIL,), scene=replace(found.scene, boxes=boxes))
    page = opened(html(EVIL, [evil, one()]))
    assert page.page.locator("img").count() == 0
    page.node("f").click()
    assert page.text().count("<img src=x onerror=alert(1)>") >= 3
    assert "<script>alert(2)" in page.text("#findings") and "{{payload}}" in page.text("#title")
    assert "\u202e" not in page.page.content()
    page.page.select_option("#sheet", "byol")
    assert page.page.locator("img").count() == 0 and page.page.locator("script").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_until_chosen(opened: Open, scheme: str) -> None:
    page = opened(byol(), color_scheme=scheme)
    ground = lambda: page.page.evaluate("getComputedStyle(document.getElementById('stage')).backgroundColor")  # noqa: E731
    ink = lambda: page.node("f").locator(".name").evaluate("text => getComputedStyle(text).fill")  # noqa: E731
    before = ground(), ink()
    assert (before[0] == "rgb(255, 255, 255)") is (scheme == "light")
    page.page.locator("#theme").click()
    assert ground() != before[0] and ink() != before[1]
    page.page.locator("#theme").click()
    assert (ground(), ink()) == before


def test_it_works_on_a_narrow_screen(opened: Open) -> None:
    page = opened(byol(), width=380, height=740)
    assert page.page.evaluate("document.documentElement.scrollWidth") == 380
    for control in ("#sheet", "#search", "#zoom-fit", "#download"):
        box = page.box(control)
        assert box["x"] >= 0 and box["x"] + box["width"] <= 380
    page.node("f").click()
    panel = page.box("#panel")
    assert panel["width"] == 380 and panel["y"] > page.box("#stage")["y"] + 100
    assert page.page.evaluate("document.documentElement.scrollWidth") == 380
    page.press("f")
    assert page.box('g.node[data-node="total loss"]')["x"] < 380


def test_it_prints_the_whole_drawing_with_its_title(opened: Open) -> None:
    page = opened(byol(), width=380, height=740)
    page.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.page.emulate_media(media="print")
    page.page.wait_for_timeout(50)
    assert page.page.locator(".graphssl .title").is_visible() and not page.page.locator("#search").is_visible()
    width = page.page.locator("#stage svg").evaluate("svg => svg.viewBox.baseVal.width")
    assert page.page.locator("#stage svg .ground").evaluate("ground => ground.getBBox().width") == width


def test_the_largest_methods_open_without_a_fault(opened: Open) -> None:
    for method in ("ibot", "dinov2"):
        page = opened(html(method, sheets(graphssl.load(method))))
        for name in page.page.locator("#sheet option").evaluate_all("all => all.map(each => each.value)"):
            page.page.select_option("#sheet", name)
            assert page.page.locator("g.node").count() > 10


@cache
def comparison() -> str:
    return str(graphssl.diff("byol", "byol@no_predictor@negatives").drawing().as_("html"))


def test_a_comparison_toggles_between_overlaid_and_side_by_side(opened: Open) -> None:
    page = opened(comparison())
    assert page.page.locator(".pane").count() == 1 and not page.page.locator("#sheet").is_visible()
    page.page.locator("#beside").click()
    assert page.page.locator(".caption").all_text_contents() == ["before", "after"]
    page.node("q").first.hover()
    assert page.page.locator('g.node.here[data-node="q"]').count() == 2
    view = lambda: page.page.locator("#stage svg").evaluate_all("all => all.map(svg => svg.getAttribute('viewBox'))")  # noqa: E731
    page.page.mouse.wheel(0, -300)
    page.page.wait_for_timeout(50)
    assert len(view()) == 2 and len(set(view())) == 1
    assert page.page.evaluate("document.documentElement.scrollWidth") == 1280
    page.page.locator("#overlaid").click()
    assert page.page.locator(".pane").count() == 1


def test_keys_step_through_the_changes(opened: Open) -> None:
    page = opened(comparison())
    assert page.text("#change-count") == "4 changes"
    seen = []
    for _ in range(5):
        page.press("n")
        seen.append(page.text("#panel h2"))
    assert set(seen[:4]) == {"q", "keys", "negatives", "total loss"} and seen[4] == seen[0]
    while page.text("#panel h2") != "q":
        page.press("n")
    assert "predictor → identity" in page.text()
    assert "YAML BEFORE" in page.text().upper() and "op: predictor\n" in page.text() and "op: identity" in page.text()
    before = seen[seen.index("q") - 1] if seen[0] != "q" else seen[3]
    page.press("p")
    assert page.text("#panel h2") == before
