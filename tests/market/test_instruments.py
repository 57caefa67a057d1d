"""Ticks and instruments against the broker's own list and the broker's own client."""

import gzip
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError
from nifty_research.market.instruments import (
    COLUMNS,
    Instrument,
    exchange_token_of,
    instrument_token_of,
    instruments_csv,
    paper_instruments,
    parse_instruments,
    read_instruments,
    token_code,
)
from nifty_research.market.members import RENAMES
from nifty_research.market.rules import keys
from nifty_research.market.ticks import tick_reference_day, tick_size

DAY = date(2026, 9, 15)
TOKENS = (6756156, 6597298)
PRICES = st.floats(0.05, 200_000, allow_nan=False)


@given(st.dates(date(2015, 1, 1), date(2026, 12, 31)), PRICES)
def test_a_tick_is_a_whole_number_of_paise(day: date, price: float) -> None:
    assert tick_size(day, price) in (0.01, 0.05, 0.10, 0.50, 1.00, 5.00)


@given(PRICES, PRICES)
def test_a_dearer_share_never_has_a_finer_tick(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert tick_size(DAY, low) <= tick_size(DAY, high)


CLASS_ENDS = {
    249.99: 0.01,
    250.0: 0.05,
    1_000.0: 0.05,
    1_000.05: 0.10,
    5_000.0: 0.10,
    5_000.1: 0.50,
    10_000.0: 0.50,
    10_000.5: 1.0,
    20_000.0: 1.0,
    20_001.0: 5.0,
}


@pytest.mark.parametrize(("price", "tick"), CLASS_ENDS.items())
def test_classes_end_where_the_circular_says(price: float, tick: float) -> None:
    assert tick_size(DAY, price) == tick


def test_a_tick_follows_the_last_session_of_the_month_before() -> None:
    assert tick_reference_day(date(2026, 1, 1)) == date(2025, 12, 31)


@pytest.mark.parametrize("price", [0.0, -5.0, float("inf"), float("nan")])
def test_a_price_that_is_none_has_no_tick(price: float) -> None:
    with pytest.raises(DataError, match="reference price"):
        tick_size(DAY, price)


def test_all_known_shares_have_tokens_of_their_own() -> None:
    known = {*keys("sectors"), *RENAMES}
    assert len({exchange_token_of(symbol) for symbol in known}) == len(known)
    assert all(instrument_token_of(symbol) < 2**31 for symbol in known)


def test_a_token_does_not_depend_on_the_list() -> None:
    alone = paper_instruments(["SBIN"], DAY, {"SBIN": 800.0})
    among = paper_instruments(["INFY", "SBIN"], DAY, {"SBIN": 800.0, "INFY": 1_500.0})
    assert alone[0] == among[1]


def test_tokens_stay_what_they_are() -> None:
    # Journals and recorded ticks carry them.
    assert (exchange_token_of("RELIANCE"), exchange_token_of("M&M")) == TOKENS


def test_a_share_without_price_is_refused_by_name() -> None:
    with pytest.raises(MissingDataError, match="INFY"):
        paper_instruments(["SBIN", "INFY"], DAY, {"SBIN": 800.0})


def test_the_brokers_client_reads_our_list() -> None:
    kiteconnect = pytest.importorskip("kiteconnect")
    paper = paper_instruments(["M&M", "MARUTI"], DAY, {"M&M": 3_400.0, "MARUTI": 15_200.0})
    client = kiteconnect.KiteConnect(api_key="none")
    rows = client._parse_instruments(instruments_csv(paper).encode())
    assert [tuple(row) for row in rows] == [COLUMNS, COLUMNS]
    assert [(row["tradingsymbol"], row["tick_size"], row["lot_size"]) for row in rows] == [
        ("M&M", 0.1, 1),
        ("MARUTI", 1.0, 1),
    ]
    assert rows[0]["instrument_token"] == paper[0].instrument_token
    assert rows[0]["last_price"] == rows[0]["strike"] == 0.0


# ---- every kind of instrument -----------------------------------------------------------------

WORDS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&- ,", min_size=1, max_size=20)
SHARES = st.builds(
    Instrument,
    instrument_token=st.integers(1, 2**31 - 1),
    exchange_token=st.integers(1, 2**23),
    tradingsymbol=WORDS,
    name=WORDS,
    tick_size=st.sampled_from((0.0, 0.0025, 0.01, 0.05, 0.1, 1.0)),
    lot_size=st.integers(0, 10_000),
    segment=st.sampled_from(("NSE", "INDICES")),
    last_price=st.floats(0, 1e6),
)
CONTRACTS = st.builds(
    Instrument,
    instrument_token=st.integers(1, 2**31 - 1),
    exchange_token=st.integers(1, 2**23),
    tradingsymbol=WORDS,
    name=WORDS,
    tick_size=st.sampled_from((0.0025, 0.05, 1.0)),
    lot_size=st.integers(1, 10_000),
    instrument_type=st.sampled_from(("FUT", "CE", "PE")),
    segment=st.sampled_from(("NFO-OPT", "CDS-FUT", "MCX-OPT")),
    exchange=st.sampled_from(("NFO", "CDS", "MCX")),
    expiry=st.dates(date(2015, 1, 1), date(2032, 1, 1)),
    strike=st.floats(0, 1e6),
)


@given(st.lists(st.one_of(SHARES, CONTRACTS), max_size=6))
def test_a_list_reads_back_as_it_was_written(some: list[Instrument]) -> None:
    assert parse_instruments(instruments_csv(some)) == some


@given(st.lists(CONTRACTS, min_size=1, max_size=4))
def test_days_written_first_are_refused_until_they_are_announced(some: list[Instrument]) -> None:
    text = instruments_csv(some)
    for one in some:
        assert one.expiry is not None
        text = text.replace(f",{one.expiry:%Y-%m-%d},", f",{one.expiry:%d-%m-%Y},")
    with pytest.raises(DataError, match="day_first=True"):
        parse_instruments(text)
    assert parse_instruments(text, day_first=True) == some


BROKEN = {
    "lot": (",65,FUT", ",65.5,FUT"),
    "tick": (",0.1,65", ",nan,65"),
    "token": ("17512706,", ",,"),
    "type": (",FUT,", ",FUTURE,"),
    "no expiry": ("2026-09-29", ""),
    "expiry": ("2026-09-29", "2026-09-31"),
    "cells": (",NFO\n", "\n"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_row_that_cannot_be_read_is_named_by_its_line(fault: str) -> None:
    good = "17512706,68409,NIFTY26SEPFUT,NIFTY,0.0,2026-09-29,0.0,0.1,65,FUT,NFO-FUT,NFO\n"
    text = ",".join(COLUMNS) + "\n" + good + good.replace(*BROKEN[fault])
    with pytest.raises(DataError, match="line 3"):
        parse_instruments(text)
    kept, faults = read_instruments(text)
    assert len(kept) == 1 and [fault.line for fault in faults] == [3]


def listed(nifty_data: Path, name: str) -> str:
    with gzip.open(nifty_data / "ref" / name, "rt") as file:
        return file.read()


def test_the_brokers_list_of_shares_and_indices_is_read(nifty_data: Path) -> None:
    instruments, faults = read_instruments(listed(nifty_data, "kite_instruments_nse.csv.gz"))
    reliance = next(i for i in instruments if i.tradingsymbol == "RELIANCE")
    assert reliance.instrument_token == reliance.exchange_token * 256 + 1 == 738561
    assert reliance.tick_size == 0.05
    assert Counter(i.kind for i in instruments) == {"equity": 5602, "index": 72}
    assert [fault.text.split(",")[0] for fault in faults] == ["# 3077377"]  # struck out by hand


def test_the_brokers_list_of_contracts_is_read_and_written_back(nifty_data: Path) -> None:
    text = listed(nifty_data, "kite_instruments_nfo_2025-11.csv.gz")
    instruments = parse_instruments(text)
    assert Counter(i.kind for i in instruments) == {"option": 38116, "future": 636}
    assert {token_code(i.instrument_token) for i in instruments} == {"NFO"}
    lots = {i.expiry: i.lot_size for i in instruments if i.underlying == "NIFTY"}
    assert lots[date(2025, 12, 30)] == 75 and lots[date(2026, 1, 27)] == 65
    again = parse_instruments(instruments_csv(instruments))
    assert again == instruments


def test_a_list_rewritten_by_a_spreadsheet_is_read_when_announced(nifty_data: Path) -> None:
    text = listed(nifty_data, "kite_instruments_2024-04.csv.gz")
    with pytest.raises(DataError, match="day_first=True"):
        parse_instruments(text)
    instruments = parse_instruments(text, day_first=True)
    assert Counter(i.kind for i in instruments) == {"option": 30452, "future": 558, "equity": 363}
    lots = {i.underlying: i.lot_size for i in instruments if i.instrument_type == "FUT"}
    assert (lots["NIFTY"], lots["BANKNIFTY"]) == (50, 15)
    assert {i.expiry for i in instruments if i.tradingsymbol == "NIFTY24APRFUT"} == {
        date(2024, 4, 25)
    }
