"""The exponential average: its array is its update, and nothing else moves it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nifty_research.core.errors import DataError, SettingsError
from nifty_research.indicators.averages import ema, ema_rows, ema_states, ema_update

PRICES = st.one_of(st.floats(1.0, 1e5).map(lambda x: round(x, 2)), st.just(float("nan")))
TABLES = arrays(np.float64, st.tuples(st.integers(1, 60), st.integers(1, 4)), elements=PRICES)
PERIODS = st.integers(1, 20)


def reference(values: np.ndarray, period: int) -> np.ndarray:
    "The definition, written for one series without regard to speed."
    out = np.full(len(values), np.nan)
    known = [row for row, value in enumerate(values) if not np.isnan(value)]
    average = None
    for count, row in enumerate(known, start=1):
        if count == period:
            average = float(np.add.reduce([values[r] for r in known[:period]]) / period)
        elif average is not None:
            average += 2 / (period + 1) * (values[row] - average)
        if average is not None:
            out[row] = average
    return out


@given(TABLES, PERIODS)
def test_array_is_the_loop_over_the_update(values: np.ndarray, period: int) -> None:
    states = ema_states(values.shape[1], period)
    looped = [[ema_update(states[n], x) for n, x in enumerate(row)] for row in values]
    np.testing.assert_array_equal(ema(values, period), looped)


@given(TABLES, PERIODS)
def test_agrees_with_the_definition(values: np.ndarray, period: int) -> None:
    expected = np.column_stack([reference(column, period) for column in values.T])
    np.testing.assert_allclose(ema(values, period), expected, rtol=1e-12)


@given(TABLES, PERIODS, st.data())
def test_a_cut_anywhere_changes_nothing(
    values: np.ndarray, period: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(values)))
    states, out = ema_states(values.shape[1], period), np.empty(values.shape)
    ema_rows(states, values[:cut], out[:cut])
    ema_rows(states, values[cut:], out[cut:])
    np.testing.assert_array_equal(out, ema(values, period))
    np.testing.assert_array_equal(ema(values[:cut], period), ema(values, period)[:cut])


@given(TABLES, PERIODS)
def test_prices_four_times_as_high_give_an_average_four_times_as_high(
    values: np.ndarray, period: int
) -> None:
    np.testing.assert_array_equal(ema(values * 4, period), ema(values, period) * 4)


@given(TABLES, PERIODS)
def test_missing_bars_stay_missing_and_are_skipped(values: np.ndarray, period: int) -> None:
    averages = ema(values, period)
    assert np.isnan(averages[np.isnan(values)]).all()
    for column in range(values.shape[1]):
        there = ~np.isnan(values[:, column])
        np.testing.assert_array_equal(averages[there, column], ema(values[there, column], period))


def test_read_only_transposed_and_single_series_are_taken() -> None:
    table = np.arange(24, dtype=np.float64).reshape(2, 12)
    table.flags.writeable = False
    np.testing.assert_array_equal(ema(table.T, 3)[:, 1], ema(table[1], 3))


@pytest.mark.parametrize("period", [0, -3, 2.5, True, "5"])
def test_a_period_that_is_no_count_of_bars_is_refused(period: object) -> None:
    with pytest.raises(SettingsError, match="at least 1 bar"):
        ema(np.ones(5), period)  # type: ignore[arg-type]


def test_three_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match="3 dimensions"):
        ema(np.ones((2, 2, 2)), 3)
