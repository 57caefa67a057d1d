"""A notebook from the template runs, is formatted, and is what the project's tools would leave."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nifty_research.core.errors import UsageError
from nifty_research.strategies.scaffold import new_strategy

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name(command[0])
    environment = os.environ | {"NIFTY_SETTINGS": str(ROOT / "settings.ini")}
    return subprocess.run(
        [str(tool), *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_the_new_notebook_runs(tmp_path: Path) -> None:
    path = new_strategy("opening_range", tmp_path)
    done = run("nbdev-test", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["opening_range", "a", "one_rather_long_name_for_a_strategy_2"])
def test_the_new_notebook_is_formatted_and_clean(tmp_path: Path, name: str) -> None:
    path = new_strategy(name, tmp_path)
    written = path.read_bytes()
    settings = ["--config", str(ROOT / "pyproject.toml")]
    for done in (
        run("ruff", "format", "--check", *settings, str(path)),
        run("ruff", "check", *settings, str(path)),
        run("nbdev-clean", "--fname", str(path)),
    ):
        assert done.returncode == 0, done.stdout + done.stderr
    assert path.read_bytes() == written


@pytest.mark.parametrize(
    "name", ["", "Momentum", "my idea", "2nd", "class", "../up", "a" * 60, "naïve", "_hidden"]
)
def test_names_that_cannot_be_modules_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        new_strategy(name, tmp_path)
    assert not list(tmp_path.rglob("*.ipynb"))


@pytest.mark.parametrize("name", ["contract", "registry", "moving_average"])
def test_names_of_the_room_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="taken"):
        new_strategy(name, tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = new_strategy("opening_range", tmp_path / "fresh")
    path.write_text("mine")
    with pytest.raises(UsageError, match="taken"):
        new_strategy("opening_range", tmp_path / "fresh")
    assert path.read_text() == "mine"
