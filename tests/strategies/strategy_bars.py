"""Minutes of a random walk, for tests of strategies."""

import numpy as np
import pandas as pd

from nifty_research.data.bars import Bars

LENGTH = 120


def make_bars(seed: int, rows: int = LENGTH, columns: int = 3, holes: float = 0.0) -> Bars:
    "A random walk of minutes with bursts of volume."
    rng = np.random.default_rng(seed)
    close = np.round(1400 + np.cumsum(rng.standard_t(3, (rows, columns)), axis=0), 2)
    close[rng.random(close.shape) < holes] = np.nan
    reach = np.round(rng.gamma(2.0, 0.5, close.shape), 2)
    volume = np.round(rng.lognormal(7.0, 0.8, close.shape))
    return bars_of(close, close + reach, close - reach, volume)


def bars_of(close: np.ndarray, high: np.ndarray, low: np.ndarray, volume: np.ndarray) -> Bars:
    return Bars(
        index=pd.date_range("2026-09-15 09:15", periods=len(close), freq="min", tz="Asia/Kolkata"),
        symbols=tuple(f"S{n}" for n in range(close.shape[1])),
        open=close.copy(),
        high=high,
        low=low,
        close=close,
        volume=np.where(np.isnan(close), np.nan, volume),
        interval_minutes=1,
    )
