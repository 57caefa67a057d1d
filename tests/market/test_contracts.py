"""Lots against every list and bhavcopy at hand, and what must hold for any contract."""

import io
import zipfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market.contracts import (
    freeze_quantity,
    kind_of,
    largest_order,
    lot_rule,
    lot_size,
    strike_step,
)
from nifty_research.market.expiries import listed_expiries, monthly_expiry, next_expiries

NSE = ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50")


def _day(text: str) -> date:
    "A day as the daily report writes it."
    day, month, year = map(int, text.strip().split("/"))
    return date(year, month, day)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("kite_instruments_nfo_2025-11.csv.gz", date(2025, 11, 19)),
        ("kite_instruments_2024-04.csv.gz", date(2024, 4, 2)),
    ],
)
def test_lots_are_those_of_the_brokers_list(nifty_data: Path, name: str, day: date) -> None:
    rows = pd.read_csv(nifty_data / "ref" / name, keep_default_na=False)
    rows = rows[rows.name.isin(NSE) & (rows.instrument_type != "EQ")]
    dated = pd.to_datetime(rows.expiry, dayfirst="2024" in name).dt.date
    listed = rows.lot_size.astype(int).groupby([rows.name, dated]).unique()
    assert len(listed) > 30
    for (underlying, expiry), lots in listed.items():
        assert [lot_size(underlying, expiry, day)] == list(lots), (underlying, expiry)


def test_lots_are_those_of_a_new_bhavcopy(nifty_data: Path) -> None:
    name = "BhavCopy_NSE_FO_0_0_0_20260813_F_0000.nifty_subset.csv"
    rows = pd.read_csv(nifty_data / "fo" / "raw" / name)
    rows = rows[rows.TckrSymb == "NIFTY"]
    for expiry, lots in rows.groupby("XpryDt").NewBrdLotQty.unique().items():
        found = lot_size("NIFTY", date.fromisoformat(expiry), date(2026, 8, 13))
        assert [found] == list(lots)


def test_lots_follow_from_the_turnover_of_an_old_bhavcopy(nifty_data: Path) -> None:
    rows = pd.read_csv(nifty_data / "fo" / "raw" / "fo01JAN2020bhav.csv")
    futures = rows[rows.INSTRUMENT.eq("FUTIDX") & rows.CONTRACTS.gt(0)]
    mean = (futures.HIGH + futures.LOW) / 2  # the turnover's mean price lies near it
    implied = futures.VAL_INLAKH * 1e5 / futures.CONTRACTS / mean
    dated = pd.to_datetime(futures.EXPIRY_DT, format="%d-%b-%Y").dt.date
    checked = 0
    for underlying, expiry, lot in zip(futures.SYMBOL, dated, implied, strict=True):
        if underlying in NSE:
            assert lot == pytest.approx(lot_size(underlying, expiry, date(2020, 1, 1)), rel=0.01)
            checked += 1
    assert checked == 6


def test_lots_follow_from_the_quantities_of_a_daily_report(nifty_data: Path) -> None:
    with zipfile.ZipFile(nifty_data / "fo" / "raw" / "fo14112025.zip") as report:
        rows = pd.read_csv(io.BytesIO(report.read("fo14112025.csv")))
    rows.columns = [column.strip() for column in rows.columns]
    rows = rows[rows.NO_OF_CONT.gt(0) & rows.INSTRUMENT.str.strip().eq("FUTIDX")]
    checked = 0
    for row in rows.itertuples():
        underlying, expiry = row.SYMBOL.strip(), _day(row.EXP_DATE)
        lot = lot_size(underlying, expiry, date(2025, 11, 14))
        assert row.TRD_QTY == row.NO_OF_CONT * lot, (underlying, expiry)
        checked += 1
    assert checked >= 12


@pytest.mark.parametrize(
    ("underlying", "expiry", "day", "lot"),
    [
        ("NIFTY", "2025-12-30", "2025-12-29", 75),
        ("NIFTY", "2026-01-06", "2025-12-29", 65),
        ("NIFTY", "2026-01-27", "2025-11-03", 65),
        ("NIFTY", "2021-07-22", "2021-07-01", 75),
        ("NIFTY", "2021-07-29", "2021-07-01", 50),
        ("NIFTY", "2021-08-05", "2021-07-12", 50),
        ("NIFTY", "2021-12-30", "2021-06-24", 75),
        ("NIFTY", "2021-12-30", "2021-06-25", 50),
        ("NIFTY", "2024-05-02", "2024-04-25", 50),
        ("NIFTY", "2024-05-02", "2024-04-26", 25),
        ("NIFTY", "2024-12-19", "2024-12-02", 25),
        ("NIFTY", "2025-01-02", "2024-12-02", 75),
        ("NIFTY", "2025-01-30", "2025-01-06", 25),
        ("NIFTY", "2025-02-27", "2025-01-06", 75),
        ("NIFTY", "2025-03-27", "2024-12-26", 25),
        ("NIFTY", "2025-03-27", "2024-12-27", 75),
        ("BANKNIFTY", "2018-10-25", "2018-10-22", 40),
        ("BANKNIFTY", "2020-07-23", "2020-07-01", 20),
        ("BANKNIFTY", "2020-07-30", "2020-07-01", 25),
        ("BANKNIFTY", "2023-07-20", "2023-07-03", 25),
        ("BANKNIFTY", "2023-07-27", "2023-07-03", 15),
        ("BANKNIFTY", "2023-08-03", "2023-07-10", 15),
        ("BANKNIFTY", "2025-07-31", "2025-05-02", 35),
        ("FINNIFTY", "2024-07-30", "2024-07-02", 25),
        ("FINNIFTY", "2024-07-23", "2024-07-02", 40),
        ("MIDCPNIFTY", "2024-08-05", "2024-07-22", 50),
        ("MIDCPNIFTY", "2026-01-27", "2025-12-01", 120),
        ("NIFTYNXT50", "2025-01-30", "2025-01-06", 10),
        ("SENSEX", "2026-01-29", "2026-01-05", 20),
        ("BANKEX", "2026-08-27", "2026-08-18", 30),
    ],
)
def test_lot_belongs_to_the_contract(underlying: str, expiry: str, day: str, lot: int) -> None:
    assert lot_size(underlying, date.fromisoformat(expiry), date.fromisoformat(day)) == lot


CONVERTED = date(2024, 4, 26)  # The day on which all NIFTY contracts went from 50 to 25 units


@given(st.sampled_from(["NIFTY", "BANKNIFTY"]), st.dates(date(2020, 8, 1), date(2026, 12, 15)))
def test_a_contract_keeps_its_lot_over_its_last_month(underlying: str, day: date) -> None:
    expiry = next_expiries(underlying, day, weekly=False)[0].day
    assume(not (underlying == "NIFTY" and day < CONVERTED <= expiry))
    assert lot_size(underlying, expiry, day) == lot_size(underlying, expiry, expiry)


@given(st.sampled_from(NSE), st.dates(date(2024, 8, 1), date(2026, 10, 1)))
def test_largest_order_is_whole_lots_within_the_freeze(underlying: str, day: date) -> None:
    expiry = next_expiries(underlying, day)[0].day
    freeze, lot = freeze_quantity(underlying, day), lot_size(underlying, expiry, day)
    most = largest_order(underlying, expiry, day)
    assert most % lot == 0 and most <= freeze < most + lot


@given(st.dates(date(2024, 4, 2), date(2026, 10, 1)))
def test_every_listed_contract_of_nifty_has_a_lot_a_kind_and_a_step(day: date) -> None:
    for one in listed_expiries("NIFTY", day):
        assert one.is_weekly == (kind_of("NIFTY", one.day, day) == "weekly")
        assert lot_size("NIFTY", one.day, day) in (25, 50, 65, 75)
        assert strike_step("NIFTY", day, expiry=one.day) >= 50


def test_a_contract_may_be_named_by_the_day_it_was_listed_for() -> None:
    old, new, day = date(2025, 9, 25), date(2025, 9, 30), date(2025, 8, 20)
    assert monthly_expiry("NIFTY", 2025, 9, listed_on=day) == old
    assert lot_rule("NIFTY", old, day) == lot_rule("NIFTY", new, day)
    assert kind_of("NIFTY", old, day) == kind_of("NIFTY", new, day) == "monthly"
    with pytest.raises(DataError, match="no contract of NIFTY expires"):
        kind_of("NIFTY", old, date(2025, 9, 1))


def test_unknown_lots_say_what_to_do() -> None:
    with pytest.raises(UnknownRuleError, match="archive of instrument lists"):
        lot_size("INFY", date(2026, 11, 23), date(2026, 11, 2))
    with pytest.raises(UnknownRuleError, match="known is"):
        lot_size("SENSEX50", date(2025, 9, 25), date(2025, 9, 1))
    found = lot_rule("SENSEX50", date(2025, 9, 25), date(2025, 9, 1), nearest=True)
    assert found.nearest and found["lot"] in (60, 75)


@given(st.dates(date(2025, 9, 1), date(2026, 12, 15)))
def test_a_day_without_expiry_is_refused_with_the_days_near_it(day: date) -> None:
    assume(day not in {one.day for one in next_expiries("NIFTY", day)})
    with pytest.raises(DataError, match="near it expire"):
        lot_size("NIFTY", day, day)
