"""Ticks and instruments against the broker's own list and the broker's own client."""

import gzip
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError
from nifty_research.market.instruments import (
    COLUMNS,
    exchange_token_of,
    instrument_token_of,
    instruments_csv,
    paper_instruments,
    parse_instruments,
)
from nifty_research.market.members import _INDUSTRY_OF, RENAMES
from nifty_research.market.ticks import tick_reference_day, tick_size

DATA = Path(os.environ.get("NIFTY_DATA", Path(__file__).parents[2] / "../shared/data"))
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
    known = {*_INDUSTRY_OF, *RENAMES}
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


@pytest.mark.skipif(not (DATA / "ref").is_dir(), reason=f"no recorded data in {DATA}")
def test_the_brokers_list_is_read() -> None:
    with gzip.open(DATA / "ref/kite_instruments_nse.csv.gz", "rt") as file:
        text = "".join(line for line in file if not line.startswith("# "))
    instruments = parse_instruments(text)
    reliance = next(i for i in instruments if i.tradingsymbol == "RELIANCE")
    assert reliance.instrument_token == reliance.exchange_token * 256 + 1 == 738561
    assert reliance.tick_size == 0.05
    assert len(instruments) == 5674
