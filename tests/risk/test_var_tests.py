"""Tests of value at risk: published figures, nominal rates, and wrong forecasts found."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nifty_research.core.errors import DataError
from nifty_research.risk.var_tests import (
    METHODS,
    breaches_of,
    christoffersen,
    kupiec,
    rolling_forecasts,
    traffic_light,
)


@pytest.mark.parametrize("breaches", range(0, 30, 3))
@pytest.mark.parametrize("confidence", (0.95, 0.99))
def test_kupiec_is_the_ratio_of_two_binomials(breaches: int, confidence: float) -> None:
    found = kupiec(breaches, 500, confidence)
    promised = stats.binom.logpmf(breaches, 500, 1 - confidence)
    best = stats.binom.logpmf(breaches, 500, breaches / 500)
    assert math.isclose(found.statistic, 2 * (best - promised), abs_tol=1e-8)
    assert math.isclose(found.p_value, stats.chi2.sf(found.statistic, 1), abs_tol=1e-12)


def test_christoffersen_by_hand() -> None:
    # 40 pairs: 2 of 36 quiet days and 2 of 4 breaches are followed by a breach.
    hits = np.zeros(41, dtype=bool)
    hits[[5, 6, 20, 21]] = True
    told = christoffersen(hits, 0.95)
    apart = 2 * math.log(2 / 36) + 34 * math.log(34 / 36) + 4 * math.log(0.5)
    same = 4 * math.log(0.1) + 36 * math.log(0.9)
    assert math.isclose(told.independence.statistic, 2 * (apart - same), rel_tol=1e-12)
    total = told.frequency.statistic + told.independence.statistic
    assert math.isclose(told.both.statistic, total)
    assert math.isclose(told.both.p_value, stats.chi2.sf(total, 2), rel_tol=1e-9)


def test_no_breach_at_all_is_no_sign_of_dependence() -> None:
    told = christoffersen(np.zeros(500, dtype=bool), 0.99)
    assert told.independence.statistic == 0.0 and told.independence.p_value == 1.0
    assert christoffersen(np.ones(10, dtype=bool), 0.99).breaches == 10


@pytest.mark.parametrize("days,confidence", ((250, 0.99), (500, 0.99), (250, 0.95)))
def test_lights_change_where_the_binomial_says(days: int, confidence: float) -> None:
    law = stats.binom(days, 1 - confidence)
    for breaches in range(40):
        chance = law.cdf(breaches)
        light = "green" if chance < 0.95 else "yellow" if chance < 0.9999 else "red"
        assert traffic_light(breaches, days, confidence) == light


def test_right_forecasts_are_rejected_at_the_nominal_rate() -> None:
    chance = np.random.default_rng(1)
    rejected = [
        christoffersen(chance.random(1000) < 0.05, 0.95).both.is_rejected() for _ in range(2000)
    ]
    assert 0.03 < np.mean(rejected) < 0.08


def test_forecasts_that_are_too_low_are_found() -> None:
    chance = np.random.default_rng(2)
    found = [kupiec(int(chance.binomial(1000, 0.02)), 1000, 0.99).is_rejected() for _ in range(500)]
    assert np.mean(found) > 0.7


@pytest.mark.parametrize("method", METHODS)
def test_a_forecast_knows_the_past_only(method: str) -> None:
    returns = np.random.default_rng(3).normal(0, 0.01, 300)
    before = rolling_forecasts(returns, method, window=200, confidence=0.95)
    changed = returns.copy()
    changed[250:] *= 5.0
    after = rolling_forecasts(changed, method, window=200, confidence=0.95)
    # The forecast for day 250 is made of days 50 to 249.
    assert (before[:51] == after[:51]).all() and (before[51:] != after[51:]).any()


def test_forecasts_of_independent_days_keep_their_word() -> None:
    returns = np.random.default_rng(5).standard_t(5, 3000) * 0.01
    hits = breaches_of(returns, rolling_forecasts(returns, "historical", confidence=0.95))
    assert not christoffersen(hits, 0.95).both.is_rejected(0.01)


def test_on_the_index_the_filter_is_better_than_plain_history(nifty_data: Path) -> None:
    rows = pd.read_parquet(nifty_data / "daily" / "index_daily.parquet")
    closes = rows[rows["symbol"] == "NIFTY 50"].sort_values("date")["close"].to_numpy()
    returns = closes[1:] / closes[:-1] - 1.0
    told = {
        method: christoffersen(breaches_of(returns, rolling_forecasts(returns, method)))
        for method in METHODS
    }
    assert told["normal"].frequency.is_rejected(0.001)
    assert told["filtered"].both.statistic < told["historical"].both.statistic


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(DataError, match="counted among the days"):
        traffic_light(-1, 250)
    with pytest.raises(DataError, match="at least 30 days"):
        rolling_forecasts(np.ones(100), window=10)
    with pytest.raises(DataError, match="no such method"):
        rolling_forecasts(np.ones(100), "crystal", window=50)  # type: ignore[arg-type]
