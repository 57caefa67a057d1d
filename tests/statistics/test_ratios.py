"Figures of returns and trades against numpy and scipy, and what must hold for any series."

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nifty_research.core.errors import DataError
from nifty_research.statistics.ratios import (
    drawdown_walk,
    moments,
    quantile,
    return_figures,
    sharpe_error,
    trade_figures,
    underwater,
)

RETURNS = arrays(np.float64, st.integers(2, 300), elements=st.floats(-0.5, 0.5, width=32))


@given(RETURNS)
def test_moments_are_those_of_scipy(returns: np.ndarray) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = returns + np.linspace(0.0, 1e-3, len(returns))  # no two alike: scipy warns of those
    mean, second, third, fourth = moments(values)
    count = len(values)

    assert mean == pytest.approx(values.mean(), abs=1e-12)
    assert second == pytest.approx(((values - values.mean()) ** 2).sum(), rel=1e-9)
    if second > 1e-6:
        assert third / count / (second / count) ** 1.5 == pytest.approx(
            float(stats.skew(values)), rel=1e-6, abs=1e-6
        )
        assert count * fourth / second**2 == pytest.approx(
            float(stats.kurtosis(values, fisher=False)), rel=1e-6
        )


@given(RETURNS, st.floats(0.0, 1.0))
def test_a_quantile_is_that_of_numpy(returns: np.ndarray, share: float) -> None:
    assert quantile(returns, share) == pytest.approx(np.quantile(returns, share), abs=1e-12)


@given(RETURNS)
def test_drawdown_is_the_largest_fall_between_two_points(returns: np.ndarray) -> None:
    wealth = np.r_[1.0, np.cumprod(1 + returns)]
    falls = [1 - wealth[later] / wealth[: later + 1].max() for later in range(len(wealth))]

    deepest, peak, trough, recovery, longest, below, _ = drawdown_walk(returns)

    assert deepest == pytest.approx(max(falls), abs=1e-9)
    assert underwater(returns).min() == pytest.approx(-max(falls), abs=1e-9)
    assert below == (underwater(returns) < 0).sum() and longest <= len(returns)
    if trough >= 0:
        assert peak < trough and 1 - wealth[trough + 1] / wealth[peak + 1] == pytest.approx(deepest)
        after = np.flatnonzero(wealth[trough + 1 :] >= wealth[peak + 1])
        assert recovery == (trough + after[0] if len(after) else -1)


@given(RETURNS)
def test_figures_keep_their_bounds(returns: np.ndarray) -> None:
    found = return_figures(returns)

    assert found.periods == len(returns)
    assert 0.0 <= found.max_drawdown <= 1.0 and 0.0 <= found.underwater_share <= 1.0
    assert found.worst <= np.median(returns) <= found.best
    assert (found.cagr > 0) == (found.total > 0) or abs(found.total) < 1e-12
    if not math.isnan(found.autocorrelation):
        assert abs(found.autocorrelation) <= 1.0 + 1e-9
    if not math.isnan(found.kurtosis):
        assert found.kurtosis >= 1.0 + found.skew**2 - 1e-6  # Pearson's inequality


@given(RETURNS, st.floats(0.1, 0.9))
def test_leverage_changes_volatility_and_not_sharpe(returns: np.ndarray, factor: float) -> None:
    whole, part = return_figures(returns), return_figures(factor * returns)
    if math.isnan(whole.sharpe) or whole.volatility < 1e-6:
        return

    assert part.volatility == pytest.approx(factor * whole.volatility)
    for name in ("sharpe", "sharpe_error", "sortino", "profit_factor", "payoff", "skew"):
        one, other = getattr(whole, name), getattr(part, name)
        assert math.isnan(one) == math.isnan(other) or abs(one) > 1e6
        if not math.isnan(one):
            assert other == pytest.approx(one, rel=1e-6, abs=1e-6)


@given(RETURNS, st.data())
def test_unknown_periods_are_left_out(returns: np.ndarray, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(returns)), max_size=5))

    holed = return_figures(np.insert(returns, places, np.nan))

    assert repr(holed) == repr(return_figures(returns))


def test_autocorrelation_is_that_of_numpy() -> None:
    values = np.random.default_rng(3).normal(0.3, 1e-2, 500)
    centred = values - values.mean()
    expected = (centred[1:] * centred[:-1]).sum() / (centred**2).sum()

    assert return_figures(values).autocorrelation == pytest.approx(expected, rel=1e-9)


def test_interest_is_deducted_from_sharpe_and_sortino() -> None:
    values = np.random.default_rng(4).normal(0.001, 0.01, 1000)

    plain, over = return_figures(values - 0.05 / 252), return_figures(values, interest=0.05)

    assert over.sharpe == pytest.approx(plain.sharpe)
    assert over.sortino == pytest.approx(plain.sortino)
    assert over.volatility == pytest.approx(plain.volatility)


def test_exposure_and_turnover_are_means_of_what_is_given() -> None:
    found = return_figures(
        [0.01, np.nan, -0.01, 0.02], invested=[0.5, np.nan, 0.0, 1.0], traded=[1.0, 9.0, 0.0, 0.5]
    )

    assert found.exposure == 0.5 and found.time_in_market == pytest.approx(2 / 3)
    assert found.turnover == pytest.approx(0.5 * 252 * 0.5)


@pytest.mark.parametrize("skewness, fat", [(-0.5, 4.0), (0.0, 3.0), (0.7, 9.0)])
def test_the_standard_error_is_that_of_the_literature(skewness: float, fat: float) -> None:
    sharpe, count = 0.1, 1250
    expected = ((1 - skewness * sharpe + (fat - 1) / 4 * sharpe**2) / (count - 1)) ** 0.5

    assert sharpe_error(sharpe, skewness, fat, count) == pytest.approx(expected)
    assert math.isnan(sharpe_error(sharpe, skewness, fat, 1))


@given(arrays(np.float64, st.integers(0, 60), elements=st.integers(-500, 500).map(float)))
def test_trades_add_up(nets: np.ndarray) -> None:
    found = trade_figures(nets)

    assert found.net == nets.sum() and found.trades == len(nets)
    assert found.won == (nets > 0).sum() and found.longest_losing <= len(nets) - found.won
    if len(nets):
        assert found.expectancy == pytest.approx(nets.mean())
        assert found.worst <= found.expectancy <= found.best
    lost = -nets[nets < 0].sum()
    assert math.isnan(found.profit_factor) == (lost == 0)


@pytest.mark.parametrize("wrong", [[0.1, math.inf], [-1.5], [[0.1, 0.2]]])
def test_what_cannot_be_returns_is_refused(wrong: list[float]) -> None:
    with pytest.raises(DataError):
        return_figures(wrong)


def test_trades_that_are_not_known_are_refused() -> None:
    with pytest.raises(DataError, match="open"):
        trade_figures([1.0, math.nan])
