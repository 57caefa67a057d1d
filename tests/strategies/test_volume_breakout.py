"""The volume breakout: beyond the range of the bars before, and not without volume."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_bars import bars_of, make_bars

from nifty_research.core.errors import SettingsError
from nifty_research.strategies.contract import Indicators
from nifty_research.strategies.volume_breakout import VolumeBreakout, breakout_score

SEEDS = st.integers(0, 10_000)


def before(values: np.ndarray, period: int, of: object) -> np.ndarray:
    "Something of the last bars before each bar, by hand."
    out = np.full(values.shape, np.nan)
    for row in range(period, len(values)):
        out[row] = of(values[row - period : row], axis=0)  # type: ignore[operator]
    return out


@given(SEEDS, st.integers(2, 25), st.integers(1, 25), st.sampled_from([0.8, 1.3, 2.0]))
def test_entries_are_breakouts_with_volume(
    seed: int, period: int, volume_period: int, ratio: float
) -> None:
    bars = make_bars(seed)
    entry = VolumeBreakout(period, volume_period, ratio).scores(bars, Indicators()).entry
    top, bottom = before(bars.high, period, np.max), before(bars.low, period, np.min)
    needed = ratio * before(bars.volume, volume_period, np.mean)
    enough = bars.volume > needed
    expected = np.where(enough & (bars.close > top), 1.0, 0.0)
    expected -= np.where(enough & (bars.close < bottom), 1.0, 0.0)
    expected[np.isnan(top) | np.isnan(needed)] = np.nan
    np.testing.assert_array_equal(np.sign(entry), expected)
    assert (np.abs(entry[entry != 0.0][~np.isnan(entry[entry != 0.0])]) >= 0.80).all()


@given(SEEDS)
def test_it_leaves_at_the_middle_only_after_a_breakout(seed: int) -> None:
    bars = make_bars(seed)
    scores = VolumeBreakout().scores(bars, Indicators())
    middle = 0.5 * (before(bars.high, 20, np.max) + before(bars.low, 20, np.min))
    for row, column in zip(*np.nonzero(np.nan_to_num(scores.exit)), strict=True):
        earlier = np.flatnonzero(np.nan_to_num(scores.entry[:row, column]))
        assert len(earlier)
        side = np.sign(scores.entry[earlier[-1], column])
        assert side * (bars.close[row, column] - middle[row, column]) <= 1e-9
        assert scores.exit[row, column] >= 0.80


@pytest.mark.parametrize(
    ("place", "volume", "score"),
    [
        (1.5, 19_500, 0.9),
        (-1.5, 19_500, -0.9),
        (2.0, 26_000, 16 / 17),
        (1.5, 13_000, 0),
        (1, 9e9, 0),
    ],
)
def test_confidence_grows_with_volume_and_distance(
    place: float, volume: float, score: float
) -> None:
    assert breakout_score(place, volume, 13_000.0) == pytest.approx(score, abs=1e-12)


def test_a_series_without_volume_has_no_breakout() -> None:
    bars = make_bars(3)
    silent = bars_of(bars.close, bars.high, bars.low, np.zeros(bars.shape))
    assert not np.nan_to_num(VolumeBreakout().scores(silent, Indicators()).entry).any()


@pytest.mark.parametrize(
    ("period", "volume_period", "ratio"),
    [(1, 20, 1.3), (20, 0, 1.3), (20, 20, 0.0), (20, 20, np.inf)],
)
def test_parameters_that_make_no_range_are_refused(
    period: int, volume_period: int, ratio: float
) -> None:
    with pytest.raises(SettingsError, match="a range needs 2 bars"):
        VolumeBreakout(period, volume_period, ratio)
