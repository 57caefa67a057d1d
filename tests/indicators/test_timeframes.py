"""Longer bars and memory: what pandas would say of complete ones, and never a row earlier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import SettingsError
from nifty_research.indicators.definition import going_on, over
from nifty_research.indicators.lags import lag, lag_indicator, latest, latest_indicator
from nifty_research.indicators.timeframes import longer_indicator, longer_slots

NAMES = ("open", "high", "low", "close", "volume")


def day_rows(days: int, interval: int) -> pd.DatetimeIndex:
    "Sessions of 375 minutes on consecutive weekdays."
    dates = pd.bdate_range("2026-09-14", periods=days, tz="Asia/Kolkata")
    parts = [
        pd.date_range(
            day + pd.Timedelta(minutes=555), periods=-(-375 // interval), freq=f"{interval}min"
        )
        for day in dates
    ]
    index = parts[0]
    for part in parts[1:]:
        index = index.append(part)
    return index.as_unit("ns")


@st.composite
def markets(draw: st.DrawFn) -> tuple[pd.DatetimeIndex, int, list[np.ndarray]]:
    "Rows, their interval, and five columns with holes; whole rows may be missing as well."
    interval = draw(st.sampled_from([1, 5, 15]))
    index = day_rows(draw(st.integers(1, 3)), interval)
    chance = np.random.default_rng(draw(st.integers(0, 10_000)))
    index = index[chance.random(len(index)) >= draw(st.sampled_from([0.0, 0.1]))]
    close = np.round(100 + np.cumsum(chance.normal(0, 1, (len(index), 2)), axis=0), 2)
    reach = np.round(chance.random(close.shape), 2)
    columns = [close, close + reach, close - reach, close - reach / 2, np.round(reach * 1000)]
    holes = chance.random(close.shape) < draw(st.sampled_from([0.0, 0.2]))
    return index, interval, [np.where(holes, np.nan, one) for one in columns]


def resampled(
    index: pd.DatetimeIndex, columns: list[np.ndarray], symbol: int, minutes: int
) -> pd.DataFrame:
    "Longer bars of one symbol after pandas, begun at 09:15 each day."
    table = pd.DataFrame({n: c[:, symbol] for n, c in zip(NAMES, columns, strict=True)}, index)
    minute = index.hour * 60 + index.minute - 555
    start = index.normalize() + pd.to_timedelta(555 + minute // minutes * minutes, unit="min")
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return table.dropna().groupby(start[~table["close"].isna()]).agg(how)


@given(markets(), st.sampled_from([15, 30, 45, 60, 75, 125]))
def test_every_complete_longer_bar_appears_once_and_not_before_its_end(
    market: tuple[pd.DatetimeIndex, int, list[np.ndarray]], minutes: int
) -> None:
    index, interval, columns = market
    if minutes % interval:
        return
    slots = longer_slots(index, 2, interval, minutes)
    found = over(longer_indicator(), slots, *columns)
    for symbol in (0, 1):
        wanted = resampled(index, columns, symbol, minutes)
        rows = np.flatnonzero(~np.isnan(found[3][:, symbol]))
        told = pd.DataFrame(
            {n: one[rows, symbol] for n, one in zip(NAMES, found, strict=True)}
        ).to_numpy()
        opened = index[0].normalize() + pd.Timedelta(minutes=555)
        on_grid = (index[0] - opened) % pd.Timedelta(minutes=minutes) == pd.Timedelta(0)
        # Half a bar at the beginning is not told.
        begun = wanted.index >= index[0] if on_grid else wanted.index > index[0]
        complete = wanted[begun].to_numpy()
        np.testing.assert_allclose(told, complete[: len(told)], rtol=1e-12)
        assert len(complete) - len(told) <= 1  # the last one may still be open
        ends = wanted.index[begun][: len(rows)] + pd.Timedelta(minutes=minutes)
        for row, end in zip(rows, ends, strict=True):
            closes = index[row] + pd.Timedelta(minutes=interval)
            assert closes >= end or index[row].normalize() > end.normalize()


@given(markets(), st.sampled_from([15, 60, 1440, 10080]), st.data())
def test_later_rows_change_nothing_and_pieces_give_the_whole(
    market: tuple[pd.DatetimeIndex, int, list[np.ndarray]], minutes: int, data: st.DataObject
) -> None:
    index, interval, columns = market
    slots = longer_slots(index, 2, interval, minutes)
    whole = over(longer_indicator(), slots, *columns)
    cut = data.draw(st.integers(1, len(index)))
    part = over(longer_indicator(), slots[:cut], *[one[:cut] for one in columns])
    states = longer_indicator().fresh(2)
    pieces = []
    for begin, end in ((0, cut), (cut, len(index))):
        if begin < end:
            inputs = [slots[begin:end], *[one[begin:end] for one in columns]]
            pieces.append(going_on(longer_indicator(), states, *inputs))
    for place in range(5):
        np.testing.assert_array_equal(part[place], whole[place][:cut])
        joined = np.concatenate([piece[place] for piece in pieces])
        np.testing.assert_array_equal(joined, whole[place])


def test_a_day_is_told_with_the_first_row_of_the_next_and_a_week_on_monday() -> None:
    index = day_rows(7, 15)
    close = np.arange(float(len(index)))[:, None] + 100
    for minutes, weekday in ((1440, None), (10080, 0)):
        found = over(longer_indicator(), longer_slots(index, 1, 15, minutes), *[close] * 5)
        rows = np.flatnonzero(~np.isnan(found[3][:, 0]))
        assert (index[rows].time == pd.Timestamp("09:15").time()).all()
        if weekday is not None:
            assert (index[rows].day_of_week == weekday).all() and len(rows) == 1
        np.testing.assert_array_equal(found[3][rows, 0], close[rows - 1, 0])


@given(st.integers(1, 6), st.integers(0, 1000))
def test_lag_is_a_shift_of_the_bars_there_are(bars: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = np.where(chance.random(40) < 0.3, np.nan, chance.normal(size=40))
    there = pd.Series(values).dropna()
    expected = there.shift(bars).reindex(range(40)).to_numpy()
    np.testing.assert_array_equal(lag(values, bars), expected)
    np.testing.assert_array_equal(latest(values), pd.Series(values).ffill().to_numpy())


@given(st.integers(1, 6), st.integers(0, 1000), st.integers(1, 39))
def test_memory_goes_on_from_any_bar(bars: int, seed: int, cut: int) -> None:
    chance = np.random.default_rng(seed)
    values = np.where(chance.random((40, 3)) < 0.3, np.nan, chance.normal(size=(40, 3)))
    for indicator in (lag_indicator(bars), latest_indicator()):
        states = indicator.fresh(3)
        parts = [going_on(indicator, states, piece)[0] for piece in (values[:cut], values[cut:])]
        np.testing.assert_array_equal(np.concatenate(parts), over(indicator, values)[0])


@pytest.mark.parametrize("minutes", [0, -15, 7, 2000, 1441, 20160, 2.5, True])
def test_longer_bars_that_cannot_be_are_refused(minutes: object) -> None:
    with pytest.raises(SettingsError, match="longer bars"):
        longer_slots(day_rows(1, 5), 1, 5, minutes)  # type: ignore[arg-type]
