"""Corners of the dated trading hours."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.clock import IST
from nifty_research.core.errors import UnknownRuleError
from nifty_research.market.phases import (
    PHASES,
    SPECIAL_DAYS,
    Phase,
    continuous_window,
    continuous_windows,
    phase_at,
    phases_of,
)

DAYS = st.dates(date(2010, 10, 18), date(2027, 12, 31))
ERAS = sorted({row.since for row in PHASES})


@pytest.mark.parametrize("day", ERAS)
@pytest.mark.parametrize("has_derivatives", [True, False])
def test_phases_of_a_day_do_not_overlap(day: date, has_derivatives: bool) -> None:
    rows = phases_of(day, has_derivatives)
    for earlier, later in pairwise(rows):
        assert earlier.start < earlier.end <= later.start


def test_every_row_names_its_source() -> None:
    assert all(row.source for row in PHASES)


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
