"""`nifty sweep` and `nifty walkforward`: every setting counted once, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nifty_research.cli.main import run
from nifty_research.cli.searching import grid_of_texts
from nifty_research.core.errors import ExitCode, UsageError
from nifty_research.core.settings import find_settings

ROOT = Path(__file__).resolve().parents[2]
MARKET = (
    "--strategy moving_average --interval day --symbols TCS,INFY --from 2023-01-01 "
    "--to 2024-06-30 --set risk.minimum_confidence=0.5 --workers 1"
).split()
GRID = ("--grid", "fast=3,5,8", "--grid", "slow=8,12")
WINDOWS = ("--train", "180", "--test", "60", "--purge", "3", "--embargo", "2")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "settings.ini").write_text(find_settings(ROOT / "settings.ini").read_text())
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    code = run((*arguments, "--json"))
    shown = capsys.readouterr()
    assert code == ExitCode.OK, shown.err
    return json.loads(shown.out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(arguments) != ExitCode.OK
    return capsys.readouterr().err


def test_a_sweep_is_counted_once_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    first = told(capsys, "sweep", *GRID, *MARKET)
    again = told(capsys, "sweep", *GRID, *MARKET)
    family = told(capsys, "trials", "moving_average")

    assert len(first["settings"]) == 5 and sum(first["left_out"].values()) == 1
    assert (first["known"], again["known"]) == (0, 5) and first["settings"] == again["settings"]
    assert family["trials"] == 5
    best = max(one["sharpe"] for one in first["settings"] if one["sharpe"] is not None)
    assert family["best_sharpe"] == pytest.approx(best, rel=1e-6)


def test_walking_forward_counts_each_setting_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("walkforward", *GRID, *MARKET, *WINDOWS, "--paths", "4:2", "--out", "walk.html")
    found = told(capsys, *words)
    again = told(capsys, *words)
    family = told(capsys, "trials", "moving_average")
    told(capsys, "sweep", *GRID, *MARKET)
    after = told(capsys, "trials", "moving_average")

    assert family["trials"] == after["trials"] == found["settings"] == 5
    assert family["known"] == 0 < after["known"]  # nobody had seen the whole record before
    assert again["known"] == 5 and again["returns"] == found["returns"]
    assert len(found["returns"]) == len(found["days"]) and len(found["windows"]) > 2
    assert len(found["paths"]["sharpe"]) == 3 and len(found["paths"]["splits"]) == 6
    page = (project / "walk.html").read_text()
    assert "Traded days, stitched" in page and 'src="http' not in page


def test_what_cannot_be_searched_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "could trade" in refused(capsys, "sweep", "--grid", "risk.open_positions=0", *MARKET)
    assert "do not fit" in refused(capsys, "walkforward", *GRID, *MARKET, "--train", "900")
    late = ("--train", "100", "--test", "20", "--embargo", "20")
    assert "nothing to choose on" in refused(capsys, "walkforward", *GRID, *MARKET, *late)
    assert "two numbers" in refused(capsys, "walkforward", *GRID, *MARKET, "--paths", "six")
    assert ".html" in refused(capsys, "walkforward", *GRID, *MARKET, "--out", "walk.pdf")


def test_a_grid_as_typed() -> None:
    grid = grid_of_texts(["fast=3:5", "risk.stop_atr=1:2:0.5"], "macd")
    assert grid == {
        "strategy macd.fast": ["3", "4", "5"],
        "risk.stop_atr": ["1", "1.5", "2"],
    }
    for wrong in ("fast", "fast=", "fast=5:3", "fast=1:2:0"):
        with pytest.raises(UsageError):
            grid_of_texts([wrong], "macd")
