"""Patterns of prices against their definitions written out over lists."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.indicators.chart_patterns import breakout, gap, inside_bar
from nifty_research.indicators.double_tops import double_bottom, double_top
from nifty_research.indicators.sessions import session_of

SEEDS = st.integers(0, 2**32 - 1)


def bars(seed: int, count: int = 300, tick: float = 0.25) -> tuple[np.ndarray, ...]:
    "Open, high, low and close that swing, on a grid so coarse that highs are often equal."
    rng = np.random.default_rng(seed)
    close = (
        1400 + 8 * np.sin(np.arange(count) / rng.uniform(3, 9)) + rng.normal(0, 1, count).cumsum()
    )
    opened = np.r_[close[:1], close[:-1]] + rng.normal(0, 0.7, count)
    above, below = np.abs(rng.normal(0, 1, (2, count)))
    columns = opened, np.maximum(opened, close) + above, np.minimum(opened, close) - below, close
    return tuple(np.round(column / tick) * tick for column in columns)


def plain_double_top(
    high: np.ndarray, low: np.ndarray, close: np.ndarray, wing: int, tolerance: float
) -> np.ndarray:
    "The definition, looking at whole stretches again at every bar."
    out = np.full(len(close), np.nan)
    last: int | None = None  # the peak before
    neckline = roof = np.nan
    for now in range(2 * wing, len(close)):
        out[now] = 0.0
        peak = now - wing
        if high[peak] == high[peak - wing : now + 1].max():
            if last is not None and peak - last > wing:
                valley, top = low[last : peak + 1].min(), max(high[last], high[peak])
                if abs(high[last] - high[peak]) <= tolerance * (top - valley):
                    neckline, roof = valley, top
            last = peak
        if close[now] < neckline:
            out[now] = neckline - roof
            neckline = np.nan
        elif close[now] > roof:
            neckline = np.nan
    return out


@given(seed=SEEDS, wing=st.integers(1, 7), tolerance=st.sampled_from([0.05, 0.1, 0.4]))
def test_double_tops_are_their_definition(seed: int, wing: int, tolerance: float) -> None:
    _, high, low, close = bars(seed)
    expected = plain_double_top(high, low, close, wing, tolerance)
    np.testing.assert_array_equal(double_top(high, low, close, wing, tolerance), expected)
    upside_down = double_bottom(3000 - low, 3000 - high, 3000 - close, wing, tolerance)
    np.testing.assert_allclose(upside_down, -expected, atol=1e-9)


def test_double_tops_and_bottoms_do_happen() -> None:
    _, high, low, close = bars(1, 5000)
    tops, bottoms = double_top(high, low, close, 4, 0.2), double_bottom(high, low, close, 4, 0.2)
    assert 10 < (tops < 0).sum() < 500 and 10 < (bottoms > 0).sum() < 500
    assert np.nanmax(tops) == 0 and np.nanmin(bottoms) == 0


@given(seed=SEEDS, period=st.integers(1, 25))
def test_breakout_is_its_definition(seed: int, period: int) -> None:
    _, high, low, close = bars(seed)
    top = pd.Series(high).rolling(period).max().shift(1).to_numpy()
    bottom = pd.Series(low).rolling(period).min().shift(1).to_numpy()
    beyond = np.where(close > top, close - top, np.where(close < bottom, close - bottom, 0.0))
    expected = np.where(np.isnan(top), np.nan, beyond)
    np.testing.assert_array_equal(breakout(high, low, close, period), expected)


@given(seed=SEEDS)
def test_inside_bars_are_their_definition(seed: int) -> None:
    _, high, low, _ = bars(seed)
    inside = (high[1:] <= high[:-1]) & (low[1:] >= low[:-1])
    same = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    np.testing.assert_array_equal(inside_bar(high, low)[1:], inside & ~same)


@given(seed=SEEDS)
def test_gaps_are_told_at_the_open_against_the_whole_day_before(seed: int) -> None:
    opened, high, low, close = bars(seed)
    index = pd.DatetimeIndex(
        [
            pd.Timestamp("2026-11-16 09:15", tz="Asia/Kolkata") + pd.Timedelta(day, "D") + step
            for day in range(3)
            for step in pd.to_timedelta(np.arange(100), "min")
        ]
    )
    seen = gap(opened, high, low, close, session_of(index, 1)[:, 0])
    assert np.isnan(seen[:100]).all()
    for day in (1, 2):
        before, first = slice(day * 100 - 100, day * 100), day * 100
        top, bottom, last = high[before].max(), low[before].min(), close[first - 1]
        beyond = max(opened[first] - top, 0.0) + min(opened[first] - bottom, 0.0)
        np.testing.assert_allclose(seen[first], beyond / last, rtol=1e-12)
        assert (seen[first + 1 : first + 100] == 0).all()
