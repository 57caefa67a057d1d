"""The promise of the platform: the compiled loop and a session at the exchange trade alike.

Random small markets with gaps, missing bars, halts, prices off the tick, the closing auction's
purge and nights in between are traded twice on the same random scores: once by the compiled loop,
once by the real session loop through the real client and the real exchange. Every fill with its
charges, every intent, every denial, the equity of every bar, the final state and the exchange's
own books must be the same, to the paisa. What a mutated exchange does to the comparison is tested
too: a test that cannot fail proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inprocess import Session

from nifty_research.core.errors import TradingSystemError
from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import BacktestResult, backtest
from nifty_research.engine.book import BarPhase, OrderKind, Purpose, Reason
from nifty_research.engine.fill import fill_in_band
from nifty_research.engine.rules import bar_flags, dated_days, days_of, rules_of
from nifty_research.exchange import bar_matching, venue
from nifty_research.market.calendar import bar_starts, sessions
from nifty_research.session.parity import (
    RecordedInputs,
    backtest_decisions,
    backtest_trades,
    session_decisions,
    session_trades,
)
from nifty_research.session.record import unlisted, unpacked_state

SYMBOLS = (
    "HDFCBANK",
    "INFY",
    "SMALLCAP",
    "RELIANCE",
    "OTHERCAP",
)  # the ...CAPs have no derivatives
PERIODS = (date(2026, 7, 30), date(2026, 9, 15), date(2021, 3, 9), date(2025, 4, 11))
LEVELS = (12.0, 247.0, 252.0, 997.0, 1004.0, 1400.0, 4990.0)  # some close to a change of tick


@cache
def _settings(overrides: tuple[tuple[str, str], ...]) -> Settings:
    return load_settings(overrides=dict(overrides))


@dataclass(frozen=True)
class Case:
    "One market and the rules it is traded by."

    seed: int
    symbols: int
    first: date
    days: int
    warm_up_rows: int
    interval: int
    rows: int  # bars kept at the start and at the end of a day
    volatility: float  # of a bar
    night: float  # volatility of a night
    missing: float  # share of bars that are missing
    opinion: float  # share of bars with an entry score
    wish: float  # share of bars with an exit wish
    overrides: tuple[tuple[str, str], ...]

    def settings(self) -> Settings:
        return _settings(self.overrides)


def rows_of(case: Case, day: date) -> list[pd.Timestamp]:
    "Bars of the morning and of the end of continuous trading."
    starts = bar_starts(day, case.interval, has_derivatives=False)
    if len(starts) <= 2 * case.rows:
        return [pd.Timestamp(start) for start in starts]
    purge = [s for s in starts if (s.hour, s.minute) >= (15, 13)] if case.interval == 1 else []
    late = starts[-case.rows :] if case.interval > 1 else purge[: 2 * case.rows]
    return [pd.Timestamp(start) for start in [*starts[: case.rows], *late]]


def market(case: Case) -> tuple[Bars, int]:
    "The market of a case, and the first row that is traded."
    chance = np.random.default_rng(case.seed)
    days = sessions(case.first, case.first + timedelta(days=12))[: case.days]
    stamps = [stamp for day in days for stamp in rows_of(case, day)]
    index = pd.DatetimeIndex(stamps).as_unit("ns")
    shape = (len(index), case.symbols)
    price = chance.choice(LEVELS, case.symbols)
    columns = {name: np.full(shape, np.nan) for name in ("open", "high", "low", "close", "volume")}
    halted_from = chance.integers(0, 2 * len(index), case.symbols)
    ends = {
        (day, place): bar_starts(day, case.interval, _has_derivatives(place))[-1]
        for day in days
        for place in range(case.symbols)
    }
    for row, stamp in enumerate(index):
        new_day = row > 0 and stamp.date() != index[row - 1].date()
        noise = case.night if new_day else case.volatility / 3
        open_ = price * np.exp(noise * chance.standard_t(4, case.symbols))
        close = open_ * np.exp(case.volatility * chance.standard_normal(case.symbols))
        reach = np.exp(np.abs(case.volatility * chance.standard_normal((2, case.symbols))))
        flat = chance.random(case.symbols) < 0.1
        close, reach = np.where(flat, open_, close), np.where(flat, 1.0, reach)
        made = {
            "open": open_,
            "high": np.maximum(open_, close) * reach[0],
            "low": np.minimum(open_, close) / reach[1],
            "close": close,
        }
        absent = chance.random(case.symbols) < case.missing
        price = close
        for place in range(case.symbols):
            halt = halted_from[place] <= row < halted_from[place] + 4
            if absent[place] or halt or stamp > ends[stamp.date(), place]:
                continue
            for name, values in made.items():
                columns[name][row, place] = max(round(values[place] * 100), 100) / 100
            columns["volume"][row, place] = chance.integers(0, 100_000)
    start = min(case.warm_up_rows, len(index) - 1)
    return Bars(index, SYMBOLS[: case.symbols], **columns, interval_minutes=case.interval), start


def _has_derivatives(place: int) -> bool:
    return not SYMBOLS[place].endswith("CAP")


Thoughts = tuple[Any, Any, Any, Any]


def scores(case: Case, bars: Bars) -> Thoughts:
    "Entry scores, exit wishes, leans and ranges; some not ready, some of the same size."
    chance = np.random.default_rng(case.seed + 1)
    shape = bars.shape
    size = np.round(0.65 + 0.35 * chance.random(shape), 1)
    entry = size * np.where(chance.random(shape) < 0.5, -1.0, 1.0)
    entry[chance.random(shape) > case.opinion] = 0.0
    entry[chance.random(shape) < 0.02] = np.nan
    exit_ = np.where(chance.random(shape) < case.wish, chance.random(shape), 0.0)
    exit_[chance.random(shape) < 0.02] = np.nan
    soft = np.where(chance.random(shape) < case.wish, chance.uniform(-1, 1, shape), 0.0)
    lean = np.where(entry != 0.0, entry, soft)
    known = pd.DataFrame(bars.close).ffill().to_numpy()
    atr = known * case.volatility * (0.3 + 1.5 * chance.random(shape))
    atr[chance.random(shape) < 0.02] = np.nan
    atr[chance.random(shape) < 0.01] = 0.0
    return entry, exit_, lean, atr


def loop(case: Case, bars: Bars, start: int, thoughts: Thoughts) -> BacktestResult:
    "The compiled loop."
    chosen = case.settings()
    entry, exit_, lean, atr = thoughts
    return backtest(
        bars,
        entry,
        exit_,
        atr,
        rules_of(chosen, bars.interval_minutes),
        dated_days(bars, chosen),
        flags=bar_flags(bars.index, bars.symbols, bars.interval_minutes, chosen),
        capital_paise=chosen.account.capital_paise,
        lean=lean,
        start=start,
    )


def check(case: Case, thoughts: Thoughts | None = None) -> tuple[BacktestResult, Session]:
    "Trade a case twice and compare everything."
    bars, start = market(case)
    thoughts = thoughts or scores(case, bars)
    result = loop(case, bars, start, thoughts)
    session = Session(bars, start, case.settings())
    session.think(*thoughts)
    verdict = session.trader.run()
    inputs = RecordedInputs({}, case.settings(), bars, start, ())
    events = session.journal.kept
    assert session_decisions(events) == backtest_decisions(inputs, result)
    assert session_trades(events) == backtest_trades(inputs, result)
    assert int(session.trader.account["cash"][0]) == int(result.account["cash"][0])
    decisions = session.journal.of("decision")
    assert [one["equity_paise"] for one in decisions] == result.equity[start:].tolist()
    assert [one["cash_paise"] for one in decisions] == result.cash[start:].tolist()
    assert session.trader.positions.tobytes() == result.positions.tobytes()
    assert session.trader.account.tobytes() == result.account.tobytes()
    assert verdict in ("completed", "risk halt")
    assert len(unpacked_state(decisions[-1]["state"])[0]) == case.symbols
    check_bars(session, bars, start)
    check_books(session, result)
    return result, session


def check_bars(session: Session, bars: Bars, start: int) -> None:
    "The session saw the very bars that the exchange played."
    heard = session.journal.of("bar")
    assert len(heard) == len(bars.index) - start
    for name in ("open", "high", "low", "close", "volume"):
        seen = np.array([unlisted(one[name]) for one in heard])
        np.testing.assert_array_equal(seen, getattr(bars, name)[start:])


def check_books(session: Session, result: BacktestResult) -> None:
    "The exchange's own books agree: nothing rejected, positions alike, money conserved."
    assert not session.journal.of("order rejected") and not session.journal.of("order unknown")
    account = session.exchange.account
    held = {name: 0 for name in session.bars.symbols}
    for (symbol, _), holding in account.holdings.items():
        held[symbol] += holding.quantity
    assert list(held.values()) == result.positions["quantity"].tolist()
    money = account.cash
    for holding in account.holdings.values():
        money += holding.sold_value - holding.bought_value
    charges = int(result.fills["heads"].sum())
    entry_value = sum(holding.overnight_value for holding in account.holdings.values())
    assert money - entry_value == int(result.account["cash"][0]) + charges


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    product = draw(some("MIS", "CNC"))
    changes = draw(some(2, 3, 25))
    losses = draw(some(("0.3", "0.5"), ("0.02", "0.5"), ("0.005", "0.03"), ("0.01", "0.02")))
    overrides = {
        "account.product": product,
        "account.capital_inr": draw(some("1000000", "300000", "60000")),
        "risk.trades_per_day": draw(some("150", "150", "4")),
        "risk.open_positions": draw(some("20", "20", "2")),
        "risk.lock_atr": draw(some("2.0", "0", "0.3")),
        "risk.lock_share": draw(some("0.5", "0.2")),
        "risk.break_even_atr": draw(some("0", "0", "0.5")),
        "risk.time_stop_hours": draw(some("24", "0", "0.1")),
        "risk.time_stop_in_trading": draw(some("false", "true")),
        "risk.cool_down_minutes": draw(some("0", "4")),
        "risk.pause_after_stops": draw(some("0", "1")),
        "risk.pause_minutes": "5",
        "risk.kelly_fraction": draw(some("0", "0.5")),
        "risk.kelly_after_trades": "4",
        "risk.correlation_cut": draw(some("0", "1")),
        "risk.correlation_days": "5",
        "risk.correlation_least_days": "2",
        "execution.impact": draw(some("0", "1")),
        "execution.spread_ticks": draw(some("0", "2")),
        "risk.trades_per_symbol_per_day": draw(some("8", "8", "1")),
        "risk.positions_per_sector": draw(some("6", "6", "1")),
        "risk.risk_per_trade": draw(some("0.02", "0.005")),
        "risk.maximum_share": draw(some("0.3", "0.15", "0.9")),
        "risk.stop_atr": draw(some("2.0", "0.5", "8.0")),
        "risk.target_atr": draw(some("3.0", "1.0", "0.5", "9.0")),
        "risk.trail_from_atr": draw(some("0.2", "1.5")),
        "risk.trail_by_atr": draw(some("0.8", "3.0")),
        "risk.stop_step_atr": draw(some("0.05", "0.25")),
        "risk.daily_loss": losses[0],
        "risk.drawdown": losses[1],
        "execution.order_changes": str(changes),
        "risk.stop_moves": str(min(24, changes - 1)),
        "execution.slippage_bps": draw(some("0", "2", "20")),
        "execution.market_protection_percent": draw(some("0.1", "2")),
    }
    return Case(
        seed=draw(st.integers(0, 2**32 - 1)),
        symbols=draw(some(5, 3, 2, 1)),
        first=draw(some(*PERIODS)),
        days=draw(some(3, 2, 4, 1)),
        warm_up_rows=draw(some(0, 3, 12)),
        interval=draw(some(1, 5, 15)),
        rows=draw(some(8, 12, 5, 2)),
        volatility=draw(some(0.0005, 0.003, 0.02)),
        night=draw(some(0.001, 0.03)),
        missing=draw(some(0.1, 0.0, 0.5)),
        opinion=draw(some(0.1, 0.6, 1.0)),
        wish=draw(some(0.0, 0.1)),
        overrides=tuple(overrides.items()),
    )


def tick_changes(case: Case, bars: Bars) -> bool:
    "Whether a share's tick changes in a night over which it may be held."
    days = days_of(bars, "CNC")
    ticks = np.array([day.listings["tick"] for day in days])
    return case.settings().account.product == "CNC" and bool((ticks != ticks[0]).any())


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(cases())
def test_backtest_and_exchange_trade_alike(case: Case) -> None:
    check(case)


CANDIDATES = tuple(
    Case(
        seed=seed,
        symbols=5,
        first=PERIODS[seed % 2],
        days=3,
        warm_up_rows=3,
        interval=(1, 15)[seed % 2],
        rows=12,
        volatility=0.004,
        night=0.005,
        missing=0.1,
        opinion=(0.6, 0.2)[seed // 2 % 2],
        wish=0.02,
        overrides=(
            ("account.product", ("MIS", "CNC")[seed // 2 % 2]),
            ("risk.risk_per_trade", "0.02"),
            ("risk.maximum_share", "0.3"),
            ("risk.stop_atr", ("1.0", "9.0")[seed // 2 % 2]),
            ("risk.target_atr", ("1.0", "40.0")[seed // 2 % 2]),
            ("risk.trail_from_atr", ("0.2", "5.0")[seed // 2 % 2]),
            ("risk.time_stop_hours", ("24", "0")[seed // 2 % 2]),
            ("risk.daily_loss", "0.3"),
            ("risk.drawdown", "0.5"),
            ("execution.market_protection_percent", "0.2"),
        ),
    )
    for seed in range(14)
)


@cache
def busy() -> tuple[Case, ...]:
    "Cases in which much happens."
    return CANDIDATES


def test_busy_cases_use_every_way_in_and_out() -> None:
    "Stops, targets, signals, square-offs, gaps, late stops, moved stops, and denials."
    ways, purposes, denials, carried = set(), set(), set(), 0
    for case in busy():
        result, _ = check(case)
        ways |= {(int(one["reason"]), int(one["phase"])) for one in result.fills}
        purposes |= {int(one["purpose"]) for one in result.intents}
        denials |= {int(one["code"]) for one in result.denials}
        carried += int((result.intents["phase"] == BarPhase.DAY_OPEN).sum())
    entered, stopped, target = 0, int(Reason.STOP), int(Reason.TARGET)
    signal, square_off = int(Reason.SIGNAL), int(Reason.SQUARE_OFF)
    opened, late = int(BarPhase.OPEN), int(BarPhase.LATE_STOPS)
    assert {(entered, opened), (entered, int(BarPhase.LIMITS)), (stopped, opened)} <= ways
    assert {(stopped, int(BarPhase.STOPS)), (stopped, late)} <= ways
    assert {(target, int(BarPhase.LIMITS)), (signal, opened), (square_off, opened)} <= ways
    assert set(map(int, Purpose)) - {int(Purpose.CANCEL_EXIT)} <= purposes
    assert len(denials) >= 4
    assert carried >= 3


def test_stops_are_purged_for_the_closing_auction_and_put_back_next_day() -> None:
    "Delivery shares bought in the morning are held for days; their stops cannot be."
    case = replace(
        CANDIDATES[3], first=date(2026, 9, 15), volatility=0.0005, night=0.001, missing=0.0, seed=1
    )
    bars, start = market(case)
    entry, wish, atr = np.zeros(bars.shape), np.zeros(bars.shape), 0.02 * bars.close
    entry[start] = 1.0  # once, in the first bar that is traded
    result, session = check(case, (entry, wish, entry, atr))
    by_symbol: dict[str, list[str]] = {name: [] for name in bars.symbols}
    for update in session.journal.of("order closed"):
        tagged = session.trader.orders.orders[update["tag"]]
        if not tagged.is_entry:
            by_symbol[bars.symbols[tagged.symbol]].append(update["reason"])
    held = [name for name, reasons in by_symbol.items() if reasons]
    assert len(held) >= 2 and result.positions["quantity"].any()
    for name in held:
        word = "day ended" if name.endswith("CAP") else "closing auction"
        assert by_symbol[name] == [word] * case.days
    put_back = result.intents[result.intents["phase"] == BarPhase.DAY_OPEN]
    assert len(put_back) == len(held) * (case.days - 1)


def test_an_exit_order_whose_changes_are_used_up_is_replaced() -> None:
    "Protected exits that find no market, again and again: cancel, then a new order."
    replaced = 0
    for seed in range(40):
        case = replace(
            CANDIDATES[seed % 12],
            seed=seed + 100,
            volatility=0.02,
            night=0.001,
            wish=0.6,
            missing=0.0,
            overrides=(
                *CANDIDATES[0].overrides,
                ("risk.stop_atr", "8.0"),
                ("risk.target_atr", "9.0"),
                ("execution.order_changes", "2"),
                ("risk.stop_moves", "1"),
                ("execution.market_protection_percent", "0.1"),
            ),
        )
        result, _ = check(case)
        replaced += int((result.intents["purpose"] == Purpose.CANCEL_EXIT).sum())
        if replaced >= 3:
            return
    raise AssertionError(f"only {replaced} exit orders were replaced")


def test_a_tick_that_changes_overnight() -> None:
    changed = 0
    for seed in range(30):
        case = replace(CANDIDATES[3], seed=seed, first=date(2025, 4, 11), days=4, night=0.03)
        if tick_changes(case, market(case)[0]):
            changed += 1
            check(case)
    assert changed > 5


def dearer(*asked: Any) -> float:
    "The exchange slips twice as far."
    rules = asked[0].copy()
    rules["slippage"] *= 2
    return float(fill_in_band(rules, *asked[1:]))


def at_a_touch(*asked: Any) -> float:
    "The exchange trades a limit that was touched, not traded through."
    _, _, phase, kind, quantity, price, _, high, low = asked
    is_buy = quantity > 0
    if phase == BarPhase.LIMITS and kind != OrderKind.STOP:
        return float(
            price if (low <= price + 1e-9 if is_buy else high >= price - 1e-9) else math.nan
        )
    return float(fill_in_band(*asked))


def at_the_trigger(*asked: Any) -> float:
    "The exchange fills a stop that was gapped through at its trigger, not at the open."
    filled = float(fill_in_band(*asked))
    if asked[2] == BarPhase.OPEN and asked[3] == OrderKind.STOP and not math.isnan(filled):
        return float(asked[5])
    return filled


def without_late_stops(*asked: Any) -> float:
    "The exchange forgets the stop of a position that was opened in the bar."
    return math.nan if asked[2] == BarPhase.LATE_STOPS else float(fill_in_band(*asked))


def a_paisa_off(*asked: Any) -> float:
    "The exchange is one paisa too dear, for buyers, at the open."
    filled = float(fill_in_band(*asked))
    return filled + 0.01 if asked[2] == BarPhase.OPEN and asked[4] > 0 else filled


@pytest.mark.parametrize(
    "mutant", [dearer, at_a_touch, at_the_trigger, without_late_stops, a_paisa_off]
)
def test_the_comparison_finds_a_mutated_exchange(
    mutant: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bar_matching, "fill_in_band", mutant)
    for case in busy():
        try:
            check(case)
        except AssertionError:
            return
    raise AssertionError(f"nobody noticed: {mutant.__doc__}")


def test_the_comparison_finds_an_exchange_that_forgets_the_end_of_the_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(venue.Venue, "expire", lambda self: None)
    for case in busy():
        try:
            check(case)
        except (AssertionError, TradingSystemError):
            return
    raise AssertionError("nobody noticed")
