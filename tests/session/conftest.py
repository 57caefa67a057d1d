"""A folder for each test with settings of its own; journal and runs land beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from session_markets import LIVELY, ROOT

from nifty_research.core.settings import Settings, load_settings


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "The folder; NIFTY_SETTINGS names its settings, whose notebooks are the repository's."
    lines = []
    for line in (ROOT / "settings.ini").read_text().splitlines():
        key, _, value = line.partition(" = ")
        moved = key in ("notebooks", "session_notebook")
        lines.append(f"{key} = {ROOT / value}" if moved else line)
    (tmp_path / "settings.ini").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    return tmp_path


@pytest.fixture
def lively(place: Path) -> Settings:
    "Settings under which much happens in few bars."
    return load_settings(overrides=LIVELY)
