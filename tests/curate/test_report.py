"""The report of a curation: what it shows of results, whichever stage gave them."""

from __future__ import annotations

import re
from html import unescape

import numpy as np

from graphssl.curate.examples import PAIRS, at_threshold, evenly, once
from graphssl.curate.histogram import histogram
from graphssl.curate.sets import ImageSet, nothing
from tests.curate.told import EVIL, Told, told

__all__ = ["told"]  # a fixture


def cells(page: str) -> list[str]:
    """What is said of each image."""
    return [unescape(text) for text in re.findall(r'<img src="data:image/\w+;base64,[^"]+" alt="([^"]+)"', page)]


def section_of(page: str, stage: str) -> str:
    return page.partition(f'<section id="stage-{stage}"')[2].partition("</section>")[0]


def test_it_tells_of_every_stage(told: Told) -> None:
    page = told("manifest")
    rows = [re.sub("<[^>]+>", " ", row).split() for row in re.findall("<tr>.*?</tr>", page)]
    assert ["unique", "self_deduplicate", "23", "20", "3", "0.5", "some", "are", "copies"] in rows
    assert ["near", "retrieve_samples", "20", "2", "18", "0.5", "2", "retrieved"] in rows
    assert ["pool", "near", "2"] in rows and ["pool", "like", "3"] in rows
    assert "manifest.parquet --out RUN" in page and 'data-state="finished"' in page
    assert "<script" not in page and "://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_what_is_not_done_yet_is_told_as_that(told: Told) -> None:
    page = told("unique")
    assert 'data-state="not finished"' in page and "3 of 6" in page
    assert page.count("not done") == 3 and "RUN</code>" not in page and not section_of(page, "near")


def test_pairs_lie_from_the_threshold_outwards(told: Told) -> None:
    shown = cells(section_of(told("unique"), "unique"))
    stays = [float(cell.split()[1]) for cell in shown if cell.startswith("stays, 0.")]
    dropped = [float(cell.split()[1]) for cell in shown if cell.startswith("dropped, 0.")]
    assert stays == sorted(stays, reverse=True) and stays[0] == 0.7 and stays[-1] == 0 and len(stays) <= PAIRS
    assert dropped == [0.8, 0.9, 0.99, *(0.99, 0.9, 0.8)]  # the pairs, and the group
    assert "stays, stays for 4" in shown


def test_the_images_of_a_query_and_of_a_cluster_stand_together(told: Told) -> None:
    page = told("manifest")
    assert cells(section_of(page, "near")) == [
        "query, query",
        "retrieved, 0.500 pool/10.png",
        "retrieved, 0.250 pool/11.png",
    ]
    assert cells(section_of(page, "like"))[0] == "of a cluster, cluster 7: 3"


def test_an_image_that_is_gone_has_a_place_and_its_name(told: Told) -> None:
    shown = cells(section_of(told("pool", gone="00.png"), "pool"))
    assert shown[0] == "image, cannot be read: pool/00.png" and shown[1].startswith("image, pool/02")


def test_names_are_nothing_but_text(told: Told) -> None:
    page = told("pool")
    assert EVIL not in page and unescape(page).count(EVIL) == 1 and "<b>pool</b>" not in page


def test_few_are_chosen_of_a_million() -> None:
    similarity = np.linspace(0.6, 1, 10**6, dtype=np.float32)
    found = similarity[at_threshold(similarity, 0.6, PAIRS)]
    assert len(found) == PAIRS and found[0] == np.float32(0.6) and found[-1] == 1
    assert (np.diff(found, 2) > 0).all()  # ever farther apart
    assert evenly(10**6, 3).tolist() == [0, 500_000, 999_999] and evenly(2, 3).tolist() == [0, 1]
    assert not len(at_threshold(similarity[:0], 0.6, PAIRS)) and not len(evenly(0, 3))


def test_two_images_that_name_each_other_are_one_pair() -> None:
    pairs = ImageSet.of(np.array([1, 2, 5]), like=np.array([2, 1, 1]))
    assert once(pairs).ids.tolist() == [1, 5]
    assert not len(once(nothing()))


def test_bars_count_every_image_and_say_so() -> None:
    kept, dropped = np.array([0.1, 0.5, np.nan], np.float32), np.array([0.9, 0.95, 1.0], np.float32)
    panel = histogram("similar", kept, dropped, 0.75)
    counts = re.findall(r"(\d+) kept, (\d+) dropped", panel)
    bars = [counts[i] for i in range(len(counts)) if i == 0 or counts[i] != counts[i - 1]]
    assert bars == [("1", "0"), ("0", "1")] and "threshold 0.75" in panel
    assert "2 kept, 0.100 to 0.500" in panel and "3 dropped, 0.900 to 1.000" in panel
    assert histogram("similar", kept[2:], dropped[:0], 0.75) == ""
