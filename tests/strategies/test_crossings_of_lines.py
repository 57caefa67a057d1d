"""Momentum and MACD: entries stand on crossings, and an ordinary bar is worth the threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_bars import make_bars

from nifty_research.core.errors import SettingsError
from nifty_research.strategies.confidence import confidence, crossing_confidence
from nifty_research.strategies.contract import Indicators
from nifty_research.strategies.macd import Macd, histogram_weight
from nifty_research.strategies.momentum import Momentum, momentum_weight

SEEDS = st.integers(0, 10_000)
SHORT = st.integers(2, 12)


def changes_side(distance: np.ndarray) -> np.ndarray:
    "Whether each bar is on another side of zero than the one before."
    changed = np.zeros(distance.shape, dtype=bool)
    changed[1:] = distance[1:] * distance[:-1] < 0
    return changed


@given(SEEDS, SHORT, SHORT)
def test_momentum_enters_where_the_rate_crosses_its_line(
    seed: int, period: int, signal: int
) -> None:
    bars, ind = make_bars(seed), Indicators()
    strategy = Momentum(period, signal)
    entry = strategy.scores(bars, ind).entry
    rate = ind.rate_of_change(bars.close, period)
    distance = rate - ind.ema(rate, signal)
    ready = slice(strategy.warmup, None)
    changed = changes_side(distance)[ready]
    assert ((entry[ready] != 0) == changed).all()
    assert (np.sign(entry[ready])[changed] == np.sign(distance[ready])[changed]).all()


@given(SEEDS, st.integers(1, 8), SHORT, SHORT)
def test_macd_enters_where_the_histogram_changes_side(
    seed: int, fast: int, more: int, signal: int
) -> None:
    bars, ind = make_bars(seed), Indicators()
    strategy = Macd(fast, fast + more, signal)
    entry = strategy.scores(bars, ind).entry
    histogram = ind.macd(bars.close, fast, fast + more, signal)[2]
    ready = slice(strategy.warmup, None)
    changed = changes_side(histogram)[ready]
    assert ((entry[ready] != 0) == changed).all()
    assert (np.sign(entry[ready])[changed] == np.sign(histogram[ready])[changed]).all()


@pytest.mark.parametrize("signal", [2, 7, 30])
def test_one_ordinary_bar_has_the_usual_threshold_of_momentum(signal: int) -> None:
    weight = momentum_weight(signal)
    assert crossing_confidence(weight, 1.0, weight, 3.0, 1.0) == 0.75


@pytest.mark.parametrize("periods", [(12, 26, 9), (1, 2, 2), (5, 35, 5)])
def test_the_weight_is_how_far_the_histogram_moves(periods: tuple[int, int, int]) -> None:
    close = np.full((400, 1), 1000.0)
    close[-1] += 1.0
    histogram = Indicators().macd(close, *periods)[2]
    assert histogram[-1, 0] == pytest.approx(histogram_weight(*periods), abs=1e-9)


@given(st.floats(-1e6, 1e6), st.sampled_from([(7.0, 3.0), (3.0, 1.0), (4.0, 1.0)]))
def test_confidence_is_odd_and_bounded(strength: float, odds: tuple[float, float]) -> None:
    size = confidence(strength, *odds)
    assert -1.0 < size < 1.0 and size == -confidence(-strength, *odds)
    assert abs(confidence(2 * strength, *odds)) >= abs(size)


@pytest.mark.parametrize(("period", "signal"), [(0, 7), (10, 1)])
def test_momentum_without_a_line_of_its_own_is_refused(period: int, signal: int) -> None:
    with pytest.raises(SettingsError, match="strategy momentum"):
        Momentum(period, signal)


@pytest.mark.parametrize(
    ("fast", "slow", "signal"), [(26, 12, 9), (12, 12, 9), (0, 26, 9), (12, 26, 1)]
)
def test_macd_with_lines_that_are_the_same_is_refused(fast: int, slow: int, signal: int) -> None:
    with pytest.raises(SettingsError, match="strategy macd"):
        Macd(fast, slow, signal)
