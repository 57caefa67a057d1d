"""Membership against published lists, and the invariants of renames."""

from datetime import date, timedelta
from itertools import pairwise
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
    is_confirmed,
    members,
    membership,
    merger_of,
    sector_of,
    symbol_on,
)
from nifty_research.market.rules import history, keys, rule_if_any

DAYS = st.dates(FIRST_DAY, date(2026, 12, 31))


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


def test_published_lists_agree(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(nifty_data / "ref/nifty50_constituents.csv")
    for text in ("2022-08-19", "2025-01-26", "2025-06-23"):
        published = set(frame.loc[frame["as_of_commit_date"] == text, "symbol"]) - {"DUMMYITC"}
        assert set(members(date.fromisoformat(text))) == published


def test_an_independent_history_agrees_month_by_month(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(nifty_data / "ref/nifty50_membership.csv")
    for stamp in pd.date_range("2016-05-01", "2026-01-01", freq="MS"):
        day = str(stamp.date())
        open_ended = frame["valid_to"].isna() | (frame["valid_to"] > day)
        theirs = set(frame.loc[(frame["valid_from"] <= day) & open_ended, "symbol"])
        ours = {current_symbol(symbol) for symbol in members(stamp.date())}
        assert ours - {"TATAMTRDVR"} == theirs, day


def test_every_recorded_share_is_classified(nifty_data: Path) -> None:
    import pandas as pd

    path = nifty_data / "minute/stocks_15min.parquet"
    symbols = pd.read_parquet(path, columns=["symbol"])["symbol"].unique()
    assert [symbol for symbol in symbols if sector_of(symbol) == "Unclassified"] == []


def test_every_confirmed_day_of_a_member_has_a_row() -> None:
    for day in (FIRST_DAY, date(2017, 1, 2), date(2020, 3, 18), date(2020, 3, 19)):
        assert is_confirmed(day)
        for symbol in members(day):
            row = membership(symbol, day)
            assert row is not None and row.holds_on(day)
    assert membership("IDFC", FIRST_DAY) is not None
    assert membership("IDFC", date(2015, 5, 29)) is None


def test_a_change_that_rests_on_one_report_is_not_verified() -> None:
    day = date(2020, 4, 1)
    doubtful = {symbol for symbol in members(day) if not membership(symbol, day).verified}  # type: ignore[union-attr]
    assert doubtful == {"SHREECEM"}
    assert not membership("YESBANK", date(2020, 3, 1)).verified  # type: ignore[union-attr]


# First days and ends of membership on which another collection disagrees, and why
EXPECTED_CHANGES = {
    ("SHREECEM", "from", "2020-03-27"): "announced for 03-27, brought forward to 03-19",
}


def test_days_of_changes_agree_with_an_independent_history(nifty_data: Path) -> None:
    import pandas as pd

    theirs = pd.read_csv(nifty_data / "ref/nifty50_membership.csv")
    ours = [row for key in keys("index_members") for row in history("index_members", key)]
    from_days = {(row.key.partition("/")[2], str(row.since)) for row in ours}
    to_days = {
        (row.key.partition("/")[2], str(row.until + timedelta(days=1))) for row in ours if row.until
    }
    differing = set()
    for row in theirs[theirs["basis"] == "press_release"].itertuples():
        if row.valid_from > str(FIRST_DAY) and (row.symbol, row.valid_from) not in from_days:
            differing.add((row.symbol, "from", row.valid_from))
        ended = isinstance(row.valid_to, str) and row.valid_to > str(FIRST_DAY)
        if ended and (row.symbol, row.valid_to) not in to_days:
            differing.add((row.symbol, "to", row.valid_to))
    assert differing == set(EXPECTED_CHANGES)


def test_industries_agree_with_the_published_lists(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(nifty_data / "ref/nifty50_constituents.csv")
    for text in ("2022-08-19", "2025-01-26", "2025-06-23"):
        listed = frame[(frame["as_of_commit_date"] == text) & (frame["symbol"] != "DUMMYITC")]
        for symbol, industry in zip(listed["symbol"], listed["industry"], strict=True):
            day = date.fromisoformat(text)
            ours = sector_of(symbol, day)
            assert ours.replace(",", "") == industry.replace(",", ""), symbol
            row = rule_if_any("sectors", current_symbol(symbol), day)
            assert row is not None and row.verified


def test_an_industry_is_carried_back_but_not_verified() -> None:
    assert sector_of("YESBANK", date(2010, 1, 1)) == "Financial Services"
    row = rule_if_any("sectors", "TCS", date(2016, 1, 1))
    assert row is not None and not row.verified


def test_a_symbol_is_carried_by_one_share_at_a_time() -> None:
    for share in keys("renames"):
        rows = history("renames", share)
        assert rows[-1].until is None and rows[-1]["symbol"] == share
        for earlier, later in pairwise(rows):
            assert earlier.until is not None and earlier["symbol"] != later["symbol"]
            assert later.since - earlier.until == timedelta(days=1)
    carried = [row["symbol"] for share in keys("renames") for row in history("renames", share)]
    assert len(carried) == len(set(carried))


def test_symbols_are_those_of_the_whole_market_files(nifty_data: Path) -> None:
    import pandas as pd

    for name in ("nse_full_market_2016_2017H1", "nse_full_market_2025H2"):
        path = nifty_data / f"daily/{name}.parquet"
        frame = pd.read_parquet(path, columns=["date", "symbol", "series"])
        frame = frame[frame["series"].isin(["EQ", "BE"])]
        days = pd.to_datetime(frame["date"]).dt.date
        for day in (days.min(), days.max()):
            traded = set(frame.loc[days == day, "symbol"])
            for share in keys("renames"):
                carried = {str(row["symbol"]) for row in history("renames", share)}
                assert traded & carried <= {symbol_on(share, day)}, (share, day)


def test_a_merged_share_is_gone_from_its_day_on() -> None:
    for share in keys("mergers"):
        (row,) = history("mergers", share)
        assert merger_of(share, row.since - timedelta(days=1)) is None
        merger = merger_of(share, row.since)
        assert merger is not None and merger.into not in keys("mergers")
        assert current_symbol(merger.into) == merger.into
        assert merger.new_shares > 0 and merger.old_shares > 0
    assert merger_of("RELIANCE", date(2026, 9, 15)) is None


def test_merged_shares_stop_in_the_whole_market_files(nifty_data: Path) -> None:
    import pandas as pd

    for name in ("nse_full_market_2016_2017H1", "nse_full_market_2025H2"):
        path = nifty_data / f"daily/{name}.parquet"
        frame = pd.read_parquet(path, columns=["date", "symbol"])
        last = pd.to_datetime(frame["date"]).dt.date.max()
        for share in keys("mergers"):
            seen = pd.to_datetime(frame.loc[frame["symbol"] == share, "date"]).dt.date
            if len(seen) and merger_of(share, last):
                assert merger_of(share, seen.max()) is None
                assert merger_of(share, seen.max() + timedelta(days=1)) is not None


def test_derivatives_are_verified_while_a_listed_contract_lives(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(nifty_data / "fo/raw/fo01JAN2020bhav.csv")
    listed = frame[frame["INSTRUMENT"] == "FUTSTK"]
    last = pd.to_datetime(listed["EXPIRY_DT"], dayfirst=True).groupby(listed["SYMBOL"]).max()
    day = date(2020, 1, 1)
    for symbol, expiry in last.items():
        row = rule_if_any("derivatives", current_symbol(str(symbol)), day)
        assert row is not None and row.verified and row.until == expiry.date(), symbol
        assert has_derivatives(str(symbol), expiry.date())
    ours = {key for key in keys("derivatives") if rule_if_any("derivatives", key, day)}
    assert ours == {current_symbol(str(symbol)) for symbol in last.index}


def test_a_share_on_its_way_out_loses_its_derivatives() -> None:
    assert has_derivatives("DISHTV", date(2020, 1, 30))
    assert not has_derivatives("DISHTV", date(2020, 1, 31))
    assert has_derivatives("NBCC", date(2025, 12, 1))  # It came back
