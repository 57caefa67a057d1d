"""Parity to the paisa over real sockets: both kinds of day, carried positions, real prices."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from session_markets import EIGHT, WITHOUT_DERIVATIVES, small_market

from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.data.files import file_days, read_bars
from nifty_research.ledger.events import Event
from nifty_research.ledger.journal import Journal
from nifty_research.session.market import start_of, synthetic_market

DRIVE = Path(__file__).with_name("drive.py")
ACCOUNT = "PAPER01"


def driven(
    folder: Path, bars: Bars, start: int, *, run: str = "driven", **overrides: str
) -> dict[str, Any]:
    "Verdict and parity of a session over real sockets, in a process of its own."
    bars.save(folder / "market.parquet")
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    named["market.interval_minutes"] = str(bars.interval_minutes)
    plan = {"profile": "conservative", "overrides": named, "start": start}
    (folder / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run(
        [sys.executable, str(DRIVE), str(folder), run], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    assert result["verdict"] == "completed"
    assert result["holds"] and result["difference_paise"] == 0, result["line"]
    assert result["trades_identical"] == result["trades"] > 0
    return result


def events_of(folder: Path, *kinds: str) -> list[Event]:
    with Journal.read_only(folder / "ledger.sqlite", ACCOUNT) as journal:
        assert journal.verify() == []
        return list(journal.events(kinds=kinds))


@pytest.mark.parametrize("day", ["2026-09-15", "2026-07-31"])
def test_day_of_fifty_shares(place: Path, day: str) -> None:
    "After and before the closing auction began; memory of the process that trades."
    market = synthetic_market(load_settings(), (date.fromisoformat(day),))
    assert market.bars.shape[1] == 50
    result = driven(place, market.bars, market.start)
    assert result["trades"] > 100
    if events_of(place, "session ended")[-1].payload["peak_memory_mb"] >= 380:
        driven(place, market.bars, market.start, run="warm")  # the first one had to compile
    assert events_of(place, "session ended")[-1].payload["peak_memory_mb"] < 380
    purged = [
        one
        for one in events_of(place, "order closed")
        if one.payload["reason"] == "closing auction"
    ]
    assert not purged  # intraday positions are left before the auction


def test_carried_over_closing_auctions(place: Path) -> None:
    "Delivery over four days: stops are purged at 15:15 and put back before the next open."
    days = ("2026-09-15", "2026-09-16", "2026-09-17", "2026-09-18")
    symbols = (*EIGHT, WITHOUT_DERIVATIVES)
    bars, start = small_market(*days, interval_minutes=15, symbols=symbols)
    driven(
        place,
        bars,
        start,
        account__product="CNC",
        **{
            "strategy moving_average__fast": "2",
            "strategy moving_average__slow": "5",
            "strategy moving_average__threshold": "0.50",
            "risk__minimum_confidence": "0.50",
        },
    )
    ends = events_of(place, "order closed")
    purged = [one for one in ends if one.payload["reason"] == "closing auction"]
    assert purged and {one.clock_time[11:16] for one in purged} == {"15:15"}
    stops = [one for one in events_of(place, "intent") if one.payload["purpose"] == "stop"]
    put_back = {one.payload["time"][:10] for one in stops if one.payload["time"][11:16] == "09:15"}
    held: Counter[str] = Counter()
    for one in events_of(place, "fill", "day opened"):
        if one.kind == "day opened":
            assert (one.payload["day"] in put_back) == any(held.values())
        else:
            sign = 1 if one.payload["side"] == "BUY" else -1
            held[one.payload["symbol"]] += sign * one.payload["quantity"]
    assert put_back


def test_real_day_of_minutes(place: Path, nifty_data: Path) -> None:
    path = nifty_data / "minute" / "stocks_1min_2021.parquet"
    days = file_days(path)[3:5]
    bars, _ = read_bars(path, interval_minutes=1, days=(days[0], days[1]), keep_good=True)
    driven(place, bars, start_of(bars, days[1]))
    (closed,) = events_of(place, "day closed")
    assert closed.payload["day"] == days[1].isoformat()


def test_real_week_of_quarters(place: Path, nifty_data: Path) -> None:
    "Fifteen-minute bars with positions carried overnight."
    paths = sorted((nifty_data / "minute").glob("*15min*.parquet"))
    if not paths:
        pytest.skip("no fifteen-minute bars: set NIFTY_DATA to a folder that has them")
    days = file_days(paths[0])[20:26]
    bars, _ = read_bars(paths[0], interval_minutes=15, days=(days[0], days[-1]), keep_good=True)
    driven(place, bars, start_of(bars, days[1]), account__product="CNC")
    assert len(events_of(place, "day closed")) == 5
