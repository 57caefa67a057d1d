"""One twin listens to another with Kite's own ticker, and trades on its prices."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

from live_exchange import without_proxies

from nifty_research.broker.client import Broker, paper_request_token

TWIN = "import sys; from nifty_research.cli.main import main; sys.exit(main())"
KEY, SECRET = "relaykey12345678", "relaysecret12345"


class Twin:
    "A process of `nifty twin serve`."

    def __init__(self, *options: str, **environment: str) -> None:
        command = [sys.executable, "-c", TWIN, "twin", "serve", "--with-parent", "--json"]
        keys = {"NIFTY_PAPER_KEY": KEY, "NIFTY_PAPER_SECRET": SECRET}
        self.process = subprocess.Popen(
            [*command, "--no-limits", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=without_proxies() | keys | environment,
            text=True,
        )
        assert self.process.stdout is not None
        ports = json.loads(self.process.stdout.readline())
        self.address, self.admin = f"127.0.0.1:{ports['port']}", ports["admin_port"]
        root = f"http://{self.address}"
        self.broker = Broker(root, KEY)
        token = paper_request_token(root, KEY, 10.0)
        self.broker.kite.set_access_token(self.broker.log_in(token, SECRET))

    @property
    def kite(self) -> Any:
        "The unmodified client."
        return self.broker.kite

    def ask(self, path: str, **wanted: Any) -> dict[str, Any]:
        data = json.dumps(wanted).encode() if wanted else None
        method = "POST" if wanted else "GET"
        request = Request(f"http://127.0.0.1:{self.admin}{path}", data, method=method)
        with urlopen(request, timeout=10) as answer:
            return dict(json.loads(answer.read()))


@contextmanager
def twin(*options: str, **environment: str) -> Iterator[Twin]:
    one = Twin(*options, **environment)
    try:
        yield one
    finally:
        assert one.process.stdin is not None and one.process.stdout is not None
        one.process.stdin.close()
        assert one.process.wait(timeout=20) == 0
        one.process.stdout.close()


def until(what: str, holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_live_prices_of_one_twin_are_traded_on_at_another() -> None:
    day = ("--day", "2026-09-15", "--no-auctions")
    symbols = ("--symbol", "INFY", "--symbol", "M&M")
    with twin("--market", "synthetic", "--speed", "20", *day, *symbols) as upstream:
        keys = {
            "NIFTY_UPSTREAM_KEY": KEY,
            "NIFTY_UPSTREAM_TOKEN": str(upstream.kite.access_token),
        }
        place = ("--market", "relay", "--upstream", upstream.address)
        with twin(*place, *symbols, **keys) as relay:
            tokens = [
                {one["tradingsymbol"]: one["instrument_token"] for one in there.kite.instruments()}
                for there in (upstream, relay)
            ]
            assert tokens[0] == tokens[1]
            names = ["NSE:INFY", "NSE:M&M"]
            until("prices come", lambda: relay.kite.quote("NSE:INFY")["NSE:INFY"]["volume"] > 0)
            upstream.ask("/pause", on=True)
            prices = {n: one["last_price"] for n, one in upstream.kite.ltp(names).items()}

            def same() -> bool:
                there = relay.kite.ltp(names)
                return {n: one["last_price"] for n, one in there.items()} == prices

            until("the last prices arrive", same)
            relay.kite.place_order(
                "regular",
                exchange="NSE",
                tradingsymbol="INFY",
                transaction_type="BUY",
                quantity=10,
                product="CNC",
                order_type="LIMIT",
                price=round(prices["NSE:INFY"] * 1.01, 0),
            )
            assert relay.kite.orders()[-1]["status"] == "COMPLETE"
            assert upstream.kite.orders() == []
            now = upstream.kite.quote("NSE:INFY")["NSE:INFY"]["timestamp"]
            there = relay.kite.quote("NSE:INFY")["NSE:INFY"]
            assert abs((there["timestamp"] - now).total_seconds()) < 60
            assert there["depth"]["buy"][0]["quantity"] > 0
