"""`python listen.py ROOT KEY TOKEN`: Kite's ticker, told by lines, telling by lines."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from datetime import datetime
from typing import Any

from kiteconnect import KiteTicker

logging.disable(logging.CRITICAL)


def tell(kind: str, **what: Any) -> None:
    "One line."
    print(json.dumps({"kind": kind} | what, default=plain), flush=True)


def plain(value: Any) -> float:
    "Times as Unix seconds: the ticker gives them naive, in the computer's own zone."
    assert isinstance(value, datetime)
    return value.timestamp()


def main() -> None:
    root, key, token = sys.argv[1:]
    ticker = KiteTicker(key, token, root=root, reconnect_max_tries=1)
    ticker.on_connect = lambda ws, response: tell("connect")
    ticker.on_ticks = lambda ws, ticks: tell("ticks", ticks=ticks)
    ticker.on_order_update = lambda ws, order: tell("order", order=order)
    ticker.on_error = lambda ws, code, reason: tell("error", code=code, reason=str(reason))
    ticker.on_close = lambda ws, code, reason: tell("close", code=code, reason=str(reason))

    def on_message(ws: Any, payload: bytes, is_binary: bool) -> None:
        if is_binary and len(payload) < 3:
            tell("heartbeat", length=len(payload), at=time.monotonic())
        elif not is_binary and b'"barrier"' in payload:
            tell("barrier", **json.loads(payload)["data"])

    ticker.on_message = on_message
    ticker.connect(threaded=True)
    threading.Thread(target=obey, args=(ticker,)).start()


def obey(ticker: Any) -> None:
    "Carry out commands until the input ends."
    from twisted.internet import reactor

    for line in sys.stdin:
        command = json.loads(line)
        text = command.get("raw", line).encode()
        reactor.callFromThread(lambda text=text: ticker.ws.sendMessage(text))
    reactor.callFromThread(ticker.stop_retry)
    reactor.callFromThread(reactor.stop)


if __name__ == "__main__":
    main()
