"""The feed at a real exchange: bars as recorded, a cut line, and a socket that goes silent."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_exchange import SYMBOLS, WARM_UP, Live, live_exchange, without_proxies

SCRIPT = Path(__file__).with_name("follow_feed.py")


class Follower:
    "The script, and what it tells."

    def __init__(self, live: Live) -> None:
        tokens = json.dumps([live.tokens[symbol] for symbol in SYMBOLS])
        token = str(live.kite.access_token)
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), live.addresses.stream, live.key, token, tokens],
            stdout=subprocess.PIPE,
            text=True,
            env=without_proxies(),
        )
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._told.put(json.loads(line))

    def hear(self, *kinds: str, timeout_s: float = 20.0) -> dict[str, Any]:
        "The next thing of one of the kinds."
        while True:
            try:
                told = self._told.get(timeout=timeout_s)
            except queue.Empty:
                raise AssertionError(f"nothing heard of {kinds}") from None
            if told["kind"] in kinds:
                return told

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_exchange(tmp_path_factory.mktemp("feed")) as running:
        yield running


@contextmanager
def following(live: Live) -> Iterator[Follower]:
    one = Follower(live)
    try:
        one.hear("ticks")
        yield one
    finally:
        one.close()


def next_bar(live: Live, follower: Follower) -> list[list[float]]:
    "Play on until a bar has closed; its prices and volumes as ticks made them."
    for _ in range(8):
        live.step()
        told = follower.hear("bar", "barrier")
        if told["kind"] == "bar":
            follower.hear("barrier")
            return list(told["rows"])
    raise AssertionError("no bar closes any more")


def test_bars_of_ticks_are_the_recorded_bars(live: Live) -> None:
    bars = live.bars
    with following(live) as follower:
        for row in range(WARM_UP, WARM_UP + 3):
            columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
            recorded = np.array([column[row] for column in columns])
            assert np.array_equal(np.array(next_bar(live, follower)), recorded), row


def test_cut_line_comes_back_and_is_subscribed_again(live: Live) -> None:
    with following(live) as follower:
        live.admin.fault(kind="feed lost")
        follower.hear("lost")
        assert follower.hear("back")["silent"] > 0.0
        assert follower.hear("ticks")["count"] == len(SYMBOLS)  # the last prices, sent anew
        live.step(4)
        assert follower.hear("ticks")["count"] == len(SYMBOLS)


def test_socket_without_a_heartbeat_is_cut_and_opened_anew(live: Live) -> None:
    with following(live) as follower:
        live.admin.fault(kind="feed stall", seconds=2.3)
        follower.hear("lost")
        assert follower.hear("back")["silent"] > 2.0
        assert ticks_come_again(live, follower)


def ticks_come_again(live: Live, follower: Follower) -> bool:
    "Whether the market is heard of again; a busy computer may need a second new connection."
    for _ in range(8):
        live.step()
        try:
            return int(follower.hear("ticks", timeout_s=2.0)["count"]) == len(SYMBOLS)
        except AssertionError:
            continue
    return False
