"""The wheel is complete: installed elsewhere, it finds its methods, recipes and schema."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    parts = ("graphssl", "graphs", "schemas", "setup.py", "pyproject.toml", "README.md")
    for part in parts:
        source = ROOT / part
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, copy / part, ignore=ignore) if source.is_dir() else shutil.copy(source, copy / part)
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder), str(copy)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return next(folder.glob("graphssl-*.whl"))


def test_it_holds_methods_recipes_and_schema(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in [*ROOT.glob("graphs/**/*.yaml"), *ROOT.glob("schemas/*.json")]:
        assert f"graphssl/{path.relative_to(ROOT).as_posix()}" in names
    parts = [path for path in ROOT.glob("graphssl/views/page/*") if path.suffix in (".html", ".css", ".js")]
    assert len(parts) >= 3 and {path.relative_to(ROOT).as_posix() for path in parts} <= names
    assert not [name for name in names if name.startswith(("graphs/", "schemas/", "tests/"))]


def test_installed_elsewhere_it_lists_and_checks_methods(wheel: Path, tmp_path: Path) -> None:
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "site"), str(wheel)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    program = (
        "import graphssl, sys; assert graphssl.__file__.startswith(sys.argv[1]), graphssl.__file__; "
        "from graphssl.cli import main; sys.exit(main(['list']) or main(['check', 'byol@quick', '--static']) or main(['viz', 'byol', '-o', 'byol.html']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "site")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "moco_v2" in done.stdout
