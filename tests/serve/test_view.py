"""Sample sessions and views: the fold of what was told is what the engine did."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import StoreUnavailableError, UsageError
from nifty_research.serve.sample import Entry, sample_entries, write_session
from nifty_research.serve.view import BuyAndHold, SessionView, read_session, runs_of


def test_sample_session_agrees_with_the_engine_at_every_decision(view: SessionView) -> None:
    summary = view.summary()
    assert summary.breaks == 0 and summary.doubtful == () and summary.open_positions == ()
    assert summary.bars == len(view.tape.held_curve) == 360
    assert summary.trades > 10 and summary.denied


def test_several_days_and_coarse_bars_agree_too(tmp_path: Path) -> None:
    days = [date(2026, 9, 17), date(2026, 9, 18), date(2026, 9, 21)]
    told = sample_entries(["INFY", "TCS"], days, interval_minutes=15)
    summary = read_session(write_session(tmp_path / "l.sqlite", "days", told)).summary()
    assert summary.breaks == 0 and summary.days == tuple(map(str, days))


def test_view_takes_only_what_is_new(tmp_path: Path, entries: list[Entry]) -> None:
    ledger = write_session(tmp_path / "ledger.sqlite", "day", entries[:500])
    with SessionView(ledger, "day") as view:
        assert view.update() and not view.update() and not view.is_over
        write_session(ledger, "day", entries[500:])
        assert view.update() and view.is_over
        whole = read_session(ledger, "day")
        assert view.summary() == whole.summary()
        assert view.tape.held_curve == whole.tape.held_curve


def test_newest_run_of_any_account_is_found(tmp_path: Path) -> None:
    started = [("session started", {"capital_paise": 100, "symbols": ["INFY"]})]
    ledger = tmp_path / "ledger.sqlite"
    for run, account in (("old", "B"), ("new", "A")):
        write_session(ledger, run, started, account=account)
    assert SessionView(ledger).run == "new"
    assert SessionView(ledger, account="B").run == "old"
    assert sorted(runs_of(ledger)) == [("A", "new"), ("B", "old")]


def test_missing_ledger_run_and_symbol_are_named(tmp_path: Path, view: SessionView) -> None:
    with pytest.raises(StoreUnavailableError, match="there is no journal"):
        read_session(tmp_path / "none.sqlite")
    with pytest.raises(UsageError, match="no such session"):
        read_session(view.journal.path, "night")
    with pytest.raises(UsageError, match="did not watch"):
        view.tape.candles("WIPRO")


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=5), st.integers(0, 10**11))
def test_holding_at_unchanged_prices_is_worth_the_capital(prices: list[int], capital: int) -> None:
    held = BuyAndHold(capital, tuple(str(number) for number in range(len(prices))))
    bar = [price / 100 for price in prices]
    held.take(bar, bar)
    assert held.worth_paise() == capital
