"""Contract notes: the broker's published answers, the engine's charges, the day's end."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError, UnknownRuleError
from nifty_research.market.charges import HEADS, charges_by_head
from nifty_research.market.notes import (
    day_note,
    delivery_tax_paise,
    exercise_tax_paise,
    order_charges,
    rounded_tax_paise,
    tariff_of_order,
    virtual_contract_note,
)

JULY = date(2023, 7, 11)
DAYS = st.dates(date(2018, 7, 1), date(2026, 12, 31))


def order(
    exchange: str, symbol: str, side: str, quantity: int, price: float, product: str
) -> dict[str, Any]:
    return {
        "exchange": exchange,
        "tradingsymbol": symbol,
        "transaction_type": side,
        "variety": "regular",
        "product": product,
        "order_type": "LIMIT",
        "quantity": quantity,
        "average_price": price,
    }


# `virtual_contract_note.json`: tax, exchange, SEBI, brokerage, stamp, GST, total
PUBLISHED = [
    (
        order("NSE", "SBIN", "BUY", 1, 560, "CNC"),
        ("0.56", "0.01876", "0.00056", "0", "0", "0.0033768", "0.5826968"),
    ),
    (
        order("NFO", "NIFTY2371317900PE", "BUY", 100, 1.5, "NRML"),
        ("0", "0.07575", "0.00015", "20", "0", "3.613527", "23.689427"),
    ),
    (
        order("MCX", "GOLDPETAL23JULFUT", "SELL", 1, 5862, "NRML"),
        ("0.5862", "0.152412", "0.005862", "1.7586", "0", "0.34503732", "2.84811132"),
    ),
]


@pytest.mark.parametrize(("asked", "answer"), PUBLISHED)
def test_the_brokers_contract_notes_to_the_last_digit(
    asked: dict[str, Any], answer: tuple[str, ...]
) -> None:
    charges = virtual_contract_note([asked], JULY)[0]["charges"]
    found = (
        charges["transaction_tax"],
        charges["exchange_turnover_charge"],
        charges["sebi_turnover_charge"],
        charges["brokerage"],
        charges["stamp_duty"],
        charges["gst"]["total"],
        charges["total"],
    )
    assert found == tuple(map(float, answer))


# `basket_margins.json`: tax, exchange, SEBI, brokerage, GST, total; the levy and its stamp left out
BASKET = [
    (
        order("NFO", "NIFTY23JUL20600CE", "SELL", 75, 35.65, "NRML"),
        ("1.67109375", "1.336875", "0.00267375", "20", "3.841118775", "26.851761275"),
    ),
    (
        order("NFO", "NIFTY23JUL20700CE", "BUY", 75, 6.95, "NRML"),
        ("0", "0.260625", "0.00052125", "20", "3.647006325", "23.908152575"),
    ),
]


@pytest.mark.parametrize(("asked", "answer"), BASKET)
def test_the_brokers_basket_without_the_levy_to_the_last_digit(
    asked: dict[str, Any], answer: tuple[str, ...]
) -> None:
    heads = order_charges(asked, JULY)
    found = [heads[head] for head in ("stt", "exchange", "sebi", "brokerage", "gst")]
    assert [*found, sum(found)] == [Fraction(text) for text in answer]
    assert virtual_contract_note([asked], JULY)[0]["charges"]["stamp_duty"] == 0.0


def test_the_margin_of_one_delivery_with_its_token_paisa_of_brokerage() -> None:
    # `order_margins.json`, INFY at the rate of 2021 to 2023: a paisa of brokerage, taxed
    infosys = order("NSE", "INFY", "BUY", 1, 1498, "CNC")
    charges = virtual_contract_note([infosys], date(2022, 8, 1), stamp_step_paise=1)[0]["charges"]
    assert charges["transaction_tax"] == 1.498
    assert charges["exchange_turnover_charge"] == 0.051681
    assert charges["sebi_turnover_charge"] == 0.001498
    assert charges["stamp_duty"] == 0.22
    token = Fraction("0.01") * Fraction("1.18")
    assert float(Fraction(str(charges["total"])) + token) == 1.79255122


def test_a_note_has_the_fields_of_the_brokers_answer() -> None:
    note = virtual_contract_note([order("NSE", "SBIN", "BUY", 1, 560, "CNC")], JULY)[0]
    assert list(note) == [
        "transaction_type",
        "tradingsymbol",
        "exchange",
        "variety",
        "product",
        "order_type",
        "quantity",
        "price",
        "charges",
    ]
    assert set(note["charges"]) == {
        "transaction_tax",
        "transaction_tax_type",
        "exchange_turnover_charge",
        "sebi_turnover_charge",
        "brokerage",
        "stamp_duty",
        "gst",
        "total",
    }
    assert set(note["charges"]["gst"]) == {"igst", "cgst", "sgst", "total"}


@pytest.mark.parametrize(
    ("exchange", "symbol", "tax"),
    [
        ("NSE", "SBIN", "stt"),
        ("NFO", "NIFTY26SEPFUT", "stt"),
        ("CDS", "USDINR26SEPFUT", ""),
        ("MCX", "GOLD26OCTFUT", "ctt"),
        ("MCX", "GOLD26OCT150000CE", "ctt"),
    ],
)
def test_each_segment_has_its_tax(exchange: str, symbol: str, tax: str) -> None:
    note = virtual_contract_note(
        [order(exchange, symbol, "SELL", 1, 100, "MIS")], date(2026, 9, 15)
    )[0]["charges"]
    assert note["transaction_tax_type"] == tax
    assert (note["transaction_tax"] > 0) == bool(tax)


def test_the_large_indices_of_bse_have_a_rate_of_their_own() -> None:
    def rate(symbol: str) -> str:
        return tariff_of_order("BFO", symbol, "NRML").variant

    assert rate("SENSEX26O0176200CE") == rate("BANKEX26SEP60000PE") == ""
    assert rate("SENSEX5026SEP26000CE") == rate("RELIANCE26SEP1400CE") == "other"


def test_a_cover_order_is_charged_as_intraday() -> None:
    covered, plain = (tariff_of_order("NSE", "SBIN", product) for product in ("CO", "MIS"))
    assert covered == plain


MARKETS = st.sampled_from(
    [
        ("NSE", "SBIN", "CNC", "equity"),
        ("NSE", "SBIN", "MIS", "equity"),
        ("NFO", "NIFTY26SEPFUT", "NRML", "futures"),
        ("NFO", "NIFTY2692224000CE", "MIS", "options"),
        ("CDS", "USDINR26SEPFUT", "NRML", "currency-futures"),
        ("MCX", "GOLDPETAL26SEPFUT", "NRML", "commodity-futures"),
    ]
)
SIDES = st.sampled_from(["BUY", "SELL"])


@given(MARKETS, SIDES, st.integers(0, 10_000), st.integers(1, 10_000_00), DAYS)
def test_a_note_rounded_head_by_head_is_what_the_engine_books(
    market: tuple[str, str, str, str], side: str, quantity: int, price_paise: int, day: date
) -> None:
    exchange, symbol, product, segment = market
    asked = order(exchange, symbol, side, quantity, price_paise / 100, product)
    booked = charges_by_head(
        quantity * price_paise, is_sell=side == "SELL", day=day, product=product, segment=segment
    )
    assert day_note([asked], day).booked == booked
    note = virtual_contract_note([asked], day, stamp_step_paise=0)[0]["charges"]
    parts = sum(v for v in note.values() if isinstance(v, float)) - note["total"]
    assert note["total"] == pytest.approx(parts + note["gst"]["total"], abs=1e-6)
    assert abs(100 * note["total"] - sum(booked.values())) <= 3.5 + 1e-6  # half a paisa a head


@given(st.lists(st.tuples(MARKETS, SIDES, st.integers(1, 500)), max_size=12), DAYS)
def test_the_day_states_what_its_orders_cost_with_the_tax_in_whole_rupees(
    some: list[tuple[tuple[str, str, str, str], str, int]], day: date
) -> None:
    orders = [order(m[0], m[1], side, q, 123.45, m[2]) for m, side, q in some]
    note = day_note(orders, day)
    exact = {head: sum(order_charges(one, day)[head] for one in orders) for head in HEADS}
    for head in HEADS:
        away = abs(note.stated[head] - 100 * exact[head])
        assert away <= (100 if head == "stt" else Fraction(1, 2)), head  # stt and ctt: 50 each
        assert note.to_book[head] == note.stated[head] - note.booked[head]
    assert note.stated["stt"] % 100 == 0


def test_half_a_rupee_of_tax_rounds_up_once_for_the_day() -> None:
    assert rounded_tax_paise([Fraction("0.20"), Fraction("0.30")]) == 100
    assert rounded_tax_paise([Fraction("0.20"), Fraction("0.29")]) == 0
    assert rounded_tax_paise([]) == 0


def test_stt_and_ctt_are_rounded_apart() -> None:
    orders = [
        order("NSE", "SBIN", "SELL", 10, 200.0, "MIS"),  # 0.50
        order("MCX", "GOLDPETAL26SEPFUT", "SELL", 1, 5_000.0, "NRML"),  # 0.50
    ]
    assert day_note(orders, date(2026, 9, 15)).stated["stt"] == 200


# ---- exercise ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "paise"),
    [
        (date(2019, 8, 29), 103_134),  # 0.125 % of the whole settlement value
        (date(2019, 9, 26), 94),  # 0.125 % of ten rupees a unit
        (date(2026, 3, 24), 94),
        (date(2026, 4, 28), 113),  # 0.15 %
    ],
)
def test_the_base_and_the_rate_of_an_exercised_option(day: date, paise: int) -> None:
    assert exercise_tax_paise("CE", 11_000 - 9.0, 11_001.0, 75, day) == paise


@given(st.sampled_from(["CE", "PE"]), st.integers(1, 40_000), st.integers(1, 40_000), DAYS)
def test_an_option_that_ends_worthless_is_not_taxed(
    kind: str, strike: int, last: int, day: date
) -> None:
    worth = max(last - strike if kind == "CE" else strike - last, 0)
    tax = exercise_tax_paise(kind, strike, last, 100, day)
    assert (tax > 0) == (worth > 0)


def test_shares_out_of_derivatives_are_taxed_as_deliveries_since_july_2018() -> None:
    assert delivery_tax_paise(1_400.0, 500, date(2026, 9, 29)) == 70_000
    with pytest.raises(UnknownRuleError, match="2018-06-28"):
        delivery_tax_paise(1_400.0, 500, date(2018, 6, 28))


# ---- refusals ----------------------------------------------------------------------------------

GOOD = order("NSE", "SBIN", "BUY", 1, 560, "CNC")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"transaction_type": "buy"}, "BUY or SELL"),
        ({"quantity": -1}, "at least zero"),
        ({"average_price": float("nan")}, "at least zero"),
        ({"exchange": "NYSE"}, "NYSE"),
        ({"product": "NRML"}, "NRML"),
        ({"exchange": "NFO"}, "neither a future nor an option"),
    ],
)
def test_an_order_that_cannot_be_charged_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        virtual_contract_note([GOOD | change], JULY)


def test_missing_fields_are_named() -> None:
    with pytest.raises(MissingDataError, match=r"order 1.*average_price"):
        virtual_contract_note([GOOD, {k: v for k, v in GOOD.items() if k != "average_price"}], JULY)
