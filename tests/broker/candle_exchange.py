"""A local exchange with many days of bars behind it, and readers that ask it over real sockets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from nifty_research.broker.client import Broker, paper_request_token
from nifty_research.broker.quotas import Throttle, read_limits
from nifty_research.broker.reads import Reader
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.metrics import Metrics
from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.market.calendar import sessions
from nifty_research.session.opening import AdminPort
from nifty_research.session.processes import ExchangeProcess, new_keys

SYMBOLS = ("INFY", "M&M")
FIRST, TODAY = date(2026, 3, 2), date(2026, 9, 15)
BARS_A_DAY = 8


def many_days() -> Bars:
    "Eight one-minute bars a session; no two bars of a share are alike."
    days = sessions(FIRST, TODAY)
    index = pd.DatetimeIndex(
        [
            pd.Timestamp(datetime(day.year, day.month, day.day, 9, 15 + minute, tzinfo=IST))
            for day in days
            for minute in range(BARS_A_DAY)
        ]
    ).as_unit("ns")
    level = (1000.0 + 0.05 * np.arange(len(index)))[:, None] * np.array([1.0, 2.0])
    volume = np.arange(1.0, len(index) + 1)[:, None] * np.array([1.0, 3.0])
    return Bars(
        index, SYMBOLS, level, level + 1.0, level - 1.0, level + 0.5, volume, interval_minutes=1
    )


@dataclass
class Asked:
    "A running exchange and how to ask it."

    bars: Bars
    settings: Settings
    rest: str
    admin: AdminPort
    keys: dict[str, str]

    def now(self) -> datetime:
        "Where the exchange's clock stands."
        return datetime.fromisoformat(self.admin.status()["now"]).astimezone(IST)

    def step(self, phases: int) -> None:
        "Let the exchange play on."
        for _ in range(phases):
            before = self.admin.status()["sequence"]
            self.admin.acknowledge(before)
            while self.admin.status()["sequence"] == before:
                pass

    def broker(self) -> Broker:
        "A client with a log-in of its own."
        key, secret = self.keys["NIFTY_PAPER_KEY"], self.keys["NIFTY_PAPER_SECRET"]
        broker = Broker(self.rest, key)
        broker.kite.set_access_token(
            broker.log_in(paper_request_token(self.rest, key, 7.0), secret)
        )
        return broker

    def reader(self, metrics: Metrics, clock: SimulatedClock | None = None) -> Reader:
        "A reader whose clock stands at the exchange's time."
        clock = clock or SimulatedClock(self.now())
        throttle = Throttle(read_limits(self.settings.quotas), clock, metrics=metrics)
        return Reader(self.broker(), throttle, clock, self.settings.reads, metrics=metrics)


@contextmanager
def candle_exchange(folder: Path) -> Iterator[Asked]:
    "A running exchange that stands at the open of TODAY."
    bars, settings, keys = many_days(), load_settings(), new_keys()
    bars.save(folder / "market.parquet")
    start = len(bars.index) - BARS_A_DAY
    log = folder / "exchange.log"
    with ExchangeProcess(settings, folder / "market.parquet", start, keys, log) as process:
        admin = AdminPort(process.addresses.admin, timeout_s=10.0)
        yield Asked(bars, settings, process.addresses.rest, admin, keys)
    assert "Traceback" not in log.read_text()


def environment(asked: Asked) -> dict[str, str]:
    "Of a child process that logs in by itself."
    return dict(os.environ) | asked.keys | {"NIFTY_KITE__ROOT": asked.rest}
