"""A module imports only from its own room and from rooms above it; no import runs back up."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nifty_research.core.compiled import COMPILED_ROOMS

PACKAGE = Path(__file__).resolve().parents[1] / "nifty_research"
ROOMS = (
    "core market data indicators statistics learning strategies options risk engine ledger "
    "compliance broker exchange execution monitor session serve cli"
).split()
MODULES = sorted(path for path in PACKAGE.glob("*/*.py") if path.name != "__init__.py")


def test_compiled_rooms_are_those_down_to_the_engine() -> None:
    assert list(COMPILED_ROOMS) == ROOMS[: ROOMS.index("engine") + 1]


def rooms_imported(path: Path) -> set[str]:
    "Rooms of the package that a module imports from, imports inside functions included."
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module:
            found.add(node.module.split(".")[0])
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("nifty_research.")}
    return found


def test_every_folder_of_the_package_is_a_room() -> None:
    folders = {path.parent.name for path in MODULES}

    assert len(MODULES) > 60 and folders <= set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_imports_come_from_above(path: Path) -> None:
    own = ROOMS.index(path.parent.name)

    upwards = {room for room in rooms_imported(path) if ROOMS.index(room) > own}

    assert not upwards, f"{path.parent.name}/{path.name} imports from {sorted(upwards)}"
