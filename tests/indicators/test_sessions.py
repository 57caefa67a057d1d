"""What begins anew each session: against plain sums of each day, holes, odd days."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.indicators.sessions import opening_range, pivots, session_of, vwap


def minutes(days: int, first: str = "09:15", bars: int = 375) -> pd.DatetimeIndex:
    "Bars of some days, which need not be trading days here."
    start = pd.Timestamp(f"2026-11-16 {first}", tz="Asia/Kolkata")
    day = pd.date_range(start, periods=bars, freq="min")
    return pd.DatetimeIndex(np.concatenate([day + pd.Timedelta(days=n) for n in range(days)]))


def prices(rng: np.random.Generator, bars: int) -> tuple[np.ndarray, ...]:
    "High, low, close and volume, some minutes without a trade, some without a bar."
    close = np.round(24_850 + np.cumsum(rng.normal(0, 4, bars)), 2)
    wicks = np.round(np.abs(rng.normal(0, 2, (2, bars))), 2)
    volume = rng.integers(0, 4, bars) * 75.0
    table = np.stack([close + wicks[0], close - wicks[1], close, volume])
    table[:, rng.random(bars) < 0.1] = np.nan
    return tuple(table)


@given(seed=st.integers(0, 2**32 - 1))
def test_vwap_is_money_over_shares_of_the_day_so_far(seed: int) -> None:
    high, low, close, volume = prices(np.random.default_rng(seed), 120)
    index = minutes(3, bars=40)
    high[[0]], low[[0]], close[[0]], volume[[0]] = 24_851.0, 24_849.0, 24_850.0, 75.0
    frame = pd.DataFrame({"money": (high + low + close) / 3 * volume, "shares": volume})
    so_far = frame.groupby(index.date).cumsum()
    expected = (so_far["money"] / so_far["shares"]).to_numpy()
    expected = np.where(so_far["shares"] > 0, expected, (high + low + close) / 3)
    seen = vwap(high, low, close, volume, session_of(index, 1)[:, 0])
    np.testing.assert_allclose(seen, expected, rtol=1e-13)


def test_vwap_of_one_day_is_that_of_talib() -> None:
    talib = pytest.importorskip("talib")
    high, low, close, volume = (
        np.nan_to_num(c, nan=24_850.0) for c in prices(np.random.default_rng(4), 375)
    )
    seen = vwap(high, low, close, volume + 75.0, session_of(minutes(1), 1)[:, 0])
    np.testing.assert_allclose(seen, talib.VWAP(high, low, close, volume + 75.0), rtol=1e-13)


@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(1, 12))
def test_opening_range_is_that_of_the_first_bars_there_were(seed: int, bars: int) -> None:
    high, low, _, _ = prices(np.random.default_rng(seed), 120)
    high[[0]], low[[0]] = 24_851.0, 24_849.0
    index = minutes(3, bars=40)
    upper, lower = opening_range(high, low, session_of(index, 1)[:, 0], bars)
    for day in range(3):
        rows = np.arange(day * 40, day * 40 + 40)
        seen = rows[~np.isnan(high[rows])]
        first, rest = seen[:bars], seen[bars - 1 :]
        assert np.isnan(upper[np.setdiff1d(rows, rest)]).all()
        assert (upper[rest] == high[first].max()).all() and (lower[rest] == low[first].min()).all()


def test_pivots_come_from_the_day_before() -> None:
    high, low, close, _ = (
        np.nan_to_num(c, nan=24_850.0) for c in prices(np.random.default_rng(5), 1125)
    )
    index = minutes(3)
    levels = pivots(high, low, close, session_of(index, 1)[:, 0])
    assert np.isnan(np.stack(levels)[:, :375]).all()
    for day in (1, 2):
        before = slice(day * 375 - 375, day * 375)
        top, bottom, last = high[before].max(), low[before].min(), close[before][-1]
        middle = (top + bottom + last) / 3
        expected = (
            middle,
            2 * middle - bottom,
            2 * middle - top,
            middle + top - bottom,
            middle - top + bottom,
        )
        for level, known in zip(levels, expected, strict=True):
            np.testing.assert_allclose(level[day * 375 : day * 375 + 375], known, rtol=1e-13)


def test_a_day_cut_in_the_middle_says_nothing_and_the_next_one_does() -> None:
    high, low, close, volume = (
        np.nan_to_num(c, nan=24_850.0) for c in prices(np.random.default_rng(6), 1125)
    )
    session = session_of(minutes(3), 1)[:, 0]
    whole = [
        vwap(high, low, close, volume, session),
        *opening_range(high, low, session),
        *pivots(high, low, close, session),
    ]
    cut = slice(100, None)
    late = [
        vwap(high[cut], low[cut], close[cut], volume[cut], session[cut]),
        *opening_range(high[cut], low[cut], session[cut]),
        *pivots(high[cut], low[cut], close[cut], session[cut]),
    ]
    for place, (seen, known) in enumerate(zip(late, whole, strict=True)):
        assert np.isnan(seen[:275]).all()
        ready = 275 if place < 3 else 650  # levels of the day before need that day whole
        np.testing.assert_array_equal(seen[ready:], known[cut][ready:])
        assert np.isnan(seen[275:650]).all() or place < 3


def test_an_evening_session_after_a_day_is_a_session_of_its_own_day() -> None:
    index = minutes(1).append(minutes(1, "18:15", 60) + pd.Timedelta(days=1))
    steady = np.full(435, 24_850.0)
    seen = vwap(steady, steady, steady, np.ones(435), session_of(index, 1)[:, 0])
    assert (seen == 24_850.0).all()


def test_daily_bars_are_sessions_of_one_bar() -> None:
    index = pd.date_range("2026-11-16", periods=3, tz="Asia/Kolkata")
    close = np.array([1412.0, 1420.0, 1409.0])
    session = session_of(index, 1)[:, 0]
    assert vwap(close + 1, close - 1, close, np.ones(3), session).tolist() == close.tolist()
    assert pivots(close + 1, close - 1, close, session)[0].tolist()[1:] == [1412.0, 1420.0]
