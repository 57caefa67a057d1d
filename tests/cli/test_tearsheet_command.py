"""`nifty tearsheet`: over made-up bars, a file, a recorded session; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from nifty_research.cli.bench_report import write_days
from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.core.settings import find_settings, load_settings
from nifty_research.serve.report_bars import DAY, Wanted, report_bars
from nifty_research.session.direct import trade_directly
from nifty_research.session.market import prepare_bars
from nifty_research.session.request import SessionRequest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "settings.ini").write_text(find_settings(ROOT / "settings.ini").read_text())
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(("tearsheet", *arguments))
    told = capsys.readouterr()
    return code, told.out, told.err


SHORT = ("--interval", "15m", "--symbols", "INFY,TCS,LT", "--strategy", "macd")


def test_made_up_bars_and_every_try_counted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tries = []
    for extra in ((), ("--set", "strategy macd.fast=10"), ()):
        code, out, err = typed(capsys, *SHORT, *extra, "--json")
        assert code == ExitCode.OK, err
        tries.append(json.loads(out)["figures"]["trials"])
    assert tries == [1, 2, 2]


def test_daily_file_with_an_index(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Wanted(pd.Timestamp("2024-01-01").date(), None, DAY, ("INFY", "TCS", "LT"))
    market = report_bars(None, load_settings(), wanted)
    write_days(market.bars, project / "days.parquet")
    words = ("--bars", "days.parquet", "--strategy", "momentum", "--index", "days.parquet:TCS")
    code, out, err = typed(capsys, *words, "--out", "sheet.html", "--json")
    assert code == ExitCode.OK, err
    record = json.loads(out)
    column = market.bars.symbols.index("TCS")
    closes = market.bars.close[:, column]
    assert record["figures"]["index_total"] == pytest.approx(closes[-1] / closes[0] - 1, rel=1e-9)
    assert "TCS" in record["verdict"] and (project / "sheet.html").stat().st_size > 1e6
    assert any("delivery (CNC)" in line for line in record["assumptions"])


def test_a_recorded_session(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = load_settings().paths.ledger
    ledger.parent.mkdir(parents=True, exist_ok=True)
    words = {"strategy.name": "macd", "market.interval_minutes": "15"}
    settings = load_settings(overrides=words)
    market = prepare_bars(settings, (settings.market.synthetic_day,))
    request = SessionRequest("one-day", market.days)
    report = trade_directly(request, settings, market, ledger.parent).parity
    code, out, err = typed(capsys, "one-day", "--json")
    assert code == ExitCode.OK and report.holds, err
    record = json.loads(out)
    assert record["name"] == "macd" and record["figures"]["days"] == 1
    assert any("to the paisa" in line for line in record["assumptions"])
    assert record["figures"]["trials"] == 1  # a session is no new variant


def test_what_is_refused_before_work_begins(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, told in (
        (("--out", "sheet.png"), "html, .pdf or .xlsx"),
        (("--index", "nowhere.csv"), "no such file of an index"),
        (("latest", "--strategy", "macd"), "--strategy means nothing"),
        (("--strategy", "no_such"), "no_such"),
        (("--bars", "nowhere.parquet"), "no such file or folder"),
    ):
        code, out, err = typed(capsys, *words)
        assert code != ExitCode.OK and told in err and not out, words
