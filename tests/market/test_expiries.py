"""Expiry days against the broker's lists, bhavcopies and a calendar, and what holds for any."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market.calendar import is_session
from nifty_research.market.expiries import (
    expiry_days,
    listed_expiries,
    monthly_expiry,
    next_expiries,
)
from nifty_research.market.expiry_calendar import is_full_session
from nifty_research.market.rules import keys

INDICES = sorted({key.rsplit(" ", 1)[0] for key in keys("expiry_days")})
START = {
    "FINNIFTY": date(2021, 2, 1),
    "MIDCPNIFTY": date(2022, 2, 1),
    "NIFTYNXT50": date(2024, 5, 1),
    "SENSEX": date(2023, 6, 1),
    "BANKEX": date(2023, 6, 1),
    "SENSEX50": date(2024, 12, 1),
}
END = date(2026, 12, 31)
UNDERLYINGS = st.sampled_from(INDICES)


def known_from(underlying: str) -> date:
    return START.get(underlying, date(2015, 1, 1))


@pytest.mark.parametrize("underlying", INDICES)
def test_contracts_expire_only_on_full_sessions_and_never_after_their_scheduled_day(
    underlying: str,
) -> None:
    found = expiry_days(underlying, known_from(underlying), END)
    assert found
    for expiry in found:
        assert is_full_session(expiry.day)
        assert expiry.day <= expiry.scheduled
        span = range(1, (expiry.scheduled - expiry.day).days + 1)
        assert not [n for n in span if is_full_session(expiry.day + timedelta(days=n))]


@pytest.mark.parametrize("underlying", INDICES)
def test_each_month_has_exactly_one_monthly_contract(underlying: str) -> None:
    found = expiry_days(underlying, known_from(underlying), END, weekly=False)
    months = [(expiry.scheduled.year, expiry.scheduled.month) for expiry in found]
    first = known_from(underlying)
    wanted = (END.year - first.year) * 12 + END.month - first.month + 1
    assert len(months) == len(set(months)) == wanted


@pytest.mark.parametrize("underlying", ["NIFTY", "SENSEX"])
def test_no_week_has_two_expiries_and_none_is_left_out(underlying: str) -> None:
    found = expiry_days(underlying, date(2023, 6, 1), END)
    mondays = [e.scheduled - timedelta(days=e.scheduled.weekday()) for e in found]
    assert len(mondays) == len(set(mondays))
    steps = {later - earlier for earlier, later in pairwise(mondays)}
    assert steps == {timedelta(days=7)}


@given(UNDERLYINGS, st.dates(date(2015, 1, 1), date(2026, 6, 30)), st.integers(0, 200))
def test_a_span_is_the_sum_of_its_parts(underlying: str, start: date, length: int) -> None:
    assume(start >= known_from(underlying))
    middle, end = start + timedelta(days=length // 2), start + timedelta(days=length)
    whole = expiry_days(underlying, start, end)
    parts = expiry_days(underlying, start, middle)
    if middle < end:
        parts += expiry_days(underlying, middle + timedelta(days=1), end)
    assert whole == parts


@given(UNDERLYINGS, st.dates(date(2015, 1, 1), date(2026, 6, 30)), st.integers(1, 8))
def test_the_next_expiries_are_the_first_of_a_long_span(
    underlying: str, day: date, count: int
) -> None:
    assume(day >= known_from(underlying))
    found = next_expiries(underlying, day, count, nearest=True)
    assert len(found) == count
    assert found == expiry_days(underlying, day, found[-1].day, nearest=True)


@given(st.dates(date(2019, 3, 1), date(2026, 11, 1)))
def test_what_is_listed_lies_ahead_without_repeats(day: date) -> None:
    assume(is_session(day))
    found = listed_expiries("NIFTY", day, nearest=True)
    days = [expiry.day for expiry in found]
    assert days[0] >= day and days == sorted(set(days))


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("kite_instruments_nfo_2025-11.csv.gz", date(2025, 11, 19)),
        ("kite_instruments_2024-04.csv.gz", date(2024, 4, 2)),
    ],
)
def test_expiries_listed_by_the_broker_are_all_and_only_these(
    nifty_data: Path, name: str, day: date
) -> None:
    rows = pd.read_csv(nifty_data / "ref" / name, keep_default_na=False)
    rows = rows[rows.instrument_type != "EQ"]
    dated = pd.to_datetime(rows.expiry, dayfirst="2024" in name).dt.date
    checked = 0
    for underlying, listed in dated.groupby(rows.name):
        found = {expiry.day for expiry in listed_expiries(underlying, day)}
        assert set(listed) <= found, underlying
        assert not (underlying in INDICES and found - set(listed)), underlying
        checked += 1
    assert checked > 150


def test_expiries_of_an_old_bhavcopy_are_those_listed_on_its_day(nifty_data: Path) -> None:
    rows = pd.read_csv(nifty_data / "fo" / "raw" / "fo01JAN2020bhav.csv")
    dated = pd.to_datetime(rows.EXPIRY_DT, format="%d-%b-%Y").dt.date
    for underlying in ("NIFTY", "BANKNIFTY"):
        listed = listed_expiries(underlying, date(2020, 1, 1))
        assert {expiry.day for expiry in listed} == set(dated[rows.SYMBOL == underlying])


def test_expiries_of_a_new_bhavcopy_are_those_listed_on_its_day(nifty_data: Path) -> None:
    name = "BhavCopy_NSE_FO_0_0_0_20260813_F_0000.nifty_subset.csv"
    rows = pd.read_csv(nifty_data / "fo" / "raw" / name)
    listed = listed_expiries("NIFTY", date(2026, 8, 13))
    found = set(rows.XpryDt[rows.TckrSymb == "NIFTY"])
    assert {str(expiry.day) for expiry in listed} == found


# The published calendar was made by rule. Where it differs from ours, the reason is known:
# Bakri Id moved from 28 to 29 June 2023 a day before, so the contracts of the 29th expired early.
NOT_IN_THE_MONTHLY_WEEK = {  # Wednesdays in the week of a Thursday monthly: no weekly was listed
    "2023-09-27",
    "2023-10-25",
    "2023-11-29",
    "2023-12-27",
    "2024-01-24",
    "2024-02-28",
}
WEDNESDAY_KEPT = {  # It goes on with Wednesdays in 2025; NSE moved the monthlies to Thursday
    "2025-01-29",
    "2025-02-25",
    "2025-03-26",
    "2025-04-30",
    "2025-05-28",
    "2025-06-25",
    "2025-07-30",
    "2025-08-26",
}
THURSDAY_INSTEAD = {
    "2025-01-30",
    "2025-02-27",
    "2025-03-27",
    "2025-04-24",
    "2025-05-29",
    "2025-06-26",
    "2025-07-31",
    "2025-08-28",
}


@pytest.mark.parametrize(
    ("underlying", "theirs", "ours"),
    [
        ("NIFTY", {"2023-06-29"}, {"2023-06-28"}),
        (
            "BANKNIFTY",
            {"2023-06-29"} | NOT_IN_THE_MONTHLY_WEEK | WEDNESDAY_KEPT,
            {"2023-06-28"} | THURSDAY_INSTEAD,
        ),
    ],
)
def test_a_published_calendar_differs_only_where_the_reason_is_known(
    nifty_data: Path, underlying: str, theirs: set[str], ours: set[str]
) -> None:
    rows = pd.read_csv(nifty_data / "ref" / "index_expiry_calendar.csv")
    published = set(rows.final_expiry[rows.instrument == underlying])
    found = {str(e.day) for e in expiry_days(underlying, date(2019, 1, 1), date(2025, 12, 31))}
    assert published - found == theirs
    assert found - published == ours


def test_a_contract_is_dated_anew_at_the_end_of_28_august_2025() -> None:
    before, after = date(2025, 8, 28), date(2025, 8, 29)
    assert monthly_expiry("NIFTY", 2025, 12, listed_on=before) == date(2025, 12, 24)
    assert monthly_expiry("NIFTY", 2025, 12, listed_on=after) == date(2025, 12, 30)
    weekly = [
        e.day for e in expiry_days("NIFTY", date(2025, 9, 1), date(2025, 9, 12), listed_on=before)
    ]
    assert weekly == [date(2025, 9, 4), date(2025, 9, 11)]
    weekly = [
        e.day for e in expiry_days("NIFTY", date(2025, 9, 1), date(2025, 9, 12), listed_on=after)
    ]
    assert weekly == [date(2025, 9, 2), date(2025, 9, 9)]


def test_days_beyond_the_published_holidays_are_refused_or_marked() -> None:
    with pytest.raises(UnknownRuleError, match="holidays of that year"):
        expiry_days("NIFTY", date(2027, 1, 1), date(2027, 3, 31))
    found = expiry_days("NIFTY", date(2027, 1, 1), date(2027, 3, 31), nearest=True)
    assert found and not any(expiry.certain for expiry in found)
    assert date(2027, 1, 26) not in {expiry.day for expiry in found}


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(DataError, match="ends before it begins"):
        expiry_days("NIFTY", date(2026, 2, 1), date(2026, 1, 1))
