"""Whatever shows a result has counted it: backtest, report, tear sheet, sweep, in one ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.core.settings import find_settings
from nifty_research.ledger.trial_ledger import TrialLedger, trials_file

ROOT = Path(__file__).resolve().parents[2]
DAYS = (
    "--interval",
    "day",
    "--symbols",
    "INFY,TCS,LT",
    "--from",
    "2025-01-01",
    "--to",
    "2025-09-30",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "settings.ini").write_text(find_settings(ROOT / "settings.ini").read_text())
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    return trials_file(tmp_path / "runs" / "ledger.sqlite")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    "What a command says to a program."
    assert run([*arguments, "--json"]) == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def test_a_sweep_and_a_tear_sheet_count_the_same_variant_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ("--grid", "fast=3:8", "--workers", "1")
    told(capsys, "sweep", "--strategy", "moving_average", *grid, *DAYS)
    with TrialLedger.read_only(project) as ledger:
        assert ledger.family("moving_average").trials == 6

    chosen = ("--strategy", "moving_average", "--set", "strategy moving_average.fast=4")
    sheet = told(capsys, "tearsheet", *chosen, *DAYS)

    figures = sheet["figures"]
    assert (figures["trials"], figures["variants_compared"]) == (6, 6)
    for name in ("overfitting_probability", "reality_check_p", "superior_ability_p"):
        assert 0.0 <= figures[name] <= 1.0
    for name in ("deflated_sharpe", "probabilistic_sharpe", "random_entry_p", "permutation_p"):
        assert 0.0 <= figures[name] <= 1.0
    assert {line["question"] for line in sheet["luck"]} >= {"variants tried", "years of record"}


def test_a_first_try_says_why_it_cannot_be_compared(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = told(capsys, "tearsheet", "--strategy", "macd", *DAYS, "--orders", "19")

    answers = {line["question"]: line for line in sheet["luck"]}
    halved = answers["the best of one half is below the middle of the other"]
    assert halved["answer"] is None and "no other variant was tried" in halved["how"]
    assert "19 other orders" in answers["how often bars without order do as well"]["how"]


def test_a_report_counts_every_strategy_and_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("--strategies", "macd,ensemble", *DAYS)
    assert told(capsys, "report", *names)["trials"] == {"new": 2, "known": 0}
    assert told(capsys, "report", *names)["trials"] == {"new": 0, "known": 2}


def test_a_backtest_is_a_try(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "backtest", "--strategy", "macd", "--day", "2026-09-15")

    with TrialLedger.read_only(project) as ledger:
        entry = ledger.entries("macd")[0]
    assert (entry.source, entry.times) == ("backtest", 0)  # a day alone shows nothing
