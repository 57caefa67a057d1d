"""Crossings: one a change of side, none without."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nifty_research.indicators.crossings import (
    crossing,
    crossing_rows,
    crossing_states,
    crossing_update,
)

VALUES = st.one_of(st.integers(-3, 3).map(float), st.just(float("nan")))
TABLES = arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=VALUES)


def reference(values: np.ndarray) -> np.ndarray:
    "The definition, for one series."
    out, last, side = np.full(len(values), np.nan), None, 0.0
    for row in np.flatnonzero(~np.isnan(values)):
        now = np.sign(values[row])
        if last is not None:
            out[row] = values[row] - last if now * side < 0 else 0.0
        last, side = values[row], now or side
    return out


@given(TABLES)
def test_agrees_with_the_definition_and_with_its_update(values: np.ndarray) -> None:
    expected = np.column_stack([reference(column) for column in values.T])
    np.testing.assert_array_equal(crossing(values), expected)
    states = crossing_states(values.shape[1])
    looped = [[crossing_update(states[n], x) for n, x in enumerate(row)] for row in values]
    np.testing.assert_array_equal(looped, expected)


@given(TABLES, st.data())
def test_a_cut_anywhere_changes_nothing(values: np.ndarray, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(values)))
    states, out = crossing_states(values.shape[1]), np.empty(values.shape)
    crossing_rows(states, values[:cut], out[:cut])
    crossing_rows(states, values[cut:], out[cut:])
    np.testing.assert_array_equal(out, crossing(values))


@given(TABLES)
def test_crossings_alternate_and_mirror(values: np.ndarray) -> None:
    jumps = crossing(values)
    np.testing.assert_array_equal(crossing(-values), -jumps)
    for column in jumps.T:
        signs = np.sign(column[np.abs(column) > 0])
        assert (signs[1:] == -signs[:-1]).all()
