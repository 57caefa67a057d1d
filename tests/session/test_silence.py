"""A session watches its feed: alerts for a share without ticks, none on a healthy day."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from direct_session import run_direct
from session_markets import LIVELY, small_market

from nifty_research.core.alerts import Alert
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import COLUMNS, Bars
from nifty_research.session.trader import Trader


def watched(folder: Path, bars: Bars, start: int) -> tuple[list[Alert], Trader]:
    "The alerts of a session over some bars."
    alerts: list[Alert] = []

    def listen(trader: Trader) -> None:
        if trader.bars_done == 1:
            trader.alerts.subscribe(alerts.append)

    settings = load_settings(environ={}, overrides=LIVELY)
    verdict, trader = run_direct(
        folder / "ledger.sqlite", "watched", settings, bars, start, on_bar=listen
    )
    assert verdict == "completed"
    return alerts, trader


def without(bars: Bars, symbol: str, begin: str, end: str) -> Bars:
    "The bars with a hole in one symbol."
    first, last = (bars.index.searchsorted(pd.Timestamp(t, tz=bars.index.tz)) for t in (begin, end))
    place = bars.symbols.index(symbol)
    holed = {name: np.array(getattr(bars, name)) for name in COLUMNS}
    for values in holed.values():
        values[first:last, place] = np.nan
    return replace(bars, **holed)


def test_a_halted_share_is_told_once_and_again_when_it_is_back(tmp_path: Path) -> None:
    bars, start = small_market("2026-09-15")
    holed = without(bars, "INFY", "2026-09-15 11:00", "2026-09-15 12:00")

    alerts, _ = watched(tmp_path, holed, start)

    told = [(alert.kind, alert.where, f"{alert.time:%H:%M}") for alert in alerts]
    assert told == [
        ("instrument.silent", "INFY", "11:10"),
        ("instrument.back", "INFY", "12:05"),
    ]


def test_a_healthy_day_raises_none(tmp_path: Path) -> None:
    alerts, trader = watched(tmp_path, *small_market("2026-09-15"))

    assert trader.bars_done > 60 and [json.dumps(str(alert)) for alert in alerts] == []
