"""Whole sessions as somebody types them: figures, files, parity, reasons, and a stop."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nifty_research.core.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]
NIFTY = str(Path(sys.executable).with_name("nifty"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    "A folder with the project's settings, for ledger and runs of these tests."
    folder = tmp_path_factory.mktemp("project")
    (folder / "settings.ini").write_text((ROOT / "settings.ini").read_text())
    return folder


def environment(place: Path) -> dict[str, str]:
    "Settings of that folder, the notebook of the project."
    return os.environ | {
        "NIFTY_SETTINGS": str(place / "settings.ini"),
        "NIFTY_PATHS__SESSION_NOTEBOOK": str(ROOT / "nbs" / "session" / "notebook.ipynb"),
    }


def nifty(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    "Run a command in a process of its own."
    return subprocess.run(
        [NIFTY, *words], env=environment(place), capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def session(place: Path) -> dict[str, Any]:
    "A finished session in bars of fifteen minutes, as its JSON says."
    done = nifty(place, "paper", "--day", "2026-09-15", "--interval", "15", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_session_ends_with_figures_and_a_backtest_that_repeats_it(
    session: dict[str, Any],
) -> None:
    assert session["verdict"] == "completed" and session["parity"]["holds"]
    assert session["summary"]["trades"] > 0 and session["summary"]["breaks"] == 0
    assert session["latency_us"]["p50"] <= session["latency_us"]["p99"]


def test_its_files_are_there(session: dict[str, Any]) -> None:
    assert {"html", "csv", "notebook"} <= session["files"].keys()
    for path in session["files"].values():
        assert Path(path).stat().st_size > 100


def test_the_engine_alone_gives_the_same_money(place: Path, session: dict[str, Any]) -> None:
    done = nifty(place, "backtest", "--day", "2026-09-15", "--interval", "15", "--json")
    told = json.loads(done.stdout)["summary"]
    for name in ("trades", "net_paise", "charges", "denied", "max_drawdown_paise", "orders"):
        assert told[name] == session["summary"][name], name


def test_parity_is_repeated_on_request(place: Path, session: dict[str, Any]) -> None:
    done = nifty(place, "parity", session["run"][-4:])
    assert done.returncode == 0 and "difference 0 paise" in done.stdout


def test_a_decision_is_explained(place: Path, session: dict[str, Any]) -> None:
    done = nifty(place, "why", session["run"], "INFY", "10:15")
    assert done.returncode == 0
    assert "moving_average: " in done.stdout and "\n  score " in done.stdout


def test_an_interrupt_stops_the_session_and_keeps_its_record(place: Path) -> None:
    program = subprocess.Popen(
        [NIFTY, "paper", "--interval", "1", "--json"],
        env=environment(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    await_bars(place, program)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=120)
    assert program.returncode == ExitCode.INTERRUPTED, err
    told = json.loads(out)
    assert told["verdict"] == "stopped" and 0 < told["summary"]["bars"] < 375
    assert nifty(place, "ledger", "verify").returncode == 0
    refused = nifty(place, "session", "stop")
    assert refused.returncode == ExitCode.USAGE and "no session is running" in refused.stderr


def await_bars(place: Path, program: subprocess.Popen[str]) -> None:
    "Wait until the newest run of the ledger has decided something."
    from nifty_research.ledger.journal import Journal

    until = time.monotonic() + 120
    with Journal.read_only(place / "runs" / "ledger.sqlite", "PAPER01") as journal:
        before = journal.last_sequence()
        while time.monotonic() < until and program.poll() is None:
            if any(True for _ in journal.events(kinds=["decision"], after=before)):
                return
            time.sleep(0.05)
    raise AssertionError(f"no decision was made; the program ended with {program.poll()}")
