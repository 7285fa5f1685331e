"""Where the methods, curations, recipes and schemas that ship with graphssl lie."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def bundled(folder: str) -> Path:
    """The folder `graphs` or `schemas`: inside an installed package, or beside it in a checkout."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def method_files() -> dict[str, Path]:
    """Every bundled method by name."""
    return {path.stem: path for path in sorted(bundled("graphs").glob("*.yaml"))}


def curation_files() -> dict[str, Path]:
    """Every bundled curation by name."""
    return {path.stem: path for path in sorted((bundled("graphs") / "curations").glob("*.yaml"))}


def recipe_files() -> dict[str, Path]:
    """Every bundled augmentation recipe by name."""
    return {path.stem: path for path in sorted((bundled("graphs") / "recipes").glob("*.yaml"))}
