"""Longer bars keep every share that traded, and never reach over a break of the day."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.data.bars import ZONE, Bars
from nifty_research.data.resample import hours_of, resample
from nifty_research.market.calendar import bar_starts, sessions
from nifty_research.market.phases import Segment

# A halt, an outage, an evening, a Saturday in two parts, and days before and after the auction.
DAYS = [
    date(2020, 3, 13),
    date(2021, 2, 24),
    date(2021, 11, 4),
    date(2024, 3, 2),
    date(2025, 7, 31),
    date(2026, 7, 31),
    date(2026, 9, 15),
]
SHARES = ("RELIANCE", "ASHCO", "TCS")  # The second is made up and has no derivatives


def minutes_of(days: list[date]) -> pd.DatetimeIndex:
    "Every minute in which one of the shares trades."
    starts = sorted(
        {start for day in days for kind in (True, False) for start in bar_starts(day, 1, kind)}
    )
    return pd.DatetimeIndex(starts).tz_convert(ZONE)


def made(
    index: pd.DatetimeIndex, seed: int, holes: float, symbols: tuple[str, ...] = SHARES
) -> Bars:
    "Random minutes with holes; shares with derivatives have none after their window."
    chance = np.random.default_rng(seed)
    shape = (len(index), len(symbols))
    open_, close = (np.round(chance.uniform(50, 500, shape), 2) for _ in range(2))
    high = np.maximum(open_, close) + np.round(chance.uniform(0, 5, shape), 2)
    low = np.minimum(open_, close) - np.round(chance.uniform(0, 5, shape), 2)
    volume = chance.integers(0, 10**6, shape).astype(np.float64)
    gone = chance.random(shape) < holes
    for column, symbol in enumerate(symbols):
        if symbol != "ASHCO":
            gone[:, column] |= ~index.isin(
                pd.DatetimeIndex(
                    [
                        s
                        for day in sorted({i.date() for i in index})
                        for s in bar_starts(day, 1, True)
                    ]
                )
            )
    arrays = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
    arrays = {name: np.where(gone, np.nan, values) for name, values in arrays.items()}
    interest = np.where(gone, np.nan, np.cumsum(np.ones(shape), axis=0))
    return Bars(index, symbols, **arrays, interval_minutes=1, extra={"open_interest": interest})


ALL_MINUTES = minutes_of(DAYS)


@st.composite
def minute_bars(draw: st.DrawFn) -> Bars:
    "A stretch of minutes over several of the days."
    start = draw(st.integers(0, len(ALL_MINUTES) - 2))
    length = draw(st.integers(2, 800))
    holes = draw(st.sampled_from([0.0, 0.1, 0.9]))
    return made(ALL_MINUTES[start : start + length], draw(st.integers(0, 2**32 - 1)), holes)


@given(minute_bars(), st.sampled_from([2, 3, 5, 10, 15, 30, 60]))
def test_volume_is_conserved_and_prices_stay_in_bounds(bars: Bars, minutes: int) -> None:
    longer = resample(bars, minutes)
    np.testing.assert_array_equal(np.nansum(longer.volume, axis=0), np.nansum(bars.volume, axis=0))
    for column in range(len(SHARES)):
        if not bars.present[:, column].any():
            assert not longer.present[:, column].any()
            continue
        mine, theirs = bars.close[:, column], longer.close[:, column]
        assert np.nanmax(longer.high[:, column]) == np.nanmax(bars.high[:, column])
        assert np.nanmin(longer.low[:, column]) == np.nanmin(bars.low[:, column])
        assert theirs[~np.isnan(theirs)][-1] == mine[~np.isnan(mine)][-1]
        opens = bars.open[:, column], longer.open[:, column]
        assert opens[0][~np.isnan(opens[0])][0] == opens[1][~np.isnan(opens[1])][0]


@given(minute_bars(), st.sampled_from([(5, 15), (3, 15), (5, 60), (15, 30), (2, 10)]))
def test_two_steps_are_one_step(bars: Bars, steps: tuple[int, int]) -> None:
    first, second = steps
    assert resample(resample(bars, first), second).equals(resample(bars, second))


@given(minute_bars(), st.sampled_from([5, 15, 60]))
def test_each_bar_is_its_minutes(bars: Bars, minutes: int) -> None:
    longer = resample(bars, minutes)
    step = timedelta(minutes=minutes)
    for row, start in enumerate(longer.index):
        for column, symbol in enumerate(SHARES):
            kind = Segment.OTHER_SHARE if symbol == "ASHCO" else Segment.SHARE_WITH_DERIVATIVES
            minute = start.hour * 60 + start.minute
            windows = hours_of(start.date(), kind).windows
            window = [end for opens, end in windows if opens <= minute < end]
            if not window:
                assert not longer.present[row, column]
                continue
            end = min(start + step, start.normalize() + timedelta(minutes=window[0]))
            inside = (bars.index >= start) & (bars.index < end) & bars.present[:, column]
            if not inside.any():
                assert not longer.present[row, column]
                continue
            one = {name: getattr(bars, name)[inside, column] for name in ("open", "high", "low")}
            assert longer.open[row, column] == one["open"][0]
            assert longer.high[row, column] == one["high"].max()
            assert longer.low[row, column] == one["low"].min()
            assert longer.close[row, column] == bars.close[inside, column][-1]
            assert longer.volume[row, column] == bars.volume[inside, column].sum()
            interest = bars.extra["open_interest"][inside, column]
            assert longer.extra["open_interest"][row, column] == interest[-1]


@pytest.mark.parametrize("minutes", [1, 3, 5, 10, 15, 30, 60])
@pytest.mark.parametrize("partial", [True, False])
def test_the_grid_is_the_calendar_s(minutes: int, partial: bool) -> None:
    for day in [*DAYS, *sessions(date(2026, 7, 27), date(2026, 8, 7))]:
        for symbol, kind in (("ASHCO", False), ("RELIANCE", True)):
            index = pd.DatetimeIndex(bar_starts(day, 1, kind)).tz_convert(ZONE)
            bars = made(index, 1, 0.0, (symbol,))
            starts = bar_starts(day, minutes, kind, partial=partial)
            assert list(resample(bars, minutes, partial=partial).index) == starts


def test_no_bar_reaches_over_an_outage_or_between_two_parts_of_a_day() -> None:
    for text, gap in (("2021-02-24", ("11:40", "15:45")), ("2024-03-02", ("10:00", "11:30"))):
        day = date.fromisoformat(text)
        longer = resample(made(minutes_of([day]), 2, 0.0), 30)
        stop, again = (pd.Timestamp(f"{text} {clock}", tz=ZONE) for clock in gap)
        assert again in longer.index
        before = longer.index[longer.index < again]
        assert before[-1] < stop


def test_a_halt_stays_between_bars_of_an_hour_and_is_refused_for_longer_ones() -> None:
    day = date(2020, 3, 13)
    index = minutes_of([day])
    clock = index.strftime("%H:%M")
    bars = made(index[(clock < "09:21") | (clock >= "10:21")], 3, 0.0)
    hours = resample(bars, 60)
    assert [f"{start:%H:%M}" for start in hours.index[:3]] == ["09:15", "10:15", "11:15"]
    assert hours.volume[0, 0] == bars.volume[:6, 0].sum()
    with pytest.raises(DataError, match=r"2020-03-13.*09:21 to 10:21"):
        resample(bars, 75)
    joined = resample(bars, 75, join_halts=True)
    assert joined.volume.sum() == np.nansum(bars.volume)
    with pytest.raises(DataError, match="do not fit into the windows"):
        resample(made(minutes_of([date(2024, 3, 2)]), 1, 0.0), 180)


def test_prints_of_an_auction_are_in_no_bar() -> None:
    day = "2026-09-15"
    clocks = ["15:13", "15:14", "15:30", "15:34", "15:55"]
    index = pd.DatetimeIndex([pd.Timestamp(f"{day} {clock}", tz=ZONE) for clock in clocks])
    flat = np.full((5, 1), 100.0)
    bars = Bars(index, ("RELIANCE",), flat, flat, flat, flat, flat, 1)
    longer = resample(bars, 15)
    assert [f"{start:%H:%M}" for start in longer.index] == ["15:00"]
    assert longer.volume.tolist() == [[200.0]]


def test_a_session_with_unknown_hours_is_counted_from_its_first_bar() -> None:
    index = pd.date_range("2013-11-03 18:15", "2013-11-03 19:29", freq="min", tz=ZONE, unit="ns")
    flat = np.full((len(index), 1), 100.0)
    bars = Bars(index, ("NIFTY 50",), flat, flat, flat, flat, flat, 1)
    assert [f"{start:%H:%M}" for start in resample(bars, 30).index] == ["18:15", "18:45", "19:15"]


def test_futures_keep_their_own_hours() -> None:
    index = pd.date_range("2026-09-15 09:15", "2026-09-15 15:39", freq="min", tz=ZONE, unit="ns")
    flat = np.full((len(index), 1), 25000.0)
    bars = Bars(index, ("NIFTY26SEPFUT",), flat, flat, flat, flat, flat, 1)
    own = resample(bars, 15, segment_of=lambda _symbol, _day: Segment.FUTURE)
    opens, ends = hours_of(date(2026, 9, 15), Segment.FUTURE).windows[0]
    kept = min(ends, 15 * 60 + 40) - opens
    assert own.volume.sum() == kept * 25000.0
    assert resample(bars, 15).volume.sum() < own.volume.sum()


def test_further_columns_follow_their_rule() -> None:
    bars = made(minutes_of([date(2025, 7, 31)]), 4, 0.3)
    last = resample(bars, 15).extra["open_interest"]
    highest = resample(bars, 15, rules={"open_interest": "highest"}).extra["open_interest"]
    np.testing.assert_array_equal(last, highest)  # It only rises here
    first = resample(bars, 15, rules={"open_interest": "first"}).extra["open_interest"]
    assert (first <= last)[~np.isnan(last)].all() and (first < last).any()


@pytest.mark.parametrize("minutes", [0, -5, 1440, 2.5, True, "15"])
def test_a_length_that_is_none_is_refused(minutes: object) -> None:
    bars = made(minutes_of([date(2025, 7, 31)]), 4, 0.3)
    with pytest.raises(DataError, match="whole number of minutes"):
        resample(bars, minutes)  # type: ignore[arg-type]


def test_real_quarters_of_the_indices_are_their_minutes(nifty_data: Path) -> None:
    rows = pq.read_table(
        nifty_data / "minute" / "index_1min.parquet",
        filters=[
            ("symbol", "=", "NIFTY"),
            ("timestamp", ">=", pd.Timestamp("2020-01-01", tz=ZONE)),
        ],
    ).to_pandas()
    frame = rows.assign(volume=0.0)[
        ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    ]
    bars = Bars.from_frame(frame, interval_minutes=1)
    quarters = resample(bars, 15)
    clock = quarters.index - quarters.index.normalize()
    on_grid = (clock - pd.Timedelta(hours=9, minutes=15)) % pd.Timedelta(
        minutes=15
    ) == pd.Timedelta(0)
    assert on_grid.all()
    regular = rows[rows["trading_phase"] == "regular"]
    slow = regular.groupby(
        regular["timestamp"].dt.floor("15min")
    )  # The grid of the clock is the same
    ordinary = quarters.index.isin(slow.groups)
    frame = slow.agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(
            getattr(quarters, name)[ordinary, 0], frame.loc[quarters.index[ordinary], name]
        )
    assert ordinary.sum() > 6000
