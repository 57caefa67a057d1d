"""Windows: the members of the window decide, and nothing else does."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.compiled import kernel
from nifty_research.indicators.extremes import (
    highest_state,
    highest_update,
    lowest_state,
    lowest_update,
    range_state,
    range_update,
)
from nifty_research.indicators.joint_windows import (
    joint_state,
    joint_update,
    totals_state,
    totals_update,
)
from nifty_research.indicators.windows import (
    mean_state,
    mean_update,
    moments_state,
    moments_update,
    total_update,
    weighted_state,
    weighted_update,
)

PERIODS = st.integers(1, 25)
SEEDS = st.integers(0, 2**32 - 1)


@kernel
def every_window(
    period: float,
    mean: np.ndarray,
    total: np.ndarray,
    moments: np.ndarray,
    weighted: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    both: np.ndarray,
    joint: np.ndarray,
    totals: np.ndarray,
    values: np.ndarray,
    others: np.ndarray,
) -> np.ndarray:
    "One row of results a value."
    out = np.empty((len(values), 16))
    for row in range(len(values)):
        x, y = values[row], others[row]
        out[row, 0] = mean_update(mean, x)
        out[row, 1] = total_update(total, x)
        out[row, 2], out[row, 3] = moments_update(moments, x)
        out[row, 4] = weighted_update(weighted, x)
        out[row, 5] = highest_update(high, x)
        out[row, 6] = lowest_update(low, x)
        out[row, 7], out[row, 8] = range_update(both, x, y)
        out[row, 9], out[row, 10], out[row, 11], out[row, 12], out[row, 13] = joint_update(
            joint, x, y
        )
        out[row, 9] += joint[2]  # means come as distances from the pivots
        out[row, 10] += joint[3]
        out[row, 14], out[row, 15] = totals_update(totals, x, y)
    return out


def run(values: np.ndarray, others: np.ndarray, period: int) -> np.ndarray:
    "All windows over two series."
    makers: list[Callable[[int], np.ndarray]] = [
        *(mean_state, mean_state, moments_state, weighted_state),
        *(highest_state, lowest_state, range_state, joint_state, totals_state),
    ]
    return every_window(float(period), *(make(period) for make in makers), values, others)


def reference(values: np.ndarray, others: np.ndarray, period: int) -> np.ndarray:
    "The definitions, on one window."
    x, y = values[-period:], others[-period:]
    weights = np.arange(1, period + 1)
    pivot = x[-1]
    return np.array(
        [
            pivot + (x - pivot).mean(),
            x.sum(),
            pivot + (x - pivot).mean(),
            np.var(x - pivot),
            pivot + ((x - pivot) * weights).sum() / weights.sum(),
            *(x.max(), x.min(), x.max(), y.min()),
            *(x.mean(), y.mean(), np.var(x - pivot), np.var(y - y[-1])),
            np.cov(x - pivot, y - y[-1], bias=True)[0, 1] if period > 1 else 0.0,
            *(x.sum(), y.sum()),
        ]
    )


def prices(rng: np.random.Generator, count: int) -> np.ndarray:
    "Prices on the paisa grid, high and quiet or low and wild."
    level, step = rng.choice([50.0, 1412.0, 24_850.0]), rng.choice([0.05, 2.0])
    return np.round(level + np.cumsum(rng.normal(0, step, count)), 2)


@given(seed=SEEDS, period=PERIODS)
def test_agrees_with_the_definition(seed: int, period: int) -> None:
    rng = np.random.default_rng(seed)
    values, others = prices(rng, 80), prices(rng, 80)
    found = run(values, others, period)
    scale = max(np.abs(values).max(), np.abs(others).max())
    assert np.isnan(found[: period - 1]).all()
    for row in range(period - 1, 80):
        known = reference(values[: row + 1], others[: row + 1], period)
        np.testing.assert_allclose(found[row], known, rtol=1e-11, atol=1e-13 * scale)


@given(seed=SEEDS, period=PERIODS, skipped=st.integers(0, 40))
def test_where_history_began_moves_rounding_only(seed: int, period: int, skipped: int) -> None:
    rng = np.random.default_rng(seed)
    values, others = prices(rng, 120), prices(rng, 120)
    values[:20] *= rng.choice([1.0, 1e6], 20)  # bad ticks before
    whole, late = run(values, others, period), run(values[skipped:], others[skipped:], period)
    first = max(skipped, 20) + period
    scale = np.abs(whole[first:]).max(axis=0)
    assert (np.abs(whole[first:] - late[first - skipped :]) <= 1e-12 * scale).all()


@given(seed=SEEDS, period=PERIODS)
def test_missing_values_are_not_members(seed: int, period: int) -> None:
    rng = np.random.default_rng(seed)
    values, others = prices(rng, 80), prices(rng, 80)
    gone = rng.random(80) < 0.3
    values[gone], others[gone] = np.nan, np.nan
    found = run(values, others, period)
    assert np.isnan(found[gone]).all()
    np.testing.assert_array_equal(found[~gone], run(values[~gone], others[~gone], period))


@pytest.mark.parametrize("price", [0.05, 100.1, 24_850.15])
def test_a_price_that_stands_still_has_itself_for_mean_and_no_variance(price: float) -> None:
    rng = np.random.default_rng(0)
    values = np.r_[prices(rng, 37), np.full(60, price)]
    found = run(values, values, 20)[-41:]
    assert (found[:, [0, 2, 4, 5, 6, 7, 8, 9, 10]] == price).all()
    assert (found[:, [3, 11, 12, 13]] == 0).all()


def test_totals_of_nothing_are_nothing() -> None:
    volumes = np.r_[1e9, 3e7, np.zeros(10)]
    assert (run(volumes, volumes, 5)[6:, 1] == 0).all()
