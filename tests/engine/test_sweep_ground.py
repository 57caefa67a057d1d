"""Splits, dividends and shares that end mean the same to a search as to a single backtest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sweep_market import FAST, SLOW, base_settings, market_bars

from nifty_research.core.settings import Settings
from nifty_research.data.actions import action_table
from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import BacktestResult
from nifty_research.engine.book import Reason
from nifty_research.engine.sweep import Where, sweep
from nifty_research.engine.sweep_ground import ground_key, ground_of
from nifty_research.engine.sweep_plan import Variants
from nifty_research.engine.tear_sheet import tear_sheet_of
from nifty_research.engine.walk_forward import Schedule, walk_forward
from nifty_research.session.decide import backtest_of

GRID: dict[str, Sequence[object]] = {FAST: [3, 5], SLOW: [8, 12]}
SPLIT, PAID, LAST = 104, 91, 157  # rows at which the shares are held
START = 20


def held_longer() -> Settings:
    return Variants(base_settings()).of({"risk.time_stop_hours": "0"}).settings


def raw_market() -> tuple[Bars, pd.DataFrame]:
    "A is split, B pays, C trades no more after its last row."
    bars = market_bars()
    scale, there = np.ones(bars.shape), np.ones(bars.shape)
    scale[SPLIT:, 0], there[LAST + 1 :, 2] = 0.5, np.nan
    price = {n: getattr(bars, n) * scale * there for n in ("open", "high", "low", "close")}
    day = [stamp.date() for stamp in bars.index]
    actions = action_table(
        [
            {
                "symbol": "A", "ex_date": day[SPLIT], "kind": "split",
                "numerator": 2.0, "denominator": 1.0,
            },
            {"symbol": "B", "ex_date": day[PAID], "kind": "dividend", "amount_inr": 8.0},
        ]
    )  # fmt: skip
    return dataclasses.replace(bars, **price, volume=bars.volume / scale * there), actions


def backtested(bars: Bars, one: Settings, actions: pd.DataFrame) -> BacktestResult:
    return backtest_of(bars, START, one, actions=actions, end_delisted=True)


def test_each_line_of_a_sweep_is_the_backtest_with_the_same_actions(tmp_path: Path) -> None:
    bars, actions = raw_market()
    base = held_longer()
    found = sweep(bars, base, GRID, store=tmp_path, workers=1, start=START, actions=actions)
    results = []
    for line in found.to_dict("records"):
        one = Variants(base).of({name: str(line[name]) for name in GRID}).settings
        results.append(backtested(bars, one, actions))
        sheet = tear_sheet_of(results[-1], bars, one, name="moving_average", draws=0, start=START)
        assert line["trades"] == len(sheet.closed)
        assert round(line["charges"] * 100) == sheet.charges
        assert np.isclose(line["sharpe"], sheet.figures.sharpe, rtol=1e-12)
    assert any(len(one.actions) for one in results)  # the split or the dividend met a holder
    assert any((one.fills["reason"] == Reason.DELISTED).any() for one in results)


def test_a_sweep_that_knows_of_actions_is_kept_apart(tmp_path: Path) -> None:
    bars, actions = raw_market()
    words = {"store": tmp_path, "workers": 1, "start": START}
    blind = sweep(bars, held_longer(), GRID, **words)
    found = sweep(bars, held_longer(), GRID, **words, actions=actions)
    again = sweep(bars, held_longer(), GRID, **words, actions=actions)
    assert found.attrs["known"] == 0 and again.attrs["known"] == len(again)
    assert (found["net_gain"] != blind["net_gain"]).any()


def test_a_walk_forward_books_actions_in_its_traded_windows(tmp_path: Path) -> None:
    bars, actions = raw_market()
    found = walk_forward(
        bars, held_longer(), GRID, Schedule(60, 40), store=tmp_path, start=START,
        actions=actions, where=Where(workers=1),
    )  # fmt: skip
    ends = found.result.fills["reason"] == Reason.DELISTED
    assert set(found.result.fills["row"][ends].tolist()) <= {LAST}
    splits = found.result.actions[found.result.actions["symbol"] == 0]
    assert set(splits["row"].tolist()) <= {SPLIT}


def test_days_before_the_first_that_is_traded_need_no_rules() -> None:
    bars, actions = raw_market()
    whole = ground_of(bars, held_longer(), actions)
    ground = ground_of(bars, held_longer(), actions, START)
    assert len(ground.depository) == len(ground.rows) == len(bars.days())
    assert not ground.depository[:START].any()
    assert (ground.depository[START:] == whole.depository[START:]).all()
    assert ground.listings[START:].tobytes() == whole.listings[START:].tobytes()


def test_the_margin_of_the_day_makes_another_ground() -> None:
    base = held_longer()
    other = Variants(base).of({"risk.margin_rate_intraday": "0.5"}).settings
    assert ground_key(base) != ground_key(other)
