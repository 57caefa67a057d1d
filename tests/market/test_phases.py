"""Corners of the dated trading hours."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.clock import IST
from nifty_research.core.errors import UnknownRuleError
from nifty_research.market.phases import (
    Phase,
    Segment,
    continuous_window,
    continuous_windows,
    phase_at,
    phases_of,
    segment_phase_at,
    segment_phases,
    segment_windows,
    square_off,
    traded_windows,
)
from nifty_research.market.rules import history, keys
from nifty_research.market.special import SPECIAL_DAYS, interruptions

DAYS = st.dates(date(2010, 10, 18), date(2027, 12, 31))
ROWS = [row for key in keys("phases") for row in history("phases", key)]
ERAS = sorted({row.since for row in ROWS} | {row.since - timedelta(days=1) for row in ROWS[1:]})
NSE = [segment for segment in Segment if segment.follows_nse]


@pytest.mark.parametrize("day", [day for day in ERAS if day >= date(2010, 10, 18)])
@pytest.mark.parametrize("segment", NSE)
def test_phases_of_a_day_do_not_overlap(day: date, segment: Segment) -> None:
    for earlier, later in pairwise(segment_phases(day, segment)):
        assert earlier.start < earlier.end <= later.start


def test_every_row_is_about_a_known_segment_and_phase() -> None:
    for table in ("phases", "other_hours"):
        for key in keys(table):
            segment, _, phase = key.partition("/")
            assert Segment(segment).follows_nse == (table == "phases")
            assert Phase[phase]
    assert {Segment(key) for key in keys("square_off")} == set(Segment)


@given(DAYS, st.booleans())
def test_every_boundary_belongs_to_the_phase_that_begins(day: date, has_derivatives: bool) -> None:
    if day in SPECIAL_DAYS:
        return
    for row in phases_of(day, has_derivatives):
        start = datetime.combine(day, row.start, IST)
        last = datetime.combine(day, row.end, IST) - timedelta(microseconds=1)
        assert phase_at(start, has_derivatives) is phase_at(last, has_derivatives) is row.phase


@given(DAYS, st.booleans(), st.integers(0, 24 * 60 - 1))
def test_continuous_phase_and_continuous_windows_agree(
    day: date, has_derivatives: bool, minute: int
) -> None:
    if day == date(2026, 11, 8):
        return
    moment = datetime.combine(day, time(minute // 60, minute % 60), IST)
    inside = any(a <= moment < b for a, b in continuous_windows(day, has_derivatives))
    assert inside == (phase_at(moment, has_derivatives) is Phase.CONTINUOUS)


def test_a_moment_is_read_in_indian_time_whatever_its_zone() -> None:
    assert phase_at(datetime(2026, 9, 15, 3, 45, tzinfo=UTC), True) is Phase.CONTINUOUS
    assert phase_at(datetime(2026, 9, 15, 9, 45, tzinfo=UTC), True) is Phase.REFERENCE_PRICE


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(Exception, match="zone"):
        phase_at(datetime(2026, 9, 15, 10, 0), True)  # noqa: DTZ001


def test_stops_rest_in_continuous_trading_only() -> None:
    assert [phase for phase in Phase if phase.rests_stops] == [Phase.CONTINUOUS]


def test_no_order_is_taken_while_the_reference_price_is_made() -> None:
    assert not Phase.REFERENCE_PRICE.takes_orders
    assert Phase.CLOSING_AUCTION_LIMIT.takes_orders
    assert not Phase.CLOSING_AUCTION_LIMIT.takes_market_orders


def test_days_before_the_table_are_refused() -> None:
    with pytest.raises(UnknownRuleError, match="2010-10-17"):
        continuous_window(date(2010, 10, 17), True)


def test_hours_that_were_not_published_are_refused() -> None:
    with pytest.raises(UnknownRuleError, match="2026-11-08"):
        phase_at(datetime(2026, 11, 8, 18, 30, tzinfo=IST), True)


def test_the_outage_of_2021_split_the_day() -> None:
    windows = continuous_windows(date(2021, 2, 24), True)
    assert [(a.time(), b.time()) for a, b in windows] == [
        (time(9, 15), time(11, 40)),
        (time(15, 45), time(17, 0)),
    ]
    assert continuous_window(date(2021, 2, 24), True) == (windows[0][0], windows[1][1])
    assert traded_windows(date(2021, 2, 24), Segment.OPTION) == windows


@pytest.mark.parametrize(
    ("day", "segment", "opens", "closes"),
    [
        (date(2026, 7, 31), Segment.OPTION, time(9, 15), time(15, 30)),
        (date(2026, 8, 3), Segment.OPTION, time(9, 15), time(15, 40)),
        (date(2026, 8, 3), Segment.FUTURE, time(9, 15), time(15, 40)),
        (date(2026, 8, 3), Segment.OTHER_SHARE, time(9, 15), time(15, 30)),
        (date(2026, 8, 3), Segment.SHARE_WITH_DERIVATIVES, time(9, 15), time(15, 15)),
        (date(2026, 6, 1), Segment.CURRENCY, time(9, 0), time(17, 0)),
        (date(2026, 3, 6), Segment.COMMODITY, time(9, 0), time(23, 55)),
        (date(2026, 3, 9), Segment.COMMODITY, time(9, 0), time(23, 30)),
        (date(2026, 1, 1), Segment.COMMODITY, time(9, 0), time(17, 0)),  # No evening
        (date(2026, 5, 1), Segment.COMMODITY, time(17, 0), time(23, 30)),  # No morning
    ],
)
def test_segments_trade_between_their_own_hours(
    day: date, segment: Segment, opens: time, closes: time
) -> None:
    ((start, end),) = segment_windows(day, segment)
    assert (start.time(), end.time()) == (opens, closes)


def test_only_futures_have_an_opening_auction_in_derivatives() -> None:
    moment = datetime(2025, 12, 8, 9, 5, tzinfo=IST)
    assert segment_phase_at(moment, Segment.FUTURE) is Phase.PRE_OPEN
    assert segment_phase_at(moment, Segment.OPTION) is Phase.CLOSED
    assert segment_phase_at(moment - timedelta(days=3), Segment.FUTURE) is Phase.CLOSED


def test_derivatives_have_no_auction_around_muhurat() -> None:
    before = datetime(2025, 10, 21, 13, 40, tzinfo=IST)
    after = datetime(2025, 10, 21, 15, 0, tzinfo=IST)
    for moment in (before, after):
        assert segment_phase_at(moment, Segment.OPTION) is Phase.CLOSED
        assert segment_phase_at(moment, Segment.OTHER_SHARE) is not Phase.CLOSED


@pytest.mark.parametrize("segment", [Segment.CURRENCY, Segment.COMMODITY])
def test_muhurat_hours_of_other_markets_are_refused(segment: Segment) -> None:
    with pytest.raises(UnknownRuleError, match="muhurat"):
        segment_windows(date(2025, 10, 21), segment)


@given(DAYS, st.sampled_from(NSE))
def test_trade_happens_within_the_schedule_and_outside_of_halts(
    day: date, segment: Segment
) -> None:
    if day == date(2026, 11, 8):
        return
    planned = segment_windows(day, segment)
    for start, end in traded_windows(day, segment):
        assert start < end and any(a <= start and end <= b for a, b in planned)
        for halt in interruptions(day):
            assert end.time() <= halt.start or start.time() >= halt.end


@pytest.mark.parametrize(
    ("day", "lost_minutes"),
    [(date(2017, 7, 10), 185), (date(2020, 3, 13), 60), (date(2020, 3, 23), 60)],
)
def test_halts_take_minutes_out_of_the_day(day: date, lost_minutes: int) -> None:
    traded = sum(((b - a) for a, b in traded_windows(day, Segment.FUTURE)), timedelta())
    assert traded == timedelta(minutes=375 - lost_minutes)


def test_recorded_index_minutes_are_missing_only_where_trade_stood_still(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_parquet(
        nifty_data / "minute/index_1min.parquet",
        columns=["timestamp"],
        filters=[("symbol", "==", "NIFTY")],
    )
    stamps = frame["timestamp"].dt.tz_convert(IST)
    for day in (date(2020, 3, 13), date(2020, 3, 23)):
        of_day = {t.to_pydatetime() for t in stamps[stamps.dt.date == day]}
        expected = {
            start + timedelta(minutes=n)
            for start, end in traded_windows(day, Segment.OTHER_SHARE)
            for n in range(int((end - start) / timedelta(minutes=1)))
        }
        assert expected - of_day == set()
        assert len(of_day - expected) <= 10  # The opening auction after the halt moves the index


@given(st.dates(date(2025, 1, 1), date(2026, 10, 1)), st.sampled_from(NSE))
def test_positions_are_closed_before_trade_ends(day: date, segment: Segment) -> None:
    closing = square_off(day, segment)
    assert closing.moment <= segment_windows(day, segment)[-1][1]
    assert not closing.verified
