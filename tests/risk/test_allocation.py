"""Allocation: limits hold for every method, closed forms are met, and what cannot be is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UsageError
from nifty_research.risk.allocation import METHODS, WITHOUT_GROUPS, Bounds, allocate

SYMBOLS = tuple("ABCDEF")


def returns_of(seed: int, days: int = 300, shares: int = 6) -> np.ndarray:
    chance = np.random.default_rng(seed)
    market = chance.normal(0.0005, 0.01, (days, 1)) * chance.uniform(0.4, 1.6, shares)
    return market + chance.normal(0.0, 1.0, (days, shares)) * chance.uniform(0.005, 0.03, shares)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), largest=st.floats(0.2, 1.0), smallest=st.floats(0.0, 0.1))
def test_limits_hold(method: str, seed: int, largest: float, smallest: float) -> None:
    found = allocate(method, returns_of(seed), SYMBOLS, bounds=Bounds(smallest, largest))
    if method != "equal":
        assert found.weights.min() >= smallest - 1e-5 and found.weights.max() <= largest + 1e-5
    assert found.cash >= -1e-6 and (method == "kelly" or abs(found.cash) < 1e-6)
    assert math.isclose(found.risk_shares.sum(), 1.0, abs_tol=1e-9) or not found.weights.any()
    assert found.diversification >= 1.0 - 1e-9


@pytest.mark.parametrize("method", [one for one in METHODS if one not in WITHOUT_GROUPS])
def test_groups_hold(method: str) -> None:
    groups = dict(
        zip(SYMBOLS, ("Oil, Gas & Fuels",) * 2 + ("Banks",) * 2 + ("IT",) * 2, strict=True)
    )
    found = allocate(method, returns_of(1), SYMBOLS, bounds=Bounds(0, 1, groups, 0.4))
    for name in set(groups.values()):
        inside = [w for s, w in zip(SYMBOLS, found.weights, strict=True) if groups[s] == name]
        assert sum(inside) <= 0.4 + 1e-5


def test_two_shares_have_the_textbook_weights() -> None:
    returns = returns_of(3, 1000, 2)
    (a, c), (_, b) = np.cov(returns, rowvar=False)
    least = allocate("minimum_variance", returns, "AB", shrink=False).weights
    assert math.isclose(least[0], min(max((b - c) / (a + b - 2 * c), 0), 1), abs_tol=1e-4)
    parity = allocate("risk_parity", returns, "AB", shrink=False).weights
    assert math.isclose(parity[0], math.sqrt(b) / (math.sqrt(a) + math.sqrt(b)), abs_tol=1e-3)


def test_no_other_weights_have_less_variance() -> None:
    returns, chance = returns_of(4), np.random.default_rng(0)
    covariance = np.cov(returns, rowvar=False)
    best = allocate("minimum_variance", returns, SYMBOLS, shrink=False).weights
    others = chance.dirichlet(np.ones(6), 2000)
    assert (np.einsum("ki,ij,kj->k", others, covariance, others) >= best @ covariance @ best).all()


def test_no_other_weights_are_more_diversified() -> None:
    returns, chance = returns_of(5), np.random.default_rng(0)
    covariance = np.cov(returns, rowvar=False)
    best = allocate("maximum_diversification", returns, SYMBOLS, shrink=False)
    others = chance.dirichlet(np.ones(6), 2000)
    spread = np.sqrt(np.einsum("ki,ij,kj->k", others, covariance, others))
    assert (others @ np.sqrt(np.diag(covariance)) / spread).max() <= best.diversification + 1e-6


@pytest.mark.parametrize("fraction", (0.1, 0.25, 0.5))
def test_kelly_grows_fastest_at_its_fraction(fraction: float) -> None:
    chance = np.random.default_rng(6)
    returns = chance.normal(0, 0.02, (2000, 2))
    returns += np.array([3e-4, 1e-4]) - returns.mean(axis=0)
    found = allocate(
        "kelly", returns, "AB", bounds=Bounds(-1, 1), kelly_fraction=fraction, shrink=False
    )
    closed = fraction * np.linalg.solve(np.cov(returns, rowvar=False), returns.mean(axis=0))
    assert np.allclose(found.weights, closed, atol=1e-3)
    if fraction == 0.5:
        # Half of the bet has three quarters of the growth over cash, to second order.
        full = np.log1p(returns @ (2 * closed)).mean()
        assert abs(np.log1p(returns @ found.weights).mean() / full - 0.75) < 0.03


def test_kelly_stays_out_of_what_only_loses() -> None:
    losing = returns_of(7) - 0.01
    found = allocate("kelly", losing, SYMBOLS, shrink=False)
    assert found.cash == pytest.approx(1.0) and found.effective_shares == 0.0


def test_shares_that_move_alike_do_no_harm() -> None:
    returns = returns_of(8)
    returns[:, 1] = returns[:, 0]
    for method in METHODS:
        found = allocate(method, returns, SYMBOLS)
        assert np.isfinite(found.weights).all()


@given(st.floats(1e5, 1e8))
def test_whole_shares_never_cost_more_than_there_is(capital: float) -> None:
    found = allocate("equal", returns_of(9), SYMBOLS)
    prices = np.array([10.05, 250.0, 1234.5, 99_000.0, 3.15, 780.0])
    held, left = found.quantities(prices, capital)
    assert (held == np.floor(held)).all() and -1e-3 <= left
    assert (held * prices <= capital / 6 + 1e-2).all()


def test_bad_input_is_refused() -> None:
    returns = returns_of(1)
    for bounds, words in (
        (Bounds(0.2, 1.0), "are more than all"),
        (Bounds(0.0, 0.1), "leave room for"),
        (Bounds(0.0, 1.0, dict.fromkeys(SYMBOLS, "one"), 0.5), "leave room for"),
    ):
        with pytest.raises(DataError, match=words):
            allocate("minimum_variance", returns, SYMBOLS, bounds=bounds)
    with pytest.raises(DataError, match="knows no short positions"):
        allocate("risk_parity", returns, SYMBOLS, bounds=Bounds(-0.1, 1.0))
    with pytest.raises(DataError, match="a return is no number"):
        allocate("equal", np.where(returns == returns[3, 3], np.nan, returns), SYMBOLS)
    with pytest.raises(DataError, match="at least 30 days"):
        allocate("equal", returns[:20], SYMBOLS)
    with pytest.raises(DataError, match="a fraction of Kelly"):
        allocate("kelly", returns, SYMBOLS, kelly_fraction=1.5)
    with pytest.raises(DataError, match="limits of a weight"):
        Bounds(0.5, 0.2)
    with pytest.raises(UsageError, match="no such method"):
        allocate("astrology", returns, SYMBOLS)  # type: ignore[arg-type]
