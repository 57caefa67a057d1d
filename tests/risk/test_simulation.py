"""Simulated and filtered profits: the law comes out that went in, the same for the same seed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.risk.filtered import filtered, fit_variance, variances
from nifty_research.risk.simulation import Law, factor_of, law_of, play_block, simulate
from nifty_research.risk.stress import stressed_law
from nifty_research.risk.value_at_risk import moments_of, normal_tail, student_quantile, tails_of


def returns_of(seed: int, days: int = 400, shares: int = 5) -> np.ndarray:
    chance = np.random.default_rng(seed)
    mixing = chance.normal(0, 0.01, (shares, shares))
    return chance.standard_t(6, (days, shares)) @ mixing + 2e-4


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 40))
def test_the_factor_is_a_root_of_the_covariance(seed: int, shares: int, days: int) -> None:
    # More shares than days, too: then the covariance has no full rank.
    returns = returns_of(seed, days, shares)
    factor = factor_of(returns)
    assert np.allclose(factor @ factor.T, np.cov(returns, rowvar=False), atol=1e-12)
    assert (np.triu(factor, 1) == 0.0).all()


def test_a_path_is_what_the_formula_says() -> None:
    chance = np.random.default_rng(3)
    days, shares, paths = 4, 3, 5
    normals = chance.standard_normal((days, shares, paths))
    stretch = chance.uniform(0.5, 2.0, (days, paths))
    law, values = law_of(returns_of(1, shares=shares), 5.0), np.array([100.0, -50.0, 70.0])
    profits, lowest = np.empty((shares, paths)), np.empty(paths)
    play_block(normals, stretch, law.factor, law.mean, values, profits, lowest)
    for path in range(paths):
        grown, worst = np.ones(shares), 0.0
        for day in range(days):
            moved = law.factor @ normals[day, :, path] * stretch[day, path]
            grown *= 1.0 + law.mean + moved
            worst = min(worst, float(values @ (grown - 1.0)))
        assert np.allclose(profits[:, path], values * (grown - 1.0))
        assert math.isclose(lowest[path], worst, abs_tol=1e-12)


@given(st.integers(0, 2**40), st.sampled_from((100, 251, 999)), st.sampled_from((1, 2, 5)))
def test_threads_change_nothing(seed: int, paths: int, threads: int) -> None:
    law, values = law_of(returns_of(5), 4.0), np.arange(1.0, 6.0)
    one = simulate(values, law, horizon=2, paths=paths, seed=seed)
    other = simulate(values, law, horizon=2, paths=paths, seed=seed, threads=threads)
    assert (one.by_share == other.by_share).all() and (one.lowest == other.lowest).all()
    assert (one.lowest <= np.minimum(one.profits, 0.0) + 1e-12).all()


def test_one_normal_day_has_the_formula_as_its_value_at_risk() -> None:
    returns, values = returns_of(7), np.full(5, 1e5)
    found = simulate(values, law_of(returns, math.inf), horizon=1, paths=200_000, seed=1).tails()
    formula = [normal_tail(moments_of(returns @ values), level) for level in (0.95, 0.99)]
    assert np.allclose(np.array(found), np.array(formula), rtol=0.02)


def test_one_day_with_fat_tails_has_students_quantile() -> None:
    returns, values = returns_of(7), np.full(5, 1e5)
    found = simulate(values, law_of(returns, 4.0), horizon=1, paths=200_000, seed=1)
    deviation, mean = np.std(returns @ values, ddof=1), np.mean(returns @ values)
    for level, tail in zip((0.95, 0.99), found.tails(), strict=True):
        quantile = student_quantile(4.0, level)
        assert np.allclose(tail, np.array(quantile) * deviation - mean, rtol=0.04)


def test_bad_days_are_bad_for_all() -> None:
    # Two uncorrelated shares: joint crashes are more frequent with a common stretch.
    law = Law(np.zeros(2), np.eye(2) * 0.01, 3.0)
    thin = Law(np.zeros(2), np.eye(2) * 0.01, math.inf)
    both = []
    for one in (law, thin):
        days = simulate(np.ones(2), one, horizon=1, paths=100_000, seed=2).by_share
        limits = np.quantile(days, 0.01, axis=1, keepdims=True)
        both.append((days < limits).all(axis=0).mean())
    assert both[0] > 5 * both[1]


def test_no_share_loses_more_than_all() -> None:
    wild = Law(np.zeros(2), np.eye(2) * 0.9, 2.1)
    told = simulate(np.array([1.0, -1.0]), wild, horizon=5, paths=2_000, seed=1)
    assert told.by_share[0].min() >= -1.0 and told.by_share[1].max() <= 1.0


def test_hard_times_are_a_law_that_can_be_simulated() -> None:
    law = law_of(returns_of(2), 5.0)
    hard = stressed_law(law, volatility=3.0, correlation=1.0)
    assert np.allclose(np.diag(hard.factor @ hard.factor.T), 9 * np.diag(law.factor @ law.factor.T))
    with pytest.raises(DataError, match="multiplied by a number above 0"):
        stressed_law(law, correlation=1.2)


def test_simulation_refuses_what_it_cannot_do() -> None:
    law = law_of(returns_of(1), 5.0)
    for wrong, words in (
        ({"horizon": 0}, "horizon is too short"),
        ({"paths": 5}, "too few paths"),
        ({"seed": -1}, "seed is negative"),
    ):
        with pytest.raises(DataError, match=words):
            simulate(np.ones(5), law, **wrong)
    with pytest.raises(DataError, match="needs a value"):
        simulate(np.array([1.0, 1, 1, 1, math.nan]), law)
    with pytest.raises(DataError, match="square of numbers"):
        Law(np.zeros(3), np.eye(2), 5.0)


def garch_returns(seed: int, days: int = 1500) -> np.ndarray:
    chance, now, found = np.random.default_rng(seed), 1e-4, np.empty(days)
    for day in range(days):
        found[day] = math.sqrt(now) * chance.standard_normal()
        now = 3e-6 + 0.10 * found[day] ** 2 + 0.87 * now
    return found


def test_ewma_is_that_of_arch() -> None:
    from arch.univariate import EWMAVariance, ZeroMean

    returns = garch_returns(1)
    model = ZeroMean(100 * returns, volatility=EWMAVariance(0.94), rescale=False)
    theirs = np.asarray(model.fit(disp="off").conditional_volatility) / 100
    ours = np.sqrt(variances(returns, fit_variance(returns, "ewma")))[:-1]
    # They begin with another first day, which is forgotten.
    assert np.allclose(ours[300:], theirs[300:], rtol=1e-6)


def test_filtered_garch_agrees_with_the_bootstrap_of_arch() -> None:
    from arch.univariate import GARCH, ConstantMean

    returns = garch_returns(2)
    model = ConstantMean(100 * returns, volatility=GARCH(1, 0, 1), rescale=False)
    fitted = model.fit(disp="off")
    chance = np.random.default_rng(4)
    residuals = np.asarray(fitted.std_resid)
    forecast = fitted.forecast(
        horizon=5,
        method="simulation",
        simulations=40_000,
        rng=lambda size: chance.choice(residuals, size),
    )
    sums = forecast.simulations.values[0].sum(axis=1) / 100
    theirs = tails_of(np.expm1(sums), (0.95, 0.99))
    ours = filtered(returns, "garch", horizon=5, paths=40_000, seed=1).tails()
    assert np.allclose(np.array(ours), np.array(theirs), rtol=0.05)


def test_filtered_is_reproducible_and_follows_the_seed() -> None:
    returns = garch_returns(3)
    one, same, other = (filtered(returns, seed=seed).returns for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()


def test_true_parameters_are_found_again() -> None:
    found = fit_variance(garch_returns(5, 6000), "garch")
    assert abs(found.alpha - 0.10) < 0.03 and abs(found.beta - 0.87) < 0.05
