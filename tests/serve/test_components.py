"""The page without a browser: what it reads, what it sends, what it says when there is nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

pytest.importorskip("ipywidgets", reason="the page needs the research extra")

from nifty_research.core.sections import words_of
from nifty_research.core.settings import load_settings
from nifty_research.serve import components
from nifty_research.serve.components import SessionPage
from nifty_research.serve.sample import Entry, sample_entries, write_session


def test_page_waits_for_a_first_session(tmp_path: Path, entries: list[Entry]) -> None:
    page = SessionPage(tmp_path / "ledger.sqlite")
    assert not page.refresh() and "No session was run yet" in page.head.value
    write_session(page.ledger, "day", entries)
    assert page.refresh() and page.runs.value == "day"
    assert page.figures.order == ["equity", "drawdown", "profit", "price", "denials", "charges"]
    page.close()


def test_page_says_what_is_wrong_with_the_journal(tmp_path: Path) -> None:
    ledger = write_session(
        tmp_path / "ledger.sqlite", "odd", [("session startd", {"capital_paise": 1})]
    )
    page = SessionPage(ledger)
    assert not page.refresh() and "kind of this event is unknown" in page.head.value
    page.close()


def test_choosing_another_session_shows_it(tmp_path: Path, entries: list[Entry]) -> None:
    ledger = write_session(tmp_path / "ledger.sqlite", "first", entries)
    write_session(ledger, "second", entries[:100])
    page = SessionPage(ledger, "first")
    page.refresh()
    page.runs.value = "second"
    assert page.view is not None and page.view.run == "second"
    assert 'data-value="second"' in page.head.value
    page.close()


def test_votes_follow_the_symbol_and_the_latest_decision(tmp_path: Path) -> None:
    settings = load_settings(overrides={"strategy.name": "ensemble"})
    entries = sample_entries(interval_minutes=5, settings=settings)
    ledger = write_session(tmp_path / "ledger.sqlite", "day", entries[: len(entries) // 2])
    page = SessionPage(ledger)
    page.refresh()
    assert page.view is not None
    symbol = max(page.view.tape.votes, key=lambda one: len(page.view.tape.votes[one]))
    page.symbol.value = symbol
    early, shown = len(page.voted.options), page.voted.value
    assert early > 1 and shown == early - 1 and f"Votes on {symbol}" in page.votes.value
    assert all(f">{name}<" in page.votes.value for name in words_of(settings.ensemble.members))

    write_session(ledger, "day", entries[len(entries) // 2 :])
    page.refresh()
    late = len(page.voted.options)
    assert late > early and page.voted.value == late - 1
    page.voted.value = 0
    first = page.votes.value
    assert page.view.tape.votes[symbol][0].bar in first
    page._show()
    assert page.voted.value == 0 and page.votes.value == first

    page.symbol.value = next(one for one in page.symbol.options if one != symbol)
    assert f"Votes on {page.symbol.value}" in page.votes.value
    page.close()


def test_a_journal_without_votes_is_shown_all_the_same(
    tmp_path: Path, entries: list[Entry]
) -> None:
    kept = [
        (kind, {name: value for name, value in said.items() if name not in ("votes", "seats")})
        for kind, said in entries
    ]
    page = SessionPage(write_session(tmp_path / "ledger.sqlite", "old", kept))
    assert page.refresh() and "neither entered nor left" in page.votes.value
    assert page.voted.options == ()
    page.close()


def test_page_follows_only_while_a_browser_listens(
    tmp_path: Path, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "_EVERY_S", 0.01)
    monkeypatch.setattr(components, "_SILENT_S", 0.0)
    ledger = write_session(tmp_path / "ledger.sqlite", "day", entries[:100])
    page = SessionPage(ledger)
    page.refresh()
    before = json.loads(page.figures.figures["equity"])

    async def follow_for_a_moment() -> None:
        task = asyncio.get_running_loop().create_task(page.follow())
        write_session(ledger, "day", entries[100:300])
        await asyncio.sleep(0.2)
        assert json.loads(page.figures.figures["equity"]) == before
        monkeypatch.setattr(components, "_SILENT_S", 90.0)
        page._heard()
        await asyncio.sleep(1.0)
        task.cancel()

    asyncio.run(follow_for_a_moment())
    assert json.loads(page.figures.figures["equity"]) != before
    page.close()
