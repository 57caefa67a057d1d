"""A broker on a socket that answers as its script says: well, badly, late or not at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nifty_research.broker.client import Broker


def refused(code: int, error_type: str, message: str) -> tuple[int, str, bytes]:
    "Kite's envelope of an error."
    body = {"status": "error", "error_type": error_type, "message": message, "data": None}
    return code, "application/json", json.dumps(body).encode()


TOO_MANY = refused(429, "NetworkException", "Too many requests")
DOWN = refused(503, "NetworkException", "service unavailable")
HTML = (502, "text/html", b"<html>bad gateway</html>")
DEAD_TOKEN = refused(403, "TokenException", "Incorrect `api_key` or `access_token`.")
NO_SUCH = refused(400, "InputException", "Invalid `token`.")
HANG_UP = (0, "", b"")


@dataclass
class Moody:
    "What the broker will say, and what it was asked."

    script: list[tuple[int, str, bytes]] = field(default_factory=list)  # then it answers well
    slow_s: float = 0.0
    asked: list[str] = field(default_factory=list)  # path and query, as received
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        "The next answer."
        with self.lock:
            self.asked.append(path)
            if self.script:
                return self.script.pop(0)
        keys = parse_qs(urlsplit(path).query).get("i", [])
        data: Any = {key: {"instrument_token": 1, "last_price": 100.0} for key in keys}
        if "/historical/" in path:
            data = {"candles": [["2026-09-15T09:15:00+0530", 1, 2, 0.5, 1.5, 10]]}
        body = json.dumps({"status": "success", "data": data}).encode()
        return 200, "application/json", body


@contextmanager
def moody_broker() -> Iterator[tuple[Moody, Broker]]:
    "A server in a thread and the real client in front of it."
    moody = Moody()

    class Handler(BaseHTTPRequestHandler):
        "Answers by the script."

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            code, kind, body = moody.answer(self.path)
            time.sleep(moody.slow_s)
            if not code:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(code)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            "Say nothing."

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        broker = Broker(f"http://127.0.0.1:{server.server_port}", "key", timeout_s=5.0)
        broker.kite.set_access_token("token")
        yield moody, broker
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
