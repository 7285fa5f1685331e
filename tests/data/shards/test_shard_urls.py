"""Shards behind a web server, read by forked workers, over connections that break."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from graphssl.data.errors import BadShard
from graphssl.data.loader import train_loader
from graphssl.data.shard_sampler import sampler_of
from graphssl.data.sources import open_data

pytest.importorskip("aiohttp")


@pytest.fixture
def served(shards: Path) -> Iterator[tuple[str, Counter[str], set[str]]]:
    """The address of the shards, how often each file was asked for, and those whose next answer breaks off."""
    asked: Counter[str] = Counter()
    breaking: set[str] = set()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(shards))

        def log_message(self, *_: Any) -> None:
            pass

        def copyfile(self, source: Any, outputfile: Any) -> None:
            if self.command == "GET":
                asked[self.path[1:]] += 1
            broken = self.path[1:] in breaking
            breaking.discard(self.path[1:])
            outputfile.write(source.read(700) if broken else source.read())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, breaking
    server.shutdown()
    server.server_close()
    thread.join()


def test_workers_fetch_each_shard_once_from_a_server(served: tuple[str, Counter[str], set[str]]) -> None:
    url, asked, breaking = served
    breaking.add("shard-000003.tar")
    source = open_data(f"wds:{url}/shard-00000{{0..4}}.tar")
    sampler = sampler_of(source, 4, seed=1)
    shown = [
        batch.indices.tolist() for batch in train_loader(source, sampler, {}, first_step=0, last_step=10, workers=2)
    ]
    assert shown == [sampler.batch(step) for step in range(10)]
    assert asked == {"index.json": 1, **{f"shard-00000{number}.tar": 1 + (number == 3) for number in range(5)}}


def test_what_a_server_does_not_have_is_missing(served: tuple[str, Counter[str], set[str]], shards: Path) -> None:
    url = served[0]
    (shards / "index.json").unlink()
    assert len(open_data(f"wds:{url}/shard-00000{{0..4}}.tar")) == 20
    with pytest.raises(BadShard, match=r"shard-000005.tar` is missing"):
        open_data(f"wds:{url}/shard-00000{{0..5}}.tar")
