"""The gate behind the engine finds nothing on a paper day that the engine let through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from direct_session import run_direct
from session_markets import EIGHT, LIVELY, WITHOUT_DERIVATIVES, small_market

from nifty_research.core.settings import Settings, load_settings
from nifty_research.execution.gate import Moment
from nifty_research.ledger.journal import Journal
from nifty_research.session.checked import SessionView

DAYS = ("2026-09-15", "2026-09-16")  # a night between them: stops of carried positions


def events_of(folder: Path, settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    with Journal.read_only(folder / "ledger.sqlite", settings.account.id) as journal:
        return [(event.kind, event.payload) for event in journal.events()]


def gate_denials(events: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [said for kind, said in events if kind == "denial" and said.get("by") == "gate"]


@pytest.mark.parametrize("product", ["MIS", "CNC"])
def test_gate_denies_nothing_that_the_engine_wants(tmp_path: Path, product: str) -> None:
    bars, start = small_market(*DAYS, symbols=(*EIGHT, WITHOUT_DERIVATIVES))
    lively = LIVELY | {"account.product": product}
    settings = load_settings(profile="aggressive", overrides=lively)
    verdict, trader = run_direct(tmp_path / "ledger.sqlite", "run", settings, bars, start)
    events = events_of(tmp_path, settings)
    intents = sum(kind == "intent" for kind, _ in events)
    assert verdict == "completed" and intents > 100
    assert trader.orders.gate is not None and trader.orders.gate.asked > intents / 2
    assert gate_denials(events) == []


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    "An account that takes no new risk, of which only the gate knows."
    real = SessionView.moment

    def moment(self: SessionView, *args: Any) -> Moment:
        found = real(self, *args)
        return replace(found, known=replace(found.known, halted="kill switch"))

    monkeypatch.setattr(SessionView, "moment", moment)
    yield


@pytest.mark.usefixtures("killed")
def test_engine_goes_on_when_the_gate_denies_its_entries(tmp_path: Path) -> None:
    bars, start = small_market(DAYS[0])
    settings = load_settings(profile="aggressive", overrides=LIVELY)
    verdict, trader = run_direct(tmp_path / "ledger.sqlite", "run", settings, bars, start)
    events = events_of(tmp_path, settings)
    denied = gate_denials(events)
    assert verdict == "completed" and not any(kind == "intent" for kind, _ in events)
    assert {said["code"] for said in denied} == {"halted"} and len(denied) > 10
    assert not trader.positions["entry_order"].any()


def test_position_whose_stop_is_denied_is_left_at_the_market(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SessionView.moment

    def moment(self: SessionView, *args: Any) -> Moment:
        found = real(self, *args)
        return replace(found, known=replace(found.known, highest=1.0))  # no stop fits

    monkeypatch.setattr(SessionView, "moment", moment)
    bars, start = small_market(DAYS[0])
    settings = load_settings(profile="aggressive", overrides=LIVELY)
    verdict, trader = run_direct(tmp_path / "ledger.sqlite", "run", settings, bars, start)
    events = events_of(tmp_path, settings)
    assert {(said["purpose"], said["code"]) for said in gate_denials(events)} == {("stop", "band")}
    purposes = {said["purpose"] for kind, said in events if kind == "intent"}
    assert {"entry", "exit"} <= purposes and "stop" not in purposes
    assert verdict == "completed" and not trader.positions["quantity"].any()
