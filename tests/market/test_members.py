"""Membership against published lists, and the invariants of renames."""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import UnknownRuleError
from nifty_research.market.members import (
    FIRST_DAY,
    RENAMES,
    current_symbol,
    has_derivatives,
    members,
    sector_of,
    symbol_on,
)

DATA = Path(os.environ.get("NIFTY_DATA", Path(__file__).parents[2] / "../shared/data"))
DAYS = st.dates(FIRST_DAY, date(2026, 12, 31))
recorded = pytest.mark.skipif(not (DATA / "ref").is_dir(), reason=f"no recorded data in {DATA}")


@given(DAYS)
def test_the_index_has_fifty_members_and_once_fifty_one(day: date) -> None:
    dvr = date(2016, 4, 1) <= day < date(2017, 9, 29)
    assert len(members(day)) == 50 + dvr
    assert list(members(day)) == sorted(set(members(day)))
    assert ("TATAMTRDVR" in members(day)) == dvr


@given(DAYS)
def test_every_member_has_an_industry_and_derivatives(day: date) -> None:
    for symbol in members(day):
        assert sector_of(symbol) != "Unclassified"
        assert has_derivatives(symbol, day)


@given(st.sampled_from(sorted(RENAMES)), DAYS)
def test_a_rename_never_splits_a_share(old: str, day: date) -> None:
    assert current_symbol(symbol_on(old, day)) == current_symbol(old)
    assert symbol_on(current_symbol(old), day) == symbol_on(old, day)


@pytest.mark.parametrize("old", sorted(RENAMES))
def test_the_new_symbol_begins_on_its_day(old: str) -> None:
    new, since = RENAMES[old]
    assert symbol_on(new, since) == new
    assert symbol_on(new, since - timedelta(days=1)) == old


def test_days_before_the_first_list_are_refused() -> None:
    with pytest.raises(UnknownRuleError, match="2015-03-26"):
        members(FIRST_DAY - timedelta(days=1))
    assert has_derivatives("RELIANCE", date(2012, 1, 2))


@recorded
def test_published_lists_agree() -> None:
    import pandas as pd

    frame = pd.read_csv(DATA / "ref/nifty50_constituents.csv")
    for text in ("2022-08-19", "2025-01-26", "2025-06-23"):
        published = set(frame.loc[frame["as_of_commit_date"] == text, "symbol"]) - {"DUMMYITC"}
        assert set(members(date.fromisoformat(text))) == published


@recorded
def test_an_independent_history_agrees_month_by_month() -> None:
    import pandas as pd

    frame = pd.read_csv(DATA / "ref/nifty50_membership.csv")
    for stamp in pd.date_range("2016-05-01", "2026-01-01", freq="MS"):
        day = str(stamp.date())
        open_ended = frame["valid_to"].isna() | (frame["valid_to"] > day)
        theirs = set(frame.loc[(frame["valid_from"] <= day) & open_ended, "symbol"])
        ours = {current_symbol(symbol) for symbol in members(stamp.date())}
        assert ours - {"TATAMTRDVR"} == theirs, day


@recorded
def test_every_recorded_share_is_classified() -> None:
    import pandas as pd

    path = DATA / "minute/stocks_15min.parquet"
    symbols = pd.read_parquet(path, columns=["symbol"])["symbol"].unique()
    assert [symbol for symbol in symbols if sector_of(symbol) == "Unclassified"] == []
