"""A made-up day in a ledger, shared by the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from nifty_research.serve.sample import Entry, sample_entries, write_session
from nifty_research.serve.view import SessionView, read_session


@pytest.fixture(scope="session")
def entries() -> list[Entry]:
    return sample_entries()


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]) -> Path:
    "A finished day of six shares; tests read it and leave it as it is."
    return write_session(tmp_path_factory.mktemp("ledger") / "ledger.sqlite", "day", entries)


@pytest.fixture(scope="session")
def view(ledger: Path) -> SessionView:
    return read_session(ledger, "day")
