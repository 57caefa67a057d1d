"""Starts sessions through papermill for tests, watches their journal, and finds their processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from session_markets import LIVELY, small_market

from nifty_research.core.errors import JournalError
from nifty_research.ledger.events import Event
from nifty_research.ledger.journal import Journal

SCRIPT = Path(__file__).with_name("paper.py")
ACCOUNT = "PAPER01"
PATIENCE_S = 120.0


@dataclass
class Paper:
    "One session that runs in a process of its own."

    folder: Path
    run: str
    process: subprocess.Popen[str]

    @property
    def ledger(self) -> Path:
        return self.folder / "runs" / "ledger.sqlite"

    def events(self, *kinds: str) -> list[Event]:
        if not self.ledger.exists():
            return []
        try:
            with Journal.read_only(self.ledger, ACCOUNT) as journal:
                return list(journal.events(session=self.run, kinds=kinds or None))
        except JournalError:
            if self.process.poll() is None:
                return []  # the file is just being made
            raise

    def until(self, what: Callable[[], bool]) -> None:
        "Wait for something to be so, while the session runs."
        end = time.monotonic() + PATIENCE_S
        while not what():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "nothing happened"
            time.sleep(0.05)

    def until_bars(self, count: int) -> None:
        "Wait for a number of decisions."
        self.until(lambda: len(self.events("decision")) >= count)

    def pid_of(self, module: str) -> int:
        "Process id of the child that runs a module."
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if module in " ".join(child.cmdline()):
                return child.pid
        raise AssertionError(f"no {module} runs")

    def kernel_pid(self) -> int:
        "Process id of the kernel, as it was journalled."
        return int(self.events("kernel started")[-1].payload["pid"])

    def notebook(self) -> Path:
        return next(self.folder.glob(f"runs/*/paper-*-{self.run}.ipynb"))

    def admin(self) -> str:
        "Address of the exchange's lock-step port, as the notebook was told."
        source = self.notebook().read_text()
        found = re.search(r'admin = \\"([0-9.:]+)\\"', source)
        assert found, source[:2000]
        return found.group(1)

    def outcome(self) -> tuple[int, dict[str, Any]]:
        "Exit code and what was printed, once the session has ended."
        said, complained = self.process.communicate(timeout=PATIENCE_S)
        lines = said.strip().splitlines()
        assert lines, complained
        return self.process.returncode, json.loads(lines[-1])


def bars_file(folder: Path, *days: str, interval_minutes: int = 5) -> Path:
    "A Parquet file of the small market."
    path = folder / "bars.parquet"
    if not path.exists():
        small_market(*days, interval_minutes=interval_minutes)[0].to_frame().to_parquet(path)
    return path


@contextmanager
def paper(
    folder: Path,
    run: str,
    *days: str,
    resume: bool = False,
    interval_minutes: int = 5,
    **overrides: str,  # section__key
) -> Iterator[Paper]:
    "A session over the small market, ended when the block is left."
    asked = {
        "run": run,
        "days": days,
        "bars": str(bars_file(folder, *days, interval_minutes=interval_minutes)),
        "overrides": LIVELY
        | {"market.interval_minutes": str(interval_minutes)}
        | {name.replace("__", "."): value for name, value in overrides.items()},
        "resume": resume,
    }
    request = folder / f"request-{run}-{resume}.json"
    request.write_text(json.dumps(asked))
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(request)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Paper(folder, run, process)
    finally:
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            for one in [psutil.Process(process.pid), *family]:
                one.kill()
        process.wait()


def assert_whole(told: Paper) -> None:
    "The journal's chain holds."
    with Journal.read_only(told.ledger, ACCOUNT) as journal:
        assert journal.verify() == []


def assert_nothing_held(ledger: Path) -> None:
    "Nobody holds the account."
    if ledger.exists():
        with Journal.read_only(ledger, ACCOUNT) as journal:
            assert journal.lease() is None
