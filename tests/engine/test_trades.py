"""Trades put together from fills: nothing hidden, to the paisa, whatever the market did."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.engine.backtest import BacktestResult, backtest
from nifty_research.engine.book import BarPhase, Purpose, pack_state
from nifty_research.engine.exposure import daily_of, exposure_of
from nifty_research.engine.rules import bar_flags, days_of, rules_of
from nifty_research.engine.trades import trade_table, trades_of
from nifty_research.market.calendar import sessions
from nifty_research.strategies.contract import Indicators

NAMES = ("INFY", "TCS", "RELIANCE")
DAYS = sessions(date(2026, 9, 1), date(2026, 9, 4))
INTERVAL = 15


def market(seed: int) -> Bars:
    "Four days of three shares."
    return synthetic_bars(NAMES, DAYS, interval_minutes=INTERVAL, seed=seed)


def played(bars: Bars, seed: int, product: str, **more: Any) -> BacktestResult:
    "A backtest of scores thrown by dice."
    rng = np.random.default_rng(seed)
    entry = np.where(rng.random(bars.shape) < 0.25, rng.uniform(-1, 1, bars.shape), 0.0)
    leave = np.where(rng.random(bars.shape) < 0.10, 1.0, 0.0)
    settings = load_settings(
        overrides={"account.product": product, "risk.drawdown": "0.9", "risk.daily_loss": "0.5"}
    )
    return backtest(
        bars, entry, leave, Indicators().atr(bars, 14), rules_of(settings),
        days_of(bars, product), capital_paise=20_00_000_00,
        flags=bar_flags(bars.index, bars.symbols, INTERVAL, settings), **more,
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
