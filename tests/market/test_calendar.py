"""Sessions and bars against other calendars, recorded data and each other."""

import os
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.clock import IST
from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market.calendar import (
    FIRST_DAY,
    HOLIDAYS,
    LAST_DAY,
    bar_starts,
    is_open,
    is_session,
    next_session,
    previous_session,
    require_session,
    sessions,
    why_closed,
)
from nifty_research.market.phases import SPECIAL_DAYS, continuous_windows

DATA = Path(os.environ.get("NIFTY_DATA", Path(__file__).parents[2] / "../shared/data"))
DAYS = st.dates(FIRST_DAY + timedelta(days=7), LAST_DAY - timedelta(days=7))


def test_no_holiday_falls_on_a_weekend() -> None:
    assert not [day for day in HOLIDAYS if day.weekday() >= 5]


@given(DAYS)
def test_the_next_and_the_previous_session_undo_each_other(day: date) -> None:
    after, before = next_session(day), previous_session(day)
    assert before < day < after
    assert is_session(before) and is_session(after)
    assert previous_session(after) == (day if is_session(day) else before)


@given(DAYS, st.integers(0, 400))
def test_sessions_of_a_span_are_its_open_days(start: date, span: int) -> None:
    end = min(start + timedelta(days=span), LAST_DAY)
    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    assert sessions(start, end) == [day for day in days if is_session(day)]


@given(DAYS)
def test_a_day_is_open_or_has_a_reason(day: date) -> None:
    assert is_session(day) != bool(why_closed(day))


def test_a_weekend_is_named_by_its_day() -> None:
    with pytest.raises(DataError, match=r"Sunday.*2026-09-11 and 2026-09-15"):
        require_session(date(2026, 9, 13))


@pytest.mark.parametrize("day", [date(2014, 12, 31), date(2027, 1, 1)])
def test_days_outside_the_table_are_refused(day: date) -> None:
    for question in (is_session, next_session, previous_session, require_session):
        with pytest.raises(UnknownRuleError, match=str(day)):
            question(day)


def test_the_ends_of_the_table_have_no_neighbour() -> None:
    with pytest.raises(UnknownRuleError, match="2027-01-01"):
        next_session(LAST_DAY)
    with pytest.raises(UnknownRuleError, match="2014-12-31"):
        previous_session(FIRST_DAY)


def test_a_moment_in_the_place_of_a_day_is_refused() -> None:
    with pytest.raises(DataError, match="moment"):
        is_session(datetime(2026, 9, 15, tzinfo=IST))


@given(DAYS, st.integers(1, 90), st.booleans(), st.booleans())
def test_bars_start_and_end_inside_their_window(
    day: date, interval: int, has_derivatives: bool, partial: bool
) -> None:
    if not is_session(day) or day == date(2026, 11, 8):
        return
    starts = bar_starts(day, interval, has_derivatives, partial=partial)
    length = timedelta(minutes=1 if partial else interval)
    windows = continuous_windows(day, has_derivatives)
    assert starts == sorted(set(starts))
    assert all(any(a <= s and s + length <= b for a, b in windows) for s in starts)


def test_a_bar_shorter_than_a_minute_is_refused() -> None:
    with pytest.raises(DataError, match="one minute"):
        bar_starts(date(2026, 9, 15), 0, True)


def test_the_market_is_not_open_on_a_holiday_morning() -> None:
    assert not is_open(datetime(2026, 9, 14, 10, 0, tzinfo=IST), True)
    assert is_open(datetime(2026, 9, 15, 10, 0, tzinfo=IST), True)
    assert not is_open(datetime(2026, 9, 15, 15, 20, tzinfo=IST), True)


@pytest.mark.skipif(not (DATA / "minute").is_dir(), reason=f"no recorded data in {DATA}")
def test_recorded_index_days_are_sessions() -> None:
    import pandas as pd

    frame = pd.read_parquet(
        DATA / "daily/index_daily.parquet", filters=[("symbol", "==", "NIFTY 50")]
    )
    recorded = {day for day in pd.to_datetime(frame["date"]).dt.date if day >= FIRST_DAY}
    ours = set(sessions(min(recorded), max(recorded)))
    assert recorded == ours


@pytest.mark.skipif(not (DATA / "minute").is_dir(), reason=f"no recorded data in {DATA}")
def test_recorded_special_evenings_start_where_the_table_says() -> None:
    import pandas as pd

    path = DATA / "minute/stocks_15min.parquet"
    frame = pd.read_parquet(
        path, columns=["timestamp"], filters=[("trading_phase", "==", "special")]
    )
    for day in (date(2018, 11, 7), date(2019, 10, 27), date(2020, 11, 14)):
        stamps = frame["timestamp"][frame["timestamp"].dt.date == day]
        assert stamps.min().to_pydatetime() == continuous_windows(day, True)[0][0]
        assert day in SPECIAL_DAYS
