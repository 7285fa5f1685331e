"""Charts: no peak is lost, no number that is not finite is drawn, the picture is an SVG."""

from __future__ import annotations

import re
import xml.dom.minidom

from graphssl.report.chart import Chart, Series, axes, panel, picture, smoothed, ticks


def curve(chart: Chart) -> list[tuple[float, float]]:
    """Points of the first curve, in pixels."""
    d = re.search(r'class="curve" d="([^"]*)"', "".join(axes(chart)))
    assert d
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", d[1])]


def test_a_long_curve_keeps_its_lowest_and_highest_value() -> None:
    values = [0.5] * 20_000
    values[7_777], values[12_345] = 9.0, -3.0
    points = curve(Chart("loss", (Series("a", range(20_000), values),)))
    heights = [y for _, y in points]
    assert len(points) < 2_000 and min(heights) == 8 and max(heights) == 132


def test_a_gap_and_what_is_not_positive_on_a_log_scale_are_left_out() -> None:
    gap = "".join(axes(Chart("x", (Series("a", range(4), [1.0, 2.0, None, 3.0]),))))
    assert re.search(r'd="M[^M"]*L[^M"]*M', gap)
    assert len(curve(Chart("x", (Series("a", range(4), [1.0, 0.0, 10.0, -1.0]),), log=True))) == 2


def test_one_value_and_equal_values_are_drawn() -> None:
    assert len(curve(Chart("x", (Series("a", [3], [2.0]),)))) == 1
    assert {y for _, y in curve(Chart("x", (Series("a", [0, 1, 2], [5.0] * 3),)))} == {70.0}


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0.0, 1.0, 4) == [0.0, 0.5, 1.0]
    assert ticks(-3.2, 4.1, 4) == [-2.0, 0.0, 2.0, 4.0]
    assert ticks(2.0, 2.0, 4) == [2.0]


def test_smoothing_is_a_mean_that_leaves_out_gaps() -> None:
    assert smoothed([1.0, None, 3.0]) == [1.0, 2.0, 3.0]


def test_a_picture_is_xml_and_names_are_only_text() -> None:
    name = "<script>alert(1)</script>"
    chart = Chart(name, tuple(Series(f"{name}{i}", [1, 2], [1.0, 2.0], place=i) for i in range(20)))
    drawn = picture(name, [chart] * 4)
    xml.dom.minidom.parseString(drawn)
    assert "<script" not in drawn + panel(chart)
