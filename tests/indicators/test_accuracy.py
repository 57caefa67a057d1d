"""Indicators beside TA-Lib, and beside plain definitions where it has none."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.cli.bench_indicators import Columns, talib_values, walk
from nifty_research.indicators.averages import ema, sma, wilder
from nifty_research.indicators.bands import band_width, bollinger, keltner, percent_b
from nifty_research.indicators.catalogue import CATALOGUE, Entry
from nifty_research.indicators.channels import donchian, highest, lowest
from nifty_research.indicators.definition import over
from nifty_research.indicators.momentum import macd, momentum, rate_of_change
from nifty_research.indicators.oscillators import cci, rsi, stochastic, williams
from nifty_research.indicators.ranges import atr
from nifty_research.indicators.trends import adx, supertrend

SHARED = [
    row
    for row in CATALOGUE
    if row.talib and row.group in ("average", "oscillator", "momentum", "band", "channel", "trend")
]
AGREEMENT = 1e-11  # Of the greatest value; TA-Lib's running sums and squares lose more than we do
SEEDS = st.integers(0, 2**32 - 1)


def worst(row: Entry, bars: Columns, leave_out: np.ndarray | None = None) -> float:
    "Greatest difference from TA-Lib where it has a value, over the greatest size of its values."
    columns = [np.ascontiguousarray(bars[name][:, 0]) for name in row.inputs]
    apart = 0.0
    for own, known in zip(over(row.indicator(), *columns), talib_values(row, columns), strict=True):
        there = ~np.isnan(known)
        if leave_out is not None:
            there &= ~leave_out
        assert there.any()
        assert not np.isnan(own[there]).any()
        scale = np.abs(known[there]).max()
        apart = max(apart, float(np.abs(own[there] - known[there]).max() / scale))
    return apart


@pytest.mark.parametrize("row", SHARED, ids=lambda row: row.name)
@given(seed=SEEDS)
def test_agrees_with_talib_from_its_first_row(row: Entry, seed: int) -> None:
    assert worst(row, walk(400, 1, seed)) < AGREEMENT


@pytest.mark.parametrize("row", SHARED, ids=lambda row: row.name)
def test_first_row_is_talibs_or_before(row: Entry) -> None:
    bars = walk(200, 1)
    columns = [np.ascontiguousarray(bars[name][:, 0]) for name in row.inputs]
    for own, known in zip(over(row.indicator(), *columns), talib_values(row, columns), strict=True):
        assert (~np.isnan(own) | np.isnan(known)).all()


def test_atr_begins_a_bar_earlier_and_runs_together_with_talib() -> None:
    row = next(row for row in CATALOGUE if row.name == "atr")
    bars = walk(1500, 1)
    assert worst(row, bars, np.arange(1500) < 600) < 1e-13 < worst(row, bars)
    ours = atr(*(bars[name][:, 0] for name in row.inputs))
    columns = [np.ascontiguousarray(bars[name][:, 0]) for name in row.inputs]
    apart = np.abs(ours - talib_values(row, columns)[0])[14:200]
    np.testing.assert_allclose(apart[1:], apart[:-1] * 13 / 14, atol=1e-9)


@lru_cache
def real(nifty_data: Path) -> list[Columns]:
    "Real bars, one symbol each: ten years of days, and quarters of an hour."
    found: list[Columns] = []
    for name, stamp in (
        ("daily/nifty50_daily_adjusted.parquet", "date"),
        ("minute/stocks_15min.parquet", "timestamp"),
    ):
        frame = pd.read_parquet(nifty_data / name)
        for symbol in sorted(frame["symbol"].unique())[::8]:
            one = frame[frame["symbol"] == symbol].sort_values(stamp)
            one = one[["open", "high", "low", "close", "volume"]].dropna()
            one = one[one["close"].between(one["low"], one["high"])]  # what `Bars` takes
            columns = {key: one[key].to_numpy(np.float64)[:, None] for key in one}
            found.append({**columns, "value": columns["close"]})
    return found


def without_range(bars: Columns, period: int = 14, smoothed: int = 5) -> np.ndarray:
    "Rows on which, or shortly before which, nothing had moved for `period` bars."
    upper, _, lower = donchian(bars["high"][:, 0], bars["low"][:, 0], period)
    return highest((upper == lower).astype(np.float64), smoothed) == 1.0


@pytest.mark.parametrize("row", SHARED, ids=lambda row: row.name)
def test_agrees_with_talib_on_real_bars(row: Entry, nifty_data: Path) -> None:
    for bars in real(nifty_data):
        still = without_range(bars) if row.name in ("stochastic", "williams") else None
        assert worst(row, bars, still) < AGREEMENT


def test_real_shares_do_stand_still_and_are_not_oversold_then(nifty_data: Path) -> None:
    row = next(row for row in CATALOGUE if row.name == "williams")
    seen = 0
    for bars in real(nifty_data):
        columns = [np.ascontiguousarray(bars[name][:, 0]) for name in row.inputs]
        upper, _, lower = donchian(*columns[:2], 14)
        still = upper == lower
        seen += still.sum()
        assert (over(row.indicator(), *columns)[0][still] == -50).all()
        assert (talib_values(row, columns)[0][still] == 0).all()  # the top of its scale
    assert seen > 0


def windows(values: np.ndarray, period: int) -> np.ndarray:
    "Rows of the last `period` values."
    return np.lib.stride_tricks.sliding_window_view(values, period)


@given(seed=SEEDS, period=st.integers(2, 30))
def test_bands_agree_with_numpy(seed: int, period: int) -> None:
    close = walk(120, 1, seed)["close"][:, 0]
    upper, middle, lower = (band[period - 1 :] for band in bollinger(close, period, 1.5))
    mean, deviation = windows(close, period).mean(axis=1), windows(close, period).std(axis=1)
    np.testing.assert_allclose(middle, mean, rtol=1e-13)
    np.testing.assert_allclose(upper - lower, 3 * deviation, rtol=1e-8, atol=1e-9)
    inside = percent_b(close, period, 1.5)[period - 1 :]
    np.testing.assert_allclose(
        inside * (upper - lower), close[period - 1 :] - lower, rtol=1e-9, atol=1e-9
    )
    wide = band_width(close, period, 1.5)[period - 1 :]
    np.testing.assert_allclose(wide, (upper - lower) / middle, rtol=1e-12)


@given(seed=SEEDS, period=st.integers(1, 30))
def test_channels_agree_with_numpy(seed: int, period: int) -> None:
    bars = walk(120, 1, seed)
    high, low = bars["high"][:, 0], bars["low"][:, 0]
    upper, middle, lower = (edge[period - 1 :] for edge in donchian(high, low, period))
    np.testing.assert_array_equal(upper, windows(high, period).max(axis=1))
    np.testing.assert_array_equal(lower, windows(low, period).min(axis=1))
    np.testing.assert_allclose(middle, (upper + lower) / 2, rtol=1e-15)
    np.testing.assert_array_equal(highest(high, period)[period - 1 :], upper)
    np.testing.assert_array_equal(lowest(low, period)[period - 1 :], lower)


def test_keltner_is_its_two_parts() -> None:
    bars = walk(200, 3)
    high, low, close = bars["high"], bars["low"], bars["close"]
    upper, middle, lower = keltner(high, low, close, 20, 10, 1.5)
    np.testing.assert_array_equal(middle, ema(close, 20))
    np.testing.assert_array_equal(upper, ema(close, 20) + 1.5 * atr(high, low, close, 10))
    np.testing.assert_array_equal(lower, ema(close, 20) - 1.5 * atr(high, low, close, 10))


def test_wilder_is_an_exponential_average_of_twice_the_period_less_one() -> None:
    close = walk(900, 1)["close"][:, 0]
    np.testing.assert_allclose(wilder(close, 14)[600:], ema(close, 27)[600:], rtol=1e-12)


def plain_supertrend(
    high: np.ndarray, low: np.ndarray, close: np.ndarray, period: int, width: float
) -> tuple[np.ndarray, np.ndarray]:
    "The definition with lists and named steps."
    ranges = atr(high, low, close, period)
    lines, directions = np.full(len(close), np.nan), np.full(len(close), np.nan)
    upper = lower = 0.0
    for at in range(period - 1, len(close)):
        middle = (high[at] + low[at]) / 2
        basic_upper, basic_lower = middle + width * ranges[at], middle - width * ranges[at]
        if at == period - 1:
            upper, lower = basic_upper, basic_lower
            directions[at] = 1 if close[at] >= middle else -1
        else:
            if basic_upper < upper or close[at - 1] > upper:
                upper = basic_upper
            if basic_lower > lower or close[at - 1] < lower:
                lower = basic_lower
            was_up = directions[at - 1] > 0
            directions[at] = (close[at] >= lower) if was_up else (close[at] > upper)
            directions[at] = 1 if directions[at] else -1
        lines[at] = lower if directions[at] > 0 else upper
    return lines, directions


@given(seed=SEEDS, period=st.integers(1, 15), width=st.sampled_from([0.5, 1.0, 3.0]))
def test_supertrend_agrees_with_its_definition(seed: int, period: int, width: float) -> None:
    bars = walk(150, 1, seed)
    columns = [bars[name][:, 0] for name in ("high", "low", "close")]
    line, direction = supertrend(*columns, period, width)
    known_line, known_direction = plain_supertrend(*columns, period, width)
    np.testing.assert_allclose(line, known_line, rtol=1e-12)
    np.testing.assert_array_equal(direction, known_direction)


def test_supertrend_changes_sides_with_the_close() -> None:
    bars = walk(3000, 1)
    close = bars["close"][:, 0]
    line, direction = supertrend(bars["high"][:, 0], bars["low"][:, 0], close)
    assert (direction[9:][close[9:] > line[9:]] == 1).all()
    assert (direction[9:][close[9:] < line[9:]] == -1).all()
    assert 10 < (np.diff(direction[9:]) != 0).sum() < 1000


@pytest.mark.parametrize("price", [0.05, 100.1, 1412.35, 24_850.15, 99_999.95])
def test_nothing_moves_and_nothing_is_signalled(price: float) -> None:
    still = np.full(300, price)
    assert rsi(still)[-1] == 50
    assert [values[-1] for values in stochastic(still, still, still)] == [50, 50]
    assert williams(still, still, still)[-1] == -50
    assert cci(still, still, still)[-1] == 0
    assert [values[-1] for values in adx(still, still, still)] == [0, 0, 0]
    assert momentum(still)[-1] == rate_of_change(still)[-1] == 0
    assert (sma(still, 20)[19:] == price).all()
    assert (np.stack(bollinger(still))[:, 19:] == price).all()
    assert percent_b(still)[-1] == 0.5 and band_width(still)[-1] == 0
    assert atr(still, still, still)[-1] == 0
    assert set(supertrend(still, still, still)[1][9:]) == {1.0}
    assert all(values[-1] == 0 for values in macd(still))


def test_a_bad_tick_leaves_no_trace_in_a_window() -> None:
    close = walk(200, 1)["close"][:, 0]
    ticked = close.copy()
    ticked[100] = 99_99_999.0
    for window in (
        lambda values: sma(values, 20),
        lambda values: bollinger(values, 20)[0],
        lambda values: highest(values, 20),
        lambda values: momentum(values, 19),
    ):
        np.testing.assert_allclose(window(ticked)[140:], window(close)[140:], rtol=1e-14)
