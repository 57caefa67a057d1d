"""Symbols there and back: for any contract, and for every contract of the broker's lists."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.market.expiries import listed_expiries
from nifty_research.market.symbols import (
    COMMODITIES,
    CURRENCIES,
    NSE_INDICES,
    Contract,
    build,
    exchange_of,
    parse,
    parse_if_any,
    resolve,
    symbol_of,
)

NAMES = st.sampled_from(
    [
        "NIFTY",
        "NIFTYNXT50",
        "SENSEX",
        "SENSEX50",
        "M&M",
        "BAJAJ-AUTO",
        "360ONE",
        "J&KBANK",
        "USDINR",
    ]
)
WITH_WEEKLIES = st.sampled_from(["NIFTY", "BANKNIFTY", "SENSEX", "SENSEX50", "USDINR", "EURINR"])
STRIKES = st.one_of(
    st.integers(1, 150_000).map(float),
    st.integers(1, 40_000).map(lambda quarters: quarters / 4),
    st.integers(1, 10**7).map(lambda paise: paise / 100),
)
DAYS = st.dates(date(2015, 1, 1), date(2035, 12, 31))


@given(NAMES, DAYS, st.sampled_from(["FUT", "CE", "PE"]), STRIKES)
def test_a_monthly_contract_comes_back_from_its_symbol(
    name: str, day: date, kind: str, strike: float
) -> None:
    contract = Contract(name, day.year, day.month, kind, None if kind == "FUT" else strike)
    assert parse(symbol_of(contract)) == contract


@given(WITH_WEEKLIES, DAYS, st.sampled_from(["FUT", "CE", "PE"]), STRIKES)
def test_a_weekly_contract_comes_back_from_its_symbol(
    name: str, day: date, kind: str, strike: float
) -> None:
    strikes = None if kind == "FUT" else strike
    contract = Contract(name, day.year, day.month, kind, strikes, day, weekly=True)
    assert parse(symbol_of(contract)) == contract


KNOWN = st.text("ABCXYZ059&-", min_size=1, max_size=8).filter(lambda t: any(c.isalpha() for c in t))


@given(st.sets(KNOWN, min_size=1, max_size=6), DAYS, STRIKES, st.booleans(), st.data())
def test_a_known_name_is_found_whatever_it_ends_in(
    names: set[str], day: date, strike: float, weekly: bool, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(names)))
    expiry = day if weekly else None
    contract = Contract(name, day.year, day.month, "CE", strike, expiry, weekly=weekly)
    text = symbol_of(contract)
    found = parse(text, known_underlyings=names)
    assert symbol_of(found) == text
    longer = [other for other in names if other.startswith(name) and other != name]
    assert found == contract or any(text.startswith(other) for other in longer)


@given(st.text("NIFTYSEOC0123456789FUTP&-.", max_size=24))
def test_any_text_is_a_contract_that_reads_the_same_or_none(text: str) -> None:
    found = parse_if_any(text)
    if found is not None:
        again = symbol_of(found)
        assert parse(again) == found


@pytest.mark.parametrize("name", ["NIFTY", "BANKNIFTY", "SENSEX", "FINNIFTY"])
@pytest.mark.parametrize("day", [date(2024, 9, 2), date(2025, 11, 19), date(2026, 8, 18)])
def test_every_listed_expiry_is_found_again_from_its_symbol(name: str, day: date) -> None:
    for expiry in listed_expiries(name, day, nearest=True):
        known = expiry.certain and expiry.day.year <= 2026
        if not known:
            continue
        text = build(name, "CE", expiry.day, 25_000, weekly=expiry.is_weekly)
        assert resolve(parse(text), listed_on=day).expiry == expiry.day


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("kite_instruments_nfo_2025-11.csv.gz", date(2025, 11, 19)),
        ("kite_instruments_2024-04.csv.gz", date(2024, 4, 2)),
    ],
)
def test_the_brokers_lists_are_read_and_written_without_exception(
    nifty_data: Path, name: str, day: date
) -> None:
    rows = pd.read_csv(nifty_data / "ref" / name, keep_default_na=False)
    rows = rows[rows.instrument_type != "EQ"]
    dated = pd.to_datetime(rows.expiry, dayfirst="2024" in name).dt.date
    assert len(rows) > 30_000
    told = zip(
        rows.tradingsymbol,
        rows.name,
        rows.instrument_type,
        rows.strike.astype(float),
        dated,
        strict=True,
    )
    for symbol, underlying, kind, strike, expiry in told:
        contract = parse(symbol)
        assert (contract.underlying, contract.kind) == (underlying, kind), symbol
        assert (contract.strike or 0.0) == strike, symbol
        assert symbol_of(contract) == symbol
        assert resolve(contract, listed_on=day).expiry == expiry, symbol


def test_shares_of_the_brokers_list_are_no_contracts(nifty_data: Path) -> None:
    rows = pd.read_csv(nifty_data / "ref" / "kite_instruments_nse.csv.gz", keep_default_na=False)
    assert len(rows) > 5_000
    assert [symbol for symbol in rows.tradingsymbol if parse_if_any(symbol) is not None] == []


def test_names_in_a_new_bhavcopy_are_the_brokers_symbols(nifty_data: Path) -> None:
    name = "BhavCopy_NSE_FO_0_0_0_20260813_F_0000.nifty_subset.csv"
    rows = pd.read_csv(nifty_data / "fo" / "raw" / name)
    rows = rows[rows.TckrSymb == "NIFTY"]
    for row in rows.itertuples():
        contract = resolve(parse(row.FinInstrmNm), listed_on=date(2026, 8, 13))
        assert str(contract.expiry) == row.XpryDt
        assert contract.kind == ("FUT" if pd.isna(row.OptnTp) else row.OptnTp)
        assert contract.is_option == (not pd.isna(row.StrkPric))
        assert contract.strike is None or contract.strike == row.StrkPric


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NIFTY",
        "FUT",
        "26SEPFUT",
        "NIFTY26FEB30FUT",
        "NIFTY26SEP24000",
        "NIFTY2623024000CE",
        "nifty26SEPFUT",
    ],
)
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="no trading symbol"):
        parse(text)


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (Contract("NIFTY", 2026, 13, "FUT"), "years 2000 to 2099"),
        (Contract("NIFTY", 2026, 9, "XX"), "FUT, CE or PE"),
        (Contract("NIFTY", 2026, 9, "CE"), "positive strike"),
        (Contract("NIFTY", 2026, 9, "CE", float("nan")), "positive strike"),
        (Contract("NIFTY", 2026, 9, "CE", 0.00001), "four decimals"),
        (Contract("NIFTY", 2026, 9, "FUT", 24_000.0), "no strike"),
        (Contract("nifty", 2026, 9, "FUT"), "capital letters"),
        (Contract("NIFTY", 2026, 9, "FUT", weekly=True), "needs its day"),
    ],
)
def test_terms_that_no_symbol_can_hold_are_refused(contract: Contract, message: str) -> None:
    with pytest.raises(DataError, match=message):
        symbol_of(contract)


def test_each_name_trades_on_one_exchange() -> None:
    assert {exchange_of(name) for name in NSE_INDICES} == {"NFO"}
    assert {exchange_of(name) for name in CURRENCIES} == {"CDS"}
    assert {exchange_of(name) for name in COMMODITIES} == {"MCX"}
    assert exchange_of("SENSEX") == exchange_of("BANKEX") == "BFO"
