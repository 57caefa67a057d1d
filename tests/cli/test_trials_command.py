"""`nifty trials`: what was tried, family by family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.core.settings import find_settings
from nifty_research.ledger.trial_ledger import TrialLedger, trials_file
from nifty_research.ledger.trials import Trial
from nifty_research.statistics.sharpe import Seen

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "settings.ini").write_text(find_settings(ROOT / "settings.ini").read_text())
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    return tmp_path


@pytest.fixture
def tried(project: Path) -> Path:
    "Thirty averages and one MACD."
    path = trials_file(project / "runs" / "ledger.sqlite")
    averages = [
        Trial("moving_average", {"fast": n}, "9f31", result=Seen(n / 1000, 500)) for n in range(30)
    ]
    with TrialLedger.open(path) as ledger:
        ledger.record([*averages, Trial("macd", {}, "9f31")], by="asha@desk")
    return path


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(arguments)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_nothing_tried_is_an_answer(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(capsys, "trials") == (ExitCode.OK, "nothing was tried yet\n", "")
    assert typed(capsys, "trials", "--json")[1] == "[]\n"


def test_families_are_counted(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "trials", "--json")

    macd, averages = json.loads(out)
    assert code == ExitCode.OK
    assert (macd["trials"], macd["known"], macd["best_sharpe"]) == (1, 0, None)
    assert (averages["trials"], averages["best_parameters"]) == (30, {"fast": 29})
    assert 0.0 < averages["deflated_sharpe"] < 1.0 < averages["luckiest_sharpe"] * 5


def test_a_family_lists_its_best_first(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = typed(capsys, "trials", "moving_average")

    assert "fast=29" in out.splitlines()[2] and "and 10 more" in out
    assert "30 trials of 30 variants on 1 data set" in out


def test_an_unknown_family_is_refused_with_those_that_were_tried(
    tried: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = typed(capsys, "trials", "momentum")

    assert code == ExitCode.USAGE and "macd, moving_average" in err
