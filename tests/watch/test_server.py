"""The server of `graphssl watch`: who is let in, what streams, and what happens to the run meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graphssl
from graphssl.watch import server as module
from graphssl.watch.events import Pace
from graphssl.watch.folder import RunFiles
from graphssl.watch.server import CONNECTIONS, WatchServer

METHOD = """
graphssl: 1
name: tiny
title: "Tiny </script><script>alert(1)</script>"
nodes:
  v: {op: augment, recipe: quick, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
  loss: {op: nt_xent, in: f}
represent: f
"""
WAIT = 10.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "method.yaml").write_text(METHOD)
    append(folder, {"step": 1, "loss": 2.0})
    return folder


@pytest.fixture
def serve(run: Path) -> Iterator[WatchServer]:
    server = WatchServer(RunFiles(run.resolve()), 0, Pace(look_s=0.02, stalled_s=60, alive_s=0.1))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.close()
    thread.join(WAIT)
    assert not thread.is_alive()


def append(run: Path, *records: Any) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def finish(run: Path, steps: int) -> None:
    (run / "summary.json").write_text(json.dumps({"steps": steps}))


def ask(server: WatchServer, path: str, *, method: str = "GET", token: str | None = "", **headers: str) -> Any:
    """The answer to one request; the right token is added unless another, or None, is given."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=WAIT)
    query = "" if token is None else f"?token={token or server.token}"
    connection.request(method, path + query, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return connection.getresponse()


class Viewer:
    """An open stream: `next()` gives the next event as (name, data), comments as ("", None)."""

    def __init__(self, server: WatchServer):
        self.answer = ask(server, "/events")
        assert self.answer.status == 200
        self.found: queue.Queue[tuple[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        name = ""
        try:
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.found.put((name, json.loads(line.removeprefix("data: "))))
                elif line.startswith(":"):
                    self.found.put(("", None))
        except (OSError, ValueError):
            pass
        self.found.put(("closed", None))

    def next(self, *names: str) -> tuple[str, Any]:
        """The next event of one of these names."""
        while True:
            name, data = self.found.get(timeout=WAIT)
            if name in names:
                return name, data

    def lines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.next("lines")[1]
        return found

    def state(self) -> str:
        return str(self.next("status")[1]["state"])

    def close(self) -> None:
        self.answer.fp.raw._sock.shutdown(2)


# who is let in


def test_the_page_has_the_graph_and_a_strict_policy(serve: WatchServer) -> None:
    answer = ask(serve, "/")
    text = answer.read().decode()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'data-node="f"' in text and "{{" not in text
    policy = answer.headers["Content-Security-Policy"]
    assert (
        policy.startswith("default-src 'none'")
        and "script-src 'nonce-" in policy
        and "frame-ancestors 'none'" in policy
    )
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert text.count(f'nonce="{nonce}"') == 3 and nonce not in ask(serve, "/").read().decode()
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert "alert(1)</script>" not in text.replace("\\u003c/script>", ""), "a title stays text"


@pytest.mark.parametrize("token", [None, "wrong", "é", "a" * 500])
@pytest.mark.parametrize("path", ["/", "/events", "/nothing"])
def test_without_the_token_nothing_is_said(path: str, token: str | None, serve: WatchServer) -> None:
    from urllib.parse import quote

    answer = ask(serve, path, token=token and quote(token))
    assert answer.status == 403 and b"tiny" not in answer.read().lower()


def test_a_token_given_twice_is_none(serve: WatchServer) -> None:
    assert ask(serve, f"/?token=x&token={serve.token}", token=None).status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil:PORT", ""]
)
def test_another_host_is_refused(host: str, serve: WatchServer) -> None:
    port = str(serve.server_port)
    assert ask(serve, "/", Host=host.replace("PORT", port)).status == 403
    assert ask(serve, "/", Host=f"localhost:{port}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
def test_only_get_is_answered(method: str, serve: WatchServer) -> None:
    answer = ask(serve, "/", method=method)
    assert answer.status == 405 and answer.headers["Allow"] == "GET"
    assert ask(serve, "/", method=method, token=None).status == 403


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/method.yaml", "/metrics.jsonl", "//etc/passwd", "/events/../method.yaml",
     "/page.js", "/checkpoints/"],
)  # fmt: skip
def test_no_path_names_a_file(path: str, serve: WatchServer) -> None:
    answer = ask(serve, path)
    body = answer.read()
    assert answer.status == 404 and b"root:" not in body and b"graphssl: 1" not in body


def test_it_listens_on_this_machine_only(serve: WatchServer) -> None:
    assert serve.server_address[0] == "127.0.0.1"


# what streams


def test_lines_are_streamed_as_they_are_appended(serve: WatchServer, run: Path) -> None:
    viewer = Viewer(serve)
    assert viewer.next("reset", "lines")[0] == "reset"
    assert viewer.lines() == [{"step": 1, "loss": 2.0}]
    assert viewer.state() == "running"
    append(run, {"step": 2, "loss": 1.5, "nodes": {"f": {"std": 0.5}}})
    assert viewer.lines() == [{"step": 2, "loss": 1.5, "nodes": {"f": {"std": 0.5}}}]


def test_half_a_line_is_held_back(serve: WatchServer, run: Path) -> None:
    viewer = Viewer(serve)
    viewer.lines()
    text = json.dumps({"step": 2, "loss": 1.25}) + "\n"
    with (run / "metrics.jsonl").open("a") as file:
        file.write(text[:9])
        file.flush()
        for _ in range(3):  # the server has looked again, and has said that it lives
            assert viewer.next("", "lines") == ("", None)
        file.write(text[9:])
    assert viewer.lines() == [{"step": 2, "loss": 1.25}]


def test_a_file_that_is_replaced_or_cut_is_read_again(serve: WatchServer, run: Path) -> None:
    append(run, {"step": 2, "loss": 1.0})
    viewer = Viewer(serve)
    assert len(viewer.lines()) == 2
    other = run / ".new"
    other.write_text(json.dumps({"step": 1, "loss": 2.0}) + "\n")
    other.replace(run / "metrics.jsonl")  # as --resume does
    assert viewer.next("reset", "lines")[0] == "reset"  # that of the beginning was read before
    assert viewer.lines() == [{"step": 1, "loss": 2.0}]
    append(run, {"step": 2, "loss": 0.5})
    assert viewer.lines() == [{"step": 2, "loss": 0.5}]
    os.truncate(run / "metrics.jsonl", 0)
    assert viewer.next("reset", "lines")[0] == "reset"
    append(run, {"step": 7, "loss": 0.25})
    assert viewer.lines() == [{"step": 7, "loss": 0.25}]


def test_numbers_that_are_none_and_lines_of_others_do_no_harm(serve: WatchServer, run: Path) -> None:
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(
            b'\xff\n[]\nnull\n{"step": "2"}\n{"step": true}\n{"step": -1}\n{"loss": 1}\n' + b"[" * 100_000 + b"\n"
        )
        file.write(
            b'{"step": 2, "loss": NaN, "lr": Infinity, "a": 1e999, "b": "</script>", "c": [1], "d": ' + b"9" * 400
        )
        file.write(b', "nodes": {"f": {"std": NaN, "rank": 3}, "g": 4}}\n{"step": 3, "nodes": [], "loss": 1}\n')
    viewer = Viewer(serve)
    assert viewer.lines()[1:] == [
        {"step": 2, "loss": None, "lr": None, "a": None, "d": None, "nodes": {"f": {"rank": 3}}},
        {"step": 3, "loss": 1},
    ]


def test_a_line_without_end_is_forgotten(serve: WatchServer, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphssl.watch import tail

    monkeypatch.setattr(tail, "LINE", 1000)
    monkeypatch.setattr(tail, "CHUNK", 300)
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"x" * 5000 + b"\n")
    append(run, {"step": 2, "loss": 1.0})
    viewer = Viewer(serve)
    assert viewer.lines() == [{"step": 1, "loss": 2.0}]
    assert viewer.lines() == [{"step": 2, "loss": 1.0}]


def test_a_long_history_is_thinned_and_new_lines_are_not(
    serve: WatchServer, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphssl.watch import tail

    monkeypatch.setattr(tail, "BACKLOG", 10_000)
    for step in range(2, 2001):
        append(run, {"step": step, "loss": 1.0, **({"nodes": {"f": {"std": 0.5}}} if step % 5 == 0 else {})})
    finish(run, 2000)
    viewer = Viewer(serve)
    found = viewer.lines()
    assert found[0]["step"] == 1 and found[-1]["step"] == 2000
    assert 20 < len(found) < 500 and sum("nodes" in record for record in found) > 20
    assert viewer.state() == "finished"
    for step in (2001, 2002):
        append(run, {"step": step, "loss": 1.0})
        assert viewer.lines() == [{"step": step, "loss": 1.0}]


def test_gradient_arrives_at_what_has_weights_first() -> None:
    from graphssl.watch.page import drawing

    probed = METHOD.replace(
        "represent", "  y: {op: label}\n  probe: {op: linear_probe, in: {features: f, label: y}, classes: 9}\nrepresent"
    )
    ends = [(arrow.source, arrow.target) for arrow in graphssl.draw(probed).scene.edges]
    found = {ends[i]: name for i, name in drawing(probed)[1]["receivers"].items()}
    assert found == {("f", "loss"): "f", ("loss", "total loss"): "f", ("probe", "total loss"): "probe"}


# how the run stands


def test_finished_and_going_on_again(serve: WatchServer, run: Path) -> None:
    viewer = Viewer(serve)
    assert viewer.state() == "running"
    append(run, {"step": 2, "loss": 1.0})
    finish(run, 2)
    assert viewer.state() == "finished"
    append(run, {"step": 3, "loss": 1.0})
    assert viewer.state() == "running"


def test_a_training_that_stops_is_said_to_be_still(serve: WatchServer, run: Path) -> None:
    old = time.time() - 3600
    os.utime(run / "metrics.jsonl", (old, old))
    viewer = Viewer(serve)
    status = viewer.next("status")[1]
    assert status == {"state": "stalled", "since": round(old)}
    append(run, {"step": 2, "loss": 1.0})
    assert viewer.state() == "running"


def test_a_run_without_a_line_has_begun(serve: WatchServer, run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    viewer = Viewer(serve)
    assert viewer.state() == "begun"
    append(run, {"step": 1, "loss": 2.0})
    assert viewer.lines() == [{"step": 1, "loss": 2.0}] and viewer.state() == "running"


def test_a_deleted_folder_is_said_and_a_new_one_in_its_place_is_read(serve: WatchServer, run: Path) -> None:
    viewer = Viewer(serve)
    assert viewer.state() == "running"
    shutil.rmtree(run)
    assert viewer.state() == "gone"
    assert ask(serve, "/").status == 200, "the server lives"
    run.mkdir()
    append(run, {"step": 9, "loss": 3.0})
    assert viewer.lines() == [{"step": 9, "loss": 3.0}] and viewer.state() == "running"


@pytest.mark.parametrize("name", ["metrics.jsonl", "method.yaml", "summary.json"])
def test_a_link_to_outside_is_not_followed(name: str, serve: WatchServer, run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"step": 41, "loss": 7777.0, "steps": 1}) + "\n")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(secret)
    viewer = Viewer(serve)
    if name == "metrics.jsonl":
        status = viewer.next("status", "lines")[1]
        assert status == {"state": "refused", "why": "`metrics.jsonl` is a link, and links are not followed"}
    else:
        assert viewer.state() == "running", "the summary of elsewhere is not believed"
        assert "cannot be drawn" in ask(serve, "/").read().decode() or name == "summary.json"


def test_a_folder_replaced_by_a_link_is_gone(serve: WatchServer, run: Path, tmp_path: Path) -> None:
    viewer = Viewer(serve)
    viewer.state()
    run.rename(tmp_path / "moved")
    run.symlink_to(tmp_path / "moved")
    assert viewer.state() == "gone"
    assert "cannot be drawn" in ask(serve, "/").read().decode()


def test_a_pipe_in_place_of_the_metrics_does_not_hang(serve: WatchServer, run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    assert Viewer(serve).next("status")[1]["why"] == "`metrics.jsonl` is no plain file"


def test_a_method_that_is_no_graph_is_said(serve: WatchServer, run: Path) -> None:
    (run / "method.yaml").write_text("a: [\nb")
    answer = ask(serve, "/")
    assert answer.status == 200 and "cannot be drawn" in answer.read().decode()


# viewers


def test_two_viewers_see_the_same(serve: WatchServer, run: Path) -> None:
    viewers = [Viewer(serve), Viewer(serve)]
    for viewer in viewers:
        assert viewer.lines() == [{"step": 1, "loss": 2.0}]
    append(run, {"step": 2, "loss": 1.0})
    assert [viewer.lines() for viewer in viewers] == [[{"step": 2, "loss": 1.0}]] * 2


def test_more_connections_than_allowed_are_turned_away_and_a_viewer_that_leaves_makes_room(serve: WatchServer) -> None:
    viewers = [Viewer(serve) for _ in range(CONNECTIONS)]
    assert ask(serve, "/").status == 503
    viewers[0].close()
    assert serve.slots.acquire(timeout=WAIT), "its thread has ended"
    serve.slots.release()
    assert ask(serve, "/").status == 200
    for viewer in viewers[1:]:
        viewer.close()
    for _ in range(CONNECTIONS):
        assert serve.slots.acquire(timeout=WAIT)
    for _ in range(CONNECTIONS):
        serve.slots.release()


def test_a_closing_server_ends_its_streams(run: Path) -> None:
    server = WatchServer(RunFiles(run.resolve()), 0, Pace(look_s=1000))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    viewer = Viewer(server)
    viewer.state()
    server.shutdown()
    server.close()
    thread.join(WAIT)
    assert viewer.next("closed", "lines")[0] == "closed"


def test_a_request_that_fails_is_one_line(serve: WatchServer, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    def broken(*_: Any) -> str:
        raise RuntimeError("no page")

    monkeypatch.setattr(module, "page", broken)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(serve, "/")
    assert capfd.readouterr().err == "watch: a request failed: RuntimeError: no page\n"


# the command


def command(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "graphssl", "watch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_command_prints_the_address_and_ends_well_on_ctrl_c(run: Path) -> None:
    watching = command(str(run))
    assert watching.stdout
    address = watching.stdout.readline().strip()
    port, token = int(address.split(":")[2].split("/")[0]), address.partition("token=")[2]
    assert address == f"http://127.0.0.1:{port}/?token={token}" and len(token) >= 32
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    connection.request("GET", f"/?token={token}")
    assert connection.getresponse().status == 200
    watching.send_signal(signal.SIGINT)
    _, error = watching.communicate(timeout=WAIT)
    assert watching.returncode == 0 and "Traceback" not in error


def test_it_waits_for_a_run_when_told_to(tmp_path: Path) -> None:
    watching = command(str(tmp_path / "later"), "--wait")
    assert watching.stdout and watching.stderr
    assert watching.stderr.readline() == f"waiting for `{tmp_path / 'later'}` to become a run\n"
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "method.yaml").write_text(METHOD)
    assert watching.stdout.readline().startswith("http://127.0.0.1:")
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=WAIT)
    assert watching.returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [(["nowhere"], "`nowhere` is no run folder (it has no method.yaml); --wait waits until it is there"),
     ([".", "--port", "0"], "`.` is no run folder (it has no method.yaml)"),
     (["RUN", "--port", "99999"], "cannot listen on port 99999: expected 0 to 65535"),
     (["RUN", "--port", "TAKEN"], "address already in use")],
)  # fmt: skip
def test_mistakes_are_one_sentence(
    words: list[str], message: str, serve: WatchServer, run: Path, capsys: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    from graphssl.cli import main

    monkeypatch.chdir(tmp_path)
    filled = [word.replace("RUN", str(run)).replace("TAKEN", str(serve.server_port)) for word in words]
    assert main(["watch", *filled]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_watching_needs_no_torch(run: Path, without_torch: Any) -> None:
    code = (
        "import sys, graphssl.cli.watch; from pathlib import Path; from graphssl.watch.folder import RunFiles\n"
        "from graphssl.watch.page import page; assert 'data-node' in page(RunFiles(Path(sys.argv[1])), 'n')"
    )
    without_torch(code, str(run))
