"""What a store knows of splits, dividends and shares that end reaches who trades its bars."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import ZONE
from nifty_research.data.store import BarStore
from nifty_research.engine.backtest import BacktestResult, backtest
from nifty_research.engine.bar_flags import bar_flags, flag_delistings
from nifty_research.engine.book import Reason
from nifty_research.engine.rules import dated_days, rules_of
from nifty_research.market.calendar import sessions
from nifty_research.serve.report_bars import ReportBars, Wanted, report_bars
from nifty_research.session.market import prepare_bars

ROOT = Path(__file__).resolve().parents[2]
DAYS = sessions(dt.date(2025, 1, 1), dt.date(2025, 3, 31))
SPLIT, PAID, LAST = DAYS[20], DAYS[10], DAYS[30]
ACTIONS = [
    {"symbol": "TCS", "ex_date": SPLIT, "kind": "split", "numerator": 2.0, "denominator": 1.0},
    {"symbol": "TCS", "ex_date": PAID, "kind": "dividend", "amount_inr": 10.0},
]  # fmt: skip


def table(rows: list[dict[str, object]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def price_of(symbol: str, day: dt.date) -> float:
    return 1000.0 if symbol == "TCS" and day >= SPLIT else 2000.0


def row_of(symbol: str, day: dt.date) -> dict[str, object]:
    price = price_of(symbol, day)
    return {name: price for name in ("open", "high", "low", "close")} | {
        "symbol": symbol, "volume": 1_000_000,
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    "TCS is split and pays, INFY does nothing, WIPRO ends in mid-February."
    made = BarStore(tmp_path / "store")
    held = [(s, day) for s in ("TCS", "INFY", "WIPRO") for day in DAYS]
    held = [(symbol, day) for symbol, day in held if symbol != "WIPRO" or day <= LAST]
    made.append_daily(
        table([row_of(s, day) | {"date": day, "series": "EQ", "source": "test"} for s, day in held])
    )
    made.append_actions(table([one | {"source": "test", "verified": True} for one in ACTIONS]))
    return made


def settings() -> Settings:
    wanted = {
        "account.product": "CNC", "risk.stop_atr": "0", "risk.trail_by_atr": "0",
        "risk.lock_atr": "0", "risk.time_stop_hours": "0", "risk.correlation_cut": "0",
        "execution.slippage_bps": "0", "account.capital_inr": "1000000",
    }  # fmt: skip
    return load_settings(ROOT / "settings.ini", overrides=wanted, environ={})


def held_from_the_start(market: ReportBars) -> BacktestResult:
    "Every share is bought on the first day and held."
    bars, chosen = market.bars, settings()
    entry, nothing = np.zeros(bars.shape), np.zeros(bars.shape)
    entry[market.start] = 0.9
    flags = bar_flags(bars.index, bars.symbols, bars.interval_minutes, chosen)
    flag_delistings(flags, bars)
    return backtest(
        bars, entry, nothing, np.full(bars.shape, 1.0), rules_of(chosen, bars.interval_minutes),
        dated_days(bars, chosen, market.actions, start=market.start), flags=flags,
        capital_paise=chosen.account.capital_paise, start=market.start,
    )  # fmt: skip


def test_daily_bars_are_adjusted_and_their_dividends_are_credited(store: BarStore) -> None:
    wanted = Wanted(minutes=1440, symbols=("TCS", "INFY"))
    market = report_bars(store.root, settings(), wanted)
    tcs = market.bars.symbols.index("TCS")
    assert (market.bars.close[:, tcs] == 1000.0).all()  # the split is taken out
    assert market.actions is not None
    assert market.actions[["kind", "amount_inr"]].to_numpy().tolist() == [["dividend", 5.0]]
    result = held_from_the_start(market)
    assert not result.fills["reason"].any()  # a split is no loss: no stop was met
    (bought,) = result.fills["quantity"][result.fills["symbol"] == tcs].tolist()
    assert int(result.account["credited"][0]) == bought * 500  # 10 rupees on half as many shares
    assert any("dividends are credited" in note for note in market.notes)


def test_a_share_that_ends_is_sold_at_its_last_price(store: BarStore) -> None:
    wanted = Wanted(minutes=1440, symbols=("INFY", "WIPRO"))
    market = report_bars(store.root, settings(), wanted)
    assert [(one.symbol, one.last) for one in market.delisted] == [("WIPRO", LAST)]
    assert any("WIPRO trades no more after" in note for note in market.notes)
    result = held_from_the_start(market)
    (left,) = result.fills[result.fills["reason"] != 0]
    assert left["reason"] == Reason.DELISTED and left["price"] == 2000.0
    assert market.bars.index[int(left["row"])].date() == LAST


def minutes_of(store: BarStore) -> None:
    "Two minutes of each day around the split."
    stamps = [
        pd.Timestamp(f"{day} {time}", tz=ZONE) for day in DAYS[16:24] for time in ("09:15", "09:16")
    ]
    store.append_minutes(
        table([row_of(s, at.date()) | {"timestamp": at} for s in ("TCS", "INFY") for at in stamps])
    )


def test_a_split_between_raw_minutes_is_booked_in_the_morning(store: BarStore) -> None:
    minutes_of(store)
    wanted = Wanted(minutes=1, symbols=("TCS", "INFY"))
    market = report_bars(store.root, settings(), wanted)
    tcs = market.bars.symbols.index("TCS")
    assert {2000.0, 1000.0} == set(np.unique(market.bars.close[:, tcs]).tolist())  # raw
    result = held_from_the_start(market)
    assert not result.fills["reason"].any()
    (bought,) = result.fills["quantity"][result.fills["symbol"] == tcs].tolist()
    assert result.positions["quantity"][tcs] == 2 * bought
    assert len(result.actions) == 1 and (np.diff(result.equity[5:]) == 0).all()


def test_a_stored_market_brings_its_actions(store: BarStore) -> None:
    minutes_of(store)
    market = prepare_bars(settings(), (), bars=store.root)
    assert market.actions is not None and len(market.actions) == 2
