"""The average true range: its array is its update, and it measures travel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nifty_research.core.errors import DataError, SettingsError
from nifty_research.indicators.ranges import atr, atr_rows, atr_states, atr_update

PERIODS = st.integers(1, 20)
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def tables(draw: st.DrawFn) -> Columns:
    "High, low and close of some bars, some of them missing."
    shape = draw(st.tuples(st.integers(1, 50), st.integers(1, 3)))
    close = np.round(draw(arrays(np.float64, shape, elements=st.floats(50.0, 5000.0))), 2)
    above, below = (
        np.round(draw(arrays(np.float64, shape, elements=st.floats(0.0, 30.0))), 2)
        for _ in range(2)
    )
    close[draw(arrays(np.bool_, shape))] = np.nan
    return close + above, close - below, close


def reference(high: np.ndarray, low: np.ndarray, close: np.ndarray, period: int) -> np.ndarray:
    "The definition, for one series."
    out = np.full(len(close), np.nan)
    last, ranges, average = np.nan, [], np.nan
    for row in np.flatnonzero(~np.isnan(close)):
        ranges.append(np.nanmax([high[row], last]) - np.nanmin([low[row], last]))
        last = close[row]
        if len(ranges) == period:
            average = np.mean(ranges)
        elif len(ranges) > period:
            average = (average * (period - 1) + ranges[-1]) / period
        out[row] = average
    return out


@given(tables(), PERIODS)
def test_array_is_the_loop_over_the_update(table: Columns, period: int) -> None:
    states = atr_states(table[0].shape[1], period)
    looped = [
        [atr_update(states[n], *bar) for n, bar in enumerate(zip(*rows, strict=True))]
        for rows in zip(*table, strict=True)
    ]
    np.testing.assert_array_equal(atr(*table, period), looped)


@given(tables(), PERIODS)
def test_agrees_with_the_definition(table: Columns, period: int) -> None:
    expected = np.column_stack(
        [reference(*columns, period) for columns in zip(*(t.T for t in table), strict=True)]
    )
    np.testing.assert_allclose(atr(*table, period), expected, rtol=1e-9, atol=1e-9)


@given(tables(), PERIODS, st.data())
def test_a_cut_anywhere_changes_nothing(table: Columns, period: int, data: st.DataObject) -> None:
    high, low, close = table
    cut = data.draw(st.integers(0, len(close)))
    states, out = atr_states(close.shape[1], period), np.empty(close.shape)
    atr_rows(states, high[:cut], low[:cut], close[:cut], out[:cut])
    atr_rows(states, high[cut:], low[cut:], close[cut:], out[cut:])
    np.testing.assert_array_equal(out, atr(*table, period))


@given(tables(), PERIODS)
def test_scales_with_the_price_and_is_never_negative(table: Columns, period: int) -> None:
    ranges = atr(*table, period)
    np.testing.assert_array_equal(atr(*(t * 4 for t in table), period), ranges * 4)
    assert not (ranges < 0).any()


def test_a_gap_over_a_missing_bar_counts_from_the_last_close() -> None:
    high, low = np.array([101.0, np.nan, 131.0]), np.array([99.0, np.nan, 129.0])
    close = np.array([100.0, np.nan, 130.0])
    np.testing.assert_array_equal(atr(high, low, close, 1), [2.0, np.nan, 31.0])


def test_wrong_shapes_and_periods_are_refused() -> None:
    with pytest.raises(DataError, match="different shapes"):
        atr(np.ones(3), np.ones(4), np.ones(3))
    with pytest.raises(SettingsError, match="atr period"):
        atr(np.ones(3), np.ones(3), np.ones(3), 0)
