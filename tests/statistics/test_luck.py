"""The statistics are wrong on noise as often as they say, and find the edges that are planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.statistics.luck import luck_of
from nifty_research.statistics.overfitting import overfitting
from nifty_research.statistics.reality_check import reality_check
from nifty_research.statistics.sharpe import (
    NORMAL,
    Seen,
    chance_of_best,
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    luckiest_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    seen,
)

DAY = 0.01  # Deviation of a daily return
YEAR = 252**0.5


def best_of(rng: np.random.Generator, variants: int, rows: int, edge: float = 0.0) -> Seen:
    "The best of some variants with fat tails; the first has a yearly Sharpe ratio of `edge`."
    returns = rng.standard_t(5, (rows, variants)) * DAY * (3 / 5) ** 0.5
    returns[:, 0] += edge * DAY / YEAR
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    return seen(returns[:, int(ratios.argmax())])


# ---- against scipy


@given(st.integers(0, 2**32 - 1), st.integers(3, 400))
def test_shape_of_a_record_is_that_of_scipy(seed: int, rows: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    returns = np.random.default_rng(seed).standard_t(4, rows) * DAY

    record = seen(returns)

    assert record.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-9)
    assert record.skew == pytest.approx(stats.skew(returns), rel=1e-9, abs=1e-12)
    assert record.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-9)


def test_the_standard_error_is_the_scatter_of_ratios() -> None:
    rng = np.random.default_rng(5)
    returns = 0.002 + DAY * (rng.gamma(2.0, size=(4000, 500)) - 2.0) / 2**0.5
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)

    error = Seen(0.2, 500, skew=2 / 2**0.5, kurtosis=6.0).standard_error

    assert ratios.std() == pytest.approx(error, rel=0.05)


@pytest.mark.parametrize("trials", [2, 5, 20, 100, 1000])
def test_the_expected_maximum_is_close_to_the_integral(trials: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    integrate = pytest.importorskip("scipy.integrate")

    def part(x: float) -> float:
        return x * trials * stats.norm.pdf(x) * stats.norm.cdf(x) ** (trials - 1)

    exact, _ = integrate.quad(part, -9, 12)

    assert expected_maximum(trials) == pytest.approx(exact, abs=0.05)


# ---- what must hold


shapes = st.tuples(st.floats(-2, 2), st.floats(0, 8)).map(lambda p: (p[0], 1 + p[0] ** 2 + p[1]))


@given(st.floats(-0.3, 0.3), st.integers(10, 5000), shapes, st.integers(1, 10_000))
def test_more_trials_and_fewer_days_never_help(
    sharpe: float, rows: int, shape: tuple[float, float], trials: int
) -> None:
    record = Seen(sharpe, rows, *shape)

    assert 0.0 <= deflated_sharpe(record, trials + 1) <= deflated_sharpe(record, trials) + 1e-12
    assert deflated_sharpe(record, trials) <= probabilistic_sharpe(record) + 1e-12
    assert chance_of_best(record, trials) <= chance_of_best(record, trials + 1) + 1e-12
    if sharpe > 0:
        longer = Seen(sharpe, rows + 1, *shape)
        assert probabilistic_sharpe(longer) >= probabilistic_sharpe(record) - 1e-12


@given(st.floats(0.01, 0.5), shapes, st.floats(0.6, 0.999))
def test_after_the_minimum_track_record_the_confidence_is_reached(
    sharpe: float, shape: tuple[float, float], confidence: float
) -> None:
    rows = minimum_track_record(Seen(sharpe, 100, *shape), confidence=confidence)

    at = Seen(sharpe, max(2, int(np.ceil(rows))), *shape)
    before = Seen(sharpe, max(2, int(rows) - 1), *shape)

    assert probabilistic_sharpe(at) >= confidence - 1e-9
    assert probabilistic_sharpe(before) <= confidence or before.observations == 2


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=12)
def test_copies_are_no_more_trials(groups: int, copies: int, seed: int) -> None:
    own = np.random.default_rng(seed).normal(size=(300, groups))

    alone = effective_trials(own)

    assert effective_trials(np.repeat(own, copies, axis=1)) == pytest.approx(alone, rel=0.15)
    assert 1.0 <= alone <= groups


# ---- on noise and on edges


def test_the_best_of_noise_passes_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(1)
    records = [best_of(rng, 20, 500) for _ in range(1500)]

    wrong = np.mean([chance_of_best(one, 20) < 0.05 for one in records])
    deflated = np.mean([deflated_sharpe(one, 20) > 0.95 for one in records])

    assert 0.03 < wrong < 0.07  # 0.05, four standard errors
    assert deflated < 0.02
    assert 0.3 < np.median([deflated_sharpe(one, 20) for one in records]) < 0.7


def test_the_probability_of_a_single_record_is_right() -> None:
    rng = np.random.default_rng(2)
    found = [probabilistic_sharpe(best_of(rng, 1, 500)) for _ in range(2000)]

    assert 0.03 < np.mean([one > 0.95 for one in found]) < 0.07
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)


def test_an_edge_is_found_among_twenty() -> None:
    rng = np.random.default_rng(3)
    records = [best_of(rng, 20, 1250, edge=3.0) for _ in range(300)]

    assert np.mean([chance_of_best(one, 20) < 0.05 for one in records]) > 0.95
    assert np.mean([deflated_sharpe(one, 20) > 0.95 for one in records]) > 0.9


def test_the_luckiest_of_noise_is_where_it_is_said_to_be() -> None:
    rng = np.random.default_rng(4)
    best = np.mean([best_of(rng, 50, 500).sharpe for _ in range(400)])

    assert best == pytest.approx(luckiest_sharpe(50, 500**-0.5), rel=0.04)


def test_the_reality_check_is_wrong_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    found = []
    for number in range(300):
        noise = rng.normal(0, 0.006, (250, 1)) + rng.normal(0, 0.008, (250, 20))
        check = reality_check(noise, draws=200, block=2, seed=number)
        found.append((check.white, check.consistent, check.adjusted.min()))

    rates = (np.array(found) <= 0.10).mean(axis=0)

    assert (0.04 < rates).all() and (rates < 0.17).all()  # 0.10, four standard errors


def test_the_reality_check_finds_an_edge_and_names_it() -> None:
    rng = np.random.default_rng(7)
    named = 0
    for number in range(40):
        returns = rng.normal(0, DAY, (1000, 50))
        returns[:, 9] += 3.5 * DAY / YEAR
        check = reality_check(returns, draws=200, block=1, seed=number)
        named += check.beating(0.05) == [9]

    assert named >= 34


def test_noise_is_overfitted_and_an_edge_is_not() -> None:
    rng = np.random.default_rng(8)
    noise = [rng.normal(0, DAY, (1000, 50)) for _ in range(60)]
    edge = [one + np.r_[4.0, np.zeros(49)] * DAY / YEAR for one in noise]

    on_noise = [overfitting(one, blocks=10).probability for one in noise]
    on_edge = [overfitting(one, blocks=10).probability for one in edge]

    assert 0.35 < np.mean(on_noise) < 0.6
    assert np.mean(on_edge) < 0.05


def test_one_call_doubts_the_best_of_noise_and_not_an_edge() -> None:
    rng = np.random.default_rng(9)
    noise = rng.normal(0, DAY, (1250, 100))
    edge = noise.copy()
    edge[:, 5] += 4.0 * DAY / YEAR

    doubted = luck_of(noise[:, noise.mean(axis=0).argmax()], variants=noise, draws=300)
    trusted = luck_of(edge[:, 5], variants=edge, draws=300)

    assert len(doubted.warnings()) >= 2
    assert trusted.warnings() == []
    assert trusted.figures()["deflated_sharpe"] > 0.95 > doubted.figures()["deflated_sharpe"]


def test_trials_of_other_days_count_too() -> None:
    rng = np.random.default_rng(10)
    returns = rng.normal(DAY * 1.5 / YEAR, DAY, 1000)

    alone, after = luck_of(returns, draws=200), luck_of(returns, trials=5000, draws=200)

    assert after.deflated < alone.deflated == pytest.approx(alone.probabilistic)
    assert any("5,000 variants were tried" in text for text in after.warnings())


def test_the_level_is_the_quantile() -> None:
    assert NORMAL.inv_cdf(0.95) == pytest.approx(1.6448536269514722)
    with pytest.raises(DataError):
        seen([0.01, np.nan, 0.02])
