"""The permutation test of a tear sheet does not mistake a split for a move."""

from __future__ import annotations

import dataclasses
from datetime import date

import numpy as np
import pandas as pd

from nifty_research.core.settings import load_settings
from nifty_research.data.actions import action_table
from nifty_research.data.bars import ZONE, Bars
from nifty_research.market.calendar import sessions
from nifty_research.serve.report_bars import DAILY_ACCOUNT
from nifty_research.serve.tear_sheet_order import without_order

SPLIT = 150  # row


def chance_bars() -> Bars:
    "Three shares between 300 and 450 rupees, where half and whole have the same tick."
    chance = np.random.default_rng(5)
    days = sessions(date(2025, 1, 1), date(2025, 12, 31))
    index = pd.DatetimeIndex(pd.to_datetime(days)).tz_localize(ZONE)
    drift = np.cumsum(chance.normal(0, 0.006, (len(days), 3)), 0)
    close = np.round(370 * np.exp(np.clip(drift, -0.19, 0.19)), 1)
    open_ = np.vstack([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) + 2.0, np.minimum(open_, close) - 2.0
    return Bars(index, ("A", "B", "C"), open_, high, low, close, np.full(close.shape, 1e6), 1440)


def test_other_orders_of_raw_bars_are_those_of_adjusted_ones() -> None:
    adjusted = chance_bars()
    scale = np.ones(adjusted.shape)
    scale[:SPLIT, 1] = 2.0
    price = {n: getattr(adjusted, n) * scale for n in ("open", "high", "low", "close")}
    raw = dataclasses.replace(adjusted, **price, volume=adjusted.volume / scale)
    split = {"symbol": "B", "ex_date": adjusted.index[SPLIT].date(), "kind": "split"}
    actions = action_table([split | {"numerator": 2.0, "denominator": 1.0}])
    settings = load_settings(
        overrides=DAILY_ACCOUNT
        | {"strategy.name": "moving_average", "risk.minimum_confidence": "0.3"},
        environ={},
    )

    known = without_order(raw, 30, settings, 0.5, actions=actions, draws=19)
    plain = without_order(adjusted, 30, settings, 0.5, draws=19)

    assert known.test is not None and plain.test is not None
    assert len(set(plain.test.drawn.tolist())) > 10
    np.testing.assert_allclose(known.test.drawn, plain.test.drawn, rtol=0, atol=1e-9)
