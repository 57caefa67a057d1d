"""A small market to search in; as a program, a slow sweep of it that can be killed."""

from __future__ import annotations

import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.engine.sweep import sweep
from nifty_research.market.calendar import sessions

ROOT = Path(__file__).resolve().parents[2]
FAST, SLOW = "strategy moving_average.fast", "strategy moving_average.slow"
GRID = {FAST: [3, 5, 8, 10], SLOW: [8, 12, 20], "risk.stop_atr": [1.5, 3.0]}


def base_settings() -> Settings:
    return load_settings(
        ROOT / "settings.ini",
        overrides={
            "account.product": "CNC",
            "risk.minimum_confidence": "0.3",
            "risk.drawdown": "0.9",
        },
        environ={},
    )


def market_bars() -> Bars:
    chance = np.random.default_rng(11)
    days = sessions(date(2024, 1, 1), date(2024, 12, 31))
    index = pd.DatetimeIndex(pd.to_datetime(days)).tz_localize("Asia/Kolkata")
    close = np.round(400 * np.exp(np.cumsum(chance.normal(0, 0.02, (len(days), 3)), 0)), 1)
    open_ = np.vstack([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    return Bars(index, ("A", "B", "C"), open_, high, low, close, np.full(close.shape, 1e6), 1440)


def slowly(store: Path) -> None:
    "Two processes; half a second after each batch, so that there is time to kill."
    sweep(
        market_bars(), base_settings(), GRID, store=store, workers=2,
        on_batch=lambda frame, done, total: time.sleep(0.5),
    )  # fmt: skip


if __name__ == "__main__":
    slowly(Path(sys.argv[1]))
