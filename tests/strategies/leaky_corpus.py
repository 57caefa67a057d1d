"""Functions of bars that see the future, or that know more than bars: mistakes that people make."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from nifty_research.data.bars import Bars
from nifty_research.data.resample import resample
from nifty_research.strategies.contract import Indicators, Scores

LEAKY: dict[str, tuple[Callable[[Bars], object], str]] = {}  # Function, and words of its finding


def leak(words: str = "") -> Callable[[Callable[[Bars], object]], Callable[[Bars], object]]:
    "File a function in the corpus, with a part of what the proof must say of it."

    def file(function: Callable[[Bars], object]) -> Callable[[Bars], object]:
        LEAKY[function.__name__] = (function, words)
        return function

    return file


def table(bars: Bars, column: str = "close") -> pd.DataFrame:
    return pd.DataFrame(getattr(bars, column), bars.index, list(bars.symbols))


def returns(bars: Bars) -> np.ndarray:
    change = np.full(bars.shape, np.nan)
    change[1:] = bars.close[1:] / bars.close[:-1] - 1.0
    return change


def returns_to_come(bars: Bars, horizon: int = 1) -> np.ndarray:
    change = np.full(bars.shape, np.nan)
    change[:-horizon] = bars.close[horizon:] / bars.close[:-horizon] - 1.0
    return change


def no_exit(entry: np.ndarray) -> Scores:
    return Scores(np.clip(entry, -1.0, 1.0), np.zeros(entry.shape))


# ---- one bar, or a few ---------------------------------------------------------------------------


@leak("1 bar ahead")
def next_close_decides(bars: Bars) -> Scores:
    return no_exit(np.sign(np.diff(bars.close, axis=0, append=np.nan)))


@leak("1 bar ahead")
def shifted_the_wrong_way(bars: Bars) -> pd.DataFrame:
    return table(bars).pct_change(fill_method=None).shift(-1)


@leak("its own open")
def enters_at_the_next_open(bars: Bars) -> pd.DataFrame:
    return table(bars, "open").shift(-1) / table(bars) - 1.0


@leak("its own low")
def stopped_out_by_the_next_low(bars: Bars) -> Scores:
    entry = np.where(returns(bars) > 0.0, 0.8, 0.0)
    below = np.vstack([bars.low[1:], np.full((1, bars.shape[1]), np.inf)])
    return Scores(entry, np.where(below < 0.999 * bars.close, 1.0, 0.0))


@leak("1 bar ahead")
def central_difference(bars: Bars) -> np.ndarray:
    return np.gradient(bars.close, axis=0)


@leak("3 bars ahead")
def rolled_by_minus_three(bars: Bars) -> np.ndarray:
    return np.roll(bars.close, -3, axis=0) / bars.close - 1.0


@leak()
def rolled_with_its_end_at_the_front(bars: Bars) -> np.ndarray:
    return bars.close / np.roll(bars.close, 1, axis=0) - 1.0  # row 0 gets the last close


@leak("1 bar ahead")
def a_thousandth_of_tomorrow(bars: Bars) -> np.ndarray:
    later = np.vstack([bars.close[1:], bars.close[-1:]])
    return 0.999 * bars.close + 0.001 * np.where(np.isnan(later), bars.close, later)


@leak("1 bar ahead")
def only_on_heavy_volume(bars: Bars) -> np.ndarray:
    heavy = bars.volume > 12.0 * table(bars, "volume").expanding(20).median().to_numpy()
    return np.where(heavy, np.nan_to_num(returns_to_come(bars)), 0.0)


@leak("1 bar ahead")
def clipped_index(bars: Bars) -> np.ndarray:
    rows = np.minimum(np.arange(len(bars.index)) + 1, len(bars.index) - 1)
    return bars.high[rows] > bars.high


# ---- windows -------------------------------------------------------------------------------------


@leak("10 bars ahead")
def centred_mean(bars: Bars) -> pd.DataFrame:
    return table(bars).rolling(21, center=True, min_periods=1).mean()


@leak("2 bars ahead")
def convolved_same(bars: Bars) -> np.ndarray:
    close = np.nan_to_num(bars.close)
    return np.column_stack([np.convolve(one, np.ones(5) / 5, mode="same") for one in close.T])


@leak("bars ahead")
def window_turned_round(bars: Bars) -> pd.DataFrame:
    return table(bars).iloc[::-1].rolling(10, min_periods=1).mean().iloc[::-1]


@leak("the whole history")
def smoothed_forth_and_back(bars: Bars) -> pd.DataFrame:
    forth = table(bars).ewm(span=200).mean()
    return forth.iloc[::-1].ewm(span=200).mean().iloc[::-1]


@leak("the whole history")
def low_pass_of_the_whole(bars: Bars) -> np.ndarray:
    spectrum = np.fft.rfft(np.nan_to_num(bars.close), axis=0)
    spectrum[20:] = 0.0
    return np.fft.irfft(spectrum, n=len(bars.index), axis=0)


# ---- the whole sample ----------------------------------------------------------------------------


@leak("whole sample: ")
def scaled_by_all_years(bars: Bars) -> pd.DataFrame:
    close = table(bars)
    return (close - close.mean()) / close.std()


@leak("the whole history")
def between_lowest_and_highest(bars: Bars) -> np.ndarray:
    low, high = np.nanmin(bars.low, axis=0), np.nanmax(bars.high, axis=0)
    return (bars.close - low) / (high - low)


@leak()
def above_its_quantile(bars: Bars) -> np.ndarray:
    return bars.volume > np.nanquantile(bars.volume, 0.9, axis=0)


@leak()
def rank_over_time(bars: Bars) -> pd.DataFrame:
    return table(bars).rank(pct=True)


@leak("the whole history")
def line_through_everything(bars: Bars) -> np.ndarray:
    time, close = np.arange(len(bars.index)), table(bars).ffill().fillna(0.0).to_numpy()
    slope, level = np.polyfit(time, close, 1) if len(time) > 1 else (0.0, 0.0)
    return close - (slope * time[:, None] + level)


@leak()
def components_of_the_whole(bars: Bars) -> np.ndarray:
    change = np.nan_to_num(returns(bars))
    _, _, axes = np.linalg.svd(change - change.mean(axis=0), full_matrices=False)
    return change @ np.abs(axes[0])


@leak("the whole history")
def missing_set_to_the_mean(bars: Bars) -> np.ndarray:
    return np.where(np.isnan(bars.close), np.nanmean(bars.close, axis=0), bars.close)


@leak("the whole history")
def moods_of_the_whole(bars: Bars) -> np.ndarray:
    size = np.abs(np.nan_to_num(returns(bars)))
    centre = np.array([0.0, size.max()])
    for _ in range(10):
        near = np.abs(size[..., None] - centre).argmin(axis=-1)
        centre = np.array([np.append(size[near == one], 0.0).mean() for one in (0, 1)])
    return np.abs(size - centre[1])


@leak()
def how_much_is_left(bars: Bars) -> np.ndarray:
    return np.linspace(1.0, 0.0, len(bars.index))


@leak("the whole history")
def fall_still_to_come(bars: Bars) -> np.ndarray:
    close = np.nan_to_num(bars.close, nan=np.inf)
    return np.minimum.accumulate(close[::-1], axis=0)[::-1] / bars.close - 1.0


# ---- longer bars and sessions --------------------------------------------------------------------


@leak("timeframe: ")
def quarter_hours_filled_forward(bars: Bars) -> pd.DataFrame:
    close = table(bars)
    quarters = close.resample("15min").last()
    return close / quarters.reindex(close.index, method="ffill") - 1.0


@leak("the end of its bar of 30 minutes")
def half_hours_at_their_start(bars: Bars) -> pd.DataFrame:
    longer = resample(bars, 30)
    close = pd.DataFrame(longer.close, longer.index, list(longer.symbols))
    return close.reindex(bars.index, method="ffill")


@leak("the end of its day")
def close_of_the_day(bars: Bars) -> pd.DataFrame:
    close = table(bars)
    return close / close.groupby(bars.index.normalize()).transform("last") - 1.0


@leak("the end of its day")
def range_of_the_day(bars: Bars) -> pd.DataFrame:
    day = bars.index.normalize()
    high = table(bars, "high").groupby(day).transform("max")
    low = table(bars, "low").groupby(day).transform("min")
    return (table(bars) - low) / (high - low)


@leak("the end of its day")
def average_price_of_the_day(bars: Bars) -> np.ndarray:
    day = bars.index.normalize()
    value = (table(bars) * table(bars, "volume")).groupby(day).transform("sum")
    return (value / table(bars, "volume").groupby(day).transform("sum")).to_numpy()


@leak("the end of its day")
def share_of_the_days_volume(bars: Bars) -> pd.DataFrame:
    volume = table(bars, "volume")
    return volume / volume.groupby(bars.index.normalize()).transform("sum")


@leak("the end of its day")
def pivots_of_the_same_day(bars: Bars) -> pd.DataFrame:
    day = bars.index.normalize()
    high, low = table(bars, "high").groupby(day).max(), table(bars, "low").groupby(day).min()
    pivot = (high + low + table(bars).groupby(day).last()) / 3.0
    return pivot.reindex(bars.index, method="ffill")


@leak()
def opening_range_from_the_open_on(bars: Bars) -> np.ndarray:
    day = bars.index.normalize()
    minutes = np.asarray((bars.index - day).total_seconds() / 60 - (9 * 60 + 15))
    early = np.where((minutes < 30)[:, None], bars.high, np.nan)
    return bars.close / pd.DataFrame(early).groupby(np.asarray(day)).transform("max").to_numpy()


@leak("the end of its month")
def mean_of_the_month(bars: Bars) -> pd.DataFrame:
    close = table(bars)
    return close - close.groupby([bars.index.year, bars.index.month]).transform("mean")


@leak()
def first_price_of_the_day_before_it(bars: Bars) -> pd.DataFrame:
    "Leaks only where the first bars of a day are missing."
    return table(bars).groupby(bars.index.normalize()).transform("first")


@leak()
def last_bar_of_the_day_by_the_next(bars: Bars) -> np.ndarray:
    day = bars.index.normalize().asi8
    return np.append(day[1:] != day[:-1], False)


@leak()
def hourly_table_labelled_at_its_start(bars: Bars) -> pd.DataFrame:
    return table(bars).resample("60min").last().dropna(how="all")


@leak("the end of")
def nearest_hour(bars: Bars) -> np.ndarray:
    close = table(bars)
    hours = close.resample("60min").last().dropna(how="all").reset_index(names="time")
    asked = pd.DataFrame({"time": bars.index})
    return pd.merge_asof(asked, hours, on="time", direction="backward").iloc[:, 1:].to_numpy()


# ---- holes ---------------------------------------------------------------------------------------


@leak()
def filled_backwards(bars: Bars) -> pd.DataFrame:
    return table(bars).bfill()


@leak()
def filled_between(bars: Bars) -> pd.DataFrame:
    return table(bars).interpolate()


@leak()
def filled_both_ways(bars: Bars) -> pd.DataFrame:
    return table(bars).ffill().bfill()


@leak()
def forward_merge(bars: Bars) -> np.ndarray:
    found = np.full(bars.shape, np.nan)
    for place in range(bars.shape[1]):
        known = pd.DataFrame({"time": bars.index, "close": bars.close[:, place]}).dropna()
        asked = pd.DataFrame({"time": bars.index})
        if len(known):
            merged = pd.merge_asof(asked, known, on="time", direction="forward")
            found[:, place] = merged["close"].to_numpy()
    return found


# ---- peaks and patterns --------------------------------------------------------------------------


@leak("1 bar ahead")
def peaks(bars: Bars) -> np.ndarray:
    found = np.zeros(bars.shape)
    middle = bars.high[1:-1]
    found[1:-1] = (middle > bars.high[:-2]) & (middle > bars.high[2:])
    return found


@leak("5 bars ahead")
def swing_lows(bars: Bars) -> pd.DataFrame:
    low = table(bars, "low")
    return (low == low.rolling(11, center=True, min_periods=1).min()).astype(float)


@leak()
def zigzag_marked_at_its_turn(bars: Bars) -> np.ndarray:
    found = np.zeros(bars.shape)
    for place in range(bars.shape[1]):
        top, at = -np.inf, 0
        for row, close in enumerate(bars.close[:, place]):
            if close > top:
                top, at = close, row
            elif close < 0.997 * top:
                found[at, place] = 1.0  # the turn is known only here, at `row`
                top, at = close, row
    return found


# ---- labels --------------------------------------------------------------------------------------


@leak("the whole history")
def encoded_by_the_target(bars: Bars) -> np.ndarray:
    minute = bars.index.hour * 60 + bars.index.minute
    label = pd.DataFrame(returns_to_come(bars)).groupby(np.asarray(minute)).transform("mean")
    return label.to_numpy()


@leak("the whole history")
def fitted_to_its_own_labels(bars: Bars) -> np.ndarray:
    feature, label = np.nan_to_num(returns(bars)), np.nan_to_num(returns_to_come(bars))
    weight = (feature * label).sum(axis=0) / np.maximum((feature * feature).sum(axis=0), 1e-12)
    return feature * weight


@leak("label: ")
def label_as_a_feature(bars: Bars) -> dict[str, np.ndarray]:
    return {"change": returns(bars), "label": returns_to_come(bars, 20)}


@leak()
def which_barrier_first(bars: Bars) -> np.ndarray:
    found = np.zeros(bars.shape)
    for place in range(bars.shape[1]):
        close = bars.close[:, place]
        for row in range(len(close) - 1):
            path = close[row + 1 : row + 31] / close[row] - 1.0
            hit = np.flatnonzero(np.abs(path) > 0.003)
            found[row, place] = np.sign(path[hit[0]]) if hit.size else 0.0
    return found


@leak()
def weights_of_the_best_years(bars: Bars) -> Scores:
    change = np.nan_to_num(returns(bars))
    rules = [np.sign(np.vstack([np.zeros((n, bars.shape[1])), change[:-n]])) for n in (1, 2, 3, 5)]
    best = int(np.argmax([(rule * change).sum() for rule in rules]))
    return no_exit(rules[best] * (0.5 + 0.1 * best))


# ---- members and prices --------------------------------------------------------------------------


@leak("member")
def members_of_the_last_day(bars: Bars) -> np.ndarray:
    return np.where(bars.extra["member"][-1] > 0.0, returns(bars), 0.0)


@leak()
def only_those_that_survive(bars: Bars) -> np.ndarray:
    alive = np.isfinite(bars.close[-20:]).any(axis=0)
    return np.where(alive, bars.close, np.nan)


@leak()
def symbols_that_are_ever_large(bars: Bars) -> pd.DataFrame:
    volume = table(bars, "volume")
    return table(bars)[volume.columns[volume.sum() > volume.sum().median()]]


@leak("factor")
def adjusted_by_later_splits(bars: Bars) -> np.ndarray:
    factor = bars.extra["factor"]
    return bars.close * factor / factor[-1]


# ---- one symbol for another ----------------------------------------------------------------------


@leak("cross-symbol: ")
def where_the_others_go(bars: Bars) -> np.ndarray:
    later = np.nan_to_num(returns_to_come(bars))
    return (later.sum(axis=1, keepdims=True) - later) / max(bars.shape[1] - 1, 1)


@leak()
def shifted_across_symbols(bars: Bars) -> pd.DataFrame:
    "Lines symbol by symbol: the first of each gets the last of the one above."
    lines = table(bars).melt(ignore_index=False, var_name="symbol", value_name="close")
    lines["before"] = lines["close"].shift(1)
    return lines.rename_axis("timestamp").reset_index()[["symbol", "timestamp", "before"]]


@leak("by its place")
def neighbour_by_flattening(bars: Bars) -> np.ndarray:
    flat = bars.close.ravel()
    return np.concatenate([[np.nan], flat[:-1]]).reshape(bars.shape)


# ---- not from the bars ---------------------------------------------------------------------------


@leak("same bars get another value")
def by_chance(bars: Bars) -> np.ndarray:
    return np.random.default_rng().normal(size=bars.shape)


_highest: dict[str, float] = {}


@leak()
def remembers_earlier_calls(bars: Bars) -> np.ndarray:
    for place, symbol in enumerate(bars.symbols):
        top = float(np.nanmax(bars.high[:, place], initial=0.0))
        _highest[symbol] = max(_highest.get(symbol, 0.0), top)
    return bars.close / np.array([_highest[symbol] for symbol in bars.symbols])


class Trained:
    "Knows the answers of the bars that it was trained on."

    def __init__(self) -> None:
        self.answers: dict[int, np.ndarray] = {}

    def __call__(self, bars: Bars) -> np.ndarray:
        if not self.answers:
            label = np.sign(np.nan_to_num(returns_to_come(bars)))
            self.answers = dict(zip(bars.index.asi8.tolist(), label, strict=True))
        none = np.zeros(bars.shape[1])
        return np.array([self.answers.get(time, none) for time in bars.index.asi8.tolist()])


_trained = Trained()


@leak("with the return of the next")
def trained_beforehand(bars: Bars) -> np.ndarray:
    return _trained(bars)


_frame = pd.DataFrame(
    {"signal": np.sin(np.arange(400) / 9.0)},
    pd.date_range("2024-12-19 09:15", periods=400, freq="5min", tz="Asia/Kolkata"),
)


@leak("_frame is a table of 400 rows")
def signals_from_a_table(bars: Bars) -> pd.DataFrame:
    return _frame.reindex(bars.index, method="ffill").fillna(0.0)


@leak("which no cut can take away")
def signals_from_a_file(bars: Bars) -> np.ndarray:
    path = Path(tempfile.gettempdir()) / f"signals-{os.getpid()}.csv"
    if not path.exists():
        path.write_text("1.0\n")
    return bars.close * float(path.read_text())


# ---- strategies ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExitsTooWell:
    "Honest entries; leaves one bar before a fall."

    warmup: int = 5
    threshold: float = 0.7
    name: ClassVar[str] = "exits_too_well"

    def scores(self, bars: Bars, ind: Indicators) -> Scores:
        "Scores of these bars."
        entry = np.clip(ind.crossing(bars.close - ind.ema(bars.close, 5)), -1.0, 1.0)
        return Scores(entry, (returns_to_come(bars) < -0.001).astype(np.float64))


@dataclass(frozen=True)
class AverageOfEverything:
    "Compares a causal average with the mean of the whole history."

    warmup: int = 5
    threshold: float = 0.7
    name: ClassVar[str] = "average_of_everything"

    def scores(self, bars: Bars, ind: Indicators) -> Scores:
        "Scores of these bars."
        level = np.nanmean(bars.close, axis=0)
        return no_exit(ind.ema(bars.close, 5) / level - 1.0)


LEAKY["exits_too_well"] = (ExitsTooWell(), "1 bar ahead")  # type: ignore[assignment]
LEAKY["average_of_everything"] = (AverageOfEverything(), "the whole history")  # type: ignore[assignment]
