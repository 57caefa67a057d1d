"""A strategy that fails the lookahead proof is not run on paper, neither anew nor again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import nifty_research.strategies
from nifty_research.core.clock import WallClock
from nifty_research.core.errors import ComplianceError, SettingsError
from nifty_research.core.settings import load_settings
from nifty_research.ledger.journal import Journal
from nifty_research.session.request import SessionRequest
from nifty_research.session.runner import prepare_run, run_session

DAY = (date(2026, 9, 15),)
OVERRIDES = {"market.interval_minutes": "15", "strategy.name": "written_for_a_test"}
LOOKS_BACK = "ind.crossing(bars.close - ind.ema(bars.close, 5))"
LOOKS_AHEAD = "np.sign(np.diff(bars.close, axis=0, append=np.nan))"
TEXT = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from nifty_research.strategies.contract import Scores


@dataclass(frozen=True)
class WrittenForATest:
    warmup: int = 5
    threshold: float = 0.7
    name: ClassVar[str] = "written_for_a_test"

    def scores(self, bars, ind):
        entry = np.clip({entry}, -1.0, 1.0)
        return Scores(entry, np.zeros(bars.shape))
"""
Write = Callable[[str], None]


@pytest.fixture
def write(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    "Writes the strategy of the settings, from the formula of its entries."
    folder = place / "strategies"
    folder.mkdir()
    rooms = [*nifty_research.strategies.__path__, str(folder)]
    monkeypatch.setattr(nifty_research.strategies, "__path__", rooms)
    name = "nifty_research.strategies.written_for_a_test"

    def write_strategy(entry: str) -> None:
        (folder / "written_for_a_test.py").write_text(TEXT.format(entry=entry))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()

    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield write_strategy
    sys.dont_write_bytecode = before
    sys.modules.pop(name, None)


def test_a_leak_is_refused_before_anything_is_started(place: Path, write: Write) -> None:
    write(LOOKS_AHEAD)
    settings = load_settings(overrides=OVERRIDES)
    with pytest.raises(ComplianceError) as refused:
        run_session(SessionRequest("leaky", DAY, overrides=OVERRIDES), settings)
    said = str(refused.value)
    assert "lookahead proof" in said and "nifty prove written_for_a_test" in said
    assert "1 bar ahead" in said and "line 15" in said
    with Journal.read_only(settings.paths.ledger, "PAPER01") as journal:
        assert journal.sessions() == [] and journal.lease() is None
    assert not list(place.rglob("*-market.parquet"))


def test_a_run_does_not_go_on_with_a_leak(place: Path, write: Write) -> None:
    write(LOOKS_BACK)
    settings = load_settings(overrides=OVERRIDES)
    settings.paths.ledger.parent.mkdir()
    request = SessionRequest("broken", DAY, overrides=OVERRIDES)
    with Journal.open(settings.paths.ledger, "PAPER01", clock=WallClock()) as journal:
        prepare_run(request, settings, journal)
        journal.append("session ended", {"verdict": "failed", "reason": ""}, session="broken")
        journal.release()

        write(LOOKS_AHEAD)
        with pytest.raises(ComplianceError, match="lookahead proof"):
            prepare_run(replace(request, resume=True), settings, journal)
        assert journal.lease() is None

        write(LOOKS_BACK)
        prepare_run(replace(request, resume=True), settings, journal)
        journal.release()


def test_fills_in_pieces_are_for_backtests(place: Path) -> None:
    overrides = {"market.interval_minutes": "15", "execution.volume_share": "0.1"}
    with pytest.raises(SettingsError, match="filled whole") as refused:
        settings = load_settings(overrides=overrides)
        run_session(SessionRequest("in_pieces", DAY, overrides=overrides), settings)
    assert "volume_share" in str(refused.value) and "Set it to 0" in str(refused.value)
    assert not list(place.rglob("*-market.parquet"))
