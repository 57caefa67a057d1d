"""nifty data history: what it stores, what it refuses, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from candle_exchange import BARS_A_DAY, SYMBOLS, Asked, candle_exchange

import nifty_research.cli.data_history  # noqa: F401 - adds the command
from nifty_research.broker.access import KITE_KEYS, PAPER_KEYS, reader_of
from nifty_research.broker.quotas import CallKind, record_of
from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.core.metrics import Metrics
from nifty_research.core.settings import load_settings
from nifty_research.data.instruments import InstrumentArchive
from nifty_research.data.store import BarStore

SETTINGS = Path(__file__).resolve().parents[2] / "settings.ini"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with candle_exchange(tmp_path_factory.mktemp("exchange")) as running:
        running.step(5)
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A folder with the project's settings, and no keys in the environment."
    (tmp_path / "settings.ini").write_text(SETTINGS.read_text())
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    for name in (*PAPER_KEYS, *KITE_KEYS):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def at_exchange(asked: Asked, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "The same, with the keys and the address of the local exchange."
    for name, value in (asked.keys | {"NIFTY_KITE__ROOT": asked.rest}).items():
        monkeypatch.setenv(name, value)
    return home


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(("data", "history", *arguments))
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err


def test_half_a_year_of_minutes_goes_into_a_folder_of_its_own(
    asked: Asked, at_exchange: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = at_exchange / "made-up"
    fixed = ("--from", "2026-03-02", "--to", "2026-09-15", "--store", str(folder), "--json")

    code, out, _ = typed(capsys, *SYMBOLS, "INFY", *fixed)

    told = json.loads(out)["symbols"]
    closed = len(asked.bars.index) - BARS_A_DAY + 1
    assert code == ExitCode.OK and [one["symbol"] for one in told] == list(SYMBOLS)
    assert [(one["calls"], one["stored"]) for one in told] == [(4, closed)] * 2
    assert len(BarStore(folder).days("M&M", 1)) == len({s.date() for s in asked.bars.index})

    code, out, _ = typed(capsys, "INFY", *fixed[:-1])
    assert code == 0 and "known: in the store before" in out
    assert "knows no corporate actions" in out


def test_days_are_fetched_without_the_one_that_is_not_over(
    asked: Asked, at_exchange: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = ("--from", "2026-09-01", "--interval", "day", "--store", str(at_exchange / "made-up"))
    code, out, _ = typed(capsys, "INFY", *fixed)
    assert code == 0 and "forming: not finished yet" in out
    assert str(max(BarStore(at_exchange / "made-up").days("INFY"))) == "2026-09-11"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("INFY",), ExitCode.USAGE, "--store"),
        (("INFYS", "--store", "x"), ExitCode.DATA, "Did you mean INFY"),
        (("INFY", "--store", "x", "--interval", "15minute"), ExitCode.USAGE, "Fetch minute"),
        (("INFY", "--store", "x", "--to", "2026-08-01"), ExitCode.USAGE, "earlier day"),
        (("INFY", "--store", "x", "--to", "01-09-2026"), ExitCode.USAGE, "year-month-day"),
        (("XX:INFY", "--store", "x"), ExitCode.DATA, "does not list"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    at_exchange: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: ExitCode,
    told: str,
) -> None:
    ended, out, err = typed(capsys, *arguments, "--from", "2026-09-01")
    assert ended == code and told in err and "Traceback" not in err and out == ""


def test_without_a_log_in_it_says_what_is_missing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = typed(capsys, "INFY", "--from", "2026-09-01")
    assert code == ExitCode.BROKER and "api.kite.trade" in err
    assert "NIFTY_KITE_API_KEY and NIFTY_KITE_ACCESS_TOKEN not set" in err
    assert not (home / "runs").exists()


def test_at_kite_calls_are_counted_in_the_shared_record(home: Path) -> None:
    keys = dict(zip(KITE_KEYS, ("abcd", "efgh"), strict=True))
    settings = load_settings()
    reader = reader_of(settings, keys, metrics=Metrics())
    record = record_of(settings.paths.ledger, settings.account.id, "api.kite.trade")
    assert record.exists() and record.parent == home / "runs"
    other = reader_of(settings, keys, metrics=Metrics())
    assert reader._throttle.take(CallKind.QUOTES) == 0.0
    assert 0.5 < other._throttle.take(CallKind.QUOTES) <= 1.000001
    assert reader.broker.kite.access_token == "efgh" and reader.broker.kite.reqsession.trust_env


def test_the_list_of_the_day_is_filed_and_found(
    at_exchange: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = at_exchange / "made-up"
    fetch = ("data", "instruments", "fetch", "--exchange", "nse", "--store", str(folder), "--json")

    assert run(fetch) == ExitCode.OK
    first = json.loads(capsys.readouterr().out)
    assert run(fetch) == ExitCode.OK
    again = json.loads(capsys.readouterr().out)

    assert first["exchanges"] == ["NSE"] and first["added"] == len(SYMBOLS)
    assert (again["added"], again["identical"]) == (0, len(SYMBOLS))
    listed = InstrumentArchive(folder).on(date.fromisoformat(first["day"]))
    assert {one.tradingsymbol for one in listed.instruments} == set(SYMBOLS)


def test_the_list_of_a_local_exchange_stays_out_of_the_store_of_real_data(
    at_exchange: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(("data", "instruments", "fetch")) == ExitCode.USAGE
    assert "--store" in capsys.readouterr().err
