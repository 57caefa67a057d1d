"""Markets in which no limit, stop or target of the engine binds: what vectorbt knows is left."""

from __future__ import annotations

from typing import Any

import numpy as np
from desk import NO_CHARGES, Scene, bars_from, rules, weekdays

from nifty_research.engine.book import LISTING, BarFlag
from nifty_research.engine.rules import DayRules

TICK = 0.05
FAR = 1e5  # rupees: no price of these markets goes there
CAPITAL = 10**12  # paise
SHARES = 10  # of every position: the largest order is what decides the size


def unlimited(**changed: float) -> Any:
    "Rules that let everything through; whatever a rule is called, it is as far away as it can be."
    plain = {
        "trades_per_day": 10**9,
        "open_positions": 10**6,
        "trades_per_symbol": 10**6,
        "positions_per_sector": 10**6,
        "minimum_share": 0.0,
        "maximum_share": 1e6,
        "risk_per_trade": 1e6,
        "stop_atr": 1.0,
        "target_atr": 1.0,
        "trail_from_atr": 1.0,
        "daily_loss": 1e6,
        "drawdown": 1e6,
        "margin_rate": 0.0,
        "protection": 0.99,
        "intraday": 0,
    }
    return rules(**(plain | changed))


def prices(draw: np.random.Generator, rows: int, symbols: int, wild: float) -> np.ndarray:
    "(rows, symbols, 4) of open, high, low, close on the tick."
    close = 500.0 * np.exp(np.cumsum(wild * draw.standard_normal((rows, symbols)), axis=0))
    before = np.vstack([close[:1], close[:-1]])
    open_ = before * np.exp(wild * draw.standard_normal((rows, symbols)))
    reach = wild * np.abs(draw.standard_normal((2, rows, symbols)))
    high = np.maximum(open_, close) * (1.0 + reach[0])
    low = np.minimum(open_, close) * (1.0 - reach[1])
    return np.round(np.round(np.stack([open_, high, low, close], axis=-1) / TICK) * TICK, 2)


def scores(draw: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    "Entry scores and exit wishes: mostly none, some weak, some on a threshold, some not ready."
    sizes = np.array([0.0, 0.0, 0.0, 0.2, 0.3, 0.5, 0.7, 0.71, 0.95, 1.0, np.nan])
    entry = draw.choice(sizes, shape) * draw.choice([-1.0, 1.0], shape)
    exit_ = draw.choice([0.0, 0.0, 0.0, 0.0, 0.29, 0.3, 1.0, np.nan], shape)
    return entry, exit_


def end_of_day(rows: int, square_off: bool) -> list[int]:
    "Flags of a day as they come: no entries any more, the square-off, the last bar."
    late = BarFlag.NO_ENTRY | (BarFlag.SQUARE_OFF if square_off else 0)
    end = [int(BarFlag.NO_ENTRY), int(late), int(late | BarFlag.LAST_BAR)]
    return [0] * (rows - len(end)) + end


def plain_scene(
    seed: int,
    *,
    days: int = 3,
    minutes: int = 20,
    symbols: int = 3,
    wild: float = 0.002,
    missing: float = 0.0,
    square_off: bool = True,
    rates: Any = NO_CHARGES,
    atr: float = FAR,  # rupees; small: stops and targets bind
    capital: int = CAPITAL,
    **changed: float,
) -> Scene:
    "A random market and random scores under rules that let everything through."
    draw = np.random.default_rng(seed)
    rows = days * minutes
    table = prices(draw, rows, symbols, wild)
    gone = draw.random((rows, symbols)) < missing
    gone[0] = False
    cells = [
        [None if gone[row, s] else tuple(table[row, s].tolist()) for s in range(symbols)]
        for row in range(rows)
    ]
    bars = bars_from([cells[day * minutes : (day + 1) * minutes] for day in range(days)])
    entry, exit_ = scores(draw, bars.shape)
    flags = np.array(end_of_day(minutes, square_off) * days, np.uint8)
    listings = np.zeros(symbols, LISTING)
    listings["tick"], listings["lot"], listings["freeze"] = TICK, 1, SHARES
    return Scene(
        bars, entry, exit_, np.full(bars.shape, atr),
        np.repeat(flags[:, None], symbols, axis=1), unlimited(**changed),
        [DayRules(day, listings, rates) for day in weekdays(days)], capital,
    )  # fmt: skip
