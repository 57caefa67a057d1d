"""nifty prove: what is meant by its arguments, what it prints, and with which code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nifty_research.cli.proving import prove_command
from nifty_research.core.errors import ExitCode, TradingSystemError, UsageError
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.market.calendar import sessions
from nifty_research.strategies.moving_average import MovingAverage
from nifty_research.strategies.proof_verdicts import kept

IDEAS = """
import numpy as np


def ahead(bars):
    later = np.roll(bars.close, -1, axis=0)
    return later / bars.close


def back(bars):
    return bars.high - bars.low
"""


@pytest.fixture
def ideas(tmp_path: Path) -> Path:
    "A file with an honest function and one that looks ahead."
    path = tmp_path / "ideas.py"
    path.write_text(IDEAS)
    return path


def test_a_strategy_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    code = prove_command(["moving_average"], interval="15")
    assert code == ExitCode.OK
    assert "moving_average holds" in capsys.readouterr().out
    verdict = kept(MovingAverage(5, 15), 15)
    assert verdict is not None and verdict.holds and not verdict.window


def test_the_ensemble_is_proved_member_by_member(capsys: pytest.CaptureFixture[str]) -> None:
    seats = ["ensemble.members=momentum, macd", "ensemble.passive=none"]
    assert prove_command(["ensemble"], interval="15", assigned=seats, as_json=True) == ExitCode.OK
    assert [proof["subject"] for proof in json.loads(capsys.readouterr().out)] == [
        "momentum", "macd",
    ]  # fmt: skip


def test_a_function_of_a_file_that_looks_ahead(
    ideas: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = prove_command([f"{ideas}:back", f"{ideas}:ahead"], interval="5", as_json=True)
    assert code == ExitCode.RISK_HALT
    back, ahead = json.loads(capsys.readouterr().out)
    assert back["holds"] and not ahead["holds"]
    (first, *_) = ahead["findings"]
    assert first["reads"] == "1 bar ahead: its own close"
    assert "ideas.py line 6" in first["place"] and first["value"] == "later"


def test_recorded_bars(ideas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from datetime import date

    days = sessions(date(2026, 9, 7), date(2026, 9, 11))
    path = synthetic_bars(("INFY", "TCS"), days, interval_minutes=5, seed=1).save(
        tmp_path / "bars.parquet"
    )
    code = prove_command([f"{ideas}:back"], bars=path, interval="5", exhaustive=True)
    out = capsys.readouterr().out
    assert code == ExitCode.OK and "2 symbols" in out and "tried" in out


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("moving_avarage", "no such strategy"),
        ("nowhere.py:back", "no such file"),
        ("nowhere:back", "no module named nowhere"),
        ("{ideas}:bakc", "there is no 'bakc'"),
        ("nifty_research.strategies.proof:STRETCH", "only a strategy or a function"),
    ],
)
def test_what_cannot_be_meant(ideas: Path, target: str, said: str) -> None:
    with pytest.raises((UsageError, TradingSystemError), match=said):
        prove_command([target.format(ideas=ideas)])
