"""Running a curation: what each stage keeps, what a second run does, and what is left by one that did not get to its end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graphssl.cli import main
from graphssl.curate.curation import Curation
from graphssl.curate.folder import CurationFolder, StageFolder
from graphssl.curate.run import Options, curate
from graphssl.data.errors import DataError
from graphssl.data.shards.write import write_shards
from graphssl.data.sources import open_data
from graphssl.runtime.errors import RunError
from tests.curate.conftest import rows_of

Planted = Callable[..., Curation]
STAGES = ("pool", "curated", "test", "unique", "clean", "near", "manifest")


def kept(out: Path) -> dict[str, int]:
    stages = json.loads((out / "summary.json").read_text())["stages"]
    return {name: record["kept"] for name, record in stages.items()}


def written(out: Path) -> dict[str, bytes]:
    """What stages and manifest hold, without times."""
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*.parquet"))}


def changed_at(out: Path) -> dict[str, int]:
    """When files of numbers were written."""
    return {str(file): file.stat().st_mtime_ns for file in sorted(out.rglob("*.np*"))}


@pytest.fixture
def whole(planted: Planted, tmp_path: Path) -> dict[str, bytes]:
    """What a curation without interruption writes."""
    curate(planted(), str(tmp_path / "whole"))
    return written(tmp_path / "whole")


def test_copies_and_benchmarks_are_dropped_and_neighbours_retrieved(planted: Planted, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = curate(planted(), str(out))
    assert kept(out) | {"near": 0, "manifest": 0} == {
        "pool": 48, "curated": 6, "test": 6, "unique": 43, "clean": 40, "near": 0, "manifest": 0,
    }  # fmt: skip
    assert summary["stages"]["clean"]["facts"] == {"touched": 3}
    rows = rows_of(out)
    assert [row["reason"] for row in rows] == ["curated"] * 6 + ["near"] * (len(rows) - 6)
    assert len({row["path"] for row in rows}) == len(rows) == kept(out)["manifest"]
    names = [Path(row["path"]).stem for row in rows if row["reason"] == "near"]
    assert 2 <= len(names) <= 12 and not [name for name in names if name.startswith("leak")]
    for row in rows:
        assert Path(row["path"]).is_file()
        assert (row["source"] == "pool") == (row["reason"] == "near") == (row["like"] is not None)
        assert row["like"] is None or ("/curated/" in row["like"] and -1 <= row["similarity"] <= 1)


def test_of_two_copies_the_one_whose_place_comes_first_stays(planted: Planted, tmp_path: Path) -> None:
    curate(planted({"nodes.manifest.in": ["unique"]}), str(tmp_path / "out"), Options(until="manifest"))
    names = {Path(row["path"]).stem for row in rows_of(tmp_path / "out")}
    assert {"00", "01", "02", "03", "04"} <= names and not [name for name in names if name.startswith("copy")]


def test_a_threshold_that_takes_everything_for_a_copy_is_doubted(planted: Planted, tmp_path: Path) -> None:
    said: list[str] = []
    curate(planted({"nodes.unique.similarity": -1}), str(tmp_path / "out"), Options(until="unique"), said.append)
    assert said[-1] == (
        "unique: 1 of 48 kept; 47 are copies of 1 of them; one group holds 48 images: is the threshold too low for this encoder? "
        "The report shows pairs around it"
    )


def test_a_stage_that_gets_no_images_says_where_to_look(planted: Planted, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="`near`: the stages before it have left no images to compare"):
        curate(planted({"nodes.clean.similarity": -1}), str(tmp_path / "out"))


def test_how_neighbours_are_looked_for_is_a_setting_of_each_stage(planted: Planted, tmp_path: Path) -> None:
    found = {}
    for index in ("flat", "ivf_flat"):
        out = tmp_path / index
        curate(planted({"nodes.unique.index": index, "nodes.unique.probes": 64}), str(out), Options(until="unique"))
        found[index] = kept(out)
        assert bool(list(out.rglob("*.index"))) == (index != "flat")
    assert found["flat"] == found["ivf_flat"]


def test_a_second_run_does_nothing(planted: Planted, tmp_path: Path) -> None:
    out = tmp_path / "out"
    curate(planted(), str(out))
    before, said = {file: file.stat().st_mtime_ns for file in (out / "stages").rglob("*")}, []
    curate(planted(), str(out), say=said.append)
    assert {file: file.stat().st_mtime_ns for file in (out / "stages").rglob("*")} == before
    assert len(said) == len(STAGES) and all(line.endswith("(done before)") for line in said)


def test_another_setting_is_refused_and_what_is_there_stays(
    planted: Planted, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "whole"
    with pytest.raises(RunError, match="another similarity of `clean`, so `near`, `manifest` would change"):
        curate(planted({"nodes.clean.similarity": 0.5}), str(out))
    assert written(out) == whole


def test_allowed_to_change_it_does_anew_what_depends_on_it_and_no_more(planted: Planted, tmp_path: Path) -> None:
    out, said = tmp_path / "out", []
    curate(planted(), str(out))
    before = changed_at(out)
    curate(planted({"nodes.clean.similarity": -1}), str(out), Options(allow_changed=True, until="clean"), said.append)
    assert [line.endswith("(done before)") for line in said] == [True, True, True, True, False]
    assert kept(out)["clean"] == 0
    after = changed_at(out)
    searched = [file for file in before if "neighbours-" in file or "/features-" in file]
    assert searched and {file: after.get(file) for file in searched} == {file: before[file] for file in searched}


def test_a_manifest_that_is_gone_or_out_of_date_is_written_anew(
    planted: Planted, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "whole"
    for damage in (Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:100])):
        damage(out / "manifest.parquet")
        curate(planted(), str(out))
        assert written(out) == whole
    curate(planted({"nodes.near.neighbours": 1}), str(out), Options(allow_changed=True, until="near"))
    assert not (out / "manifest.parquet").exists()


def test_encoders_that_change_places_give_what_a_fresh_folder_gives(
    planted: Planted, trained: Callable[[str], Path], tmp_path: Path
) -> None:
    one, other = str(trained("simclr")), str(trained("dino"))
    by = {"nodes.unique.encoder": one, "nodes.clean.encoder": other}
    swapped = {"nodes.unique.encoder": other, "nodes.clean.encoder": one}
    for settings, similarity in ((by, 0.999), (swapped, 0.999)):
        settings |= {"nodes.unique.similarity": similarity, "nodes.near.encoder": one}
    curate(planted(by), str(tmp_path / "changed"))
    curate(planted(swapped), str(tmp_path / "changed"), Options(allow_changed=True))
    curate(planted(swapped), str(tmp_path / "fresh"))
    manifest = written(tmp_path / "changed").pop("manifest-before.parquet")
    assert {"manifest-before.parquet": manifest, **written(tmp_path / "fresh")} == written(tmp_path / "changed")


def test_a_name_that_cannot_be_written_down_is_refused_before_anything_is_done(
    planted: Planted, photos: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(photos, tmp_path / "photos"))
    os.rename(root / "pool" / "05.png", os.fsencode(root / "pool") + b"/bad\xff.png")
    with pytest.raises(DataError, match=r"`pool` .*bad.udcff.png' is not UTF-8"):
        curate(planted(root=root), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_pool_out_of_a_command_is_refused_and_a_benchmark_is_not(
    planted: Planted, photos: Path, tmp_path: Path
) -> None:
    write_shards(open_data(str(photos / "test")), tmp_path / "shards")
    data = f"wds:pipe:cat {tmp_path}/shards/shard-000000.tar"
    with pytest.raises(DataError, match=r"`pool` .*out of a command.*graphssl shard"):
        curate(planted({"nodes.pool.data": data}), str(tmp_path / "out"))
    curate(planted({"nodes.test.data": data}), str(tmp_path / "out"), Options(until="clean"))
    assert kept(tmp_path / "out")["clean"] == 40


def test_what_one_that_hardly_began_has_left_is_no_obstacle(
    planted: Planted, whole: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").touch()
    (tmp_path / "out" / ".curation.yaml.part").write_text("graph")
    curate(planted(), str(tmp_path / "out"))
    assert written(tmp_path / "out") == whole


def test_a_part_that_is_gone_is_told_by_its_name(planted: Planted, tmp_path: Path) -> None:
    curate(planted(), str(tmp_path / "out"))
    [part] = (tmp_path / "out" / "stages" / "test").glob("rows-*/images-00000.npy")
    part.unlink()
    with pytest.raises(RunError, match=r"features-00000\.npy` is damaged: remove it"):
        curate(planted(), str(tmp_path / "out"))


@pytest.mark.parametrize("name", ["pool", "manifest"])
def test_only_what_chooses_can_be_skipped(name: str, planted: Planted) -> None:
    assert [finding.code for finding in planted({f"nodes.{name}.skip": True}).findings] == ["unknown-key"]


def test_a_stage_that_is_skipped_lets_its_images_pass(planted: Planted, tmp_path: Path) -> None:
    curate(planted({"nodes.unique.skip": True, "nodes.near.skip": True}), str(tmp_path / "out"))
    assert kept(tmp_path / "out") == {
        "pool": 48, "curated": 6, "test": 6, "unique": 48, "clean": 45, "near": 0, "manifest": 6,
    }  # fmt: skip


def test_the_same_file_in_two_data_sets_is_one_image(planted: Planted, photos: Path, tmp_path: Path) -> None:
    curate(
        planted({"nodes.curated.data": f"{photos}/pool", "nodes.manifest.in": ["curated", "pool"]}),
        str(tmp_path / "out"),
    )
    rows = rows_of(tmp_path / "out")
    assert [row["reason"] for row in rows] == ["curated"] * 48


@pytest.mark.parametrize("stage", STAGES)
def test_interrupted_in_a_stage_it_goes_on_to_the_same_result(
    stage: str, planted: Planted, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, said = tmp_path / "out", []

    def cut(self: StageFolder, *_: Any) -> Any:
        if self.path.name == stage:
            raise KeyboardInterrupt
        return finish(self, *_)

    finish = StageFolder.finish
    monkeypatch.setattr(StageFolder, "finish", cut)
    with pytest.raises(KeyboardInterrupt):
        curate(planted(), str(out))
    assert not (out / "stages" / stage / "done.json").exists()
    monkeypatch.undo()
    curate(planted(), str(out), say=said.append)
    assert [line.endswith("(done before)") for line in said] == [
        name in STAGES[: STAGES.index(stage)] for name in STAGES
    ]
    assert written(out) == whole


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_result(
    planted: Planted, whole: dict[str, bytes], tmp_path: Path
) -> None:
    file = tmp_path / "planted.yaml"
    file.write_text(planted().text())
    command = [sys.executable, "-m", "graphssl", "curate", str(file), "-o", str(tmp_path / "out")]
    moments = [
        "stages/pool/rows*/features*",
        "stages/unique",
        "stages/clean",
        "stages/near/done.json",
        "manifest.parquet",
    ]
    for moment in moments:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list((tmp_path / "out").glob(moment)):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, timeout=300)
    assert written(tmp_path / "out") == whole


def test_a_full_disk_is_one_sentence_and_what_is_done_stays(
    planted: Planted, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    real = StageFolder.finish

    def full(self: StageFolder, *arguments: Any) -> Any:
        if self.path.name == "clean":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, *arguments)

    monkeypatch.setattr(StageFolder, "finish", full)
    with pytest.raises(RunError, match="no space left on device; what is done stays"):
        curate(planted(), str(out))
    monkeypatch.undo()
    assert (out / "stages" / "unique" / "done.json").exists() and not (out / "manifest.parquet").exists()
    curate(planted(), str(out))
    assert written(out) == whole


def test_images_that_cannot_be_decoded_are_left_out_and_counted(planted: Planted, photos: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(photos, tmp_path / "photos"))
    (root / "pool" / "00.png").write_bytes(b"\x89PNG nothing")
    said: list[str] = []
    summary = curate(planted(root=root), str(tmp_path / "out"), say=said.append)
    assert said[0] == "pool: 47 images, 1 that cannot be decoded left out"
    assert summary["stages"]["pool"]["facts"] == {"unreadable": 1}
    assert kept(tmp_path / "out")["unique"] == 43  # its copy stays


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "curated"), r"`curated` \(<text>:7\): `.*` does not exist"),
        (
            lambda root: [file.unlink() for file in (root / "curated").iterdir()],
            r"`curated` \(<text>:7\): .* no images",
        ),
    ],
)
def test_a_set_that_is_not_there_is_found_before_anything_is_done(
    damage: Any, message: str, planted: Planted, photos: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(photos, tmp_path / "photos"))
    damage(root)
    with pytest.raises(DataError, match=message):
        curate(planted(root=root), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_set_of_which_nothing_can_be_decoded_is_refused(planted: Planted, photos: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(photos, tmp_path / "photos"))
    for file in (root / "curated").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(RunError, match="none of the 6 images of `curated` can be decoded"):
        curate(planted(root=root), str(tmp_path / "out"))


def test_images_that_lie_nowhere_are_refused(planted: Planted, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="graphssl shard"):
        curate(planted({"nodes.pool.data": "shapes:32,16"}), str(tmp_path / "out"))


def test_another_folder_is_left_alone(planted: Planted, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is no curation"):
        curate(planted(), str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]


def test_a_stage_of_ones_own_is_a_plugin(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.yaml"
    nodes = f"  pool: {{op: images, data: {photos}/pool}}\n  few: {{op: every_nth, in: pool, n: 4}}\n"
    file.write_text(f"graphssl: 1\nkind: curation\nname: own\nnodes:\n{nodes}  manifest: {{op: manifest, in: few}}\n")
    assert main(["check", str(file)]) == 1
    assert "there is no op `every_nth`" in capsys.readouterr().err
    assert main(["curate", str(file), "--plugin", "tests.curate.own_stage", "-o", str(tmp_path / "out")]) == 0
    assert kept(tmp_path / "out") == {"pool": 48, "few": 12, "manifest": 12}


def test_two_at_a_time_are_refused(planted: Planted, tmp_path: Path) -> None:
    folder = CurationFolder(tmp_path / "out")
    with folder.held():
        folder.file.write_text("begun")
        other = [
            sys.executable,
            "-c",
            "import sys; from graphssl.curate.folder import CurationFolder as F; F(sys.argv[1]).held().__enter__()",
        ]
        done = subprocess.run([*other, str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode and "is in use by process" in done.stderr


def test_the_command_says_what_it_did_and_what_comes_next(
    planted: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "planted.yaml"
    file.write_text(planted().text())
    words = ["curate", str(file), "-o", str(tmp_path / "out")]
    assert main([*words, "--until", "unique", "--format", "json"]) == 0
    told = capsys.readouterr()
    assert list(json.loads(told.out)["stages"]) == ["pool", "curated", "test", "unique"]
    assert "unique: 43 of 48 kept; 5 are copies of 5 of them" in told.err
    assert main(words) == 0
    assert f"--data manifest:{tmp_path}/out/manifest.parquet" in capsys.readouterr().out
    assert main([*words, "--skip", "unique"]) == 2
    assert "another skip of `unique`" in capsys.readouterr().err
    assert main([*words, "--until", "nothing"]) == 2


@pytest.mark.slow
def test_two_processes_leave_what_one_does(planted: Planted, whole: dict[str, bytes], tmp_path: Path) -> None:
    file = tmp_path / "planted.yaml"
    file.write_text(planted().text())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, "-m", "graphssl", "curate", str(file), "-o", str(tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("manifest.parquet") == 2  # one line, which names it twice
    assert written(tmp_path / "two") == whole


def test_images_of_any_size_are_curated_together(planted: Planted, photos: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(photos, tmp_path / "photos"))
    Image.open(root / "pool" / "07.png").resize((320, 200)).save(root / "pool" / "large.jpg")
    curate(planted(root=root), str(tmp_path / "out"), Options(until="pool"))
    assert kept(tmp_path / "out") == {"pool": 49}
