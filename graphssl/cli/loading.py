"""A file of any kind, for the commands that take methods and curations."""

from __future__ import annotations

import argparse

from graphssl.curate import curation
from graphssl.curate.curation import Curation
from graphssl.language.resolve import kind_named
from graphssl.pipeline import Method, load


def loaded(reference: str, arguments: argparse.Namespace) -> Method | Curation:
    """What a reference names, with the `--set` and `--plugin` of a command."""
    load_kind = curation.load if kind_named(reference) == "curation" else load
    return load_kind(reference, arguments.set, plugins=arguments.plugin)
