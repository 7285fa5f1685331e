"""`graphssl watch`: serve the page of a run until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from graphssl.cli.failures import UsageError
from graphssl.watch.folder import RunFiles
from graphssl.watch.server import WatchServer


def watch(arguments: argparse.Namespace) -> int:
    """Print the page's address and serve it; Ctrl-C is the normal end."""
    place = Path(arguments.out)
    try:
        _await(place, arguments.wait)
        server = _server(RunFiles(place.resolve()), arguments.port)
    except KeyboardInterrupt:
        return 0
    try:
        print(server.url, flush=True)
        print("follows the run until Ctrl-C; the address is for you alone", file=sys.stderr)
        if arguments.open:
            import webbrowser

            webbrowser.open(server.url)
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
    return 0


def _await(place: Path, wait: bool) -> None:
    """Return when `place` is a run; refuse one that is none, or wait for it."""
    if wait and not (place / "method.yaml").exists():
        print(f"waiting for `{place}` to become a run", file=sys.stderr, flush=True)
        never = threading.Event()
        while not (place / "method.yaml").exists():
            never.wait(0.5)
    if not (place / "method.yaml").is_file():
        hint = "" if place.exists() else "; --wait waits until it is there"
        raise UsageError(f"`{place}` is no run folder (it has no method.yaml){hint}")


def _server(files: RunFiles, port: int) -> WatchServer:
    try:
        return WatchServer(files, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "expected 0 to 65535"
        raise UsageError(f"cannot listen on port {port}: {reason.lower()}") from None
