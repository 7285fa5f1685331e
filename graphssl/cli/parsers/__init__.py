"""The words of every command; what it does is in the file beside this folder that it names."""

from graphssl.cli.parsers.curating import curating
from graphssl.cli.parsers.embedding import embedding
from graphssl.cli.parsers.evaluating import evaluating
from graphssl.cli.parsers.exporting import exporting
from graphssl.cli.parsers.inspecting import inspecting
from graphssl.cli.parsers.picturing import picturing
from graphssl.cli.parsers.running import running
from graphssl.cli.parsers.sharding import sharding
from graphssl.cli.parsers.shared import adder

__all__ = [
    "adder",
    "curating",
    "embedding",
    "evaluating",
    "exporting",
    "inspecting",
    "picturing",
    "running",
    "sharding",
]
