"""Volatility and relations against their definitions written out, and against TA-Lib."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.indicators.relations import beta, correlation, z_score
from nifty_research.indicators.volatility import (
    garman_klass,
    parkinson,
    volatility,
    yang_zhang,
)

SEEDS = st.integers(0, 2**32 - 1)


def prices(rng: np.random.Generator, bars: int = 90) -> tuple[np.ndarray, ...]:
    "Open, high, low and close on the paisa grid."
    close = np.round(1412 * np.exp(np.cumsum(rng.normal(0, 0.01, bars))), 2)
    opened = np.round(close * np.exp(rng.normal(0, 0.005, bars)), 2)
    wicks = np.round(np.abs(rng.normal(0, 4, (2, bars))), 2)
    return opened, np.maximum(opened, close) + wicks[0], np.minimum(opened, close) - wicks[1], close


def rolling(values: np.ndarray, period: int, what: object) -> np.ndarray:
    "A function of each window, NaN before the first full one."
    windows = np.lib.stride_tricks.sliding_window_view(values, period, axis=-1)
    known = np.array([what(windows[..., at, :]) for at in range(windows.shape[-2])])  # type: ignore[operator]
    return np.r_[np.full(values.shape[-1] - len(known), np.nan), known]


@given(seed=SEEDS, period=st.integers(2, 30))
def test_volatility_is_its_definition(seed: int, period: int) -> None:
    opened, high, low, close = prices(np.random.default_rng(seed))
    returns = np.diff(np.log(close))
    expected = rolling(returns, period, lambda window: window.std(ddof=1))
    np.testing.assert_allclose(volatility(close, period)[1:], expected, rtol=1e-8)
    span, body = np.log(high / low), np.log(close / opened)
    expected = np.sqrt(rolling(span**2, period, np.mean) / (4 * np.log(2)))
    np.testing.assert_allclose(parkinson(high, low, period), expected, rtol=1e-12)
    terms = span**2 / 2 - (2 * np.log(2) - 1) * body**2
    expected = np.sqrt(rolling(terms, period, np.mean))
    np.testing.assert_allclose(garman_klass(opened, high, low, close, period), expected, rtol=1e-11)


@given(seed=SEEDS, period=st.integers(2, 30))
def test_yang_zhang_is_its_definition(seed: int, period: int) -> None:
    opened, high, low, close = prices(np.random.default_rng(seed))
    night, day = np.log(opened[1:] / close[:-1]), np.log(close / opened)[1:]
    up, down = np.log(high / opened)[1:], np.log(low / opened)[1:]
    inner = rolling(up * (up - day) + down * (down - day), period, np.mean)
    weight = 0.34 / (1.34 + (period + 1) / (period - 1))

    def variance(values: np.ndarray) -> np.ndarray:
        return rolling(values, period, lambda window: window.var(ddof=1))

    expected = np.sqrt(variance(night) + weight * variance(day) + (1 - weight) * inner)
    np.testing.assert_allclose(
        yang_zhang(opened, high, low, close, period)[1:], expected, rtol=1e-8
    )


@given(seed=SEEDS, period=st.integers(2, 30))
def test_relations_are_their_definitions(seed: int, period: int) -> None:
    *_, close = prices(np.random.default_rng(seed))
    *_, index = prices(np.random.default_rng(seed + 1))
    expected = rolling(close, period, lambda window: (window[-1] - window.mean()) / window.std())
    np.testing.assert_allclose(z_score(close, period), expected, rtol=1e-7, atol=1e-9)
    both = np.stack([close, index])
    expected = rolling(both, period, lambda pair: np.corrcoef(pair)[0, 1])
    np.testing.assert_allclose(correlation(close, index, period), expected, atol=1e-8)
    moves = np.stack([np.diff(values) / values[:-1] for values in both])
    expected = rolling(moves, period, lambda pair: np.cov(pair)[0, 1] / pair[1].var(ddof=1))
    np.testing.assert_allclose(beta(index, close, period)[1:], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("period", [5, 30, 60])
def test_relations_are_those_of_talib(period: int) -> None:
    talib = pytest.importorskip("talib")
    *_, close = prices(np.random.default_rng(1), 2000)
    *_, index = prices(np.random.default_rng(2), 2000)
    # TA-Lib subtracts large sums, so the tolerance is that of its digits
    np.testing.assert_allclose(
        correlation(close, index, period), talib.CORREL(close, index, period), atol=1e-6
    )
    np.testing.assert_allclose(
        beta(index, close, period), talib.BETA(index, close, period), rtol=1e-7, atol=1e-9
    )


@given(seed=SEEDS, price=st.sampled_from([0.05, 7.35, 1412.35, 99_999.95]))
def test_what_stands_still_signals_nothing_whatever_came_before(seed: int, price: float) -> None:
    rng = np.random.default_rng(seed)
    before = np.round(price * np.exp(np.cumsum(rng.normal(0, 0.3, rng.integers(1, 60)))), 2) + 0.05
    halted = np.r_[before, np.full(60, price)]
    still = slice(len(before) + 21, None)
    moving = rng.normal(0, 1, len(halted)) + 100
    assert (z_score(halted, 20)[still] == 0.0).all()
    assert np.isnan(correlation(halted, moving, 20)[still]).all()
    assert np.isnan(beta(halted, moving, 20)[still]).all()
    assert (volatility(halted, 20)[still] == 0.0).all()
    assert (yang_zhang(halted, halted, halted, halted, 20)[still] == 0.0).all()


def test_prices_without_a_logarithm_are_missing() -> None:
    opened, high, low, close = prices(np.random.default_rng(3), 30)
    for wrong in (0.0, -1.0):
        low_then, close_then = low.copy(), close.copy()
        low_then[12] = close_then[12] = wrong
        seen = yang_zhang(opened, high, low_then, close_then, 5)
        gone = np.arange(30) != 12
        without = yang_zhang(*(column[gone] for column in (opened, high, low, close)), 5)
        assert np.isnan(seen[12])
        np.testing.assert_array_equal(seen[gone], without)
        assert np.isnan(volatility(close_then, 5)[12]) and not np.isnan(
            volatility(close_then, 5)[13]
        )
