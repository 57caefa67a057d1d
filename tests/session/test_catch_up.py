"""A session that was cut anywhere is played again to the same journal, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from direct_session import run_direct
from session_markets import small_market

from nifty_research.core.clock import WallClock
from nifty_research.core.errors import AuthenticationError, CorruptStateError, NetworkError
from nifty_research.core.settings import Settings
from nifty_research.data.bars import COLUMNS, Bars
from nifty_research.ledger.events import Event
from nifty_research.ledger.journal import Journal
from nifty_research.ledger.projections import fold, positions
from nifty_research.session.parity import compare_run
from nifty_research.session.record import NOT_DECIDED, OF_THE_WIRE, comparable
from nifty_research.session.trader import Trader

ACCOUNT = "PAPER01"
Market = tuple[Bars, int]


@pytest.fixture(scope="module")
def market() -> Market:
    bars, start = small_market("2026-09-15")
    return bars.rows(0, start + 30), start


def events_of(ledger: Path) -> list[Event]:
    with Journal.read_only(ledger, ACCOUNT) as journal:
        assert journal.verify() == []
        return list(journal.events())


def decided(events: list[Event]) -> list[tuple[str, dict[str, Any]]]:
    "What the market and the engine made happen, in order."
    left_out = NOT_DECIDED | OF_THE_WIRE
    return [(one.kind, comparable(one.payload)) for one in events if one.kind not in left_out]


def written(events: list[Event], ledger: Path) -> None:
    "A journal that holds only these events, under an epoch of its own."
    with Journal.open(ledger, ACCOUNT, clock=WallClock(0.0)) as journal:
        journal.acquire("copy", 60.0)
        for event in events:
            journal.append(event.kind, event.payload, session=event.session)
        journal.release()


def test_cut_after_any_event(market: Market, lively: Settings, tmp_path: Path) -> None:
    bars, start = market
    verdict, _ = run_direct(tmp_path / "whole.sqlite", "r", lively, bars, start)
    whole = events_of(tmp_path / "whole.sqlite")
    assert verdict == "completed"
    kinds = Counter(event.kind for event in whole)
    assert kinds["fill"] > 20 and kinds["order acknowledged"] > 20 and kinds["denial"] > 0
    # Cuts after every kind of event, and evenly through the session, bars cut in two included.
    firsts = {event.kind: event.sequence for event in reversed(whole)}
    cuts = sorted({*firsts.values(), *range(2, len(whole), max(1, len(whole) // 25))})
    for cut in cuts:
        ledger = tmp_path / f"cut-{cut}.sqlite"
        written(whole[:cut], ledger)
        verdict, trader = run_direct(ledger, "r", lively, bars, start)
        again = events_of(ledger)
        assert verdict == "completed"
        assert decided(again) == decided(whole), f"cut after event {cut}, {whole[cut - 1].kind}"
        assert trader.recorder.caught_up_events == len(decided(whole[:cut]))
        assert compare_run(ledger, "r").holds


@pytest.mark.parametrize("answered", [0, 1, 2, 7, 20])
def test_exchange_dies_while_orders_are_on_their_way(
    market: Market, lively: Settings, tmp_path: Path, answered: int
) -> None:
    bars, start = market
    ledger = tmp_path / "ledger.sqlite"
    with pytest.raises(NetworkError, match="--resume"):
        run_direct(ledger, "r", lively, bars, start, dies_after=answered)
    before = events_of(ledger)
    assert any(event.kind == "order unknown" for event in before)
    assert run_direct(ledger, "r", lively, bars, start)[0] == "completed"
    after = events_of(ledger)
    assert [one.hash for one in after[: len(before)]] == [one.hash for one in before]
    assert compare_run(ledger, "r").holds
    doubtful = {one.payload["tag"] for one in before if one.kind == "order unknown"}
    rows = fold(one for one in after).orders
    assert doubtful and all(rows[tag].is_closed for tag in doubtful)


@pytest.mark.parametrize("answered", [0, 3, 11])
def test_token_dies(market: Market, lively: Settings, tmp_path: Path, answered: int) -> None:
    bars, start = market
    ledger = tmp_path / "ledger.sqlite"
    with pytest.raises(AuthenticationError, match="Incorrect token"):
        run_direct(ledger, "r", lively, bars, start, token_dies_after=answered)
    assert not any(one.kind == "order rejected" for one in events_of(ledger))
    assert run_direct(ledger, "r", lively, bars, start)[0] == "completed"
    assert compare_run(ledger, "r").holds


def test_other_bars_are_found_out(market: Market, lively: Settings, tmp_path: Path) -> None:
    bars, start = market
    ledger = tmp_path / "ledger.sqlite"
    run_direct(ledger, "r", lively, bars.rows(0, start + 12), start)
    changed = {name: getattr(bars, name).copy() for name in COLUMNS}
    changed["close"][start + 5, 3] = changed["low"][start + 5, 3]
    others = Bars(
        bars.index,
        bars.symbols,
        changed["open"],
        changed["high"],
        changed["low"],
        changed["close"],
        changed["volume"],
        bars.interval_minutes,
    )
    assert not np.array_equal(others.close, bars.close, equal_nan=True)
    with pytest.raises(CorruptStateError, match="start a new session"):
        run_direct(ledger, "r", lively, others, start)
    assert events_of(ledger)


def test_request_to_stop_during_catch_up(market: Market, lively: Settings, tmp_path: Path) -> None:
    bars, start = market
    ledger = tmp_path / "ledger.sqlite"
    with pytest.raises(NetworkError):
        run_direct(ledger, "r", lively, bars, start, dies_after=12)

    def ask(trader: Trader) -> None:
        if trader.bars_done == 1:
            trader.recorder.journal.append(
                "stop requested", {"flatten": False, "by": "test"}, session="r"
            )

    verdict, trader = run_direct(ledger, "r", lively, bars, start, on_bar=ask)
    assert verdict == "stopped" and trader.bars_done == 2
    assert trader.stop_reason == "asked to stop by test"
    assert (
        run_direct(ledger, "r", lively, bars, start)[0] == "completed"
    )  # the request was for then
    assert compare_run(ledger, "r").holds


def test_request_to_leave_every_position(market: Market, lively: Settings, tmp_path: Path) -> None:
    bars, start = market
    ledger = tmp_path / "ledger.sqlite"

    def ask(trader: Trader) -> None:
        held = (trader.positions["quantity"] != 0).sum()
        if held >= 2 and trader._request is None:
            trader.recorder.journal.append(
                "stop requested", {"flatten": True, "by": "test"}, session="r"
            )

    verdict, trader = run_direct(ledger, "r", lively, bars, start, on_bar=ask)
    assert verdict == "stopped" and not trader.positions["quantity"].any()
    assert trader.bars_done < 30
    report = compare_run(ledger, "r")
    assert {one.put_down_to for one in report.differences} <= {"human action"}
    assert not positions(events_of(ledger))
