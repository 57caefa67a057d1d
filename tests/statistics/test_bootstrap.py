"""Drawn histories, their figures and the reality check, against arch and against what must hold."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UsageError
from nifty_research.statistics.bootstrap import (
    FIGURES,
    block_length,
    bootstrap,
    drawn_rows,
)
from nifty_research.statistics.ratios import return_figures
from nifty_research.statistics.reality_check import reality_check

METHODS = ("stationary", "circular")


def remembering(rng: np.random.Generator, rows: int, share: float) -> np.ndarray:
    "A series of which each value keeps a share of the one before."
    values = rng.normal(0.0, 0.01, rows)
    for row in range(1, rows):
        values[row] += share * values[row - 1]
    return values


# ---- blocks


@pytest.mark.parametrize("method", METHODS)
def test_block_lengths_are_those_of_arch(method: str) -> None:
    library = pytest.importorskip("arch.bootstrap")
    rng = np.random.default_rng(0)
    same = 0
    for _ in range(60):
        rows, share = int(rng.integers(60, 1200)), rng.uniform(-0.3, 0.8)
        series = remembering(rng, rows, share)
        size = np.abs(series - series.mean())
        theirs = max(
            max(1.0, float(library.optimal_block_length(one)[method].iloc[0]))
            for one in (series, size)
        )
        ours = block_length(series, method)  # type: ignore[arg-type]
        assert ours == pytest.approx(theirs, rel=0.35)
        same += ours == pytest.approx(theirs, rel=1e-6)

    assert same >= 54  # arch norms autocorrelations by part of the series


@given(st.integers(2, 200), st.integers(0, 1000), st.sampled_from(METHODS), st.floats(0.0, 1.0))
def test_a_drawn_history_is_as_long_and_follows_on(
    rows: int, seed: int, method: str, share: float
) -> None:
    block = 1.0 + share * (rows - 1)

    for order in drawn_rows(rows, 3, block=block, method=method, seed=seed):  # type: ignore[arg-type]
        assert order.shape == (rows,) and order.min() >= 0 and order.max() < rows
        if method == "circular":
            seams = np.flatnonzero(np.diff(order) % rows != 1 % rows) + 1
            assert (seams % round(block) == 0).all()


def test_every_row_is_drawn_as_often_as_every_other() -> None:
    for method in METHODS:
        counts = sum(
            np.bincount(order, minlength=50)
            for order in drawn_rows(50, 4000, block=7, method=method)  # type: ignore[arg-type]
        )
        assert counts / 4000 == pytest.approx(1.0, abs=0.2)


# ---- figures


@given(st.integers(0, 2**32 - 1), st.integers(20, 300))
def test_the_observed_figures_are_those_of_the_ratios(seed: int, rows: int) -> None:
    returns = np.random.default_rng(seed).normal(0.001, 0.02, rows)

    ours = bootstrap(returns, draws=1, block=1.0).observed
    theirs = return_figures(returns, periods_a_year=252)

    assert ours["sharpe"] == pytest.approx(theirs.sharpe, rel=1e-6, abs=1e-9)
    assert ours["volatility"] == pytest.approx(theirs.volatility, rel=1e-9)
    assert ours["drawdown"] == pytest.approx(-theirs.max_drawdown, rel=1e-9)
    assert ours["growth"] == pytest.approx(theirs.cagr, rel=1e-6)


def test_the_scatter_of_the_ratio_is_that_of_arch() -> None:
    library = pytest.importorskip("arch.bootstrap")
    returns = remembering(np.random.default_rng(3), 600, 0.3) + 0.0005

    ours = bootstrap(returns, draws=4000, block=8).drawn["sharpe"]
    theirs = library.StationaryBootstrap(8, returns, seed=1).apply(
        lambda one: one.mean() / one.std(ddof=1) * 252**0.5, 4000
    )

    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.08)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.08)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(4), []
    true = 0.0005 / (0.01 / (1 - 0.2**2) ** 0.5) * 252**0.5
    for seed in range(200):
        returns = remembering(rng, 500, 0.2) + 0.0005
        low, high = bootstrap(returns, draws=300, seed=seed).interval("sharpe", 0.90)
        held.append(low <= true <= high)

    assert 0.80 < np.mean(held) < 0.96


@given(st.integers(0, 1000), st.floats(0.5, 0.98))
@settings(max_examples=15)
def test_wider_levels_hold_narrower_ones(seed: int, level: float) -> None:
    returns = np.random.default_rng(seed).normal(0.0, 0.02, 60)
    found = bootstrap(returns, draws=100, seed=seed)

    for name in FIGURES:
        low, high = found.interval(name, level)
        wide_low, wide_high = found.interval(name, level + 0.01)
        assert wide_low <= low <= high <= wide_high


def test_ruin_is_ruin() -> None:
    returns = np.full(50, 0.01)
    returns[25] = -1.0

    found = bootstrap(returns, draws=200, block=1.0)

    assert found.observed["growth"] == -1.0 == found.observed["drawdown"]
    assert found.interval("growth")[0] == -1.0


@pytest.mark.parametrize("block", [0.0, -3.0, 31.0, float("nan")])
def test_impossible_blocks_are_refused(block: float) -> None:
    with pytest.raises(UsageError, match="from one row to all"):
        bootstrap(np.linspace(-0.01, 0.01, 30), block=block)


# ---- the reality check


def test_without_the_spread_the_answers_are_those_of_arch_on_the_same_draws() -> None:
    library = pytest.importorskip("arch.bootstrap")
    rng = np.random.default_rng(5)
    returns = rng.normal(0.0004, 0.01, (300, 12)) + np.linspace(-0.001, 0.0008, 12)
    check = reality_check(returns, draws=500, block=5, seed=9)
    orders = [order.copy() for order in drawn_rows(300, 500, block=5, seed=9)]

    class Same(library.StationaryBootstrap):  # type: ignore[misc, name-defined]
        "Plays the draws given instead of its own."

        def update_indices(self) -> np.ndarray:
            return orders.pop(0)

    theirs = library.SPA(np.zeros(300), -returns, block_size=5, reps=500, studentize=False)
    theirs.bootstrap = Same(5, returns, seed=1)
    theirs.compute()

    assert not orders
    assert check.white == pytest.approx((1 + 500 * theirs.pvalues["upper"]) / 501)


def test_the_three_answers_are_in_order_and_the_best_has_the_upper_one() -> None:
    rng = np.random.default_rng(6)
    for seed in range(20):
        returns = rng.normal(rng.normal(0, 0.001, 15), 0.01, (250, 15))
        check = reality_check(returns, draws=200, block=2, seed=seed)

        assert check.lower <= check.consistent <= check.upper
        assert check.adjusted.min() == pytest.approx(check.upper) == check.adjusted[check.best]


def test_poor_variants_make_the_upper_answer_timid_only() -> None:
    rng = np.random.default_rng(7)
    good = rng.normal(0.003, 0.01, (500, 1))
    poor = rng.normal(-0.01, 0.01, (500, 200))

    check = reality_check(np.hstack([good, poor]), draws=500, block=1)

    assert check.consistent < 0.05 and check.consistent < check.upper


def test_a_benchmark_takes_its_return_away() -> None:
    rng = np.random.default_rng(8)
    index = rng.normal(0.002, 0.01, 500)
    followers = index[:, None] + rng.normal(0.0, 0.002, (500, 10))

    assert reality_check(followers, draws=200).consistent < 0.05
    assert reality_check(followers, index, draws=200).consistent > 0.05


def test_variants_that_never_trade_beat_nobody() -> None:
    returns = np.zeros((100, 5))

    check = reality_check(returns, draws=100)

    assert check.beating() == [] and check.consistent == 1.0
    with pytest.raises(DataError):
        reality_check(returns, np.zeros(99))


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, nifty_research.statistics.luck\n"
        "heavy = {'arch', 'scipy.stats', 'skfolio', 'statsmodels', 'matplotlib', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
