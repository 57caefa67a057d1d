"""The cache of compiled code: found again, never stale, never in the way of others."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from nifty_research.core import compiled
from nifty_research.core.compiled import cache_folder, kernel, source_hash
from nifty_research.core.money import floor_to_tick

CALLED = """
from nifty_research.core.compiled import kernel

@kernel
def rate(value: float) -> float:
    return value * 2.0
"""
CALLER = """
from nifty_research.core.compiled import kernel
from nifty_research.core.called import rate

@kernel
def charge(value: float) -> float:
    return rate(value) + 1.0
"""
USE = """
from nifty_research.core.caller import charge
print(charge(10.0), sum(charge.stats.cache_hits.values()))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the room, so that its sources stand still while the test runs."""
    package = tmp_path / "site" / "nifty_research"
    shutil.copytree(Path(compiled.__file__).parent, package / "core")
    (package / "__init__.py").write_text("")
    (package / "core" / "called.py").write_text(CALLED)
    (package / "core" / "caller.py").write_text(CALLER)
    return package.parent


def run(site: Path, code: str = USE) -> str:
    env = {**os.environ, "NIFTY_CACHE": str(site.parent / "cache"), "PYTHONPATH": str(site)}
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # byte code is told apart by whole seconds only
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_second_process_finds_the_code_of_the_first(site: Path) -> None:
    assert run(site) == "21.0 0"
    assert run(site) == "21.0 1"


def test_change_in_a_called_function_of_another_module_is_noticed(site: Path) -> None:
    assert run(site) == "21.0 0"
    (site / "nifty_research" / "core" / "called.py").write_text(CALLED.replace("2.0", "3.0"))
    assert run(site) == "31.0 0"


def test_cache_lies_below_the_folder_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIFTY_CACHE", str(tmp_path))
    folder = cache_folder()
    assert folder.is_dir()
    assert folder.parent == tmp_path / "nifty_research"


def test_global_setting_of_numba_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIFTY_CACHE", str(tmp_path))
    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    kernel(floor_to_tick)
    assert numba.config.CACHE_DIR == before  # type: ignore[attr-defined]


def test_function_outside_the_package_is_not_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIFTY_CACHE", str(tmp_path))

    @kernel
    def double(x: float) -> float:
        return 2.0 * x

    assert double(2.5) == 5.0
    assert not list(tmp_path.rglob("*.nb?"))


def test_hash_follows_the_sources_that_may_be_compiled_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "market").mkdir()
    called = tmp_path / "market" / "charges.py"
    called.write_text("RATE = 1\n")
    first = source_hash(tmp_path)
    called.write_text("RATE = 2\n")
    second = source_hash(tmp_path)
    called.rename(tmp_path / "market" / "fees.py")
    third = source_hash(tmp_path)
    (tmp_path / "_modidx.py").write_text("d = {}\n")
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve" / "page.py").write_text("TITLE = 1\n")
    assert len({first, second, third}) == 3
    assert source_hash(tmp_path) == third


def make_folder(parent: Path, name: str, age_s: float) -> None:
    "A cache folder of one module, last used so long before the newest one."
    module = parent / name / "engine_0123"
    module.mkdir(parents=True)
    (module / "code.nbc").write_text("x")
    for place in (module, module.parent):
        os.utime(place, (1_000_000 - age_s, 1_000_000 - age_s))


def test_folders_used_last_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(("present", "yesterday", "before", "old", "oldest")):
        make_folder(tmp_path, name, 86_400.0 * age)
    compiled._prune(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"present", "yesterday", "before"}


def test_folders_that_a_process_may_still_use_are_spared(tmp_path: Path) -> None:
    for age in range(8):
        make_folder(tmp_path, f"edit {age}", 900.0 * age)
    writes_on = tmp_path / "edit 7" / "engine_0123"
    os.utime(writes_on, (1_000_000, 1_000_000))
    compiled._prune(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {f"edit {age}" for age in (0, 1, 2, 3, 7)}


def test_kernel_works_on_after_its_folder_was_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIFTY_CACHE", str(tmp_path))
    late = kernel(floor_to_tick)
    compiled._prune(tmp_path / "nifty_research", keep=0, spared_s=0.0)
    assert late(99.99, 0.05) == 99.95


def test_compiled_code_below_the_engine_is_refused(site: Path) -> None:
    page = site / "nifty_research" / "serve" / "page.py"
    page.parent.mkdir()
    page.write_text(CALLED)
    refused = """
from nifty_research.core.errors import UsageError
try:
    from nifty_research.serve.page import rate
except UsageError as error:
    print(error.where, error.value)
"""
    assert run(site, refused) == "nifty_research.serve.page.rate serve"


UPDATE = """
from nifty_research.core.compiled import inlined

@inlined
def faded(state, x):
    state[0] = state[0] * 0.5 + x
    return state[0]
"""
LOOP = """
from nifty_research.core.compiled import in_place
from nifty_research.core.update import faded

@in_place
def fade(states, values):
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            values[row, column] = faded(states[column], values[row, column])
"""
FADE = """
import numpy as np
from nifty_research.core.loop import fade
values = np.ones((3, 1))
fade(np.zeros((1, 1)), values)
print(values[-1, 0], sum(fade.stats.cache_hits.values()))
"""


def test_a_loop_is_kept_and_forgotten_with_the_update_inside_it(site: Path) -> None:
    update = site / "nifty_research" / "core" / "update.py"
    update.write_text(UPDATE)
    (update.parent / "loop.py").write_text(LOOP)
    assert run(site, FADE) == "1.75 0"
    assert run(site, FADE) == "1.75 1"
    update.write_text(UPDATE.replace("* 0.5", "* 2.0"))
    assert run(site, FADE) == "7.0 0"
