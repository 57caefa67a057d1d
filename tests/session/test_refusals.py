"""What cannot be run is said before anything is started, and leaves nothing behind."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from direct_session import run_direct
from session_markets import small_market

from nifty_research.core.clock import WallClock
from nifty_research.core.errors import (
    AccountBusyError,
    ComplianceError,
    CorruptStateError,
    DataError,
    JournalError,
    MissingDataError,
    SettingsError,
    TradingSystemError,
    UsageError,
)
from nifty_research.core.settings import Settings, load_settings
from nifty_research.ledger.journal import Journal
from nifty_research.session.request import SessionRequest
from nifty_research.session.runner import prepare_run, run_session

DAY = (date(2026, 9, 15),)


def remains(place: Path) -> list[str]:
    "Files beside the settings and the bars; the store's own and the log left out."
    return sorted(
        str(one.relative_to(place))
        for one in place.rglob("*")
        if one.is_file() and one.suffix not in (".ini", ".sqlite", ".log")
        if one.name != "bars.parquet"
        if not one.name.startswith("ledger.sqlite")
    )


def assert_untouched(place: Path) -> None:
    "No lease, no event, no file."
    ledger = place / "runs" / "ledger.sqlite"
    if ledger.exists():
        with Journal.read_only(ledger, "PAPER01") as journal:
            lease = journal.lease()
            assert lease is None or lease.holder == "somebody"
            assert journal.sessions() == []
    assert remains(place) == []


def bars_with(place: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    "A file of bars with something wrong in it."
    path = place / "bars.parquet"
    change(small_market("2026-09-15")[0].to_frame()).to_parquet(path)
    return path


def spoiled(column: str, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame.index[50], column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("request_", "overrides", "error", "said"),
    [
        ({"days": (date(2026, 9, 13),)}, {}, DataError, "2026-09-13"),  # a Sunday
        ({"days": (date(2026, 10, 2),)}, {}, DataError, "2026-10-02"),  # Gandhi Jayanti
        ({}, {"strategy.name": "moving_avarage"}, TradingSystemError, "moving_average"),
        ({}, {"strategy moving_average.fast": "20"}, SettingsError, "fast"),
        ({}, {"market.universe": "NIFTY500"}, TradingSystemError, "NIFTY50"),
        ({"mode": "live"}, {}, ComplianceError, "live"),
        ({"bars": Path("nowhere.parquet")}, {}, TradingSystemError, "nowhere.parquet"),
        ({"resume": True}, {}, MissingDataError, "no start of this run"),
    ],
)
def test_wishes_that_cannot_be(
    place: Path, request_: dict, overrides: dict, error: type[Exception], said: str
) -> None:
    settings = load_settings(overrides=overrides)
    with pytest.raises(error, match=said):
        run_session(replace(SessionRequest("wish", DAY), **request_), settings)
    assert_untouched(place)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoiled("close", -1.0), "-1"),
        (spoiled("high", 1.0), "high"),
        (lambda frame: pd.concat([frame, frame.iloc[[9]]]), "a second bar for this time"),
        (lambda frame: frame.drop(columns="volume"), "volume"),
        (lambda frame: frame.iloc[:0], "no"),
    ],
)
def test_malformed_bars(
    place: Path, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    path = bars_with(place, change)
    settings = load_settings(overrides={"market.interval_minutes": "5"})
    with pytest.raises(DataError, match=said):
        run_session(SessionRequest("bad", DAY, bars=path), settings)
    assert_untouched(place)


def test_account_in_use(place: Path) -> None:
    settings = load_settings()
    settings.paths.ledger.parent.mkdir()
    with Journal.open(settings.paths.ledger, "PAPER01", clock=WallClock()) as first:
        first.acquire("somebody", 60.0)
        with pytest.raises(AccountBusyError, match="somebody"):
            run_session(SessionRequest("second", DAY), settings)
        first.renew()  # the lease is still the first one's
    assert_untouched(place)


def test_name_used_before(lively: Settings, tmp_path: Path) -> None:
    bars, start = small_market("2026-09-15")
    ledger = lively.paths.ledger
    ledger.parent.mkdir()
    run_direct(ledger, "before", lively, bars.rows(0, start + 3), start)
    with pytest.raises(UsageError, match="--resume"):
        run_session(SessionRequest("before", DAY), lively)
    with Journal.read_only(ledger, "PAPER01") as journal:
        assert journal.lease() is None


# ---- what a run that goes on is held to ---------------------------------------------------------


@pytest.fixture
def broken_run(place: Path) -> tuple[Settings, SessionRequest]:
    "A run that was prepared and then ended before its first bar."
    settings = load_settings(overrides={"market.interval_minutes": "15"})
    settings.paths.ledger.parent.mkdir()
    request = SessionRequest("broken", DAY, overrides={"market.interval_minutes": "15"})
    with Journal.open(settings.paths.ledger, "PAPER01", clock=WallClock()) as journal:
        prepare_run(request, settings, journal)
        failed = {"verdict": "failed", "reason": "for the test"}
        journal.append("session ended", failed, session="broken")
        journal.release()
    return settings, replace(request, resume=True)


def assert_refused(
    settings: Settings, request: SessionRequest, error: type[Exception], said: str
) -> None:
    "The run does not go on, and the account is free."
    with Journal.open(settings.paths.ledger, "PAPER01", clock=WallClock()) as journal:
        before = journal.last_sequence()
        with pytest.raises(error, match=said):
            prepare_run(request, settings, journal)
        assert journal.lease() is None and journal.last_sequence() == before


def test_goes_on_with_its_own_settings(broken_run: tuple[Settings, SessionRequest]) -> None:
    settings, request = broken_run
    text = settings.file.read_text()
    settings.file.write_text(text.replace("open_positions = 20", "open_positions = 3"))
    with Journal.open(settings.paths.ledger, "PAPER01", clock=WallClock()) as journal:
        run = prepare_run(request, load_settings(), journal)
        assert run.settings.risk.open_positions == 20
        assert run.settings.market.interval_minutes == 15
        journal.release()


def test_settings_file_with_other_keys(broken_run: tuple[Settings, SessionRequest]) -> None:
    settings, request = broken_run
    text = settings.file.read_text()
    settings.file.write_text(text + "\n[strategy of_mine]\nlength = 3\n")
    assert_refused(settings, request, SettingsError, "other keys")


def test_other_bars(broken_run: tuple[Settings, SessionRequest], tmp_path: Path) -> None:
    settings, request = broken_run
    market_file = next(settings.paths.runs.glob("*/*-market.parquet"))
    small_market("2026-09-15", interval_minutes=15)[0].save(market_file)
    assert_refused(settings, request, CorruptStateError, "not the ones")
    market_file.unlink()
    assert_refused(settings, request, MissingDataError, "no such file")


@pytest.mark.parametrize("verdict", ["completed", "risk halt"])
def test_ended_run(broken_run: tuple[Settings, SessionRequest], verdict: str) -> None:
    settings, request = broken_run
    with Journal.open(settings.paths.ledger, "PAPER01", clock=WallClock()) as journal:
        journal.acquire("test", 60.0)
        journal.append("session ended", {"verdict": verdict, "reason": ""}, session="broken")
        journal.release()
    assert_refused(settings, request, UsageError, f"has ended: {verdict}")


def test_edited_journal(broken_run: tuple[Settings, SessionRequest], tmp_path: Path) -> None:
    settings, request = broken_run
    connection = sqlite3.connect(settings.paths.ledger)
    with connection:
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            connection.execute("UPDATE events SET kind = 'fill'")
        connection.execute("DROP TRIGGER events_no_update")  # what an intruder would do
        connection.execute(
            "UPDATE events SET payload = replace(payload, '\"MIS\"', '\"CNC\"') "
            "WHERE kind = 'session started'"
        )
    connection.close()
    with Journal.read_only(settings.paths.ledger, "PAPER01") as journal:
        assert [one.sequence for one in journal.verify()] == [1]
    assert_refused(settings, request, CorruptStateError, "does not hold")


def test_damaged_journal(place: Path) -> None:
    settings = load_settings()
    settings.paths.ledger.parent.mkdir()
    settings.paths.ledger.write_bytes(b"this is not a database, but long enough to be read" * 40)
    with pytest.raises(JournalError, match="damaged"):
        run_session(SessionRequest("any", DAY), settings)
    shutil.rmtree(settings.paths.runs)
    assert_untouched(place)
