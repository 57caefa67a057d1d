"""Corners of data.synthetic: hours, ticks, independence, likeness, and odd arguments."""

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.core.money import nearest_tick
from nifty_research.data.action_factors import ACTION_COLUMNS
from nifty_research.data.bars import COLUMNS, Bars
from nifty_research.data.companies import START_PRICES, start_price
from nifty_research.data.nature import NATURE
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.data.synthetic_daily import adjusted_bars, synthetic_daily
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
    days = sessions(date(2026, 6, 1), date(2026, 7, 31))  # Moods come and go within weeks
    bars = synthetic_bars(members(DAY), days, seed=20260915)
    moves = (np.diff(bars.close, axis=0) / bars.close[:-1])[: 375 * len(days) - 1]
    minute = np.arange(len(moves)) % 375
    opening, noon = moves[minute < 10], moves[(minute >= 150) & (minute < 210)]
    assert 0.0003 < np.nanstd(noon) < 0.0012
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
    assert bars.fingerprint().startswith("d7c536a60a0ebdf6")


@given(st.integers(0, 2**32), st.integers(0, 4))
def test_a_day_far_from_the_first_is_the_same_as_alone(seed: int, back: int) -> None:
    # Volatility remembers months; a day made alone must remember the same months.
    span = sessions(date(2025, 1, 1), date(2025, 12, 31))
    years = synthetic_daily(["TCS", "SBIN"], span, seed=seed, with_actions=False).bars
    at = len(span) - 1 - back
    before = dict(zip(years.symbols, years.close[at - 1].tolist(), strict=True))
    alone = synthetic_daily(
        ["TCS", "SBIN"], [span[at]], seed=seed, previous_close=before, with_actions=False
    ).bars
    # Ticks are those of the last close before the month, or of the first price there is.
    assert np.allclose(alone.close[0], years.close[at], rtol=0, atol=1.0)
    assert np.array_equal(alone.volume[0], years.volume[at])


@given(st.integers(0, 2**32), st.sampled_from([date(2026, 7, 30), date(2026, 9, 14), DAY]))
def test_days_and_minutes_tell_the_same_story(seed: int, day: date) -> None:
    days = sessions(day, day) or WEEK[:1]
    close = synthetic_daily(["TCS", "SBIN"], days, seed=seed, with_actions=False).bars.close
    minutes = synthetic_bars(["TCS", "SBIN"], days, seed=seed)
    for column in range(2):
        there = minutes.close[minutes.present[:, column], column]
        if minutes.present[-1, column]:
            assert there[-1] == close[-1, column]


def test_an_evening_hour_moves_less_than_a_day() -> None:
    def spread(day: date) -> float:
        shares = [f"SHARE{n}" for n in range(50)]
        made = [synthetic_daily(shares, [day], seed=seed, with_actions=False) for seed in range(20)]
        return float(np.mean([np.std(np.log(m.bars.close / m.bars.open)) for m in made]))

    evening, full = date(2020, 11, 14), date(2020, 11, 13)
    assert 0.3 < spread(evening) / spread(full) < 0.5  # The root of 60 of 375 minutes is 0.4


def test_another_nature_makes_another_market() -> None:
    calm = replace(
        NATURE,
        **{
            part: replace(temper, day=temper.day / 3, gap=temper.gap / 3)
            for part, temper in (
                ("market", NATURE.market),
                ("sector", NATURE.sector),
                ("own", NATURE.own),
            )
        },
    )
    wild = np.nanstd(np.diff(synthetic_bars(["TCS"], WEEK, seed=5).close[:, 0]))
    dull = np.nanstd(np.diff(synthetic_bars(["TCS"], WEEK, seed=5, nature=calm).close[:, 0]))
    assert dull < 0.5 * wild


YEARS = sessions(date(2016, 1, 1), date(2025, 12, 31))


def test_ten_years_have_actions_that_the_table_takes_out() -> None:
    made = synthetic_daily(members(DAY), YEARS, seed=3)
    assert set(made.actions["kind"]) == {"split", "bonus", "dividend"}
    assert tuple(made.actions.columns) == ACTION_COLUMNS
    raw = np.abs(np.diff(np.log(made.bars.close), axis=0))
    clean = np.abs(np.diff(np.log(adjusted_bars(made).close), axis=0))
    assert (raw > 0.5).sum() > 10
    assert clean.max() < 0.5


@given(st.integers(0, 2**32), st.sampled_from([(2024, 5, 7), (2025, 3, 5)]))
def test_prices_lie_on_the_tick_of_their_day(seed: int, span: tuple[int, int, int]) -> None:
    # Both spans hold a day in mid-month on which the ticks changed.
    days = sessions(date(span[0], span[1], 1), date(span[0], span[2], 28))
    bars = synthetic_daily(["TCS", "SMALLSHARE", "ITC"], days, seed=seed, with_actions=False).bars
    closes = [start_price(symbol) for symbol in bars.symbols]
    for row, day in enumerate(days):
        if row and day.month != days[row - 1].month:
            closes = bars.close[row - 1].tolist()
        for column, close in enumerate(closes):
            tick = tick_size(day, close)
            for name in COLUMNS[:4]:
                price = float(getattr(bars, name)[row, column])
                assert nearest_tick(price, tick) == price


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
