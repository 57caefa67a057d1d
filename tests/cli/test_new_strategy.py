"""A new strategy is one command away from a session: notebook, export, name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
SEATED = ("--set", "ensemble.members=my_idea, momentum", "--set", "ensemble.passive=none")
KEPT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")


class Project:
    "A copy of the project, in which commands run."

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for room in ("nbs", "nifty_research"):
            shutil.copytree(ROOT / room, folder / room, ignore=KEPT)
        for file in ("pyproject.toml", "settings.ini", "Makefile"):
            shutil.copy(ROOT / file, folder)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NIFTY_")}
        # A cache of its own: nobody has proved this strategy before.
        own = {"PYTHONPATH": str(folder), "NIFTY_CACHE": str(folder.parent / "cache")}
        self.environment = environment | own

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def nifty(self, *words: str) -> str:
        return self.run(str(PROGRAMS / "nifty"), *words)

    def make(self, *words: str) -> str:
        "With the programs that are there: setting up is not what is tested."
        return self.run("make", "--no-print-directory", "-o", "setup", f"BIN={PROGRAMS}", *words)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in json.loads(self.nifty("strategies", "--json"))}


def test_a_new_strategy_is_proved_and_trades_on_paper_at_once(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    assert "it runs already" in project.nifty("new", "strategy", "my_idea")
    assert (project.folder / "nifty_research" / "strategies" / "my_idea.py").is_file()

    before = project.rows()["my_idea"]
    assert (before["state"], before["proof"], before["last"]) == ("not seated", None, None)
    (proof,) = json.loads(project.nifty("prove", "my_idea", "--json"))
    assert proof["holds"]
    assert project.rows()["my_idea"]["proof"] == {"holds": True, "first": ""}

    told = project.make("paper", "STRATEGY=my_idea", "INTERVAL=15m")
    assert "my_idea" in told and "difference 0 paise" in told
    seated = project.nifty("backtest", "--strategy", "ensemble", "--interval", "15m", *SEATED)
    assert "ensemble" in seated
