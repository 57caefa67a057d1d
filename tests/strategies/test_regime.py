"""The regime: steady, causal, indifferent to the unit of price, and unknown where it must be."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import SettingsError
from nifty_research.core.sections_decisions import Regime as RegimeSettings
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.strategies.contract import HeldIndicators, Indicators
from nifty_research.strategies.regime import Regime, RegimeRule, settled_regime

SHORT = {
    "regime.trend_period": "12",
    "regime.adx_period": "7",
    "regime.atr_period": "7",
    "regime.usual_period": "60",
}


def rules(**changes: str) -> RegimeSettings:
    named = {f"regime.{name}": value for name, value in changes.items()}
    return load_settings(overrides=SHORT | named).regime


def walk(
    seed: int, rows: int = 240, columns: int = 5, drift: float = 0.0, holes: float = 0.0
) -> Bars:
    "A random walk of minutes; `drift` in sizes of a step."
    chance = np.random.default_rng(seed)
    steps = 0.001 * (chance.standard_normal((rows, columns)) + drift)
    close = np.round(1400 * np.exp(np.cumsum(steps, axis=0)) * 8) / 8
    reach = np.round(chance.random(close.shape) * 8) / 8
    close[chance.random(close.shape) < holes] = np.nan
    return bars_of(close, close + reach, close - reach)


def bars_of(close: np.ndarray, high: np.ndarray, low: np.ndarray) -> Bars:
    return Bars(
        index=pd.date_range("2026-09-15 09:15", periods=len(close), freq="min", tz="Asia/Kolkata"),
        symbols=tuple(f"S{n}" for n in range(close.shape[1])),
        open=close.copy(),
        high=high,
        low=low,
        close=close,
        volume=np.where(np.isnan(close), np.nan, 1000.0),
        interval_minutes=1,
    )


def both(bars: Bars, settings: RegimeSettings) -> tuple[np.ndarray, np.ndarray]:
    rule = RegimeRule(settings)
    return rule.market(bars, Indicators()), rule.symbols(bars, Indicators())


SEEDS = st.integers(0, 10_000)
HOLES = st.sampled_from([0.0, 0.15])


@given(SEEDS, HOLES, st.integers(1, 6))
def test_a_regime_lasts_at_least_as_long_as_it_takes_to_be_believed(
    seed: int, holes: float, dwell: int
) -> None:
    for codes in both(walk(seed, holes=holes), rules(dwell_bars=str(dwell))):
        for column in codes.T:
            known = column[~np.isnan(column)]
            assert set(known) <= {1.0, 2.0, 3.0, 4.0}
            spells = [len(list(same)) for _, same in groupby(known)]
            assert all(length >= dwell for length in spells[1:-1])


@given(SEEDS, HOLES, st.integers(1, 239))
def test_later_bars_change_nothing_and_held_rows_are_the_same(
    seed: int, holes: float, cut: int
) -> None:
    bars, rule = walk(seed, holes=holes), RegimeRule(rules())
    whole = both(bars, rules())
    for seen, known in zip(both(bars.rows(0, cut), rules()), whole, strict=True):
        np.testing.assert_array_equal(seen, known[:cut])
    held = HeldIndicators()
    for begin, end in ((0, cut), (cut, 240)):
        held.next_rows(bars.rows(begin, end))
        parts = rule.market(held.bars, held), rule.symbols(held.bars, held)
        for part, known in zip(parts, whole, strict=True):
            np.testing.assert_array_equal(part, known[begin:end])


@given(SEEDS)
def test_the_unit_of_price_does_not_matter(seed: int) -> None:
    bars = walk(seed)
    scaled = bars_of(bars.close * 4, bars.high * 4, bars.low * 4)
    for one, other in zip(both(bars, rules()), both(scaled, rules()), strict=True):
        np.testing.assert_array_equal(one, other)


@given(SEEDS)
def test_the_order_of_symbols_does_not_matter_to_each(seed: int) -> None:
    bars = walk(seed)
    turned = bars_of(bars.close[:, ::-1], bars.high[:, ::-1], bars.low[:, ::-1])
    np.testing.assert_array_equal(both(turned, rules())[1], both(bars, rules())[1][:, ::-1])


@pytest.mark.parametrize(("drift", "code"), [(1.5, Regime.UP), (-1.5, Regime.DOWN)])
def test_a_market_that_only_goes_one_way_trends(drift: float, code: Regime) -> None:
    for codes in both(walk(3, drift=drift), rules()):
        settled = codes[60:]
        assert (settled == code).mean() > 0.9


def test_a_market_of_larger_steps_becomes_volatile_and_calms_down_again() -> None:
    chance = np.random.default_rng(8)
    size = np.where((np.arange(600) > 250) & (np.arange(600) < 330), 0.006, 0.001)[:, None]
    close = 1400 * np.exp(np.cumsum(size * chance.standard_normal((600, 6)), axis=0))
    reach = size * close / 2
    bars = bars_of(close, close + reach, close - reach)
    for codes in both(bars, rules(usual_period="500")):
        assert (codes[270:330] == Regime.VOLATILE).mean() > 0.9
        assert (codes[450:] == Regime.VOLATILE).mean() < 0.2


def test_thresholds_for_staying_keep_a_trend_that_a_new_one_would_not_reach() -> None:
    terms = [1.5, 1.2, 25.0, 20.0, 0.6, 0.5, 1.0]
    begun, new = np.array([*terms, 1.0, 0.0, 0.0]), np.array([*terms, 3.0, 0.0, 0.0])
    assert settled_regime(begun, 1.0, 21.0, 0.55) == Regime.UP
    assert settled_regime(new, 1.0, 21.0, 0.55) == Regime.RANGING
    assert settled_regime(begun, 1.0, 19.0, 0.55) == Regime.RANGING


def test_too_few_bars_no_bars_and_halts_are_unknown_not_wrong() -> None:
    rule = RegimeRule(rules())
    for rows in (0, 1, 5):
        for codes in both(walk(1).rows(0, rows), rules()):
            assert np.isnan(codes).all()
    bars = walk(2)
    close, high, low = bars.close.copy(), bars.high.copy(), bars.low.copy()
    for column in (close, high, low):
        column[100:120] = np.nan  # the whole market stands still
        column[:, 4] = np.nan  # never trades
        column[:90, 3] = np.nan  # lists late
    halted = bars_of(close, high, low)
    market, own = rule.market(halted, Indicators()), rule.symbols(halted, Indicators())
    assert np.isnan(market[100:120]).all() and not np.isnan(market[120:]).any()
    assert np.isnan(own[:, 4]).all() and np.isnan(own[:102, 3]).all()
    assert not np.isnan(own[121:, :3]).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("calm_ratio", "1.6"),
        ("range_adx", "30"),
        ("range_share", "0.9"),
        ("dwell_bars", "0"),
        ("trend_share", "0.4"),
        ("trend_while_trending", "-1"),
        ("scope", "everything"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="regime"):
        rules(**{name: value})
