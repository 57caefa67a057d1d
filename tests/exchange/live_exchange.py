"""A small market with round prices, played by a real exchange process over real sockets."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nifty_research.broker.client import Broker, paper_request_token
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.session.opening import AdminPort
from nifty_research.session.processes import ExchangeProcess, new_keys

SYMBOLS = ("INFY", "M&M", "RELIANCE")
WARM_UP = 12  # bars of the day before


def small_market() -> Bars:
    "Two days of one-minute bars; row r opens at 1000 + r for INFY, at twice that for M&M."
    days = [pd.date_range(f"2026-09-{day} 09:15", periods=WARM_UP, freq="min") for day in (14, 15)]
    index = days[0].append(days[1]).tz_localize("Asia/Kolkata").as_unit("ns")
    level = (1000.0 + np.arange(len(index)))[:, None] * np.array([1.0, 2.0, 1.5])
    volume = np.full(level.shape, 500.0)
    return Bars(
        index, SYMBOLS, level, level + 1.0, level - 1.0, level + 0.5, volume, interval_minutes=1
    )


class Live:
    "One running exchange, a client that is logged in, and the hand on its clock."

    def __init__(self, folder: Path, overrides: dict[str, str]) -> None:
        self.bars = small_market()
        self.bars.save(folder / "market.parquet")
        self.settings = load_settings(overrides=overrides)
        self.keys = new_keys()
        self.process = ExchangeProcess(
            self.settings, folder / "market.parquet", WARM_UP, self.keys, folder / "exchange.log"
        )
        self.addresses = self.process.addresses
        self.admin = AdminPort(self.addresses.admin, timeout_s=10.0)
        self.key, self.secret = self.keys["NIFTY_PAPER_KEY"], self.keys["NIFTY_PAPER_SECRET"]
        self.broker = self.client()
        self.tokens = {i.tradingsymbol: i.instrument_token for i in self.broker.instruments()}

    def client(self, timeout_s: float = 7.0) -> Broker:
        "A fresh client with a log-in of its own; the one before is logged out by it."
        broker = Broker(self.addresses.rest, self.key, timeout_s=timeout_s)
        token = paper_request_token(self.addresses.rest, self.key, timeout_s)
        broker.kite.set_access_token(broker.log_in(token, self.secret))
        return broker

    @property
    def kite(self) -> Any:
        "The unmodified client."
        return self.broker.kite

    def step(self, phases: int = 1) -> None:
        "Let the exchange play on."
        for _ in range(phases):
            before = self.admin.status()["sequence"]
            self.admin.acknowledge(before)
            deadline = time.monotonic() + 10
            while self.admin.status()["sequence"] == before:
                assert time.monotonic() < deadline, "the exchange stands still"
                time.sleep(0.002)

    def place(self, **fields: Any) -> str:
        "An order of one share of INFY; fields replace the defaults."
        wanted = {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "quantity": 1,
            "product": "MIS",
            "order_type": "MARKET",
        } | fields
        if wanted["order_type"] in ("MARKET", "SL-M"):
            wanted.setdefault("market_protection", 2)
        return str(self.kite.place_order("regular", **wanted))


@contextmanager
def live_exchange(folder: Path, **overrides: str) -> Iterator[Live]:
    "A running exchange that ends with the block."
    live = Live(folder, {name.replace("__", "."): value for name, value in overrides.items()})
    try:
        yield live
    finally:
        live.process.close()
        assert live.process.has_ended
        assert "Traceback" not in Path(folder / "exchange.log").read_text()


def without_proxies() -> dict[str, str]:
    "This environment, for a child that talks to loopback only."
    return {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
