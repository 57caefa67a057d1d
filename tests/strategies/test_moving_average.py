"""The crossover: causal, the same bar by bar, indifferent to the unit of price."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, SettingsError
from nifty_research.data.bars import Bars
from nifty_research.data.files import read_bars
from nifty_research.strategies.contract import (
    HeldIndicators,
    Indicators,
    Scores,
    check_causal,
    check_scores,
)
from nifty_research.strategies.moving_average import MovingAverage

ROOT = Path(__file__).resolve().parents[2]


def make_bars(seed: int, rows: int = 80, columns: int = 3, holes: float = 0.0) -> Bars:
    "A random walk of minutes."
    rng = np.random.default_rng(seed)
    close = np.round(1400 + np.cumsum(rng.normal(0, 1.5, (rows, columns)), axis=0), 2)
    close[rng.random(close.shape) < holes] = np.nan
    reach = np.round(rng.gamma(2.0, 0.5, close.shape), 2)
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


PAIRS = st.tuples(st.integers(1, 8), st.integers(1, 12)).map(lambda p: (p[0], p[0] + p[1]))
SEEDS = st.integers(0, 10_000)


@given(SEEDS, PAIRS, st.sampled_from([0.0, 0.2]))
def test_scores_are_valid_and_causal(seed: int, pair: tuple[int, int], holes: float) -> None:
    bars, strategy = make_bars(seed, holes=holes), MovingAverage(*pair)
    check_scores(strategy.scores(bars, Indicators()), bars)
    check_causal(strategy, bars, cuts=20)


@given(SEEDS, PAIRS, st.integers(1, 40))
def test_rows_added_in_pieces_give_the_whole(seed: int, pair: tuple[int, int], size: int) -> None:
    bars, strategy, held = make_bars(seed, holes=0.1), MovingAverage(*pair), HeldIndicators()
    pieces = [
        held.follow(strategy, bars.rows(start, min(start + size, 80))).entry
        for start in range(0, 80, size)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), strategy.scores(bars, Indicators()).entry)


@given(SEEDS, PAIRS)
def test_the_unit_of_price_does_not_matter(seed: int, pair: tuple[int, int]) -> None:
    bars, strategy = make_bars(seed), MovingAverage(*pair)
    scaled = bars_of(bars.close * 8, bars.high * 8, bars.low * 8)
    np.testing.assert_array_equal(
        strategy.scores(scaled, Indicators()).entry, strategy.scores(bars, Indicators()).entry
    )


@given(SEEDS, PAIRS)
def test_entries_stand_on_changes_of_side_only(seed: int, pair: tuple[int, int]) -> None:
    bars, strategy, ind = make_bars(seed), MovingAverage(*pair), Indicators()
    entry = strategy.scores(bars, ind).entry
    distance = ind.ema(bars.close, pair[0]) - ind.ema(bars.close, pair[1])
    side = np.sign(distance)
    ready = slice(strategy.warmup, None)
    changed = side[ready] * side[strategy.warmup - 1 : -1] < 0
    assert ((entry[ready] != 0) == changed).all()
    assert (np.sign(entry[ready])[changed] == side[ready][changed]).all()


@given(SEEDS, PAIRS)
def test_ready_exactly_after_the_warm_up(seed: int, pair: tuple[int, int]) -> None:
    bars, strategy = make_bars(seed), MovingAverage(*pair)
    ready = ~np.isnan(strategy.scores(bars, Indicators()).entry)
    assert not ready[: strategy.warmup].any()
    assert ready[strategy.warmup :].all()


def test_flat_prices_give_no_view() -> None:
    flat = np.full((40, 1), 1412.3)
    entry = MovingAverage().scores(bars_of(flat, flat, flat), Indicators()).entry
    assert (np.abs(entry[15:]) < 0.70).all()


@pytest.mark.parametrize(
    ("fast", "slow", "threshold"), [(5, 5, 0.7), (0, 5, 0.7), (9, 3, 0.7), (5, 15, 0), (5, 15, 1.1)]
)
def test_parameters_out_of_bounds_are_refused(fast: int, slow: int, threshold: float) -> None:
    with pytest.raises(SettingsError, match="moving_average"):
        MovingAverage(fast, slow, threshold)


@pytest.mark.parametrize(
    ("entry", "exit_", "words"),
    [
        (np.full((80, 3), 1.01), np.zeros((80, 3)), r"240 entry scores outside \[-1, 1\]"),
        (np.zeros((80, 3)), np.full((80, 3), -0.1), r"exit scores outside \[0, 1\]"),
        (np.zeros((80, 2)), np.zeros((80, 3)), r"shape \(80, 3\)"),
        (np.zeros((80, 3), dtype=np.int64), np.zeros((80, 3)), "float64"),
    ],
)
def test_scores_that_do_not_fit_are_named(entry: np.ndarray, exit_: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_scores(Scores(entry, exit_), make_bars(1))


def test_a_strategy_that_looks_ahead_is_named_with_the_bar() -> None:
    class Ahead(MovingAverage):
        def scores(self, bars: Bars, ind: Indicators) -> Scores:
            entry = np.roll(super().scores(bars, ind).entry, -1, axis=0)
            return Scores(entry, np.zeros(bars.shape))

    with pytest.raises(DataError, match="depend on later bars"):
        check_causal(Ahead(), make_bars(3), cuts=60)


def test_changing_calls_between_bars_is_refused() -> None:
    held, bars = HeldIndicators(), make_bars(1)
    held.follow(MovingAverage(5, 15), bars.rows(0, 10))
    with pytest.raises(DataError, match="'ema 6' after 'ema 5'"):
        held.follow(MovingAverage(6, 15), bars.rows(10, 11))


def test_a_week_of_real_minutes_is_valid_and_causal() -> None:
    folder = Path(os.environ.get("NIFTY_DATA", ROOT / "../shared/data"))
    path = folder / "minute" / "stocks_1min_2021.parquet"
    if not path.exists():
        pytest.skip(f"no real minutes at {path}: set NIFTY_DATA")
    days = (date(2021, 4, 5), date(2021, 4, 9))
    bars, _ = read_bars(path, interval_minutes=1, days=days, keep_good=True)
    strategy = MovingAverage()
    scores = strategy.scores(bars, Indicators())
    check_scores(scores, bars)
    check_causal(strategy, bars, cuts=6)
    assert (np.abs(scores.entry) >= strategy.threshold).any()
