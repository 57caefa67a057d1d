"""Kite's own ticker in its own process, over a real socket: it hears what was played."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from book_kit import Floor
from kiteconnect import KiteTicker
from live_exchange import WARM_UP, Live, live_exchange, without_proxies

from nifty_research.exchange.packets import frame
from nifty_research.exchange.stream import Hub
from nifty_research.exchange.wire import KiteError

LISTENER = Path(__file__).with_name("listen.py")


class Listener:
    "`KiteTicker` in a subprocess; commands go in by lines, what it hears comes out by lines."

    def __init__(self, live: Live, token: str) -> None:
        arguments = [live.addresses.stream, live.key, token]
        self.process = subprocess.Popen(
            [sys.executable, str(LISTENER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=without_proxies(),
        )

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def hear(self, *kinds: str) -> dict[str, Any]:
        "The next thing heard of one of the kinds."
        assert self.process.stdout is not None
        for line in self.process.stdout:
            heard: dict[str, Any] = json.loads(line)
            if heard["kind"] in kinds:
                return heard
        raise AssertionError(f"the listener ended before {kinds}")

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_exchange(tmp_path_factory.mktemp("stream")) as running:
        running.step()
        yield running


@pytest.fixture(scope="module")
def listener(live: Live) -> Iterator[Listener]:
    one = Listener(live, live.kite.access_token)
    one.hear("connect")
    yield one
    one.close()


def bar_heard(live: Live, listener: Listener) -> list[dict[str, Any]]:
    "Let a bar be played; all frames of ticks until its close."
    frames: list[dict[str, Any]] = []
    live.step()
    while True:
        heard = listener.hear("ticks", "barrier")
        if heard["kind"] == "ticks":
            frames.append(heard)
        elif heard["phase"] == "CLOSE":
            return frames
        else:
            live.admin.acknowledge(heard["sequence"])


def test_ticks_in_three_modes_are_the_prices_played(live: Live, listener: Listener) -> None:
    modes = {"INFY": "full", "M&M": "quote", "RELIANCE": "ltp"}
    tokens = live.tokens
    listener.tell(a="subscribe", v=list(tokens.values()))
    first = listener.hear("ticks")["ticks"]  # the last known prices, in quote mode, at once
    assert {tick["instrument_token"] for tick in first} == set(tokens.values())
    assert {tick["mode"] for tick in first} == {"quote"}
    for symbol, mode in modes.items():
        listener.tell(a="mode", v=[mode, [tokens[symbol]]])
        listener.hear("ticks")
    frames = bar_heard(live, listener)
    for place, symbol in enumerate(live.bars.symbols):
        ticks = [t for f in frames for t in f["ticks"] if t["instrument_token"] == tokens[symbol]]
        bar = [getattr(live.bars, n)[WARM_UP, place] for n in ("open", "low", "high", "close")]
        assert [tick["last_price"] for tick in ticks] == bar
        assert {tick["mode"] for tick in ticks} == {modes[symbol]}
        if symbol == "RELIANCE":
            assert all("ohlc" not in tick for tick in ticks)
            continue
        last = ticks[-1]
        before = live.bars.close[WARM_UP - 1, place]
        assert last["volume_traded"] == 500
        assert last["ohlc"] == {"open": bar[0], "high": bar[2], "low": bar[1], "close": before}
        assert last["change"] == pytest.approx((bar[3] - before) * 100 / before)
    full = [t for f in frames for t in f["ticks"] if t["instrument_token"] == tokens["INFY"]][-1]
    assert full["exchange_timestamp"] == live.bars.index[WARM_UP].timestamp() + 60
    assert len(full["depth"]["buy"]) == len(full["depth"]["sell"]) == 5


def test_unsubscribed_is_silent(live: Live, listener: Listener) -> None:
    listener.tell(a="unsubscribe", v=[live.tokens["M&M"]])
    listener.tell(a="mode", v=["ltp", [live.tokens["INFY"]]])
    listener.hear("ticks")
    frames = bar_heard(live, listener)
    heard = {tick["instrument_token"] for frame in frames for tick in frame["ticks"]}
    assert heard == {live.tokens["INFY"], live.tokens["RELIANCE"]}


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "null", '"x"', "[" * 50_000),
        '{"a":"mode","v":[]}',
        '{"a":"mode","v":["full",7]}',
        '{"a":"subscribe","v":[{}]}',
        '{"a":"subscribe","v":[1e999]}',
    ],
)
def test_what_cannot_be_read_is_answered_and_survived(listener: Listener, text: str) -> None:
    listener.tell(raw=text)
    assert "Could not read" in listener.hear("error")["reason"]


def test_unknown_requests_and_binary_do_no_harm(live: Live, listener: Listener) -> None:
    listener.tell(raw='{"a":"dance","v":[1]}')
    listener.tell(a="subscribe", v=[123456])
    listener.tell(a="mode", v=["ltp", [live.tokens["INFY"]]])
    assert listener.hear("ticks", "error", "close")["kind"] == "ticks"


def test_order_updates_come_in_order_and_signed(live: Live, listener: Listener) -> None:
    order_id = live.place(order_type="LIMIT", price=900.0, tag="streamtag")
    live.kite.modify_order("regular", order_id, price=901.0)
    live.kite.cancel_order("regular", order_id)
    updates = [listener.hear("order")["order"] for _ in range(2)]
    assert [one["status"] for one in updates] == ["UPDATE", "CANCELLED"]
    assert {one["order_id"] for one in updates} == {order_id}
    for one in updates:
        signed = f"{order_id}{one['order_timestamp']}{live.secret}".encode()
        assert one["checksum"] == hashlib.sha256(signed).hexdigest()
        assert one["tag"] == "streamtag" and one["user_id"] == "PAPER01"
    bought = live.place()
    bar_heard(live, listener)
    assert live.kite.order_history(bought)[-1]["status"] == "COMPLETE"


def test_fill_comes_before_the_barrier_of_its_phase(live: Live, listener: Listener) -> None:
    bought = live.place()
    live.step()
    heard = listener.hear("order", "barrier")
    assert heard["kind"] == "order" and heard["order"]["order_id"] == bought
    assert heard["order"]["status"] == "COMPLETE" and heard["order"]["filled_quantity"] == 1
    while (barrier := listener.hear("barrier"))["phase"] != "CLOSE":
        live.admin.acknowledge(barrier["sequence"])


def test_heart_beats_while_nothing_is_played(live: Live, listener: Listener) -> None:
    before = live.admin.status()
    beats = [listener.hear("heartbeat") for _ in range(2)]
    assert all(one["length"] == 1 for one in beats)
    assert 0.5 < beats[1]["at"] - beats[0]["at"] < 2.5
    assert live.admin.status() == before


def test_wrong_token_fourth_connection_and_no_token(live: Live, listener: Listener) -> None:
    wrong = Listener(live, "0" * 32)
    assert "403" in wrong.hear("error")["reason"]
    wrong.close()
    empty = Listener(live, "")
    assert "400" in empty.hear("error")["reason"]
    empty.close()
    more = [Listener(live, live.kite.access_token) for _ in range(2)]
    for one in more:
        one.hear("connect")
    fourth = Listener(live, live.kite.access_token)
    assert "429" in fourth.hear("error")["reason"]
    for one in (*more, fourth):
        one.close()
    assert live.admin.status()["connections"] <= 3


def test_depth_and_indices_are_sent_as_the_books_stand() -> None:
    floor = Floor()
    floor.play(1000.0, 500)
    floor.buy(40, 999.95)
    floor.play(1000.1, 20)
    hub = Hub(floor.venue)
    raw = frame([hub._packet("INFY", mode) for mode in ("full", "quote", "ltp")])
    full, quote, ltp = KiteTicker("key", "token")._parse_binary(raw)
    told = floor.venue.depth("INFY")
    assert full["depth"] == told and told["buy"][2]["orders"] == 2
    assert full["total_buy_quantity"] == quote["total_buy_quantity"] > 0
    assert full["volume_traded"] == 520 and ltp["last_price"] == 1000.1
    index = Floor(symbol="NIFTY 50", price=25_000.0)
    index.play(25_010.35)
    raw = frame([Hub(index.venue)._packet("NIFTY 50", mode) for mode in ("full", "quote")])
    for tick in KiteTicker("key", "token")._parse_binary(raw):
        assert not tick["tradable"] and tick["last_price"] == 25_010.35
        assert tick["ohlc"]["close"] == 25_000.0
    with pytest.raises(KiteError, match="is an index"):
        index.buy(1, 25_000.0)
