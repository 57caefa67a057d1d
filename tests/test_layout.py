"""The top level holds what the README's map names, and every package that is asked for is used."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FOLDERS = {"nbs", "nifty_research", "runs", "dashboards", "tests", "docker"}
FILES = {
    *("settings.ini", "pyproject.toml", "README.md", "Makefile", "LICENSE"),
    *("requirements.lock", "requirements-session.lock"),
}
MADE = {"build", "_proc", "nifty_research.egg-info", "__pycache__"}  # by tools, not kept

# Packages that are run or needed by others, not imported.
TOOLS = {
    "execnb": "pinned with nbdev, which runs notebooks by it",
    "ipykernel": "the kernel that papermill and Voilà start",
    "jupyterlab": "make lab",
    "mypy": "make lint",
    "nbdev": "make export, make test",
    "pandas-stubs": "types for mypy",
    "pytest-xdist": "make test",
    "redis": "limits shared by several computers; broker.quotas imports it where it is asked for",
    "ruff": "make lint",
    "setuptools": "builds the package, make setup",
    "types-cachetools": "types for mypy",
    "types-requests": "types for mypy",
    "voila": "make dashboard",
    "websockets": "uvicorn speaks WebSocket by it",
}


def code_of(path: Path) -> str:
    "The Python text of a module or a notebook; lines that only IPython knows are left out."
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    return "\n".join("" if re.match(r"\s*[%!]", line) else line for line in text.splitlines())


def imported() -> set[str]:
    "Top-level names of everything that the project imports, also as `python -m`."
    names: set[str] = set()
    for folder in ("nbs", "nifty_research", "dashboards", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in (".py", ".ipynb") or ".ipynb_checkpoints" in path.parts:
                continue
            text = code_of(path)
            names |= set(re.findall(r'(?:"-m", |importorskip\(|import_module\()"(\w+)', text))
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                    names.add(node.module.partition(".")[0])
    return names


def declared() -> set[str]:
    "Names of the distributions that pyproject.toml asks for."
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        lines += extra
    return {re.split(r"[\[<>=~! ;]", line, maxsplit=1)[0] for line in lines}


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - MADE
    assert not found - FOLDERS - FILES
    assert not {name for name in FOLDERS if not (ROOT / name).is_dir()}
    assert not {name for name in FILES if not (ROOT / name).is_file()}


def test_every_package_that_is_asked_for_is_used() -> None:
    homes = packages_distributions()
    used = {
        re.sub(r"[-_.]+", "-", home).lower() for name in imported() for home in homes.get(name, [])
    }
    unused = {name for name in declared() if re.sub(r"[-_.]+", "-", name).lower() not in used}
    assert unused <= TOOLS.keys(), f"nothing imports {sorted(unused - TOOLS.keys())}"


def test_every_package_that_is_imported_is_asked_for() -> None:
    homes = packages_distributions()
    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in declared()}
    missing = {
        name
        for name in imported() - set(sys.stdlib_module_names) - {"nifty_research"}
        if name in homes
        and not {re.sub(r"[-_.]+", "-", home).lower() for home in homes[name]} & wanted
    }
    assert not missing, f"pyproject.toml does not ask for {sorted(missing)}"


def test_every_tool_that_is_named_is_asked_for() -> None:
    assert TOOLS.keys() <= declared()


def test_no_two_files_of_tests_have_one_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]

    assert [name for name in set(names) if names.count(name) > 1] == []
