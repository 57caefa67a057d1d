"""The order process dies at every boundary, under every fault; nothing happens twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nifty_research.cli.crashcheck import KINDS_OF_PROBLEM
from nifty_research.cli.crashtest import crash_test, points, score


@pytest.mark.parametrize(("matching", "count"), [("bars", 60), ("book", 12)])
def test_nothing_happens_twice_and_nothing_is_lost(
    tmp_path: Path, matching: str, count: int
) -> None:
    results = crash_test(points(count, seed=1), tmp_path, workers=4, matching=matching)
    found = {kind: score(results)[kind] for kind in KINDS_OF_PROBLEM}
    assert not any(found.values()), [one for one in results if one.problems]
    assert sum(one.deaths for one in results) > count / 2  # they did die
    assert sum(one.struck > 0 for one in results) > count / 4  # and faults did strike
    assert sum(one.trades for one in results) > count


def test_the_process_that_trades_is_light() -> None:
    heavy = "{'numba', 'pandas', 'plotly', 'scipy', 'sklearn', 'duckdb', 'pyarrow', 'starlette'}"
    code = (
        "import sys, nifty_research.execution.order_process\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_points_are_the_same_for_the_same_seed_and_cover_all() -> None:
    many = points(2000, seed=1)
    assert many == points(2000, seed=1) != points(2000, seed=2)
    assert len({(one.fault, one.boundary) for one in many}) == len({one.fault for one in many}) * 10
