"""Sessions and bars against other calendars, recorded data and each other."""

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
    is_clearing_day,
    is_open,
    is_segment_session,
    is_session,
    next_session,
    previous_session,
    require_session,
    segment_bar_starts,
    sessions,
    why_closed,
)
from nifty_research.market.phases import Segment, continuous_windows, segment_windows
from nifty_research.market.special import FULL_WEEKEND_SESSIONS, SPECIAL_DAYS

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


def test_recorded_index_days_are_sessions(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_parquet(
        nifty_data / "daily/index_daily.parquet", filters=[("symbol", "==", "NIFTY 50")]
    )
    recorded = {day for day in pd.to_datetime(frame["date"]).dt.date if day >= FIRST_DAY}
    ours = set(sessions(min(recorded), max(recorded)))
    assert recorded == ours


def test_recorded_special_evenings_start_where_the_table_says(nifty_data: Path) -> None:
    import pandas as pd

    path = nifty_data / "minute/stocks_15min.parquet"
    frame = pd.read_parquet(
        path, columns=["timestamp"], filters=[("trading_phase", "==", "special")]
    )
    for day in (date(2018, 11, 7), date(2019, 10, 27), date(2020, 11, 14)):
        stamps = frame["timestamp"][frame["timestamp"].dt.date == day]
        assert stamps.min().to_pydatetime() == continuous_windows(day, True)[0][0]
        assert day in SPECIAL_DAYS


# Weekdays without an ordinary session as the yearly circulars and their corrections have them, kept
# apart from the tables on purpose; m = closed but for the hour of muhurat.
PUBLISHED = """
2015 01-26 02-17 03-06 04-02 04-03 04-14 05-01 09-17 09-25 10-02 10-22 11-11m 11-12 11-25 12-25
2016 01-26 03-07 03-24 03-25 04-14 04-15 04-19 07-06 08-15 09-05 09-13 10-11 10-12 10-31 11-14
2017 01-26 02-24 03-13 04-04 04-14 05-01 06-26 08-15 08-25 10-02 10-19m 10-20 12-25
2018 01-26 02-13 03-02 03-29 03-30 05-01 08-15 08-22 09-13 09-20 10-02 10-18 11-07m 11-08 11-23
2018 12-25
2019 03-04 03-21 04-17 04-19 04-29 05-01 06-05 08-12 08-15 09-02 09-10 10-02 10-08 10-21 10-28
2019 11-12 12-25
2020 02-21 03-10 04-02 04-06 04-10 04-14 05-01 05-25 10-02 11-16 11-30 12-25
2021 01-26 03-11 03-29 04-02 04-14 04-21 05-13 07-21 08-19 09-10 10-15 11-04m 11-05 11-19
2022 01-26 03-01 03-18 04-14 04-15 05-03 08-09 08-15 08-31 10-05 10-24m 10-26 11-08
2023 01-26 03-07 03-30 04-04 04-07 04-14 05-01 06-29 08-15 09-19 10-02 10-24 11-14 11-27 12-25
2024 01-22 01-26 03-08 03-25 03-29 04-11 04-17 05-01 05-20 06-17 07-17 08-15 10-02 11-01m 11-15
2024 11-20 12-25
2025 02-26 03-14 03-31 04-10 04-14 04-18 05-01 08-15 08-27 10-02 10-21m 10-22 11-05 12-25
2026 01-15 01-26 03-03 03-26 03-31 04-03 04-14 05-01 05-28 06-26 09-14 10-02 10-20 11-10 11-24
2026 12-25
"""
WEEKEND_SESSIONS = """
2015-02-28 2016-10-30 2019-10-27 2020-02-01 2020-11-14 2023-11-12 2024-01-20 2024-03-02 2024-05-18
2025-02-01 2026-02-01 2026-11-08
"""


def published() -> tuple[set[date], set[date]]:
    "Published closures and weekday muhurat days."
    closed, muhurat = set(), set()
    for line in PUBLISHED.strip().splitlines():
        year, *days = line.split()
        for day in days:
            kind = muhurat if day.endswith("m") else closed
            kind.add(date.fromisoformat(f"{year}-{day.removesuffix('m')}"))
    return closed, muhurat


def every_day() -> list[date]:
    return [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]


def test_each_day_of_twelve_years_is_as_published() -> None:
    closed, muhurat = published()
    weekend = {date.fromisoformat(text) for text in WEEKEND_SESSIONS.split()}
    for day in every_day():
        expected = day in weekend if day.weekday() >= 5 else day not in closed
        assert is_session(day) == expected, day
        assert (day in HOLIDAYS) == (day in closed), day
        if day in muhurat:
            assert SPECIAL_DAYS[day].kind == "muhurat", day


# Where the list of holidays beside the real prices has something else, and why
EXPECTED_IN_LIST = {
    date(2026, 5, 26): "a slip, perhaps for 06-26: the exchange traded",
    date(2026, 6, 26): "Moharram is missing in the list; NSE CMTR71775 has it",
}


def test_the_recorded_list_of_holidays_differs_only_where_explained(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(nifty_data / "ref/nse_holidays.csv")
    days = pd.to_datetime(frame["date"]).dt.date
    holidays = set(days[frame["kind"] == "holiday"])
    special = set(days[frame["kind"] == "special_trading_day"])
    differing = {
        day
        for day in every_day()
        if is_session(day) != (day in special or (day.weekday() < 5 and day not in holidays))
    }
    assert differing == set(EXPECTED_IN_LIST)


XBOM_MUHURAT = "an hour of muhurat, a closed day in XBOM"
XBOM_WEEKEND = "a session on a weekend, missing in XBOM"


def test_the_bombay_calendar_differs_only_where_explained() -> None:
    import exchange_calendars

    bombay = exchange_calendars.get_calendar("XBOM", start=str(FIRST_DAY), end=str(LAST_DAY))
    theirs = {day.date() for day in bombay.sessions}
    expected = {day: XBOM_WEEKEND for day in FULL_WEEKEND_SESSIONS}
    for day, special in SPECIAL_DAYS.items():
        if special.kind in ("muhurat", "recovery"):
            expected[day] = XBOM_MUHURAT if special.kind == "muhurat" else XBOM_WEEKEND
    differing = {day for day in every_day() if is_session(day) != (day in theirs)}
    assert differing <= set(expected)
    assert all(is_session(day) for day in differing)
    assert {day for day in differing if day.weekday() < 5} == published()[1]


def test_recorded_days_of_the_whole_market_are_sessions(nifty_data: Path) -> None:
    import pandas as pd

    # The file of 2016 lacks three days, one of them the first day of its year
    lacking = {date(2016, 10, 30), date(2017, 1, 31)}
    for name in ("nse_full_market_2016_2017H1", "nse_full_market_2025H2"):
        frame = pd.read_parquet(nifty_data / f"daily/{name}.parquet", columns=["date"])
        recorded = set(pd.to_datetime(frame["date"]).dt.date.unique())
        assert set(sessions(min(recorded), max(recorded))) - recorded <= lacking, name
        assert all(is_session(day) for day in recorded), name


@pytest.mark.parametrize(
    ("day", "share", "currency", "commodity", "clearing"),
    [
        (date(2026, 2, 19), True, False, True, False),  # Shivaji Jayanti
        (date(2026, 8, 26), True, False, True, False),  # Id-e-Milad
        (date(2026, 1, 1), True, True, True, True),  # Commodities until 17:00
        (date(2026, 3, 3), False, False, True, False),  # Holi: commodities from 17:00
        (date(2026, 1, 26), False, False, False, False),
        (date(2025, 9, 5), True, True, True, False),  # The holiday was moved to the 8th
        (date(2025, 9, 8), True, False, True, False),
        (date(2026, 9, 13), False, False, False, False),  # A Sunday
    ],
)
def test_other_markets_and_clearing_have_days_of_their_own(
    day: date, share: bool, currency: bool, commodity: bool, clearing: bool
) -> None:
    assert is_session(day) == is_segment_session(day, Segment.FUTURE) == share
    assert is_segment_session(day, Segment.CURRENCY) == currency
    assert is_segment_session(day, Segment.COMMODITY) == commodity
    assert is_clearing_day(day) == clearing


def test_what_is_not_known_of_other_markets_is_refused() -> None:
    with pytest.raises(UnknownRuleError, match="2024-12-31"):
        is_segment_session(date(2024, 12, 31), Segment.COMMODITY)
    with pytest.raises(UnknownRuleError, match=r"2026-02-01 \(a Sunday"):
        is_segment_session(date(2026, 2, 1), Segment.CURRENCY)
    with pytest.raises(UnknownRuleError, match="2024-12-31"):
        is_clearing_day(date(2024, 12, 31))


@given(st.dates(date(2025, 1, 1), date(2026, 10, 30)), st.sampled_from(list(Segment)))
def test_minutes_of_a_segment_fill_its_windows(day: date, segment: Segment) -> None:
    if day in (*SPECIAL_DAYS, *FULL_WEEKEND_SESSIONS) or not is_segment_session(day, segment):
        return
    starts = segment_bar_starts(day, 1, segment)
    windows = segment_windows(day, segment)
    assert len(starts) == sum((b - a) // timedelta(minutes=1) for a, b in windows)


def test_a_market_that_is_closed_has_no_bars() -> None:
    assert segment_bar_starts(date(2026, 10, 2), 15, Segment.COMMODITY) == []
    assert len(segment_bar_starts(date(2026, 9, 15), 1, Segment.FUTURE)) == 385
