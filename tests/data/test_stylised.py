"""Measures of data.stylised against known answers, and the made-up market beside real ones."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nifty_research.core.errors import DataError
from nifty_research.data.bars import Bars
from nifty_research.data.moves import daily_moves, slot_moves
from nifty_research.data.stylised import (
    autocorrelation,
    beside,
    cross_correlation,
    excess_kurtosis,
    pair_correlations,
    stylised_facts,
    tail_index,
)
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.data.synthetic_daily import adjusted_bars, synthetic_daily
from nifty_research.market.calendar import sessions
from nifty_research.market.members import members

CHANCE = np.random.default_rng(20260915)
YEARS = sessions(date(2016, 1, 1), date(2025, 12, 31))


def test_measures_know_the_laws_they_measure() -> None:
    noise = CHANCE.standard_normal((200_000, 2))
    assert np.abs(excess_kurtosis(noise)).max() < 0.1
    assert np.abs(autocorrelation(noise, 1)).max() < 0.01
    laplace = CHANCE.laplace(size=(200_000, 1))
    assert abs(excess_kurtosis(laplace)[0] - 3.0) < 0.3
    pareto = CHANCE.pareto(3.0, size=(200_000, 1)) + 1.0
    assert abs(tail_index(pareto)[0] - 3.0) < 0.2


def test_memory_is_found_at_its_lag_and_gaps_do_not_matter() -> None:
    noise = CHANCE.standard_normal(50_000)
    series = (noise[2:] + 0.5 * noise[:-2])[:, None]
    series[CHANCE.random(len(series)) < 0.1] = np.nan
    assert abs(autocorrelation(series, 2)[0] - 0.4) < 0.03
    assert abs(autocorrelation(series, 1)[0]) < 0.03
    assert abs(cross_correlation(noise[:, None], np.roll(noise, 3)[:, None], 3)[0] - 1.0) < 1e-3


def test_pairs_are_told_apart_by_sector() -> None:
    market, bank = CHANCE.standard_normal((2, 20_000, 1))
    own = CHANCE.standard_normal((20_000, 3))
    moves = own + market + np.array([1.0, 1.0, 0.0]) * bank
    other, same = pair_correlations(moves, ("HDFCBANK", "ICICIBANK", "TCS"))
    assert abs(same - 2 / 3) < 0.02 and abs(other - 1 / 6**0.5) < 0.02


def test_moves_add_up_and_unbelievable_ones_are_left_out() -> None:
    made = synthetic_daily(members(YEARS[-1]), YEARS, seed=3)
    raw, clean = daily_moves(made.bars), daily_moves(adjusted_bars(made))
    steps = made.actions["kind"].isin(["split", "bonus"]).sum()
    assert clean.left_out <= 2 < steps * 0.5 < raw.left_out <= steps + 2
    bars = adjusted_bars(made)
    whole = np.log(bars.close[1:] / bars.close[:-1])
    close = np.isclose(clean.total[1:], whole) | np.isnan(clean.total[1:])
    assert close.all()


def test_days_from_minutes_are_days() -> None:
    days = YEARS[-30:]
    by_day = daily_moves(synthetic_daily(["TCS", "SBIN"], days, seed=9, with_actions=False).bars)
    by_minute = daily_moves(synthetic_bars(["TCS", "SBIN"], days, interval_minutes=15, seed=9))
    # A missing first minute hides the open; closes and totals agree.
    assert np.nanmean(np.abs(by_day.total - by_minute.total)) < 1e-3


def test_an_evening_does_not_count_as_a_day_of_slots() -> None:
    days = sessions(date(2020, 11, 9), date(2020, 11, 20))
    slots = slot_moves(synthetic_bars(["TCS"], days, interval_minutes=15, seed=9))
    assert len(slots.starts) == 25
    assert slots.move.shape[0] == len(days) - 1


@pytest.mark.parametrize("interval", [5, 15])
def test_the_made_up_market_has_the_habits_of_a_market(interval: int) -> None:
    days = YEARS[-60:]
    facts = stylised_facts(
        synthetic_bars(members(YEARS[-1])[:20], days, interval_minutes=interval, seed=20260915)
    )
    assert facts["opening against noon"] > 2.0
    assert facts["opening volume against noon"] > 2.0
    assert facts[f"excess kurtosis, {interval} min"] > 3.0
    assert facts[f"memory of size, {interval} min"] > 0.1
    assert abs(facts["memory of moves"]) < 0.2
    assert facts["volume with size"] > 0.1


def test_ten_years_have_fat_tails_memory_and_fear() -> None:
    facts = stylised_facts(adjusted_bars(synthetic_daily(members(YEARS[-1]), YEARS, seed=1)))
    assert facts["excess kurtosis"] > 2.0
    assert 2.5 < facts["tail index"] < 4.5
    assert facts["market's memory of size, 1 days"] > 0.1
    assert facts["memory of size, 20 days"] > 0.015
    assert facts["size after a fall"] < -0.02
    assert facts["correlation, same sector"] > facts["correlation, other sectors"] + 0.05 > 0.2


def test_a_report_beside_itself_is_alike_and_nothing_is_missing() -> None:
    facts = stylised_facts(
        synthetic_bars(["TCS", "INFY", "SBIN"], YEARS[-40:], interval_minutes=15, seed=1)
    )
    table = beside(facts, facts)
    assert table["alike"].all()
    assert set(table.index) == set(facts.dropna().index)


def test_few_days_and_daily_bars_are_refused_where_they_say_nothing() -> None:
    bars = synthetic_daily(["TCS"], YEARS[:2], seed=1).bars
    with pytest.raises(DataError, match="days"):
        daily_moves(bars)
    with pytest.raises(DataError, match="time of day"):
        slot_moves(bars)


def test_real_quarters_of_an_hour_have_the_same_habits(nifty_data: Path) -> None:
    frame = pd.read_parquet(nifty_data / "minute" / "stocks_15min.parquet")
    frame = frame[frame["trading_phase"] == "regular"].assign(
        high=lambda f: f[["open", "high", "close"]].max(axis=1),
        low=lambda f: f[["open", "low", "close"]].min(axis=1),
    )
    real = Bars.from_frame(frame.drop(columns="trading_phase"), interval_minutes=15)
    made = synthetic_bars(
        members(date(2026, 9, 15)),
        sessions(date(2018, 3, 1), date(2019, 2, 28)),
        interval_minutes=15,
        seed=20260915,
    )
    table = beside(stylised_facts(made), stylised_facts(real))
    print(table.to_string())
    # 2018 to 2021, with its March 2020, was wilder than the ten years behind the numbers.
    assert len(table) > 20 and table["alike"].mean() > 0.7
    for fact in ("opening against noon", "correlation, other sectors", "overnight share"):
        assert table.loc[fact, "alike"]
