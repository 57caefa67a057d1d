"Correlation and diversification of several series: bounds, invariances, agreement with numpy."

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.statistics.diversification import correlations, diversification


def made(members: int, periods: int, share: float, seed: int) -> np.ndarray:
    "Series of which each pair shares this part of its variance."
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(periods, 1))
    own = generator.normal(size=(periods, members))
    return 0.01 * (math.sqrt(share) * common + math.sqrt(1 - share) * own)


@given(st.integers(2, 6), st.integers(5, 200), st.floats(0.0, 0.95), st.integers(0, 2**32))
def test_correlations_are_those_of_numpy(
    members: int, periods: int, share: float, seed: int
) -> None:
    returns = made(members, periods, share, seed)

    assert np.allclose(correlations(returns), np.corrcoef(returns, rowvar=False), atol=1e-10)


@given(st.integers(2, 6), st.integers(20, 200), st.floats(0.0, 0.95), st.integers(0, 2**32))
def test_the_ratio_neither_depends_on_size_nor_falls_below_one(
    members: int, periods: int, share: float, seed: int
) -> None:
    returns = made(members, periods, share, seed)
    names = [f"S{number}" for number in range(members)]
    sizes = np.random.default_rng(seed).uniform(0.1, 10.0, members)

    one, other = diversification(returns, names), diversification(returns * sizes, names)

    assert one.ratio == pytest.approx(other.ratio) and one.ratio >= 1.0 - 1e-9
    assert one.effective == pytest.approx(one.ratio**2)


def test_only_common_periods_count() -> None:
    returns = made(2, 300, 0.5, 1)
    holed = returns.copy()
    holed[:100, 0] = np.nan
    holed[200:, 1] = np.nan

    expected = np.corrcoef(returns[100:200], rowvar=False)[0, 1]

    assert correlations(holed)[0, 1] == pytest.approx(expected)


def test_strategies_that_hedge_each_other_are_worth_more_than_their_number() -> None:
    walk = np.random.default_rng(2).normal(size=(500, 1))
    noise = np.random.default_rng(3).normal(size=(500, 2))

    found = diversification(np.hstack([walk, -walk]) + 0.3 * noise, ("long", "short"))

    assert found.effective > 4.0 and found.mean_correlation < -0.8


def test_a_series_that_never_moved_has_no_say() -> None:
    returns = np.hstack([made(2, 100, 0.3, 4), np.full((100, 1), 0.001)])

    found = diversification(returns, ("A", "B", "cash"))

    assert found.names == ("A", "B") and np.isnan(correlations(returns)[2]).all()
