"""Corners of data.synthetic: hours, ticks, independence, likeness, and odd arguments."""

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.core.money import nearest_tick
from nifty_research.data.bars import COLUMNS, Bars
from nifty_research.data.synthetic import START_PRICES, start_price, synthetic_bars
from nifty_research.market.calendar import bar_starts, sessions
from nifty_research.market.members import members
from nifty_research.market.ticks import tick_size

DAY = date(2026, 9, 15)
WEEK = sessions(date(2026, 9, 7), date(2026, 9, 11))


@given(st.integers(0, 2**63), st.sampled_from(sessions(date(2016, 1, 1), date(2026, 9, 30))))
def test_any_seed_and_day_makes_sound_bars_on_the_tick(seed: int, day: date) -> None:
    bars = synthetic_bars(["TCS", "SBIN", "SMALLSHARE"], [day], seed=seed)
    assert bars.days() == [day]
    for column, symbol in enumerate(bars.symbols):
        tick = tick_size(day, start_price(symbol))
        for name in COLUMNS[:4]:
            prices = getattr(bars, name)[bars.present[:, column], column]
            assert all(nearest_tick(price, tick) == price for price in prices.tolist())
    assert (bars.volume[bars.present] >= 1).all()
    assert (bars.volume[bars.present] % 1 == 0).all()


@given(st.integers(0, 2**32), st.permutations(["TCS", "INFY", "SBIN"]))
def test_a_share_does_not_care_who_stands_beside_it(seed: int, symbols: list[str]) -> None:
    together = synthetic_bars(symbols, [DAY], seed=seed)
    for symbol in symbols:
        assert together.select([symbol]).equals(synthetic_bars([symbol], [DAY], seed=seed))


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_earlier_days_do_not_change_when_later_ones_are_made(seed: int, days: int) -> None:
    whole = synthetic_bars(["TCS", "SBIN"], WEEK, seed=seed)
    part = synthetic_bars(["TCS", "SBIN"], WEEK[:days], seed=seed)
    assert whole.rows(0, part.shape[0]).equals(part)


def test_a_day_made_from_its_previous_close_is_the_same_day() -> None:
    whole = synthetic_bars(["TCS"], WEEK, seed=11, previous_close={"TCS": 3100.0})
    day = whole.on(WEEK[1])
    before = whole.on(WEEK[0])
    close = float(before.close[before.present[:, 0], 0][-1])
    assert synthetic_bars(["TCS"], [WEEK[1]], seed=11, previous_close={"TCS": close}).equals(day)


@given(st.integers(0, 2**32), st.sampled_from([2, 5, 15, 60]))
def test_longer_bars_tell_what_the_minutes_tell(seed: int, interval: int) -> None:
    minutes = synthetic_bars(["TCS"], [DAY], seed=seed)
    longer = synthetic_bars(["TCS"], [DAY], interval_minutes=interval, seed=seed)
    for row, start in enumerate(longer.index):
        part = minutes.between(start, start + np.timedelta64(interval, "m"))
        there = part.present[:, 0]
        if not there.any():
            assert np.isnan(longer.close[row, 0])
            continue
        assert longer.open[row, 0] == part.open[there, 0][0]
        assert longer.high[row, 0] == part.high[there, 0].max()
        assert longer.low[row, 0] == part.low[there, 0].min()
        assert longer.close[row, 0] == part.close[there, 0][-1]
        assert longer.volume[row, 0] == part.volume[there, 0].sum()


@pytest.mark.parametrize("interval", [1, 15])
@pytest.mark.parametrize("day", [date(2026, 7, 31), DAY, date(2020, 11, 14), date(2024, 5, 18)])
def test_bars_start_when_the_calendar_says(day: date, interval: int) -> None:
    bars = synthetic_bars(["TCS"], [day], interval_minutes=interval, seed=5)
    assert [stamp.to_pydatetime() for stamp in bars.index] == bar_starts(day, interval, True)


def test_both_kinds_of_share_stand_side_by_side() -> None:
    bars = synthetic_bars(["TCS", "SMALLSHARE"], [DAY], seed=5)
    late = bars.between(*(datetime.fromisoformat(f"{DAY}T{t}+05:30") for t in ("15:15", "15:30")))
    assert bars.shape == (375, 2)
    assert not late.present[:, 0].any()
    assert late.present[:, 1].sum() >= 13


def test_every_member_has_an_illustrative_price() -> None:
    assert set(members(DAY)) <= set(START_PRICES)
    assert start_price("TATAMOTORS") == start_price("TMPV")
    assert 100.0 <= start_price("SMALLSHARE") == start_price("SMALLSHARE") < 3000.0


def test_market_is_as_wild_and_as_busy_as_a_market() -> None:
    bars = synthetic_bars(members(DAY), WEEK, seed=20260915)
    moves = np.diff(bars.close, axis=0) / bars.close[:-1]
    opening, noon = moves[0:10], moves[150:210]
    assert 0.0004 < np.nanstd(noon) < 0.0012
    assert np.nanstd(opening) > 1.7 * np.nanstd(noon)
    assert np.nanmean(bars.volume[:5]) > 2.5 * np.nanmean(bars.volume[150:210])
    assert 0.0002 < 1 - bars.present.mean() < 0.003
    quarter = np.nan_to_num(moves[: 15 * (len(moves) // 15)]).reshape(-1, 15, 50).sum(axis=1)
    alike = np.corrcoef(quarter.T)[np.triu_indices(50, 1)]
    assert 0.15 < alike.mean() < 0.7


def test_prices_start_near_the_previous_close() -> None:
    bars = synthetic_bars(["TCS"], [DAY], seed=5, previous_close={"TCS": 812.35, "OTHER": 1.0})
    first = float(bars.open[bars.present[:, 0], 0][0])
    assert abs(first / 812.35 - 1) < 0.06


def test_bars_are_the_same_in_every_version() -> None:
    # Written down once: sessions of the same seed must stay comparable.
    bars = synthetic_bars(["RELIANCE", "TCS"], [DAY], seed=20260915)
    assert bars.fingerprint().startswith("8720b8669239ad8c")


def test_made_up_bars_survive_a_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    bars = synthetic_bars(["TCS", "SMALLSHARE"], WEEK, interval_minutes=5, seed=3)
    path = tmp_path_factory.mktemp("bars") / "made.parquet"
    assert Bars.load(bars.save(path)).equals(bars)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"symbols": []}, "symbols"),
        ({"symbols": "TCS"}, "symbols"),
        ({"symbols": ["TCS", "TCS"]}, "symbols"),
        ({"sessions": []}, "sessions"),
        ({"sessions": [DAY, DAY]}, "sessions"),
        ({"sessions": [DAY, WEEK[0]]}, "sessions"),
        ({"sessions": [date(2026, 9, 14)]}, "closed"),
        ({"sessions": [date(1999, 9, 14)]}, "1999"),
        ({"interval_minutes": 0}, "interval|minute"),
        ({"interval_minutes": 400}, "interval|minute"),
        ({"previous_close": {"TCS": 0.0}}, "previous close"),
        ({"previous_close": {"TCS": float("nan")}}, "previous close"),
    ],
)
def test_odd_arguments_are_refused(change: dict[str, object], message: str) -> None:
    asked: dict[str, object] = {"symbols": ["TCS"], "sessions": [DAY], "seed": 1} | change
    with pytest.raises(DataError, match=message):
        synthetic_bars(**asked)  # type: ignore[arg-type]
