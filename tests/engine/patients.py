"""Backtests made by hand for the doctor: bars, fills and the account that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import BacktestResult
from nifty_research.engine.book import (
    ACTION,
    DENIED,
    FILL,
    INTENT,
    BarPhase,
    Reason,
    new_account,
    new_positions,
)
from nifty_research.engine.fill import to_paise
from nifty_research.engine.tear_sheet import Origin, TearSheet, Tried, tear_sheet_of

CAPITAL = 1_00_00_000_00
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
FIRST = date(2023, 1, 2)


def bars_of(opens: Any, closes: Any, volume: Any = 1e7, **over: Any) -> Bars:
    "Daily bars from opens and closes."
    index = pd.bdate_range(FIRST, periods=len(opens), tz="Asia/Kolkata")
    top, bottom = np.maximum(opens, closes) * 1.001, np.minimum(opens, closes) * 0.999
    columns = {"open": opens, "high": np.round(top, 2), "low": np.round(bottom, 2), "close": closes}
    columns = columns | {"volume": np.broadcast_to(volume, opens.shape).copy()} | over
    return Bars(index, SYMBOLS[: opens.shape[1]], **columns, interval_minutes=1440)


def wave(rows: int = 500, gain: float = 0.004, noise: float = 0.003, seed: int = 1) -> Any:
    "Opens that go up after even days and down after odd ones, each by about `gain`."
    rng = np.random.default_rng(seed)
    sign = np.where(np.arange(rows - 1) % 2 == 0, 1.0, -1.0)[:, None]
    steps = sign * gain + rng.normal(0.0, noise, (rows - 1, len(SYMBOLS)))
    return np.round(1000.0 * np.exp(np.vstack([np.zeros(len(SYMBOLS)), np.cumsum(steps, 0)])), 2)


def fill(row: int, symbol: int, quantity: int, price: float, **more: Any) -> np.ndarray:
    "One fill at an open, of an entry, without charges, unless said otherwise."
    one = np.zeros(1, FILL)
    one["row"], one["fine"], one["symbol"] = row, row, symbol
    one["quantity"], one["price"], one["phase"] = quantity, price, BarPhase.OPEN
    one["value"] = abs(quantity) * to_paise(price)
    for name, value in more.items():
        if name == "charge":
            one["heads"][0, 0] = value
        else:
            one[name] = value
    return one


def account(bars: Bars, fills: list[np.ndarray]) -> BacktestResult:
    "What an account looks like that made these fills."
    log = np.concatenate(fills) if fills else np.zeros(0, FILL)
    log = log[np.lexsort((log["symbol"], log["phase"], log["row"]))]
    rows, symbols = bars.shape
    flow = np.where(log["quantity"] < 0, 1, -1) * log["value"] - log["heads"].sum(axis=1)
    cash = CAPITAL + np.cumsum(np.bincount(log["row"], flow, rows)).astype(np.int64)
    held = np.zeros((rows, symbols), np.int64)
    np.add.at(held, (log["row"], log["symbol"]), log["quantity"])
    paise = np.floor(bars.close * 100 + 0.5).astype(np.int64)
    held = np.cumsum(held, axis=0)
    positions = new_positions(symbols)
    positions["quantity"], positions["last_price"] = held[-1], bars.close[-1]
    empty = {"intents": np.zeros(0, INTENT), "denials": np.zeros(0, DENIED)}
    return BacktestResult(
        log, **empty, equity=cash + (held * paise).sum(axis=1), cash=cash, positions=positions,
        account=new_account(CAPITAL), actions=np.zeros(0, ACTION),
    )  # fmt: skip


def trips(
    opens: Any,
    *,
    rows: Any = None,  # entries; none: every even day
    side: int = 1,
    size: int = 300,
    sizes: Mapping[tuple[int, int], int] | None = None,  # other sizes, by row and symbol
    charge: int = 0,
) -> list[np.ndarray]:
    "Every symbol in at the open of a day and out at the next open."
    found = []
    for row in range(2, len(opens) - 2, 2) if rows is None else rows:
        for symbol in range(opens.shape[1]):
            quantity = side * (sizes or {}).get((row, symbol), size)
            words = {"charge": charge}
            found.append(fill(row, symbol, quantity, opens[row, symbol], **words))
            words["reason"] = Reason.SIGNAL
            found.append(fill(row + 1, symbol, -quantity, opens[row + 1, symbol], **words))
    return found


def sheet_of(bars: Bars, result: BacktestResult, **words: Any) -> TearSheet:
    "The tear sheet, of symbols chosen on the first day unless said otherwise."
    given = {"name": "by hand", "origin": Origin("by hand", universe_on=bars.index[0].date())}
    given |= {"tried": Tried(), "draws": 300}
    return tear_sheet_of(result, bars, load_settings(), **(given | words))


def healthy(**words: Any) -> TearSheet:
    "A patient that the doctor sends home."
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    return sheet_of(bars, account(bars, trips(opens)), **words)


def closes_of(opens: Any) -> Any:
    "Closes half-way to the next open."
    after = np.vstack([opens[1:], opens[-1:]])
    return np.round((opens + after) / 2, 2)
