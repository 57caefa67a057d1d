"""Random entries and permuted bars: even odds on noise, and planted timing is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.data.bars import Bars
from nifty_research.statistics.permutation import permutation_test, permuted_bars
from nifty_research.statistics.random_entry import random_entry


def bars_of(seed: int, days: int, symbols: int, minutes: int, *, holes: float = 0.0) -> Bars:
    "Random bars, some of them missing; one evening session of two bars."
    rng = np.random.default_rng(seed)
    first = pd.Timestamp("2026-01-05 09:15", tz="Asia/Kolkata")
    times = [
        first + pd.Timedelta(days=d, minutes=15 * m) for d in range(days) for m in range(minutes)
    ]
    evening = pd.Timestamp("2026-01-05 18:15", tz="Asia/Kolkata") + pd.Timedelta(days=days)
    times += [evening, evening + pd.Timedelta(minutes=15)]
    shape = (len(times), symbols)
    close = np.round(500 * np.exp(np.cumsum(rng.normal(0, 0.004, shape), axis=0)), 2)
    open_ = np.round(close * np.exp(rng.normal(0, 0.002, shape)), 2)
    high = np.round(np.maximum(open_, close) + rng.uniform(0, 1, shape), 2)
    low = np.round(np.minimum(open_, close) - rng.uniform(0, 1, shape), 2)
    columns = [open_, high, low, close, rng.integers(0, 9, shape) * 100.0]
    gone = rng.random(shape) < holes
    gone[0] = False
    for values in columns:
        values[gone] = np.nan
    names = tuple(f"S{n}" for n in range(symbols))
    named = dict(zip(("open", "high", "low", "close", "volume"), columns, strict=True))
    return Bars(index=pd.DatetimeIndex(times), symbols=names, interval_minutes=15, **named)


def sorted_rows(values: np.ndarray) -> np.ndarray:
    return np.sort(values, axis=0)


# ---- permuted bars


@given(
    st.integers(0, 1000),
    st.integers(3, 12),
    st.integers(1, 3),
    st.sampled_from([1, 4]),
    st.sampled_from([0.0, 0.15]),
)
def test_permuted_bars_are_the_same_bars_elsewhere(
    seed: int, days: int, symbols: int, minutes: int, holes: float
) -> None:
    bars = bars_of(seed, days, symbols, minutes, holes=holes)
    try:
        other = permuted_bars(bars, seed=seed)
    except DataError as error:
        assert "change places" in str(error) and holes
        return

    assert (other.present == bars.present).all() and (other.index == bars.index).all()
    np.testing.assert_array_equal(sorted_rows(other.volume), sorted_rows(bars.volume))
    ranges = [np.log(one.high / one.low) for one in (bars, other)]
    np.testing.assert_allclose(sorted_rows(ranges[0]), sorted_rows(ranges[1]), atol=2e-4)
    last = [one.close[one.present[:, 0], 0][-1] for one in (bars, other)]
    assert last[0] == pytest.approx(last[1], abs=0.02)
    clock = bars.index.hour * 60 + bars.index.minute
    for time in set(clock):
        rows = clock == time
        np.testing.assert_array_equal(
            sorted_rows(other.volume[rows]), sorted_rows(bars.volume[rows])
        )


def test_shares_move_together_as_before() -> None:
    bars = bars_of(1, 40, 3, 6)

    other = permuted_bars(bars, seed=2)

    kept = {tuple(row) for row in bars.volume}
    assert {tuple(row) for row in other.volume} == kept
    assert not np.array_equal(other.volume, bars.volume)


def test_a_single_day_cannot_be_put_in_another_order() -> None:
    with pytest.raises(DataError, match="change places"):
        permuted_bars(bars_of(1, 1, 2, 4), seed=0)


def follow(bars: Bars) -> float:
    "Mean of going with the last move."
    change = np.diff(np.log(bars.close[:, 0]))
    return float(np.mean(np.sign(change[:-1]) * change[1:]))


def daily(seed: int, keeps_on: float, days: int = 250) -> Bars:
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.012, days)
    for day in range(1, days):
        moves[day] += keeps_on * moves[day - 1]
    close = np.round(1000 * np.exp(np.cumsum(moves)), 2)[:, None]
    index = pd.bdate_range("2024-01-01", periods=days, tz="Asia/Kolkata", unit="ns")
    prices = {"open": close, "high": close, "low": close, "close": close}
    return Bars(
        index=index, symbols=("A",), interval_minutes=1440, **prices, volume=np.ones_like(close)
    )


def test_permutation_is_wrong_as_often_as_it_says_and_finds_what_is_planted() -> None:
    noise = [permutation_test(follow, daily(n, 0.0), draws=19, seed=n).p_value for n in range(200)]
    edge = [permutation_test(follow, daily(n, 0.4), draws=19, seed=n).p_value for n in range(30)]

    assert 0.03 < np.mean(np.array(noise) <= 0.10) < 0.19  # 0.10, four standard errors
    assert np.mean(np.array(edge) <= 0.05) > 0.8


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []

    permutation_test(follow, daily(1, 0.0), draws=19, on_progress=lambda *at: told.append(at))

    assert told == [(n, 19) for n in range(1, 20)]


# ---- random entries


def trades_of(rng: np.random.Generator, shares: int, rows: int) -> dict[str, np.ndarray]:
    "Trades that do not overlap, some long and some short."
    columns, entries, exits = [], [], []
    for share in range(shares):
        row = int(rng.integers(0, 6))
        while (end := row + int(rng.integers(1, 8))) < rows:
            columns.append(share)
            entries.append(row)
            exits.append(end)
            row = end + int(rng.integers(0, 20))
    sides = rng.choice([-1, 1], len(columns))
    weights = rng.uniform(0.5, 2.0, len(columns))
    return {
        "columns": np.array(columns),
        "entries": np.array(entries),
        "exits": np.array(exits),
        "sides": sides,
        "weights": weights,
    }


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(30, 120))
@settings(max_examples=25)
def test_where_all_prices_grow_alike_no_moment_is_better(seed: int, shares: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    prices = np.exp(0.01 * np.arange(rows))[:, None] * rng.uniform(50, 500, shares)
    trades = trades_of(rng, shares, rows)

    found = random_entry(prices, **trades, draws=100, seed=seed)

    held = trades["exits"] - trades["entries"]
    gains = trades["sides"] * (np.exp(0.01 * held) - 1.0) @ trades["weights"]
    assert found.observed == pytest.approx(gains / trades["weights"].sum(), rel=1e-9)
    np.testing.assert_allclose(found.drawn, found.observed, rtol=1e-9, atol=1e-12)


def test_random_entries_are_wrong_as_often_as_they_say() -> None:
    rng, found = np.random.default_rng(3), []
    for seed in range(250):
        prices = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.01, (200, 3)), axis=0))
        found.append(random_entry(prices, **trades_of(rng, 3, 200), draws=199, seed=seed).p_value)

    assert 0.03 < np.mean(np.array(found) <= 0.10) < 0.18  # 0.10, four standard errors
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_a_rising_market_is_no_skill_and_timing_is() -> None:
    rng = np.random.default_rng(4)
    rise = 0.002 + np.where(np.arange(500) % 20 < 5, 0.006, 0.0)
    prices = 100 * np.exp(np.cumsum(rise[:, None] + rng.normal(0, 0.005, (500, 4)), axis=0))
    share = np.repeat(np.arange(4), 20)
    first = np.tile(np.arange(1, 21) * 20, 4)
    told = {"columns": share, "sides": np.ones(80)}

    knowing = random_entry(prices, entries=first, exits=first + 4, **told)
    blind = random_entry(prices, entries=first + 8, exits=first + 12, **told)

    assert knowing.p_value < 0.01 < 0.5 < blind.p_value
    assert blind.observed > 0.0 and knowing.timing > 0.01


def test_intraday_trades_stay_within_their_day() -> None:
    rng = np.random.default_rng(5)
    days = np.repeat(np.arange(20), 10)
    prices = np.where(days % 2 == 0, 100.0, 900.0)[:, None] * np.exp(
        np.tile(0.01 * np.arange(10), 20)[:, None]
    )
    first = np.arange(0, 200, 10) + rng.integers(0, 5, 20)

    found = random_entry(
        prices,
        columns=np.zeros(20),
        entries=first,
        exits=first + 4,
        sides=np.ones(20),
        stretches=days,
    )

    np.testing.assert_allclose(found.drawn, np.exp(0.04) - 1.0, rtol=1e-9)


def test_missing_bars_are_no_moments() -> None:
    prices = np.full((50, 1), 100.0)
    prices[10:20] = np.nan

    found = random_entry(prices, columns=[0], entries=[5], exits=[25], sides=[1])

    assert found.observed == 0.0 and (found.drawn == 0.0).all()
