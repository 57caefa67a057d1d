"""Six strategies, ensemble and regime trade alike in a session and in the compiled loop."""

from __future__ import annotations

from datetime import date

import pytest
from inprocess import Session

from nifty_research.core.settings import load_settings
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.session.decide import Decider, backtest_of
from nifty_research.session.parity import (
    RecordedInputs,
    backtest_decisions,
    backtest_trades,
    session_decisions,
    session_trades,
)

SYMBOLS = ("HDFCBANK", "INFY", "ITC", "MARUTI", "RELIANCE", "SBIN", "TCS", "TITAN")
DAYS = [date(2026, 9, day) for day in (11, 15, 16)]


@pytest.mark.parametrize("scope", ["market", "symbol"])
def test_the_ensemble_trades_alike_and_the_journal_tells_its_votes(scope: str) -> None:
    settings = load_settings(
        overrides={
            "strategy.name": "ensemble",
            "market.interval_minutes": "5",
            "regime.scope": scope,
            "ensemble.minimum_agreement": "0.1",
            "risk.minimum_confidence": "0.5",
        }
    )
    bars = synthetic_bars(SYMBOLS, DAYS, interval_minutes=5, seed=5)
    start = sum(moment.date() == DAYS[0] for moment in bars.index)
    session = Session(bars, start, settings)
    assert session.trader.run() == "completed"
    events = session.journal.kept
    result = backtest_of(bars, start, settings)
    inputs = RecordedInputs({}, settings, bars, start, ())
    assert session_trades(events) == backtest_trades(inputs, result)
    assert session_decisions(events) == backtest_decisions(inputs, result)
    assert len(result.fills) > 20
    assert not session.trader.decider.by_window

    view = Decider(settings).view(bars)
    told = 0
    for row, decision in enumerate(session.journal.of("decision"), start):
        for symbol, votes in decision["votes"].items():
            assert votes == view.table(row, SYMBOLS.index(symbol)).brief()
            told += 1
    entries = sum(one["purpose"] == "entry" for one in session.journal.of("intent"))
    assert told >= entries > 10
