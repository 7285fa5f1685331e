"""SVG, Mermaid, DOT and JSON of a scene, and `graphssl.draw`."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resvg_py
from PIL import Image
from small_methods import BROKEN, MOCO, SIAMESE, drawn

import graphssl
from graphssl.views import FORMATS, SUFFIXES, render
from graphssl.views.dot import dot
from graphssl.views.mermaid import mermaid
from graphssl.views.palette import FONTS
from graphssl.views.png import FONT, FONT_FILES, png
from graphssl.views.svg import svg

TEXTS = sorted(set(FORMATS) - {"png"})
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>alert(1)</script>\" onload='x' & ]]> %%{init: {}}%% `b` #quot; \u202egpj.exe --> end"


def hostile() -> str:
    text = MOCO.replace("name: moco\n", f"name: moco\ntitle: {json.dumps(HOSTILE)}\npaper: {json.dumps(HOSTILE)}\n")
    return text.replace("arch: resnet18", f"arch: {json.dumps(HOSTILE)}")


def parts(text: str, tag: str, name: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(text).iter(SVG + tag) if name in e.get("class", "").split()]


def test_an_svg_shows_every_node_with_a_title() -> None:
    scene = drawn("byol")
    text = svg(scene)
    nodes = parts(text, "g", "node")
    assert [node.get("data-node") for node in nodes] == [box.name for box in scene.boxes]
    assert all((node.findtext(SVG + "title") or "").startswith(str(node.get("data-node"))) for node in nodes)
    assert len(parts(text, "polygon", "star")) == 1


def test_an_svg_draws_links_bars_and_cylinders() -> None:
    assert len(list(parts(svg(drawn(MOCO)), "polygon", "ema"))) == 3  # two links and the legend
    assert len(parts(svg(drawn(SIAMESE)), "path", "stop")) == 3  # two bars and the legend
    assert "EMA of the weights, momentum 0.999" in svg(drawn(MOCO))
    assert "m = 0.999" in svg(drawn(MOCO))
    assert len(parts(svg(drawn(MOCO)), "path", "state")) == 4  # side and rim, here and in the legend


def test_an_svg_stands_alone_and_knows_the_dark() -> None:
    text = svg(drawn("byol"))
    assert "prefers-color-scheme: dark" in text
    assert text.count("http") == 1 and "url(" not in text and "href" not in text


@pytest.mark.parametrize("format", TEXTS)
def test_text_of_others_stays_text(format: str) -> None:
    method = graphssl.load(hostile())
    assert method.graph is not None
    text = render(method.graph, format)
    assert "\u202e" not in text or format == "json"
    if format == "svg":
        root = ElementTree.fromstring(text)
        assert not list(root.iter(SVG + "script"))
        assert all(not name.startswith("on") for element in root.iter() for name in element.attrib)
    if format == "mmd":
        head, _, body = text.partition("flowchart")
        assert "%%" not in text and "`" not in body and "<script" not in body and head.count("\n") == 3
    if format == "json":
        assert json.loads(text)["title"] == method.graph.title


def test_characters_that_xml_forbids_are_replaced() -> None:
    text = MOCO.replace("arch: resnet18", 'arch: "a\\u0007b\\u0000c"')
    ElementTree.fromstring(svg(drawn(text)))


def test_mermaid_has_lanes_links_and_marks() -> None:
    text = mermaid(drawn(MOCO))
    assert text.startswith('---\ntitle: "moco"\n---\nflowchart LR\n')
    assert text.count("subgraph") == 3 and text.count("EMA, m = 0.999") == 2
    assert text.count("★") == 1 and "[(" in text
    assert "(stop-grad)" in mermaid(drawn(SIAMESE))


def test_dot_has_links_and_marks() -> None:
    text = dot(drawn("byol"))
    assert text.startswith('digraph "byol" {') and text.endswith("}\n")
    assert text.count("constraint=false") == 2 and text.count("★") == 1
    assert '"f" -> "ft" [label="m = 0.996→1", style=dotted' in text


def test_json_is_the_scene() -> None:
    method = graphssl.load("byol")
    assert method.graph is not None
    found = json.loads(render(method.graph, "json"))
    assert found["scene"] == 1 and found["name"] == "byol"
    assert [box["name"] for box in found["boxes"]][:2] == ["v1", "v2"]
    assert {edge["kind"] for edge in found["edges"]} >= {"gradient", "data", "ema"}


@pytest.mark.parametrize("format", TEXTS)
def test_a_graph_with_mistakes_is_rendered(format: str) -> None:
    method = graphssl.load(BROKEN)
    assert method.graph is not None
    assert "not understood" in render(method.graph, format)


def test_a_drawing_shows_itself_and_is_saved_by_suffix(tmp_path: Path) -> None:
    drawing = graphssl.draw("byol")
    assert drawing._repr_svg_().startswith("<svg ")
    for format in SUFFIXES:
        path = drawing.save(tmp_path / f"byol.{format}")
        drawn = drawing.as_(format)
        assert path.read_bytes() == (drawn if isinstance(drawn, bytes) else drawn.encode())


def test_a_drawing_says_which_suffixes_there_are(tmp_path: Path) -> None:
    drawing = graphssl.draw("byol")
    with pytest.raises(ValueError, match=r"`\.tiff`; there are \.svg, \.png, \.mmd, \.dot, \.json, \.html"):
        drawing.save(tmp_path / "byol.tiff")
    with pytest.raises(ValueError, match=r"needs one of \.svg"):
        drawing.save(tmp_path / "byol")


def test_a_file_that_holds_no_graph_is_an_error() -> None:
    with pytest.raises(graphssl.GraphError):
        graphssl.draw("no_such_method")


def test_two_processes_draw_the_same_bytes_and_never_import_torch(without_torch: Any) -> None:
    code = (
        "import sys, hashlib, graphssl\n"
        "drawings = [graphssl.draw(sys.argv[1]), graphssl.draw(sys.argv[2])]\n"
        "text = ''.join(d.as_(f) for d in drawings for f in ('svg', 'mmd', 'dot', 'json'))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    assert len({without_torch(code, "byol", SIAMESE, hash_seed=seed) for seed in (1, 2)}) == 1


def test_a_png_shows_its_text_on_a_machine_without_fonts() -> None:
    """Drawn with and without the machine's fonts, the picture is the same, and not the one without text."""
    scene = drawn("byol")
    text = svg(scene).replace(FONTS, f"'{FONT}', sans-serif")
    alone = resvg_py.svg_to_bytes(svg_string=text, zoom=1.0, font_files=FONT_FILES, skip_system_fonts=True)
    silent = resvg_py.svg_to_bytes(svg_string=text, zoom=1.0, font_files=[], skip_system_fonts=True)
    assert png(scene, 1.0) == bytes(alone)
    shown, empty = (np.asarray(Image.open(io.BytesIO(bytes(b))).convert("L")) for b in (alone, silent))
    assert (shown != empty).mean() > 0.01


def test_a_png_is_as_large_as_asked() -> None:
    scene = drawn("byol")
    one, two = (Image.open(io.BytesIO(png(scene, scale))).size for scale in (1.0, 2.0))
    assert two == (2 * one[0], 2 * one[1])


def test_sizes_are_those_of_the_built_model() -> None:
    found = graphssl.draw("byol@cifar10", sizes=True).scene
    [edge] = [arrow for arrow in found.edges if (arrow.source, arrow.target) == ("f", "g")]
    assert edge.label == "2 × features[b 512]"
    module = graphssl.compile("byol@cifar10")
    count = sum(p.numel() for p in module.f.parameters())
    assert found.box("f").lines[-1] == f"{count / 1e6:.3g} M parameters"
    assert not any("parameters" in line for line in found.box("ft").lines)
