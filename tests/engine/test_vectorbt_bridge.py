"""Strategies through vectorbt say and do what they say and do without it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from desk import Scene
from hypothesis import given
from hypothesis import strategies as st
from plain_market import SHARES, plain_scene

from nifty_research.core.errors import SettingsError, UsageError
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import COLUMNS, Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.engine.rules import bar_flags
from nifty_research.engine.vectorbt_bridge import indicator_of, rust_vectorbt, settings_of
from nifty_research.engine.vectorbt_signals import (
    charge_fractions,
    portfolio,
    signals,
    year_of,
)
from nifty_research.market.charges import charges_by_head
from nifty_research.strategies.contract import Indicators, Scores
from nifty_research.strategies.moving_average import MovingAverage
from nifty_research.strategies.registry import load_strategy, strategy_names

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # vectorbt's own

MIS = load_settings()
CNC = load_settings(overrides={"account.product": "CNC"})
OTHER = {
    "moving_average": {"fast": 3, "slow": 9},
    "macd": {"signal": 5},
    "momentum": {"period": 6},
    "bollinger_breakout": {"revert": True},
    "rsi_reversion": {"low": 30.0},
    "volume_breakout": {"period": 12},
}


def with_holes(bars: Bars, share: float) -> Bars:
    "The same bars with some missing."
    gone = np.random.default_rng(5).random(bars.shape) < share
    arrays = {name: np.where(gone, np.nan, getattr(bars, name)) for name in COLUMNS}
    return Bars(bars.index, bars.symbols, interval_minutes=bars.interval_minutes, **arrays)


@pytest.fixture(scope="module")
def bars() -> Bars:
    "Two days of three shares in five minutes, some bars missing."
    days = (date(2026, 9, 11), date(2026, 9, 15))
    made = synthetic_bars(["INFY", "RELIANCE", "TCS"], days, seed=3, interval_minutes=5)
    return with_holes(made, 0.03)


@dataclass(frozen=True)
class Scripted:
    "Scores that are given."

    script: int  # In SCRIPTS
    name: str = "scripted"
    warmup: int = 0
    threshold: float = 0.70

    def scores(self, bars: Bars, ind: Indicators) -> Scores:
        "As given, up to the last row of the bars."
        entry, exit_ = SCRIPTS[self.script]
        return Scores(entry[: len(bars.index)].copy(), exit_[: len(bars.index)].copy())


SCRIPTS: dict[int, tuple[np.ndarray, np.ndarray]] = {}


@cache
def script() -> Any:
    "The indicator of what is in SCRIPTS."
    return indicator_of(Scripted(0))


def scripted(scene: Scene) -> Any:
    "The scores of a scene as an indicator has them."
    SCRIPTS[0] = (scene.entry, scene.exit)
    return script().run(scene.bars)


@pytest.mark.parametrize("name", strategy_names())
def test_scores_are_those_of_the_strategy_to_the_bit(name: str, bars: Bars) -> None:
    changed = {
        key: [getattr(load_strategy(name, {}), key), value] for key, value in OTHER[name].items()
    }

    scored = indicator_of(name).run(bars, **changed)

    for place, strategy in enumerate((load_strategy(name, {}), load_strategy(name, OTHER[name]))):
        own, block = strategy.scores(bars, Indicators()), slice(3 * place, 3 * place + 3)
        assert np.array_equal(scored.entry.to_numpy()[:, block], own.entry, equal_nan=True)
        assert np.array_equal(scored.exit.to_numpy()[:, block], own.exit, equal_nan=True)


def test_columns_carry_the_parameters_that_were_given(bars: Bars) -> None:
    scored = indicator_of(MovingAverage(slow=21)).run(bars, fast=[3, 5], threshold=0.8)

    assert scored.entry.columns.names == [
        "moving_average_fast", "moving_average_threshold", "symbol",
    ]  # fmt: skip
    assert scored.entry.columns[0] == (3, 0.8, "INFY")
    own = MovingAverage(fast=5, slow=21, threshold=0.8).scores(bars, Indicators()).entry
    assert np.array_equal(scored.entry[5].to_numpy(), own, equal_nan=True)


def test_every_combination_but_those_that_contradict_themselves() -> None:
    lists = {"fast": np.arange(2, 30), "slow": np.arange(2, 30)}

    found = settings_of(MovingAverage(), lists, param_product=True, leave_out=True)

    assert len(found) == 28 * 27 // 2 and type(found[0].fast) is int  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given_lists", "message"),
    [
        ({"fast": [3, 20]}, "1 of 2 settings are refused"),
        ({"fast": True}, "fast is of another kind"),
        ({"fast": "three"}, "fast is of another kind"),
        ({"threshold": "high"}, "threshold is of another kind"),
        ({"period": 3}, "no parameter period"),
        ({"slow": []}, "no value for slow"),
        ({"fast": [1, 2, 3], "slow": [8, 9]}, "of one length"),
    ],
)
def test_parameters_that_cannot_be_are_named(given_lists: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_of(MovingAverage(), given_lists)


def opened_and_left(scene: Scene) -> set[tuple[int, int, int]]:
    "Row, symbol and sign of every fill of the engine."
    fills = scene.run().fills
    assert set(np.abs(fills["quantity"]).tolist()) <= {SHARES}
    return {(int(f["row"]), int(f["symbol"]), int(np.sign(f["quantity"]))) for f in fills}


def of_vectorbt(traded: Any) -> set[tuple[int, int, int]]:
    "Row, column and sign of every order of vectorbt."
    records = traded.orders.values
    return {(int(r["idx"]), int(r["col"]), 1 - 2 * int(r["side"])) for r in records}


@given(
    seed=st.integers(0, 2**32 - 1),
    missing=st.sampled_from([0.0, 0.1, 0.4]),
    product=st.sampled_from(["MIS", "CNC"]),
)
def test_vectorbt_trades_on_the_bars_on_which_the_engine_trades(
    seed: int, missing: float, product: str
) -> None:
    settings = MIS if product == "MIS" else CNC
    scene = plain_scene(
        seed, missing=missing, square_off=product == "MIS", shorting=float(product == "MIS")
    )

    read = signals(scripted(scene), scene.bars, settings, flags=scene.flags)
    traded = portfolio(read, scene.bars, settings, size=SHARES, init_cash=1e12)

    assert of_vectorbt(traded) == opened_and_left(scene)


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 60), alternate=st.booleans())
def test_no_signal_depends_on_later_bars(seed: int, cut: int, alternate: bool) -> None:
    scene = plain_scene(seed, missing=0.1)
    whole, part = (
        signals(
            scripted(scene), scene.bars, MIS, flags=scene.flags, alternate=alternate
        )
        if rows == 60
        else signals(
            script().run(scene.bars.rows(0, rows)), scene.bars.rows(0, rows),
            MIS, flags=scene.flags[:rows], alternate=alternate,
        )
        for rows in (60, cut)
    )  # fmt: skip

    for name in ("long_entries", "long_exits", "short_entries", "short_exits"):
        assert np.array_equal(getattr(whole, name)[:cut], getattr(part, name))


def test_all_that_fires_holds_what_alternates() -> None:
    scene = plain_scene(11, days=5, minutes=40, missing=0.05)
    scored = scripted(scene)

    remembered = signals(scored, scene.bars, MIS, flags=scene.flags)
    every = signals(scored, scene.bars, MIS, flags=scene.flags, alternate=False)

    for name in ("long_entries", "short_entries"):
        assert not (getattr(remembered, name) & ~getattr(every, name)).any(axis=None)
        assert getattr(every, name).sum(axis=None) > getattr(remembered, name).sum(axis=None)


def test_flags_are_those_of_the_settings_unless_given(bars: Bars) -> None:
    scored = indicator_of("moving_average").run(bars, fast=[3, 4])
    flags = bar_flags(bars.index, bars.symbols, bars.interval_minutes, MIS)

    own, given_flags = signals(scored, bars, MIS), signals(scored, bars, MIS, flags=flags)

    assert own.long_exits.equals(given_flags.long_exits)
    held = own.long_entries.cumsum() - own.long_exits.cumsum()
    assert not held.groupby(held.index.date).last().any(axis=None), "squared off every day"


def test_a_day_is_a_bar_whose_close_decides_for_the_next() -> None:
    days = pd.date_range("2026-01-01", periods=60, freq="B", tz="Asia/Kolkata")
    close = 100.0 + 10.0 * np.sin(np.arange(60) / 4.0)[:, None]
    daily = Bars(days, ("INFY",), close, close + 1.0, close - 1.0, close, close, 1_440)
    scored = indicator_of(MovingAverage(fast=2, slow=5, threshold=0.1)).run(daily)

    loose = {"risk.minimum_confidence": "0.1"}
    carried = load_settings(overrides=loose | {"account.product": "CNC"})
    of_the_day = load_settings(overrides=loose | {"account.product": "MIS"})

    assert signals(scored, daily, carried).long_entries.to_numpy().sum() >= 2
    assert not signals(scored, daily, of_the_day).long_entries.to_numpy().any()
    assert year_of(daily) == pd.Timedelta(days=250)


def test_the_larger_of_two_thresholds_counts(bars: Bars) -> None:
    strict = load_settings(overrides={"risk.minimum_confidence": "0.72"})
    scored = indicator_of("moving_average").run(bars, threshold=[0.70, 0.74])

    entries = signals(scored, bars, strict).long_entries

    for threshold, least in ((0.70, 0.72), (0.74, 0.74)):
        before = scored.entry[threshold].ffill().shift(1).to_numpy()
        assert (before[entries[threshold].to_numpy()] >= least).all()
    assert entries.to_numpy().any()


def test_a_round_trip_costs_what_it_costs(bars: Bars) -> None:
    for product in ("MIS", "CNC"):
        fraction = charge_fractions(bars, product, 100_000)[-1, 0]
        exact = sum(
            sum(
                charges_by_head(
                    10_000_000, is_sell=side, day=date(2026, 9, 15), product=product
                ).values()
            )
            for side in (False, True)
        )
        assert round(2 * fraction * 10_000_000) == exact


def test_fees_of_a_portfolio_are_close_to_the_exact_ones() -> None:
    days = (date(2026, 9, 11), date(2026, 9, 15))
    made = synthetic_bars(["INFY", "RELIANCE", "TCS"], days, seed=3, interval_minutes=5)
    read = signals(indicator_of("moving_average").run(made), made, MIS)

    trips = portfolio(read, made, MIS, position_inr=100_000).trades.records_readable

    assert len(trips) > 5
    for trip in trips.to_dict("records"):
        exact = 0
        for price, is_sell in (
            (trip["Avg Entry Price"], trip["Direction"] == "Short"),
            (trip["Avg Exit Price"], trip["Direction"] == "Long"),
        ):
            day = trip["Entry Timestamp"].date()
            heads = charges_by_head(
                round(trip["Size"] * price * 100), is_sell=is_sell, day=day, product="MIS"
            )
            exact += sum(heads.values())
        paid = 100 * (trip["Entry Fees"] + trip["Exit Fees"])
        assert abs(paid - exact) < 0.03 * exact  # whole shares: up to 2 % below the usual size


def test_an_order_that_the_purse_cannot_pay_is_refused_whole() -> None:
    scene = plain_scene(2, symbols=3)
    read = signals(scripted(scene), scene.bars, CNC, flags=scene.flags)

    traded = portfolio(read, scene.bars, CNC, size=SHARES, init_cash=7_000.0)

    assert set(traded.orders.values["size"]) == {SHARES}
    assert traded.cash().min() >= 0.0 and len(traded.orders) > 0


def test_the_rust_engine_is_in_use(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    from vectorbt.portfolio import nb

    read = signals(indicator_of("moving_average").run(bars, fast=[3, 4]), bars, MIS)

    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("numba's simulation was called")

    monkeypatch.setattr(nb, "simulate_from_signals_nb", refuse)
    monkeypatch.setattr(nb, "simulate_from_signal_func_nb", refuse)

    assert len(portfolio(read, bars, MIS).orders) > 0


def test_without_the_rust_engine_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rust_vectorbt()
    monkeypatch.setattr("vectorbt._engine._rust_status", False)
    with pytest.raises(UsageError, match="without its Rust engine") as caught:
        indicator_of("moving_average")
    assert "vectorbt[rust]" in caught.value.remedy

    monkeypatch.setitem(sys.modules, "vectorbt", None)
    with pytest.raises(UsageError, match="vectorbt is not installed"):
        rust_vectorbt()


def test_vectorbt_is_imported_on_first_use_only() -> None:
    code = (
        "import sys, nifty_research.engine.vectorbt_signals as m;"
        "sys.exit('vectorbt' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
