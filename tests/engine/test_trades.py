"""Trades put together from fills: nothing hidden, to the paisa, whatever the market did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import COLUMNS, Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.engine.backtest import BacktestResult, backtest
from nifty_research.engine.book import BarFlag, BarPhase, Purpose, Reason, pack_state
from nifty_research.engine.exposure import daily_of, exposure_of
from nifty_research.engine.rules import DayRules, bar_flags, days_of, rules_of
from nifty_research.engine.trades import trade_table, trades_of
from nifty_research.market.calendar import sessions
from nifty_research.strategies.contract import Indicators

NAMES = ("INFY", "TCS", "RELIANCE")
DAYS = sessions(date(2026, 9, 1), date(2026, 9, 4))
INTERVAL = 15


def market(seed: int) -> Bars:
    "Four days of three shares."
    return synthetic_bars(NAMES, DAYS, interval_minutes=INTERVAL, seed=seed)


EVENTFUL = {"volume_share": 0.0005, "lock_atr": 0.5, "lock_share": 0.5, "time_stop": 600}


def days_with_actions(bars: Bars, seed: int) -> list[DayRules]:
    "Day rules with splits, consolidations and dividends thrown by dice."
    rng = np.random.default_rng(seed + 1)
    days = []
    for day in days_of(bars, "CNC"):
        listings = day.listings.copy()
        listings["ratio"] = rng.choice([1.0, 1.0, 5.0, 1.5, 0.3], len(NAMES))
        listings["dividend"] = rng.choice([0.0, 0.0, 2.5], len(NAMES))
        days.append(replace(day, listings=listings))
    return days


def played(
    bars: Bars,
    seed: int,
    product: str,
    changed: Mapping[str, float] | None = None,  # rules
    days: list[DayRules] | None = None,
    last: Mapping[int, int] | None = None,  # symbol -> its last row ever
    **more: Any,
) -> BacktestResult:
    "A backtest of scores thrown by dice."
    rng = np.random.default_rng(seed)
    entry = np.where(rng.random(bars.shape) < 0.25, rng.uniform(-1, 1, bars.shape), 0.0)
    leave = np.where(rng.random(bars.shape) < 0.10, 1.0, 0.0)
    settings = load_settings(
        overrides={"account.product": product, "risk.drawdown": "0.9", "risk.daily_loss": "0.5"}
    )
    rules = rules_of(settings, INTERVAL)
    for name, value in (changed or {}).items():
        rules[name] = value
    flags = bar_flags(bars.index, bars.symbols, INTERVAL, settings)
    for symbol, row in (last or {}).items():
        flags[row, symbol] |= BarFlag.DELISTED
    return backtest(
        bars, entry, leave, Indicators().atr(bars, 14), rules,
        days_of(bars, product) if days is None else days,
        capital_paise=20_00_000_00, flags=flags, **more,
    )  # fmt: skip


@given(st.integers(0, 2**31), st.sampled_from(["MIS", "CNC"]), st.integers(40, 96))
def test_trades_explain_the_equity_to_the_paisa(seed: int, product: str, rows: int) -> None:
    bars = market(seed % 5).rows(0, rows)
    result = played(bars, seed, product)
    trades = trades_of(result, bars)
    assert trades["net"].sum() == result.equity[-1] - 20_00_000_00
    assert trades["fills"].sum() == len(result.fills)
    assert (trades["heads"].sum(axis=0) == result.fills["heads"].sum(axis=0)).all()
    assert (np.diff(trades["opened"]) >= 0).all()
    still = trades[trades["open"]]
    held = np.zeros(len(NAMES), np.int64)
    held[still["symbol"]] = still["left"]
    assert (held == result.positions["quantity"]).all()
    exposure = exposure_of(result, bars)
    assert (result.cash + exposure.net == result.equity).all()
    assert (exposure.gross >= np.abs(exposure.net)).all()
    assert exposure.traded.sum() == result.fills["value"].sum()
    daily = daily_of(result, bars, exposure)
    assert np.prod(1 + daily.returns) == pytest.approx(result.equity[-1] / 20_00_000_00)
    assert (trades["mae_paise"] >= 0).all() and (trades["quantity"] > 0).all()
    closed = trades[~trades["open"]]
    gain = closed["side"] * (closed["exit"] - closed["entry"]) * closed["quantity"] * 100
    assert np.allclose(gain, closed["gross"], atol=0.51)
    reach = 1e-9 + closed["mfe"]
    assert (closed["side"] * (closed["exit"] - closed["entry"]) <= reach).all()


@given(st.integers(0, 2**31))
def test_splits_dividends_part_fills_and_delistings_lose_no_paisa(seed: int) -> None:
    bars = market(seed % 5)
    words = {"days": days_with_actions(bars, seed), "last": {0: 60}}
    result = played(bars, seed, "CNC", EVENTFUL, **words)
    trades = trades_of(result, bars)
    assert trades["net"].sum() == result.equity[-1] - 20_00_000_00
    assert trades["credited"].sum() == result.actions["paise"].sum()
    assert trades["fills"].sum() == len(result.fills)
    exposure = exposure_of(result, bars)
    assert (result.cash + exposure.net == result.equity).all()
    assert (exposure.positions[-1] == result.positions["quantity"]).all()
    held = np.zeros(len(NAMES), np.int64)
    held[trades[trades["open"]]["symbol"]] = trades[trades["open"]]["left"]
    assert (held == result.positions["quantity"]).all()


def test_the_eventful_market_has_all_of_it() -> None:
    seen: set[int] = set()
    several = actions = 0
    for seed in range(6):
        bars = market(seed % 5)
        words = {"days": days_with_actions(bars, seed), "last": {0: 60}}
        result = played(bars, seed, "CNC", EVENTFUL, **words)
        seen |= set(result.fills["reason"].tolist())
        several = max(several, int(trades_of(result, bars)["fills"].max()))
        actions += len(result.actions)
    assert {Reason.PROFIT_LOCK, Reason.DELISTED, Reason.STOP, Reason.SIGNAL} <= seen
    assert several > 3 and actions > 2


def coarser(fine: Bars, by: int) -> Bars:
    "Several bars as one."
    parts = {name: getattr(fine, name).reshape(-1, by, len(NAMES)) for name in COLUMNS}
    columns = {
        "open": parts["open"][:, 0],
        "high": parts["high"].max(axis=1),
        "low": parts["low"].min(axis=1),
        "close": parts["close"][:, -1],
        "volume": parts["volume"].sum(axis=1),
    }
    arrays = {name: np.ascontiguousarray(values) for name, values in columns.items()}
    return Bars(fine.index[::by], fine.symbols, **arrays, interval_minutes=INTERVAL)


@given(st.integers(0, 2**31))
def test_finer_bars_refine_the_excursions(seed: int) -> None:
    every = synthetic_bars(NAMES, DAYS, interval_minutes=5, seed=seed % 5)
    fine = every.rows(0, len(every.index) // 3 * 3)
    bars = coarser(fine, 3)
    result = played(bars, seed, "MIS", finer=fine)
    if (result.fills["fine"] != result.fills["row"]).any():
        with pytest.raises(DataError, match="finer"):
            trades_of(result, bars)
    trades = trades_of(result, bars, finer=fine)
    assert trades["net"].sum() == result.equity[-1] - 20_00_000_00
    for trade in trades:
        first, last, symbol = (int(trade[name]) for name in ("opened", "closed", "symbol"))
        worst = bars.low if trade["side"] > 0 else bars.high
        widest = np.abs(worst[first : last + 1, symbol] - trade["entry"]).max()
        assert trade["mae"] <= max(widest, abs(trade["entry"] - trade["exit"])) + 1e-9


@given(st.integers(0, 2**31))
def test_excursions_are_the_extremes_of_the_bars_in_between(seed: int) -> None:
    bars = market(3)
    result = played(bars, seed, "MIS")
    at_open = {
        (int(fill["row"]), int(fill["symbol"]))
        for fill in result.fills
        if fill["reason"] == 0 and fill["phase"] == BarPhase.OPEN
    }
    for trade in trades_of(result, bars):
        first, last, symbol = (int(trade[name]) for name in ("opened", "closed", "symbol"))
        if (first, symbol) not in at_open or trade["open"] or last == first:
            continue
        low = np.nanmin(bars.low[first:last, symbol])
        high = np.nanmax(bars.high[first:last, symbol])
        own = (result.fills["symbol"] == symbol) & (result.fills["row"] == last)
        sold = result.fills["price"][own & (result.fills["reason"] > 0)]
        ends = [bars.open[last, symbol], *sold, low, high]
        far = trade["entry"] - np.array([min(ends), max(ends)])
        against, towards = far if trade["side"] > 0 else -far[::-1]
        assert trade["mae"] == pytest.approx(max(against, 0.0))
        assert trade["mfe"] == pytest.approx(max(-towards, 0.0))


def test_score_is_that_of_the_decision() -> None:
    bars = market(1)
    result = played(bars, 11, "MIS")
    entries = result.intents[result.intents["purpose"] == Purpose.ENTRY]
    for trade in trades_of(result, bars):
        mine = entries[(entries["symbol"] == trade["symbol"]) & (entries["row"] < trade["opened"])]
        assert trade["score"] == mine["score"][-1] and np.sign(trade["score"]) == trade["side"]


@given(st.integers(0, 2**31), st.integers(20, 80))
def test_a_result_that_went_on_closes_what_was_held(seed: int, cut: int) -> None:
    bars = market(2)
    first = played(bars.rows(0, cut), seed, "CNC")
    state = pack_state(first.positions, first.account)
    rest = played(bars, seed, "CNC", start=cut, state=state)
    trades = trades_of(rest, bars, start=cut, held=first.positions)
    before = trades_of(first, bars.rows(0, cut))
    open_then = before[before["open"]]["gross"].sum()
    assert trades["net"].sum() == rest.equity[-1] - rest.equity[cut - 1] + open_then
    if first.positions["quantity"].any() and rest.fills["reason"].any():
        opens = {int(f["symbol"]) for f in rest.fills if f["reason"] == 0}
        leaves = {int(f["symbol"]) for f in rest.fills if f["reason"] != 0}
        if leaves - opens:
            with pytest.raises(DataError, match="never entered"):
                trades_of(rest, bars, start=cut)


def test_no_trade_is_an_empty_list() -> None:
    bars = market(1).rows(0, 5)
    quiet = played(bars, 1, "MIS")
    none = trades_of(quiet, bars)[:0]
    assert trade_table(none, bars).empty
