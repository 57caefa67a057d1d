"""A new strategy is one command away from a session: notebook, export, name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")


def test_a_new_strategy_trades_on_paper_at_once(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for folder in ("nbs", "nifty_research"):
        shutil.copytree(ROOT / folder, project / folder, ignore=KEPT)
    for file in ("pyproject.toml", "settings.ini"):
        shutil.copy(ROOT / file, project)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NIFTY_")}
    environment |= {"PYTHONPATH": str(project)}

    def nifty(*words: str) -> str:
        program = str(Path(sys.executable).with_name("nifty"))
        done = subprocess.run(
            [program, *words], cwd=project, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "it runs already" in nifty("new", "strategy", "my_idea")
    assert (project / "nifty_research" / "strategies" / "my_idea.py").is_file()
    assert "my_idea" in nifty("strategies")
    told = nifty("paper", "--strategy", "my_idea", "--interval", "15m")
    assert "my_idea" in told and "difference 0 paise" in told
