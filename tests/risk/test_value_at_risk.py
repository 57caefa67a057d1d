"""Value at risk: what must hold for all samples, and agreement with scipy and skfolio."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats
from skfolio import measures

from nifty_research.core.errors import DataError
from nifty_research.risk.components import (
    cornish_fisher_components,
    formula_components,
    scenario_components,
)
from nifty_research.risk.value_at_risk import (
    Moments,
    compounded,
    cornish_fisher_tail,
    historical,
    moments_of,
    normal_tail,
    student_degrees,
    student_quantile,
    student_tail,
    tails_of,
)

PROFITS = st.integers(20, 400).flatmap(
    lambda size: arrays(np.float64, size, elements=st.floats(-1e6, 1e6, width=32))
)
CONFIDENCES = st.sampled_from((0.6, 0.9, 0.95))
PLAIN = Moments(0.0, 1.0, 0.0, 0.0, math.inf)


def random_book(seed: int, days: int = 300, shares: int = 4) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    mixed = chance.standard_t(4, (days, shares)) @ chance.normal(0, 0.01, (shares, shares))
    return mixed, chance.normal(0, 1e5, shares)


@given(PROFITS, CONFIDENCES)
def test_the_mean_beyond_is_no_smaller_than_the_border(
    profits: np.ndarray, confidence: float
) -> None:
    tail = tails_of(profits, (confidence,))[0]
    assert tail.conditional >= tail.value_at_risk
    assert -profits.max() <= tail.value_at_risk <= -profits.min()
    assert tail.conditional <= -profits.min() + 1e-9 * np.abs(profits).max()


@given(PROFITS, CONFIDENCES)
def test_skfolio_says_the_same(profits: np.ndarray, confidence: float) -> None:
    tail, size = tails_of(profits, (confidence,))[0], np.abs(profits).max()
    assert math.isclose(
        tail.value_at_risk, measures.value_at_risk(profits, confidence), abs_tol=1e-9 * size
    )
    assert math.isclose(tail.conditional, measures.cvar(profits, confidence), abs_tol=1e-9 * size)


@given(st.integers(0, 10_000), CONFIDENCES)
def test_two_portfolios_together_have_no_more_conditional_risk(
    seed: int, confidence: float
) -> None:
    chance = np.random.default_rng(seed)
    one, two = chance.standard_t(2, (2, 97)) * chance.uniform(0.1, 10, (2, 1))
    apart = sum(tails_of(x, (confidence,))[0].conditional for x in (one, two))
    together = tails_of(one + two, (confidence,))[0].conditional
    assert together <= apart + 1e-9


@given(PROFITS, CONFIDENCES, st.floats(0.01, 100.0), st.floats(-1e6, 1e6))
def test_risk_grows_with_size_and_falls_with_cash(
    profits: np.ndarray, confidence: float, factor: float, cash: float
) -> None:
    tail, size = tails_of(profits, (confidence,))[0], np.abs(profits).max() * factor + abs(cash)
    moved = tails_of(profits * factor + cash, (confidence,))[0]
    for before, after in zip(tail, moved, strict=True):
        assert math.isclose(after, before * factor - cash, abs_tol=1e-9 * size + 1e-9)


@given(PROFITS)
def test_more_confidence_is_more_risk(profits: np.ndarray) -> None:
    tails = np.array([tuple(one) for one in tails_of(profits, (0.7, 0.9, 0.95))])
    rounding = 1e-12 * np.abs(profits).max(initial=1.0)  # of a mean of equal numbers
    assert (np.diff(tails, axis=0) >= -rounding).all()


def test_order_of_confidences_does_not_matter() -> None:
    profits = np.random.default_rng(1).normal(size=333)
    assert tails_of(profits, (0.99, 0.95)) == tails_of(profits, (0.95, 0.99))[::-1]


@pytest.mark.parametrize("confidence", (0.9, 0.95, 0.99))
@pytest.mark.parametrize("degrees", (2.5, 4.0, 11.0, math.inf))
def test_quantiles_are_those_of_scipy(degrees: float, confidence: float) -> None:
    law = stats.norm() if math.isinf(degrees) else stats.t(degrees)
    scale = 1.0 if math.isinf(degrees) else math.sqrt((degrees - 2) / degrees)
    found = student_quantile(degrees, confidence)
    assert math.isclose(found.value_at_risk, scale * law.ppf(confidence), rel_tol=1e-9)
    area = integrate.quad(law.ppf, confidence, 1.0)[0] / (1 - confidence)
    assert math.isclose(found.conditional, scale * area, rel_tol=1e-5)


@pytest.mark.parametrize("confidence", (0.95, 0.99))
def test_the_bent_mean_beyond_is_the_integral_of_the_bent_quantile(confidence: float) -> None:
    moments = Moments(0.0003, 0.012, -0.4, 2.0, 6.0)

    def loss(share: float) -> float:
        return cornish_fisher_tail(moments, 1.0 - share).value_at_risk

    area = integrate.quad(loss, 1e-12, 1 - confidence)[0] / (1 - confidence)
    found = cornish_fisher_tail(moments, confidence).conditional
    assert math.isclose(found, area, rel_tol=1e-4)


@given(st.floats(-2.0, 2.0), st.floats(-1.0, 12.0), st.sampled_from((0.95, 0.99)))
def test_a_bent_quantile_rises_or_is_no_number(
    skew: float, kurtosis: float, confidence: float
) -> None:
    moments = Moments(0.0, 1.0, skew, kurtosis, 5.0)
    tail = cornish_fisher_tail(moments, confidence)
    assume(not math.isnan(tail.value_at_risk))
    further = cornish_fisher_tail(moments, 1 - (1 - confidence) / 4)
    assert further.value_at_risk >= tail.value_at_risk - 1e-12
    assert tail.conditional >= tail.value_at_risk - 1e-12


def test_formulas_scale_with_the_root_of_time() -> None:
    moments = Moments(0.0, 0.01, 0.0, 0.0, 5.0)
    for formula in (normal_tail, student_tail):
        one, four = formula(moments, 0.99), formula(moments, 0.99, 4)
        assert np.allclose(np.array(four), 2 * np.array(one))


def test_published_normal_figures() -> None:
    # 1.645 and 2.326 deviations; 2.063 and 2.665 beyond (tables of the normal distribution).
    told = [x for c in (0.95, 0.99) for x in normal_tail(PLAIN, c)]
    assert np.allclose(told, (1.645, 2.063, 2.326, 2.665), atol=5e-4)


@pytest.mark.parametrize("degrees", (3.0, 6.0))
def test_degrees_are_found_again(degrees: float) -> None:
    sample = np.random.default_rng(4).standard_t(degrees, (4000, 10))
    assert abs(student_degrees(sample) / degrees - 1) < 0.1


def test_normal_samples_have_no_degrees() -> None:
    assert student_degrees(np.random.default_rng(4).normal(size=(4000, 5))) > 50


def test_moments_are_those_of_scipy() -> None:
    sample = np.random.default_rng(2).standard_t(8, 700)
    found = moments_of(sample)
    assert math.isclose(found.skew, stats.skew(sample), rel_tol=1e-9)
    assert math.isclose(found.kurtosis, stats.kurtosis(sample), rel_tol=1e-9)


@given(st.integers(1, 12), st.integers(0, 100))
def test_several_days_are_compounded(horizon: int, seed: int) -> None:
    returns = np.random.default_rng(seed).normal(0, 0.05, (15, 3))
    found = compounded(returns, horizon)
    for row in range(len(found)):
        assert np.allclose(found[row], np.prod(1 + returns[row : row + horizon], axis=0) - 1)


@given(st.integers(0, 10_000), st.sampled_from((0.9, 0.95)))
def test_parts_make_the_whole(seed: int, confidence: float) -> None:
    returns, values = random_book(seed)
    for told in (
        formula_components(returns, values, confidence, degrees=4.0),
        scenario_components(returns * values, values, confidence),
    ):
        size = abs(told.total.conditional) + 1.0
        assert math.isclose(told.value_at_risk.sum(), told.total.value_at_risk, abs_tol=1e-8 * size)
        assert math.isclose(told.conditional.sum(), told.total.conditional, abs_tol=1e-8 * size)
    plain = historical(returns, values, (confidence,))[0]
    assert np.allclose(plain, scenario_components(returns * values, values, confidence).total)


@given(st.integers(0, 10_000))
def test_incremental_is_the_whole_less_the_rest(seed: int) -> None:
    returns, values = random_book(seed)
    formula, rest = formula_components(returns, values, 0.95), values.copy()
    rest[2] = 0.0
    without = formula_components(returns, rest, 0.95).total.value_at_risk
    assert math.isclose(formula.incremental[2], formula.total.value_at_risk - without, abs_tol=1e-6)
    history = scenario_components(returns * values, values, 0.95)
    less = historical(returns, rest, (0.95,))[0].value_at_risk
    assert math.isclose(history.incremental[2], history.total.value_at_risk - less, abs_tol=1e-6)


def test_a_part_of_an_elliptical_portfolio_is_near_its_formula() -> None:
    chance = np.random.default_rng(9)
    returns = chance.multivariate_normal([0, 0], [[1e-4, 5e-5], [5e-5, 4e-4]], 200_000)
    values = np.array([2e5, 1e5])
    formula = formula_components(returns, values, 0.95)
    history = scenario_components(returns * values, values, 0.95)
    assert np.allclose(history.value_at_risk, formula.value_at_risk, rtol=0.05)
    assert np.allclose(history.conditional, formula.conditional, rtol=0.05)


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match=r"above 0\.5 and below 1"):
        tails_of(np.arange(100.0), (0.5,))
    with pytest.raises(DataError, match="hold no loss as rare"):
        tails_of(np.arange(99.0), (0.99,))
    with pytest.raises(DataError, match="no number"):
        tails_of(np.array([math.inf, *range(200)]), (0.95,))
    with pytest.raises(DataError, match="horizon"):
        compounded(np.zeros((5, 2)), 6)


@given(st.integers(0, 10_000), st.sampled_from((0.95, 0.99)), st.sampled_from((1, 10)))
def test_bent_parts_make_the_bent_whole_and_a_purchase_moves_it_by_its_margin(
    seed: int, confidence: float, horizon: int
) -> None:
    chance = np.random.default_rng(seed)
    returns = 0.01 * (chance.standard_t(8, (750, 3)) + chance.standard_t(8, (750, 1)))
    values = np.array([3e5, 2e5, 1e5])
    plain = cornish_fisher_tail(moments_of(returns @ values), confidence, horizon)
    assume(math.isfinite(plain.value_at_risk))  # else it is refused, as the notebook shows

    told = cornish_fisher_components(returns, values, confidence, horizon=horizon)

    assert np.allclose(told.total, plain)
    assert math.isclose(told.value_at_risk.sum(), plain.value_at_risk, rel_tol=1e-9)
    assert math.isclose(told.conditional.sum(), plain.conditional, rel_tol=1e-9)
    more = values + np.array([0.0, 10.0, 0.0])
    moved = cornish_fisher_components(returns, more, confidence, horizon=horizon).total
    step = (moved.value_at_risk - plain.value_at_risk) / 10.0
    assert math.isclose(step, told.marginal[1], rel_tol=1e-3, abs_tol=1e-6)
