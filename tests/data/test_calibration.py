"""Calibration: there and back on made-up markets, on real ones, and where the bars say little."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.data.bars import Bars
from nifty_research.data.calibration import calibrate
from nifty_research.data.fitting import fitted_nature
from nifty_research.data.nature import NATURE, DayShape, Nature, Temper
from nifty_research.data.stylised import beside, stylised_facts
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.data.synthetic_daily import adjusted_bars, synthetic_daily
from nifty_research.market.calendar import sessions
from nifty_research.market.members import members

YEARS = sessions(date(2016, 1, 1), date(2025, 12, 31))
SHARES = members(date(2026, 9, 15))

CALM = Nature(
    market=Temper(0.0040, 0.0060, 0.1, 0.40, 0.5, -0.5, 0.01, 2.0),
    sector=Temper(0.0020, 0.0050, 0.1, 0.25, 0.5, 0.0, 0.01, 2.0),
    own=Temper(0.0040, 0.0100, 0.3, 0.25, 0.5, 0.0, 0.01, 3.0),
    shape=DayShape(20.0, 4.0, 5.0, 3.0, 0.4),
    beta_spread=0.30,
    wild_spread=0.20,
    follow=0.60,
)


@pytest.mark.parametrize(("nature", "seed"), [(CALM, 7), (CALM, 8), (NATURE, 9)])
def test_what_went_in_comes_out(nature: Nature, seed: int) -> None:
    bars = synthetic_daily(SHARES, YEARS, seed=seed, nature=nature, with_actions=False).bars
    found = calibrate(bars)
    for name, low, high in (("market", 0.7, 1.4), ("sector", 0.8, 1.25), ("own", 0.85, 1.2)):
        true, fit = getattr(nature, name), getattr(found, name)
        assert low < fit.day / true.day < high, name
        assert low < fit.gap / true.gap < high, name
    assert abs(found.market.cluster - nature.market.cluster) < 0.2
    assert abs(found.own.cluster - nature.own.cluster) < 0.12
    assert found.market.leverage < -0.1
    assert abs(found.beta_spread - nature.beta_spread) < 0.12
    assert abs(found.wild_spread - nature.wild_spread) < 0.12
    assert abs(found.follow - nature.follow) < 0.3
    assert found.shape == NATURE.shape  # Daily bars know nothing of it


def test_the_shape_of_the_day_comes_out() -> None:
    days = YEARS[-250:]
    bars = synthetic_bars(SHARES[:30], days, interval_minutes=15, seed=7, nature=CALM)
    found = calibrate(bars).shape
    assert 0.6 < found.variance_open / CALM.shape.variance_open < 1.6
    assert 0.4 < found.variance_close / CALM.shape.variance_close < 2.5
    assert 0.8 < found.volume_open / CALM.shape.volume_open < 1.25
    assert 0.8 < found.volume_close / CALM.shape.volume_close < 1.25
    assert abs(found.flicker - CALM.shape.flicker) < 0.15


def test_correction_brings_the_fit_nearer() -> None:
    bare, better = [], []
    for seed in (21, 22, 23):
        bars = synthetic_daily(SHARES, YEARS, seed=seed, nature=NATURE, with_actions=False).bars
        bare.append(abs(fitted_nature(bars, NATURE).own.cluster - NATURE.own.cluster))
        better.append(abs(calibrate(bars).own.cluster - NATURE.own.cluster))
    assert np.mean(better) < np.mean(bare)


def test_one_index_tells_of_the_market_only() -> None:
    bars = synthetic_daily(["TCS"], YEARS, seed=5, with_actions=False).bars
    found = calibrate(bars)
    assert found.sector == NATURE.sector and found.own == NATURE.own
    whole = float(np.std(np.log(bars.close / bars.open)))
    assert 0.7 < found.market.day / whole < 1.1


def test_unclassified_shares_do_without_sectors() -> None:
    bars = synthetic_daily([f"SHARE{n}" for n in range(20)], YEARS[:1000], seed=5).bars
    found = calibrate(bars, corrections=0)
    assert found.sector.day == NATURE.sector.day
    assert 0.6 < found.own.day / NATURE.own.day < 1.5


@given(
    st.floats(0.001, 0.03),
    st.floats(0, 0.9),
    st.floats(0, 0.8),
    st.floats(0, 1),
    st.floats(-0.9, 0.9),
)
def test_a_nature_survives_its_dictionary(
    day: float, tail: float, cluster: float, short: float, leverage: float
) -> None:
    temper = Temper(day / 2, day, tail, cluster, short, leverage, 0.01, 3.0)
    nature = replace(NATURE, own=temper)
    assert Nature.from_dict(nature.to_dict()) == nature


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"follow": 2.0}, "follow"),
        ({"follow": "high"}, "follow"),
        ({"beta_spread": float("nan")}, "beta_spread"),
        ({"market": None}, "market"),
        ({"mood": 1.0}, "mood"),
        ({"own": {"gap": 0.1}}, "own"),
    ],
)
def test_odd_natures_are_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Nature.from_dict(NATURE.to_dict() | change)


def test_ten_real_years_come_out_alike(nifty_data: Path) -> None:
    frame = pd.read_parquet(nifty_data / "daily" / "nifty50_daily_adjusted.parquet")
    frame = frame[(frame["date"] >= date(2012, 1, 1)) & (frame["volume"] > 0)]
    frame = frame.assign(
        timestamp=pd.to_datetime(frame["date"]).dt.tz_localize("Asia/Kolkata"),
        high=frame[["open", "high", "close"]].max(axis=1),
        low=frame[["open", "low", "close"]].min(axis=1),
    )
    columns = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    real = Bars.from_frame(frame[columns], interval_minutes=1440)
    fitted = calibrate(real)
    alike = []
    for seed in range(4):
        made = synthetic_daily(real.symbols, YEARS, seed=seed, nature=fitted)
        table = beside(stylised_facts(adjusted_bars(made)), stylised_facts(real))
        alike.append(table["alike"])
    print(pd.concat(alike, axis=1).mean(axis=1).to_string())
    assert pd.concat(alike, axis=1).mean().mean() > 0.85
    # The numbers the generator comes with are these, rounded.
    assert abs(fitted.market.day / NATURE.market.day - 1) < 0.15
    assert abs(fitted.own.day / NATURE.own.day - 1) < 0.15
    assert abs(fitted.own.cluster - NATURE.own.cluster) < 0.1
