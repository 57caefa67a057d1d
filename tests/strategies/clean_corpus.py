"""Functions of bars that look as if they saw the future, and do not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from nifty_research.data.bars import Bars
from nifty_research.data.resample import resample
from nifty_research.strategies.contract import Indicators, Scores
from nifty_research.strategies.moving_average import MovingAverage

CLEAN: dict[str, Callable[[Bars], object]] = {}


def clean(function: Callable[[Bars], object]) -> Callable[[Bars], object]:
    "File a function in the corpus."
    CLEAN[function.__name__] = function
    return function


def table(bars: Bars, column: str = "close") -> pd.DataFrame:
    return pd.DataFrame(getattr(bars, column), bars.index, list(bars.symbols))


def day_of(bars: Bars) -> pd.DatetimeIndex:
    return bars.index.normalize()


# ---- shifts and windows --------------------------------------------------------------------------


@clean
def shifted_the_right_way(bars: Bars) -> pd.DataFrame:
    return table(bars).pct_change(fill_method=None).shift(1)


@clean
def rolled_and_blanked(bars: Bars) -> np.ndarray:
    before = np.roll(bars.close, 1, axis=0)
    before[0] = np.nan
    return bars.close / before - 1.0


@clean
def future_in_name_only(bars: Bars) -> np.ndarray:
    future = np.full(bars.shape, np.nan)
    future[20:] = bars.close[20:] / bars.close[:-20] - 1.0
    return future


@clean
def centred_and_moved_back(bars: Bars) -> pd.DataFrame:
    return table(bars).rolling(21, center=True, min_periods=21).mean().shift(10)


@clean
def convolved_full(bars: Bars) -> np.ndarray:
    close, rows = np.nan_to_num(bars.close), len(bars.index)
    full = [np.convolve(one, np.ones(5) / 5, mode="full")[:rows] for one in close.T]
    return np.column_stack(full)


@clean
def turned_round_twice(bars: Bars) -> pd.DataFrame:
    backwards = table(bars).iloc[::-1]
    return backwards.iloc[::-1].rolling(10, min_periods=1).mean()


@clean
def windows_read_backwards(bars: Bars) -> np.ndarray:
    close = np.vstack([np.full((9, bars.shape[1]), np.nan), bars.close])
    windows = np.lib.stride_tricks.sliding_window_view(close, 10, axis=0)
    return (windows[..., ::-1] * np.arange(10, 0, -1)).sum(axis=-1) / 55.0


@clean
def differences_of_running_sums(bars: Bars) -> np.ndarray:
    total = np.cumsum(np.nan_to_num(bars.volume), axis=0)
    total[20:] -= total[:-20].copy()
    return total / 20.0


@clean
def filter_by_fast_transform(bars: Bars) -> np.ndarray:
    "Causal, but each value is rounded by all others."
    rows = len(bars.index)
    close = np.nan_to_num(bars.close)
    size = 2 ** int(np.ceil(np.log2(rows + 64)))
    weights = np.fft.rfft(0.9 ** np.arange(64) * 0.1, size)
    smooth = np.fft.irfft(np.fft.rfft(close, size, axis=0) * weights[:, None], size, axis=0)
    return smooth[:rows]


@clean
def fractional_difference(bars: Bars) -> np.ndarray:
    weights = np.cumprod(np.concatenate([[1.0], (np.arange(1, 40) - 1.4) / np.arange(1, 40)]))
    found = np.zeros(bars.shape)
    close = np.log(np.nan_to_num(bars.close, nan=100.0))
    for lag, weight in enumerate(weights[: len(bars.index)]):
        found[lag:] += weight * close[: len(bars.index) - lag]
    return found


@clean
def weighted_by_age(bars: Bars) -> pd.DataFrame:
    return table(bars).ewm(halflife=10, adjust=True, ignore_na=False).mean()


# ---- since the beginning -------------------------------------------------------------------------


@clean
def scaled_by_the_past(bars: Bars) -> pd.DataFrame:
    close = table(bars)
    return (close - close.expanding(20).mean()) / close.expanding(20).std()


@clean
def fall_from_the_top_so_far(bars: Bars) -> pd.DataFrame:
    close = table(bars)
    return close / close.cummax() - 1.0


@clean
def rank_within_the_past(bars: Bars) -> pd.DataFrame:
    return table(bars).expanding(5).rank(pct=True)


@clean
def above_the_quantile_so_far(bars: Bars) -> pd.DataFrame:
    volume = table(bars, "volume")
    return (volume > volume.rolling(75, min_periods=10).quantile(0.9)).astype(float)


@clean
def volume_by_direction(bars: Bars) -> np.ndarray:
    return np.nancumsum(bars.volume * np.sign(bars.close - bars.open), axis=0)


@clean
def filled_forward(bars: Bars) -> pd.DataFrame:
    return table(bars).ffill()


@clean
def missing_set_to_the_mean_so_far(bars: Bars) -> pd.DataFrame:
    close = table(bars)
    return close.where(close.notna(), close.expanding().mean())


# ---- longer bars and sessions --------------------------------------------------------------------


@clean
def completed_quarter_hours(bars: Bars) -> pd.DataFrame:
    "Labelled by their end, used from the bar on that closes them."
    close = table(bars)
    quarters = close.resample("15min", label="right").last().dropna(how="all")
    ends = bars.index + pd.Timedelta(minutes=bars.interval_minutes)
    return quarters.reindex(ends, method="ffill").set_axis(bars.index)


@clean
def completed_half_hours_of_the_session(bars: Bars) -> np.ndarray:
    longer = resample(bars, 30, partial=False)
    ends = longer.index + pd.Timedelta(minutes=30)
    closes = bars.index + pd.Timedelta(minutes=bars.interval_minutes)
    rows = np.searchsorted(ends.asi8, closes.asi8, side="right") - 1
    if not len(longer.index):
        return np.full(bars.shape, np.nan)
    return np.where(rows[:, None] >= 0, longer.close[np.maximum(rows, 0)], np.nan)


@clean
def close_of_the_day_before(bars: Bars) -> pd.DataFrame:
    daily = table(bars).groupby(day_of(bars)).last().shift(1)
    return table(bars) / daily.reindex(bars.index, method="ffill") - 1.0


@clean
def pivots_of_the_day_before(bars: Bars) -> pd.DataFrame:
    day = day_of(bars)
    high, low = table(bars, "high").groupby(day).max(), table(bars, "low").groupby(day).min()
    pivot = ((high + low + table(bars).groupby(day).last()) / 3.0).shift(1)
    return pivot.reindex(day).set_axis(bars.index)


@clean
def average_price_so_far(bars: Bars) -> np.ndarray:
    day = day_of(bars)
    value = (table(bars) * table(bars, "volume")).groupby(day).cumsum()
    return (value / table(bars, "volume").groupby(day).cumsum()).to_numpy()


@clean
def opening_range_once_known(bars: Bars) -> np.ndarray:
    day = day_of(bars)
    minutes = np.asarray((bars.index - day).total_seconds() / 60 - (9 * 60 + 15))
    early = np.where((minutes < 30)[:, None], bars.high, np.nan)
    known = pd.DataFrame(early, bars.index).groupby(day).cummax().groupby(day).ffill().to_numpy()
    return np.where((minutes >= 30)[:, None], bars.close > known, np.nan)


@clean
def first_price_of_the_day_once_known(bars: Bars) -> pd.DataFrame:
    day, close = day_of(bars), table(bars)
    first = close.where(close.notna().groupby(day).cumsum() == 1)
    return first.groupby(day).ffill()


@clean
def high_of_the_day_so_far(bars: Bars) -> pd.DataFrame:
    return table(bars, "high").groupby(day_of(bars)).cummax()


@clean
def minutes_to_the_close_by_the_clock(bars: Bars) -> np.ndarray:
    clock = bars.index.hour * 60 + bars.index.minute
    return np.asarray(15 * 60 + 30 - clock, dtype=np.float64)


@clean
def last_bar_of_the_day_by_the_clock(bars: Bars) -> np.ndarray:
    clock = bars.index.hour * 60 + bars.index.minute
    return np.asarray(clock + bars.interval_minutes >= 15 * 60 + 30)


@clean
def tomorrow_is_another_month(bars: Bars) -> np.ndarray:
    return np.asarray((bars.index + pd.Timedelta(days=1)).month != bars.index.month)


@clean
def hourly_table_labelled_at_its_end(bars: Bars) -> pd.DataFrame:
    "One line an hour, labelled by the bar that closes it; the hour that runs is left out."
    close = table(bars).ffill()
    last = (bars.index.minute + bars.interval_minutes) % 60 == 0
    return close[np.asarray(last)]


# ---- peaks and labels ----------------------------------------------------------------------------


@clean
def peaks_once_confirmed(bars: Bars) -> np.ndarray:
    found = np.zeros(bars.shape)
    found[2:] = (bars.high[1:-1] > bars.high[:-2]) & (bars.high[1:-1] > bars.high[2:])
    return found


@clean
def zigzag_marked_when_it_turned(bars: Bars) -> np.ndarray:
    found = np.zeros(bars.shape)
    for place in range(bars.shape[1]):
        top = -np.inf
        for row, close in enumerate(bars.close[:, place]):
            if close > top:
                top = close
            elif close < 0.997 * top:
                found[row, place], top = 1.0, close
    return found


@clean
def encoded_by_earlier_targets(bars: Bars) -> pd.DataFrame:
    "The mean of returns at this minute on the days before."
    change = table(bars).pct_change(fill_method=None)
    minute = np.asarray(bars.index.hour * 60 + bars.index.minute)
    past = change.groupby(minute).cumsum() - change
    return past / change.notna().groupby(minute).cumsum().shift(1)


@clean
def refitted_every_day(bars: Bars) -> np.ndarray:
    "A regression on the days before, used for the day: its last label is closed by then."
    close = table(bars).ffill().to_numpy()
    change = np.zeros(bars.shape)
    change[1:] = np.nan_to_num(close[1:] / close[:-1] - 1.0)
    day = day_of(bars).asi8
    starts = np.flatnonzero(np.append(True, day[1:] != day[:-1]))
    found = np.zeros(bars.shape)
    for start, end in zip(starts, np.append(starts[1:], len(day)), strict=True):
        if start > 2:
            feature, label = change[: start - 1], change[1:start]
            weight = (feature * label).sum(axis=0) / ((feature**2).sum(axis=0) + 1e-12)
            found[start:end] = change[start:end] * weight
    return found


@clean
def last_return_as_a_label(bars: Bars) -> dict[str, np.ndarray]:
    change = np.diff(bars.close, axis=0, prepend=np.nan)
    return {"label": np.sign(change), "next": change > 0.0}


# ---- many symbols --------------------------------------------------------------------------------


@clean
def rank_among_symbols(bars: Bars) -> pd.DataFrame:
    return table(bars).pct_change(20, fill_method=None).rank(axis=1, pct=True)


@clean
def without_the_market(bars: Bars) -> np.ndarray:
    change = np.diff(np.log(bars.close), axis=0, prepend=np.nan)
    return change - np.nanmean(change, axis=1, keepdims=True)


@clean
def breadth(bars: Bars) -> np.ndarray:
    return np.nanmean(bars.close > bars.open, axis=1)


@clean
def what_the_others_did(bars: Bars) -> np.ndarray:
    change = np.zeros(bars.shape)
    change[2:] = np.nan_to_num(bars.close[1:-1] / bars.close[:-2] - 1.0)
    return (change.sum(axis=1, keepdims=True) - change) / max(bars.shape[1] - 1, 1)


@clean
def lines_shifted_within_symbols(bars: Bars) -> pd.DataFrame:
    lines = table(bars).melt(ignore_index=False, var_name="symbol", value_name="close")
    lines["before"] = lines.groupby("symbol")["close"].shift(1)
    return lines.rename_axis("timestamp").reset_index()[["symbol", "timestamp", "before"]]


@clean
def members_of_the_bar(bars: Bars) -> np.ndarray:
    return np.where(bars.extra["member"] > 0.0, bars.close, 0.0)


@clean
def adjusted_by_earlier_splits(bars: Bars) -> np.ndarray:
    "Later prices in the unit of the first one."
    factor = bars.extra["factor"]
    return bars.close * factor / factor[0]


@clean
def found_by_name(bars: Bars) -> np.ndarray:
    if "INFY" not in bars.symbols:
        return bars.close
    return bars.close / bars.close[:, [bars.symbols.index("INFY")]]


# ---- other shapes --------------------------------------------------------------------------------


@clean
def chance_with_a_seed(bars: Bars) -> np.ndarray:
    return np.random.default_rng(7).normal(size=bars.shape)


@clean
def state_in_a_loop(bars: Bars) -> np.ndarray:
    held, found = np.zeros(bars.shape[1]), np.zeros(bars.shape)
    for row in range(len(bars.index)):
        change = np.nan_to_num(bars.close[row] - bars.open[row])
        held = np.where(np.abs(change) > 0.5, np.sign(change), held)
        found[row] = held
    return found


@functools.lru_cache(maxsize=4)
def _kept(bars: Bars) -> np.ndarray:
    return np.nan_to_num(bars.close - bars.open)


@clean
def kept_by_its_bars(bars: Bars) -> np.ndarray:
    return _kept(bars)


@clean
def words(bars: Bars) -> np.ndarray:
    return np.where(bars.close > bars.open, "up", "down").astype(object)


@clean
def lines_without_missing_bars(bars: Bars) -> pd.DataFrame:
    lines = bars.to_frame()
    lines["body"] = lines["close"] - lines["open"]
    return lines[["symbol", "timestamp", "body"]]


@clean
def nothing_at_all(bars: Bars) -> Scores:
    return Scores(np.zeros(bars.shape), np.zeros(bars.shape))


@clean
def the_bars_themselves(bars: Bars) -> Bars:
    return bars


# ---- strategies ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class LooksBackByItself:
    "Needs a window, and is honest."

    warmup: int = 20
    threshold: float = 0.7
    name: ClassVar[str] = "looks_back_by_itself"

    def scores(self, bars: Bars, ind: Indicators) -> Scores:
        "Scores of these bars."
        close = table(bars)
        entry = np.clip((close / close.rolling(20).mean() - 1.0) * 50.0, -1.0, 1.0).to_numpy()
        return Scores(entry, np.zeros(bars.shape))


CLEAN["moving_average"] = MovingAverage()  # type: ignore[assignment]
CLEAN["moving_average_fast"] = MovingAverage(3, 10)  # type: ignore[assignment]
CLEAN["looks_back_by_itself"] = LooksBackByItself()  # type: ignore[assignment]
