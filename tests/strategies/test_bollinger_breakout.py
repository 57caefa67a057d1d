"""Bollinger bands: breakouts leave them, reversions come back, both are over at the middle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_bars import make_bars

from nifty_research.core.errors import SettingsError
from nifty_research.strategies.bollinger_breakout import BollingerBreakout, rarity
from nifty_research.strategies.contract import Indicators, check_causal, check_scores

WIDTHS = st.sampled_from([1.0, 1.5, 2.0, 2.5])
SEEDS = st.integers(0, 10_000)


def distances(close: np.ndarray, period: int) -> np.ndarray:
    "Deviations from the mean of the last bars, by hand."
    out = np.full(close.shape, np.nan)
    for row in range(period - 1, len(close)):
        window = close[row - period + 1 : row + 1]
        out[row] = (close[row] - window.mean(axis=0)) / window.std(axis=0)
    return out


@given(SEEDS, WIDTHS)
def test_breakouts_are_closes_that_leave_the_bands(seed: int, width: float) -> None:
    bars = make_bars(seed)
    entry = BollingerBreakout(20, width).scores(bars, Indicators()).entry
    z = distances(bars.close, 20)
    leaves = (np.abs(z[20:]) >= width) & (np.abs(z[19:-1]) < width)
    assert ((entry[20:] != 0) <= leaves | (z[20:] * z[19:-1] < 0)).all()
    rows, columns = np.nonzero(np.nan_to_num(entry))
    there = z[rows, columns]
    expected = np.sign(there) * np.maximum(1 - 1 / there**2, 0)
    np.testing.assert_allclose(entry[rows, columns], expected, atol=1e-7)


@given(SEEDS, WIDTHS)
def test_reversions_trade_against_the_excursion(seed: int, width: float) -> None:
    bars = make_bars(seed)
    scores = BollingerBreakout(20, width, revert=True).scores(bars, Indicators())
    check_scores(scores, bars)
    z = distances(bars.close, 20)
    for row, column in zip(*np.nonzero(np.nan_to_num(scores.entry)), strict=True):
        assert abs(z[row - 1, column]) >= width - 1e-7 and abs(z[row, column]) < width + 1e-7
        assert scores.entry[row, column] * z[row - 1, column] < 0


@given(SEEDS)
def test_both_readings_leave_on_the_same_bars(seed: int) -> None:
    bars = make_bars(seed)
    one = BollingerBreakout().scores(bars, Indicators())
    other = BollingerBreakout(revert=True).scores(bars, Indicators())
    np.testing.assert_array_equal(one.exit, other.exit)
    check_causal(BollingerBreakout(revert=True), bars, cuts=10)


@pytest.mark.parametrize(("z", "size"), [(2.0, 0.75), (-2.5, -0.84), (4.0, 0.9375), (1.0, 0.0)])
def test_confidence_is_how_rare_the_distance_is_at_least(z: float, size: float) -> None:
    assert rarity(z) == pytest.approx(size, abs=1e-12)


def test_the_kind_follows_the_switch() -> None:
    assert BollingerBreakout().kind == "breakout"
    assert BollingerBreakout(revert=True).kind == "reversion"


@pytest.mark.parametrize(("period", "width"), [(2, 1.0), (20, 0.9), (10, 3.0), (20, 5.0)])
def test_bands_that_cannot_be_left_are_refused(period: int, width: float) -> None:
    with pytest.raises(SettingsError, match="no close is further away"):
        BollingerBreakout(period, width)
