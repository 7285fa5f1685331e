"""A scene as JSON, for tools that draw themselves."""

from __future__ import annotations

import json as standard
from dataclasses import asdict

from graphssl.views.scene import Scene

VERSION = 1


def json(scene: Scene) -> str:
    """The drawing as one JSON document; `scene` is the version of its layout of keys."""
    return standard.dumps({"scene": VERSION, **asdict(scene)}, indent=2, ensure_ascii=True) + "\n"
