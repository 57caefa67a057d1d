"""Black's formula and the surface: parity, bounds, convexity, and no free butterfly or calendar."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.options.pricing import black_price, black_prices, black_vega
from nifty_research.options.surface import Surface, fit_smile
from nifty_research.options.variance import strip_variance

LEVELS = st.floats(100.0, 90_000.0)
MONEYNESS = st.floats(0.3, 3.0)
YEARS = st.floats(1e-6, 5.0)
SPREADS = st.floats(0.01, 1.5)
RATES = st.floats(0.0, 0.12)


@given(LEVELS, MONEYNESS, YEARS, SPREADS, RATES)
def test_parity_and_bounds(
    forward: float, part: float, years: float, spread: float, rate: float
) -> None:
    strike = forward * part
    call, put = (black_price(forward, strike, years, spread, rate, c) for c in (True, False))
    discount = math.exp(-rate * years)
    assert math.isclose(call - put, discount * (forward - strike), abs_tol=1e-9 * forward)
    assert discount * max(forward - strike, 0.0) - 1e-9 <= call <= discount * forward + 1e-9
    assert discount * max(strike - forward, 0.0) - 1e-9 <= put <= discount * strike + 1e-9


@given(LEVELS, MONEYNESS, YEARS, SPREADS)
def test_more_volatility_costs_more(
    forward: float, part: float, years: float, spread: float
) -> None:
    strike = forward * part
    low, high = (black_price(forward, strike, years, s, 0.05, True) for s in (spread, 1.1 * spread))
    assert high >= low - 1e-9 * forward
    assert black_vega(forward, strike, years, spread, 0.05) >= 0.0


def test_published_value() -> None:
    # Hull's textbook on Black's model: F = K = 20, r = 9 %, 4 months, 25 %.
    assert round(black_price(20.0, 20.0, 4 / 12, 0.25, 0.09, False), 2) == 1.12


def test_nothing_is_left_at_expiry() -> None:
    assert black_price(25_010.0, 25_000.0, 0.0, 0.2, 0.05, True) == 10.0
    assert black_price(25_010.0, 25_000.0, 0.0, 0.2, 0.05, False) == 0.0
    assert black_vega(25_010.0, 25_000.0, 0.0, 0.2, 0.05) == 0.0


def test_arrays_are_the_single_prices() -> None:
    strikes = np.linspace(20_000.0, 30_000.0, 7)
    years = np.array([[0.01], [0.1], [1.0]])
    many = black_prices(25_000.0, strikes, years, 0.15, 0.05, True)
    assert many.shape == (3, 7)
    for row, year in enumerate(years[:, 0].tolist()):
        for column, strike in enumerate(strikes.tolist()):
            assert many[row, column] == black_price(25_000.0, strike, year, 0.15, 0.05, True)


@given(
    st.floats(0.001, 0.6),
    st.floats(0.001, 0.6),
    st.floats(0.5, 40.0),
    st.floats(-0.95, 0.95),
    st.floats(0.02, 1.0),
)
def test_a_surface_has_no_free_money(
    variance: float, usual: float, pull: float, skew: float, share: float
) -> None:
    surface = Surface(variance, usual, pull, skew, share * 2.0 / (1.0 + abs(skew)))
    strikes = np.linspace(0.4, 2.5, 211)
    before = np.zeros_like(strikes)
    for years in (2 / 365, 9 / 365, 30 / 365, 0.25, 1.0, 3.0):
        spread = surface.volatility(1.0, strikes, years)
        calls = black_prices(1.0, strikes, years, spread, 0.0, True)
        assert (np.diff(calls) <= 1e-12).all()  # A call spread is never free
        assert (np.diff(calls) >= -0.01 - 1e-12).all()  # nor worth more than its width
        assert (np.diff(calls, 2) >= -1e-9).all()  # A butterfly is never free
        total = surface.total_variance(np.log(strikes), years)
        assert (total >= before - 1e-12).all()  # Later expiries are never cheaper
        before = total


@pytest.mark.parametrize(
    "change", [{"skew": -1.0}, {"wings": 1.9}, {"variance": 0.0}, {"pull": -1.0}]
)
def test_surfaces_with_arbitrage_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(DataError, match="arbitrage"):
        Surface(**({"variance": 0.02, "usual": 0.02} | change))


@given(st.floats(-0.8, 0.2), st.floats(0.3, 1.1), st.floats(3 / 365, 60 / 365))
def test_a_smile_comes_back(skew: float, wings: float, years: float) -> None:
    surface = Surface(0.0225, 0.0225, skew=skew, wings=wings)
    distance = np.linspace(-2.5, 2.5, 41) * 0.15 * years**0.5
    seen = np.sqrt(surface.total_variance(distance, years) / years)
    theta, found_skew, found_wings = fit_smile(distance, seen, years)
    again = Surface(theta / years, theta / years, skew=found_skew, wings=found_wings)
    refit = np.sqrt(again.total_variance(distance, years) / years)
    assert np.abs(refit - seen).max() < 0.006  # 0.6 points of volatility


def test_too_few_strikes_are_refused() -> None:
    with pytest.raises(DataError, match="few"):
        fit_smile(np.array([-0.1, 0.0, 0.1]), np.array([0.2, 0.2, 0.2]), 0.1)


@given(st.floats(0.08, 0.5), st.floats(10 / 365, 0.5))
def test_a_strip_of_a_flat_surface_gives_its_volatility(spread: float, years: float) -> None:
    reach = 6.0 * spread * years**0.5
    strikes = 25_000.0 * np.exp(np.linspace(-reach, reach, 2001))
    outside = np.where(
        strikes > 25_000.0,
        *(black_prices(25_000.0, strikes, years, spread, 0.05, c) for c in (True, False)),
    )
    assert abs(strip_variance(25_000.0, strikes, outside, years, 0.05) ** 0.5 / spread - 1) < 2e-3
