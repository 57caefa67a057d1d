"""Whatever a client sends as an order, the exchange answers in Kite's envelope and goes on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import ROOT, Exchange
from live_exchange import WARM_UP, small_market

from nifty_research.core.settings import load_settings
from nifty_research.market.instruments import instrument_token_of

TAKEN: list[str] = []  # order types of the orders that were taken
ERRORS = {"InputException", "MarginException", "HoldingException", "NetworkException"}

NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["0", "1", "10", "-1", "65.0", "1e5", "1_0", "٣", "--5", "-", "9" * 5000, "0x1f"]
    ),
    st.sampled_from(["900", "1010.5", "1500", "900.03", "2000"]),
)
WORDS = st.one_of(st.text(max_size=25), st.sampled_from(["NSE", "INFY", "BUY", "MIS", "DAY", ""]))
FIELDS = {
    "exchange": st.sampled_from(["NSE"] * 8 + ["BSE", "nse", ""]),
    "tradingsymbol": st.sampled_from(["INFY", "M&M", "RELIANCE", "infy", "NOSUCH"]),
    "transaction_type": st.sampled_from(["BUY", "SELL", "HOLD"]),
    "order_type": st.sampled_from(["MARKET", "LIMIT", "SL", "SL-M", "ICEBERG"]),
    "product": st.sampled_from(["MIS", "CNC", "NRML"]),
    "quantity": st.one_of(st.sampled_from(["1", "7", "100"]), NUMBERS),
    "price": NUMBERS,
    "trigger_price": NUMBERS,
    "market_protection": st.one_of(st.sampled_from(["-1", "2", "100"]), NUMBERS),
    "validity": st.sampled_from(["DAY", "DAY", "IOC", "TTL"]),
    "tag": WORDS,
    "disclosed_quantity": NUMBERS,
}


GOOD = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "quantity": "2",
    "product": "MIS",
    "validity": "DAY",
    "market_protection": "2",
}
KINDS = (
    {"transaction_type": "BUY", "order_type": "MARKET"},
    {"transaction_type": "SELL", "order_type": "LIMIT", "price": "1100"},
    {"transaction_type": "BUY", "order_type": "SL-M", "trigger_price": "1500"},
    {"transaction_type": "SELL", "order_type": "SL", "trigger_price": "900", "price": "890"},
)


@st.composite
def forms(draw: st.DrawFn) -> dict[str, str]:
    "Fields of a good order, up to three of them changed or missing, and some unknown ones."
    form = GOOD | draw(st.sampled_from(KINDS))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(list(FIELDS)))
        form.pop(name, None)
        if draw(st.integers(0, 4)):
            form[name] = draw(st.one_of(FIELDS[name], WORDS))
    return form | draw(st.dictionaries(st.text(max_size=8), WORDS, max_size=1))


CHANGES = st.one_of(
    forms(),
    st.dictionaries(st.sampled_from(list(FIELDS)), st.one_of(NUMBERS, WORDS), max_size=3),
    st.sampled_from(KINDS),
)


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    made = Exchange(small_market(), WARM_UP, load_settings())
    made.step()
    return made


def ask(exchange: Exchange, method: str, path: str, body: str = "") -> Any:
    "Kite's envelope; a failure has all four fields and an error class."
    if not hasattr(exchange, "client"):
        exchange.client = exchange.broker().kite  # type: ignore[attr-defined]
    client = exchange.client  # type: ignore[attr-defined]
    headers = {"Authorization": f"token {client.api_key}:{client.access_token}"}
    answer = client.reqsession.request(method, ROOT + path, data=body, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    if answer.status_code == 200:
        assert set(told) == {"status", "data"} and told["status"] == "success"
        return told["data"]
    assert set(told) == {"status", "message", "error_type", "data"} and told["status"] == "error"
    assert told["error_type"] in ERRORS and answer.status_code == 400, told
    assert told["message"]
    return None


@settings(max_examples=300)
@given(form=forms(), change=CHANGES)
def test_any_order_is_taken_or_refused_in_kites_envelope(
    exchange: Exchange, form: dict[str, str], change: dict[str, str]
) -> None:
    before = ask(exchange, "GET", "/orders")
    taken = ask(exchange, "POST", "/orders/regular", urlencode(form))
    after = ask(exchange, "GET", "/orders")
    if taken is None:
        assert after == before
        return
    path = f"/orders/regular/{taken['order_id']}"
    TAKEN.append(form["order_type"])
    order = after[-1]
    assert order["order_id"] == taken["order_id"] and len(after) == len(before) + 1
    assert order["status"] in ("OPEN", "TRIGGER PENDING") and order["quantity"] > 0
    changed = ask(exchange, "PUT", path, urlencode(change))
    if changed is None:
        assert ask(exchange, "GET", "/orders")[-1] == order
    assert ask(exchange, "GET", f"/orders/{order['order_id']}")[-1]["quantity"] > 0
    assert ask(exchange, "GET", "/portfolio/positions") == {"net": [], "day": []}
    ask(exchange, "DELETE", path)
    assert ask(exchange, "GET", "/orders")[-1]["status"] == "CANCELLED"


@settings(max_examples=60)
@given(
    interval=st.sampled_from(["minute", "day", "5minute", "x"]), begin=WORDS, end=WORDS, n=NUMBERS
)
def test_any_question_about_prices_is_answered(
    exchange: Exchange, interval: str, begin: str, end: str, n: str
) -> None:
    token = str(instrument_token_of("INFY"))
    query = urlencode({"from": begin, "to": end})
    ask(exchange, "GET", f"/instruments/historical/{token}/{interval}?{query}")
    years = urlencode({"from": "2026-09-14", "to": n})
    ask(exchange, "GET", f"/instruments/historical/{token}/minute?{years}")
    for path in ("/quote", "/quote/ltp", "/quote/ohlc"):
        assert ask(exchange, "GET", f"{path}?{urlencode({'i': n})}") == {}


def test_enough_was_taken_to_mean_something() -> None:
    assert len(TAKEN) > 60 and set(TAKEN) >= {"MARKET", "LIMIT", "SL", "SL-M"}


def test_a_whole_day_is_still_played(exchange: Exchange) -> None:
    while exchange.step():
        pass
    assert ask(exchange, "GET", "/portfolio/positions")["net"] == []
