"""The server of the page: 127.0.0.1 only, two addresses, each with the token; no part of a request names a file."""

from __future__ import annotations

import json
import secrets
import select
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from graphssl.watch.events import Pace, events
from graphssl.watch.folder import RunFiles
from graphssl.watch.page import page

CONNECTIONS = 16
"""Connections at a time: each open page holds one."""

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Scripts and styles of this answer only; `style` attributes, which the drawing has, cannot run anything."""


class WatchServer(ThreadingHTTPServer):
    """Serves one run folder until `close`. port: 0 takes a free one."""

    daemon_threads = True

    def __init__(self, files: RunFiles, port: int = 0, pace: Pace = Pace()):  # noqa: B008
        self.files, self.pace = files, pace
        self.token = secrets.token_urlsafe(24)
        self.slots = threading.BoundedSemaphore(CONNECTIONS)
        self.closing, self.bell = socket.socketpair()  # `closing` can be read from once `bell` is shut
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except BaseException:
            self.closing.close()
            self.bell.close()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's looks the name up in the network
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.slots.acquire(blocking=False):
            return super().process_request(request, client_address)
        with suppress(OSError):
            request.sendall(b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\n\r\n")
        return self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that went away is no error; anything else is one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"watch: a request failed: {type(error).__name__}: {error}", file=sys.stderr)

    def close(self) -> None:
        """End every open page's stream and the server."""
        self.bell.close()
        self.server_close()
        if all(self.slots.acquire(timeout=2) for _ in range(CONNECTIONS)):
            self.closing.close()  # no stream waits on it any more


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: WatchServer
    server_version, sys_version = "graphssl", ""
    timeout = 10  # seconds, for a request to arrive and for a viewer to take what is sent

    def do_GET(self) -> None:
        if not self.admitted():
            return self.answer(403, "text/plain", b"forbidden: use the address that `graphssl watch` printed\n")
        match urlsplit(self.path).path:
            case "/":
                nonce = secrets.token_urlsafe(16)
                policy = {"Content-Security-Policy": _POLICY.format(nonce=nonce)}
                return self.answer(200, "text/html", page(self.server.files, nonce).encode(), policy)
            case "/events":
                return self.stream()
        return self.answer(404, "text/plain", b"not found\n")

    def refuse(self) -> None:
        if self.admitted():
            self.answer(405, "text/plain", b"only GET\n", {"Allow": "GET"})
        else:
            self.answer(403, "text/plain", b"forbidden\n")

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = refuse

    def admitted(self) -> bool:
        """Whether the request names this server (another name means a page elsewhere made the browser ask) and the token."""
        port = self.server.server_port
        hosts = self.headers.get_all("Host", [])
        tokens = parse_qs(urlsplit(self.path).query).get("token", [])
        own = len(hosts) == 1 and hosts[0] in (f"127.0.0.1:{port}", f"localhost:{port}")
        given = tokens[0].encode("utf-8", "replace") if len(tokens) == 1 else b""
        return secrets.compare_digest(given, self.server.token.encode()) and own

    def answer(self, code: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        length = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
        for name, value in {
            **length,
            **HEADERS,
            "Content-Security-Policy": "default-src 'none'",
            **(more or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream(self) -> None:
        """Server-sent events until the viewer goes away or the server closes."""
        self.send_response(200)
        for name, value in {"Content-Type": "text/event-stream; charset=utf-8", **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        for name, data in events(self.server.files, self.over, self.server.pace):
            text = f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n" if name else ": alive\n\n"
            self.wfile.write(text.encode())

    def over(self, seconds: float) -> bool:
        """Wait; whether the viewer went away or the server closes. A viewer has nothing to say, so any sign is the end."""
        ready, _, _ = select.select([self.connection, self.server.closing], [], [], seconds)
        return bool(ready)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the address of every request holds the token."""
