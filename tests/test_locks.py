"""The locks agree with each other and with pyproject.toml, and name no place to download from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements-session.lock", "requirements.lock")
REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)(?: ; (.*?))? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def canonical(name: str) -> str:
    "A distribution's name in the one spelling that locks use."
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock: str) -> set[tuple[str, str, str]]:
    "Name, version and condition of everything that a lock holds."
    lines = (ROOT / lock).read_text().splitlines()
    found = [match.groups(default="") for line in lines if (match := REQUIREMENT.match(line))]
    return {(canonical(name), version, when) for name, version, when in found}


def declared(*extras: str) -> set[str]:
    "Names of the distributions that pyproject.toml asks for."
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {canonical(re.split(r"[\[<>=~! ;]", line, maxsplit=1)[0]) for line in lines}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    head, *lines = (ROOT / lock).read_text().splitlines()
    assert head.startswith("# ") and "make lock" in head
    odd = [line for line in lines if not REQUIREMENT.match(line) and not HASH.match(line)]
    assert not odd


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("requirements-session.lock", ()), ("requirements.lock", ("research", "dev"))],
)
def test_what_pyproject_asks_for_is_locked(lock: str, extras: tuple[str, ...]) -> None:
    assert declared(*extras) <= {name for name, _, _ in pinned(lock)}, "run make lock"


def test_the_session_lock_is_a_part_of_the_full_one() -> None:
    session, full = (
        {(name, version) for name, version, _ in pinned(lock)} for lock in LOCKS
    )  # Conditions may be wider in the full one
    assert session <= full
