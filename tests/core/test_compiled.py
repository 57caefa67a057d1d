"""The cache of compiled code: found again, never stale, never in the way of others."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from nifty_research.core import compiled
from nifty_research.core.compiled import cache_folder, kernel, source_hash
from nifty_research.core.money import floor_to_tick

USE = """
from nifty_research.core.compiled import kernel
from nifty_research.core.money import floor_to_tick
compiled = kernel(floor_to_tick)
assert compiled(1447.83, 0.05) == 1447.8
print(sum(compiled.stats.cache_hits.values()), sum(compiled.stats.cache_misses.values()))
"""


def run(cache: Path) -> str:
    env = {**os.environ, "NIFTY_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", USE], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_second_process_finds_the_code_of_the_first(tmp_path: Path) -> None:
    assert run(tmp_path) == "0 1"
    assert run(tmp_path) == "1 0"


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


def test_hash_follows_every_source_and_its_name_but_not_the_index(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    called = tmp_path / "room" / "charges.py"
    called.write_text("RATE = 1\n")
    first = source_hash(tmp_path)
    called.write_text("RATE = 2\n")
    second = source_hash(tmp_path)
    called.rename(tmp_path / "room" / "fees.py")
    third = source_hash(tmp_path)
    (tmp_path / "_modidx.py").write_text("d = {}\n")
    assert len({first, second, third}) == 3
    assert source_hash(tmp_path) == third


def test_folders_used_last_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(("present", "yesterday", "before", "old", "oldest")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.nbc").write_text("x")
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    compiled._prune(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"present", "yesterday", "before"}


def test_kernel_works_on_after_its_folder_was_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIFTY_CACHE", str(tmp_path))
    late = kernel(floor_to_tick)
    compiled._prune(tmp_path / "nifty_research", keep=0)
    assert late(99.99, 0.05) == 99.95
