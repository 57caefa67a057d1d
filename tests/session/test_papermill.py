"""The path of `make paper`: exchange, papermill, kernel and parent, whole and broken on purpose."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from papers import ACCOUNT, Paper, assert_nothing_held, assert_whole, paper

from nifty_research.core.clock import WallClock
from nifty_research.core.errors import AccountBusyError, ExitCode
from nifty_research.ledger.journal import Journal
from nifty_research.session.opening import AdminPort
from nifty_research.session.parity import compare_run
from nifty_research.session.stop import request_stop

DAY = "2026-09-15"


def assert_identical(told: Paper) -> None:
    "The session's backtest repeats it."
    report = compare_run(told.ledger, told.run)
    assert report.holds, report.line()
    assert report.total > 20 and report.difference_paise == 0
    assert_whole(told)
    assert_nothing_held(told.ledger)


def printed(notebook: Path) -> str:
    "What the cells of an executed notebook printed."
    cells = json.loads(notebook.read_text())["cells"]
    return "".join(
        "".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", [])
    )


def resumed(place: Path, broken: Paper, *days: str) -> None:
    "Go on with a broken run to its end: nothing that was journalled is lost or changed."
    before = broken.events()
    with paper(place, broken.run, *days, resume=True) as again:
        code, said = again.outcome()
    assert (code, said["verdict"]) == (ExitCode.OK, "completed"), said
    assert [one.hash for one in again.events()][: len(before)] == [one.hash for one in before]
    assert_identical(again)


def test_day_through_papermill(place: Path) -> None:
    with paper(place, "day", DAY) as told:
        code, said = told.outcome()
    assert (code, said["verdict"], said["reason"]) == (ExitCode.OK, "completed", ""), said
    assert_identical(told)
    text = printed(told.notebook())
    assert "completed: 72 bars, decision p50" in text and "PAPER01" in text and "equity" in text
    assert 'run = \\"day\\"' in told.notebook().read_text()


def test_killed_exchange(place: Path) -> None:
    with paper(place, "exchange", DAY) as told:
        told.until_bars(12)
        os.kill(told.pid_of("nifty_research.exchange.serve"), signal.SIGKILL)
        broken_at = time.monotonic()
        told.until(lambda: bool(told.events("session ended")))
        assert time.monotonic() - broken_at < 10.0
        code, said = told.outcome()
    assert (code, said["verdict"]) == (ExitCode.BROKER, "failed"), said
    assert "NetworkError" in said["reason"] and "--resume" in said["reason"]
    assert "the journal holds" in said["reason"] and "fills" in said["reason"]
    assert_whole(told)
    assert_nothing_held(told.ledger)
    report = compare_run(told.ledger, told.run)
    assert {one.put_down_to for one in report.differences} <= {"unfinished bar"}
    resumed(place, told, DAY)


def test_hung_exchange(place: Path) -> None:
    "Each request that was on its way runs into its time-out of 7 s first."
    with paper(place, "hung", DAY) as told:
        told.until_bars(12)
        pid = told.pid_of("nifty_research.exchange.serve")
        os.kill(pid, signal.SIGSTOP)
        broken_at = time.monotonic()
        try:
            told.until(lambda: bool(told.events("session ended")))
            unanswered = len(told.events("order unknown"))
            assert time.monotonic() - broken_at < 10.0 + 7.5 * unanswered
        finally:
            os.kill(pid, signal.SIGCONT)
        code, said = told.outcome()
    assert (code, said["verdict"]) == (ExitCode.BROKER, "failed"), said
    assert_whole(told)


def test_killed_kernel(place: Path) -> None:
    with paper(place, "kernel", DAY) as told:
        told.until_bars(12)
        os.kill(told.kernel_pid(), signal.SIGKILL)
        broken_at = time.monotonic()
        code, said = told.outcome()
        assert time.monotonic() - broken_at < 20.0
    assert (code, said["verdict"]) == (ExitCode.UNEXPECTED, "failed"), said
    assert "without a verdict: " in said["reason"] and "Kernel died" in said["reason"]
    assert_nothing_held(told.ledger)
    resumed(place, told, DAY)


# Long enough for a second session to be started, and refused, while the first one trades.
FOUR_DAYS = ("2026-09-15", "2026-09-16", "2026-09-17", "2026-09-18")


def test_interrupted(place: Path) -> None:
    with paper(place, "interrupted", *FOUR_DAYS, interval_minutes=1) as told:
        told.until_bars(6)
        with (
            Journal.open(told.ledger, ACCOUNT, clock=WallClock()) as second,
            pytest.raises(AccountBusyError, match=r"PAPER01 is held by interrupted \(pid"),
        ):
            second.acquire("second", 60.0)
        with paper(place, "second", DAY, interval_minutes=1) as other:
            refused: tuple[int, dict[str, Any]] = other.outcome()
        assert refused[0] == ExitCode.LEDGER and refused[1]["error"] == "AccountBusyError"
        assert other.events() == []
        os.kill(told.process.pid, signal.SIGINT)
        code, said = told.outcome()
    assert (code, said["verdict"]) == (ExitCode.INTERRUPTED, "stopped"), said
    assert "asked to stop by signal; the journal holds" in said["reason"]
    assert_whole(told)
    assert_nothing_held(told.ledger)
    assert compare_run(told.ledger, told.run).holds


def test_interrupted_before_the_first_bar(place: Path) -> None:
    with paper(place, "early", DAY) as told:
        told.until(lambda: bool(told.events("session started")))
        time.sleep(1.0)
        os.kill(told.process.pid, signal.SIGINT)
        code, said = told.outcome()
    assert (code, said["verdict"]) == (ExitCode.INTERRUPTED, "stopped"), said
    assert len(told.events("bar")) <= 1
    assert_nothing_held(told.ledger)


def test_leave_every_position(place: Path) -> None:
    with paper(place, "flatten", DAY) as told:
        told.until(lambda: len(told.events("fill")) >= 3)
        assert request_stop(told.ledger, ACCOUNT, WallClock(), flatten=True, by="a test") == (
            "flatten"
        )
        code, said = told.outcome()
    assert (code, said["verdict"]) == (ExitCode.INTERRUPTED, "stopped"), said
    assert "leave every position by a test" in said["reason"]
    held: dict[str, int] = {}
    for one in told.events("fill"):
        signed = one.payload["quantity"] * (1 if one.payload["side"] == "BUY" else -1)
        held[one.payload["symbol"]] = held.get(one.payload["symbol"], 0) + signed
    assert held and not any(held.values())
    report = compare_run(told.ledger, told.run)
    assert {one.put_down_to for one in report.differences} <= {"human action"}
    with paper(place, "flatten", DAY, resume=True) as again:
        code, said = again.outcome()
    assert code == ExitCode.USAGE and "leave every position" in said["reason"]


def test_token_dies(place: Path) -> None:
    with paper(place, "token", DAY) as told:
        told.until_bars(6)
        AdminPort(told.admin(), 7.0).fault(kind="token death")
        code, said = told.outcome()
    assert (code, said["verdict"]) == (ExitCode.BROKER, "failed"), said
    assert "AuthenticationError" in said["reason"] and "Log in again" in said["reason"]
    assert_whole(told)
    assert_nothing_held(told.ledger)


def test_taken_port(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with paper(place, "port", DAY, exchange__port=str(port)) as told:
            code, said = told.outcome()
    assert code == ExitCode.BROKER and said["error"] == "NetworkError"
    assert f"port {port}" in said["reason"] and "set 0" in said["reason"]
    assert told.events("session ended")[0].payload["verdict"] == "failed"
    assert_nothing_held(told.ledger)
    assert_whole(told)
