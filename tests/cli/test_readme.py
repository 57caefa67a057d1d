"""Every command that the README shows exists and runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG_RUNNING = ("nifty paper", "nifty warm")  # tried as whole sessions in tests of their own


def shown() -> list[str]:
    "Command lines in the README's plain code blocks; those of a language are for reading."
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    plain = [block for language, block in blocks if not language]
    return [line for block in plain for line in block.splitlines() if line.strip()]


COMMANDS = shown()
NIFTY = [line for line in COMMANDS if line.startswith("nifty")]
MAKE = [line for line in COMMANDS if line.startswith("make")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    "A folder with settings of its own and one short session in its ledger."
    folder = tmp_path_factory.mktemp("readme")
    text = (ROOT / "settings.ini").read_text()
    text = text.replace("nbs/session/notebook.ipynb", str(ROOT / "nbs/session/notebook.ipynb"))
    text = text.replace("interval_minutes = 1\n", "interval_minutes = 15\n")
    (folder / "settings.ini").write_text(text)
    shutil.copytree(ROOT / "nbs" / "strategies", folder / "nbs" / "strategies")
    environment = os.environ | {"NIFTY_SETTINGS": str(folder / "settings.ini")}
    done = run("nifty paper", folder, environment)
    assert done.returncode == 0, done.stderr
    return folder, environment


def run(line: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    "Run one shown command with this environment's program."
    words = shlex.split(line)
    command = [str(Path(sys.executable).with_name("nifty")), *words[1:]]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_the_readme_shows_commands_of_both_kinds() -> None:
    assert len(NIFTY) >= 10 and "make paper" in MAKE and "make test" in MAKE


@pytest.mark.parametrize("line", [one for one in NIFTY if one not in LONG_RUNNING])
def test_shown_command_runs(line: str, project: tuple[Path, dict[str, str]]) -> None:
    done = run(line, *project)

    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()


@pytest.mark.parametrize("line", LONG_RUNNING)
def test_long_command_is_known(line: str, project: tuple[Path, dict[str, str]]) -> None:
    done = run(line + " --help", *project)

    assert done.returncode == 0 and "Example" in done.stdout


@pytest.mark.parametrize("line", MAKE)
def test_shown_target_exists(line: str) -> None:
    done = subprocess.run(
        ["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_a_session_says_its_parity_in_json(project: tuple[Path, dict[str, str]]) -> None:
    done = run("nifty parity latest --json", *project)

    told = json.loads(done.stdout)
    assert told["holds"] and told["difference_paise"] == 0
