"""The reversion of the relative strength index: when it enters, how sure it is, when it leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_bars import make_bars

from nifty_research.core.errors import SettingsError
from nifty_research.indicators.definition import over
from nifty_research.indicators.oscillators import rsi
from nifty_research.strategies.contract import Indicators
from nifty_research.strategies.excursions import excursion_indicator
from nifty_research.strategies.rsi_reversion import RsiReversion, one_sidedness

INDEX = st.lists(
    st.one_of(st.floats(-50.0, 50.0), st.sampled_from([-25.0, 0.0, 25.0, np.nan])), max_size=60
)


def by_hand(values: list[float], low: float, high: float) -> tuple[list[float], ...]:
    "Excursions told as a story, one value after the other."
    told: tuple[list[float], ...] = ([], [], [])
    began, trip, last_outside = False, [], False
    for value in values:
        left = back = middle = 0.0
        if np.isnan(value):
            for one in told:
                one.append(np.nan)
            continue
        if trip and trip[0] * value <= 0:
            middle = max(trip, key=abs)
            trip, last_outside = [], False
        outside = value <= low or value >= high
        if outside and began:
            left = 0.0 if last_outside else value
            trip.append(value)
        elif last_outside:
            back = max(trip, key=abs)
        if not outside:
            began = True
        last_outside = outside and began
        for one, said in zip(told, (left, back, middle), strict=True):
            one.append(said)
    return told


@given(INDEX)
def test_excursions_are_as_told_by_hand(values: list[float]) -> None:
    got = over(excursion_indicator(-25.0, 25.0), np.array(values, dtype=np.float64))
    for one, told in zip(got, by_hand(values, -25.0, 25.0), strict=True):
        np.testing.assert_array_equal(one, told)


@given(st.integers(0, 10_000), st.sampled_from([(25.0, 75.0), (30.0, 70.0), (15.0, 80.0)]))
def test_entries_stand_where_the_index_comes_back(seed: int, levels: tuple[float, float]) -> None:
    bars, (low, high) = make_bars(seed), levels
    scores = RsiReversion(7, low, high).scores(bars, Indicators())
    index = rsi(bars.close, 7)
    rows, columns = np.nonzero(np.nan_to_num(scores.entry))
    for row, column in zip(rows, columns, strict=True):
        before, now = index[row - 1, column], index[row, column]
        assert low < now < high and (before <= low or before >= high)
        assert scores.entry[row, column] * (50.0 - before) > 0.0
        assert (now - 50.0) * (before - 50.0) > 0.0
    sure = np.abs(scores.entry[rows, columns])
    assert (sure >= min(1.0 - low / 100.0, high / 100.0)).all()


@given(st.integers(0, 10_000))
def test_it_leaves_once_an_excursion_at_the_middle(seed: int) -> None:
    bars = make_bars(seed)
    scores = RsiReversion().scores(bars, Indicators())
    index = rsi(bars.close, 7) - 50.0
    rows, columns = np.nonzero(np.nan_to_num(scores.exit))
    for row, column in zip(rows, columns, strict=True):
        assert index[row - 1, column] * index[row, column] <= 0.0
        assert scores.exit[row, column] >= 0.75


@pytest.mark.parametrize(
    ("index", "confidence"), [(25, 0.75), (75, 0.75), (10, 0.90), (96, 0.96), (0, 1), (100, 1)]
)
def test_confidence_is_the_share_of_one_side(index: float, confidence: float) -> None:
    assert one_sidedness(index - 50.0) == pytest.approx(confidence, abs=1e-12)


def test_a_higher_threshold_asks_for_a_more_extreme_index() -> None:
    bars = make_bars(2, rows=2_000)
    entry = RsiReversion().scores(bars, Indicators()).entry
    counts = [int((np.abs(entry) >= bar).sum()) for bar in (0.75, 0.85, 0.95)]
    assert counts[0] == np.count_nonzero(np.nan_to_num(entry))
    assert counts[0] > counts[1] > counts[2] > 0


@pytest.mark.parametrize(
    ("period", "low", "high"), [(1, 25, 75), (7, 0, 75), (7, 50, 75), (7, 25, 50), (7, 25, 100)]
)
def test_levels_that_are_none_are_refused(period: int, low: float, high: float) -> None:
    with pytest.raises(SettingsError, match="both sides of 50"):
        RsiReversion(period, low, high)
