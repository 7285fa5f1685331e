"""Ray leaves the same files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphssl.curate.engine import Local
from graphssl.curate.engine_ray import Ray
from graphssl.curate.search import nearest
from graphssl.data.errors import DataError
from graphssl.runtime.errors import RunError
from tests.curate.rows import clustered, stored
from tests.curate.test_engine import square, stumble
from tests.curate.units import contents, squares


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A cluster of this machine's own."""
    module = pytest.importorskip("ray")
    yield
    module.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
@pytest.mark.usefixtures("ray")
class TestRay:
    def test_it_does_what_is_missing(self, tmp_path: Path) -> None:
        units = squares(tmp_path, range(5))
        units[3].file.write_text("done before")
        Ray(2).run(square, units, "squaring")
        assert [unit.file.read_text() for unit in units] == ["0", "1", "4", "done before", "16"]

    def test_a_search_has_the_bytes_of_a_local_one(self, tmp_path: Path) -> None:
        vectors = stored(tmp_path, clustered(10000))
        for name, engine in (("ray", Ray(2)), ("local", Local())):
            nearest(engine, tmp_path / name, vectors, vectors, 5, index="ivf_pq", lists=64)
        assert len(contents(tmp_path / "ray")) == 5
        assert contents(tmp_path / "ray") == contents(tmp_path / "local")

    def test_a_mistake_is_told_as_itself(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"^the disk of images is gone$"):
            Ray(2).run(stumble, squares(tmp_path, [1]), "squaring")

    def test_a_unit_whose_process_dies_is_given_up(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"^squaring: Ray could not go on \(.*died.*\); give the same command again"):
            Ray(2).run(stumble, squares(tmp_path, [2]), "squaring")


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RunError, match=r"^`--engine ray` needs Ray: pip install 'graphssl\[ray\]'$"):
        Ray(2).run(square, squares(tmp_path, [1]), "squaring")
    Ray(2).run(square, [], "squaring")
