"""Candlestick patterns against TA-Lib on made-up bars and real ones, and upside down."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.indicators.candles import PATTERNS, candle
from nifty_research.indicators.catalogue import entry

EVERY = pytest.mark.parametrize("pattern", PATTERNS)
MIRRORS = [  # The same shape upside down
    ("dragonfly_doji", "gravestone_doji", 1),
    ("piercing", "dark_cloud", -1),
    ("morning_star", "evening_star", -1),
    ("morning_doji_star", "evening_doji_star", -1),
]


def bars(seed: int, count: int, decimals: int = 2) -> tuple[np.ndarray, ...]:
    "Open, high, low and close with all sorts of bodies, shadows and gaps."
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0.02, 0.3, 1.0, 3.0], (4, count), p=[0.25, 0.25, 0.3, 0.2])
    body, gap, above, below = rng.normal(0, 1, (4, count)) * sizes
    run = np.repeat(rng.choice([-1.0, 1.0], count // 5 + 1), 5)[:count]  # now and then a march
    body = np.where(rng.random(count) < 0.5, np.abs(body) * run, body)
    close = 5000 + np.cumsum(body + gap * 0.7)
    close = np.round(close - np.linspace(0, close[-1] - close[0], count), decimals)
    opened = np.round(close - body, decimals)
    high = np.round(np.maximum(opened, close) + np.abs(above) * (sizes[2] > 0.02), decimals)
    low = np.round(np.minimum(opened, close) - np.abs(below) * (sizes[3] > 0.02), decimals)
    return opened, high, low, close


def talib_candle(columns: tuple[np.ndarray, ...], pattern: str, units: int) -> np.ndarray:
    "What TA-Lib says of prices in whole ticks, whose sums it reckons without rounding."
    talib = pytest.importorskip("talib")
    whole = [np.rint(column * units) for column in columns]
    return getattr(talib, entry(pattern).talib)(*whole).astype(np.float64)


@EVERY
@pytest.mark.parametrize("decimals", [1, 2, 4])  # from many ties to hardly any
def test_agrees_with_talib_on_all_sorts_of_bars(pattern: str, decimals: int) -> None:
    columns = bars(5, 60_000, decimals)
    ours = candle(*columns, pattern)
    theirs = talib_candle(columns, pattern, 10**decimals)
    ready = 10 + PATTERNS[pattern]
    assert np.isnan(ours[:ready]).all()
    np.testing.assert_array_equal(ours[ready:], theirs[ready:])
    assert decimals != 2 or (ours[ready:] != 0).sum() >= 10


@EVERY
def test_agrees_with_talib_on_real_bars(pattern: str, nifty_data: Path) -> None:
    frame = pd.read_parquet(nifty_data / "minute/stocks_15min.parquet")
    for symbol in sorted(frame["symbol"].unique())[::8]:
        one = frame[frame["symbol"] == symbol].sort_values("timestamp")
        one = one[["open", "high", "low", "close"]].dropna()
        columns = tuple(one[name].to_numpy(np.float64) for name in one)
        ours, theirs = candle(*columns, pattern), talib_candle(columns, pattern, 100)
        ready = 10 + PATTERNS[pattern]
        np.testing.assert_array_equal(ours[ready:], theirs[ready:])


@pytest.mark.parametrize(("up", "down", "sign"), MIRRORS)
@given(seed=st.integers(0, 2**32 - 1))
def test_upside_down_is_the_other_pattern(up: str, down: str, sign: int, seed: int) -> None:
    opened, high, low, close = bars(seed, 400)
    moved = np.where(opened == close, 0.01, 0.0)  # a bar without a body is white either way up
    close, high = close + moved, np.maximum(high, close + moved)
    mirrored = (10_000 - opened, 10_000 - low, 10_000 - high, 10_000 - close)
    np.testing.assert_array_equal(
        candle(*mirrored, down), sign * candle(opened, high, low, close, up)
    )


@EVERY
@given(seed=st.integers(0, 2**32 - 1), start=st.integers(0, 60))
def test_where_history_began_decides_nothing(pattern: str, seed: int, start: int) -> None:
    columns = bars(seed, 150)
    late = candle(*(column[start:] for column in columns), pattern)
    known = candle(*columns, pattern)[start:]
    ready = 10 + PATTERNS[pattern]
    np.testing.assert_array_equal(late[ready:], known[ready:])


@EVERY
def test_bars_that_do_not_move_are_dojis_and_nothing_else(pattern: str) -> None:
    still = np.full(40, 1412.35)
    expected = 100.0 if pattern == "doji" else 0.0
    assert (candle(still, still, still, still, pattern)[13:] == expected).all()
