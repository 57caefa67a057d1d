"""Whatever is put into any field of any path, Kite's error class comes back and the twin stands.

Paths and verbs come from the application itself; the fields of each are those of the protocol, up
to four of them replaced by something else. No answer is a 500, and none is
anything but Kite's envelope.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import KEY, ROOT
from test_every_method import FUND, ORDER_FORM, SALE, Twin

from nifty_research.exchange.shares import Shares

CLASSES = {
    "TokenException": {403},
    "PermissionException": {403},
    "InputException": {400, 413},
    "OrderException": {400, 500},
    "MarginException": {400},
    "HoldingException": {400},
    "NetworkException": {400, 429},
    "GeneralException": {404, 405},
}
SEEN: Counter[str] = Counter()

ODD = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "-1",
            "1",
            "1.5",
            "1e400",
            "nan",
            "inf",
            "9" * 40,
            "9" * 5000,
            "٣",
            "½",
            "null",
            "true",
            "[]",
            "{}",
            "[" * 2000,
            "'; DROP TABLE orders; --",
            "<script>alert(1)</script>",
            "../../etc/passwd",
            "%00",
            "\x00",
            "\ud800".encode("utf-8", "replace").decode(),
            "NSE",
            "INFY",
            "M&M",
            "BUY",
            "a" * 3000,
        ]
    ),
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(),
        st.text(max_size=10),
        st.sampled_from(["INFY", "NSE", "BUY", "\ud800", "9" * 30]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*ORDER_FORM, "x"]), inner, max_size=4),
    ),
    max_leaves=8,
)

CONDITION = {"exchange": "NSE", "tradingsymbol": "INFY", "trigger_values": [990.0]}
GTT_ORDER = {**SALE, "exchange": "NSE", "tradingsymbol": "INFY"}
FORMS: dict[str, dict[str, Any]] = {
    "order": {
        **ORDER_FORM,
        "price": "950.0",
        "validity": "DAY",
        "validity_ttl": "5",
        "disclosed_quantity": "0",
        "market_protection": "2",
        "iceberg_legs": "2",
        "iceberg_quantity": "5",
        "auction_number": "17",
        "autoslice": "false",
        "algo_id": "7",
        "tag": "t",
        "parent_order_id": "",
    },
    "session": {"api_key": KEY, "request_token": "x", "checksum": "y", "refresh_token": "z"},
    "gtt": {
        "type": "single",
        "condition": json.dumps({**CONDITION, "last_price": 1000.0}),
        "orders": json.dumps([GTT_ORDER]),
    },
    "alert": {
        "name": "n",
        "type": "simple",
        "lhs_exchange": "NSE",
        "lhs_tradingsymbol": "INFY",
        "lhs_attribute": "LastTradedPrice",
        "operator": ">",
        "rhs_type": "constant",
        "rhs_constant": "99999",
        "rhs_exchange": "NSE",
        "rhs_tradingsymbol": "M&M",
        "rhs_attribute": "LastTradedPrice",
        "basket": json.dumps({"items": [{**GTT_ORDER, "params": SALE}]}),
    },
    "fund": {
        "tradingsymbol": FUND,
        "transaction_type": "BUY",
        "quantity": "1",
        "amount": "1000",
        "tag": "t",
        "instalments": "12",
        "frequency": "monthly",
        "initial_amount": "500",
        "instalment_day": "5",
        "status": "paused",
    },
    "position": {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "position_type": "day",
        "quantity": "1",
        "old_product": "MIS",
        "new_product": "CNC",
    },
    "authorise": {"isin": "INE000000000", "quantity": "1"},
    "query": {
        "i": "NSE:INFY",
        "from": "2026-09-14",
        "to": "2026-09-15",
        "interval": "minute",
        "continuous": "0",
        "oi": "1",
        "mode": "compact",
        "consider_positions": "True",
        "uuid": "x",
        "status": "enabled",
        "api_key": KEY,
        "access_token": "x",
        "v": "3",
        "redirect_params": "a=b",
        "parent_order_id": "1",
    },
}


def form_for(path: str) -> str:
    "Which fields belong to a path."
    for part, name in (
        ("/orders/{variety}", "order"),
        ("/session", "session"),
        ("/gtt", "gtt"),
        ("/alerts", "alert"),
        ("/mf", "fund"),
        ("/portfolio/positions", "position"),
        ("/authorise", "authorise"),
    ):
        if part in path:
            return name
    return "query"


@pytest.fixture(scope="module")
def twin() -> Twin:
    made = Twin()
    made.step(2)
    made.buy(quantity=5)
    made.step(6)
    made.account.demat["INFY"] = Shares("INFY", made.token, quantity=50, value=50 * 900_00)
    return made


def routes(twin: Twin) -> list[tuple[str, str]]:
    "Every verb and path of the application."
    served = (route for route in twin.exchange.rest.routes() if hasattr(route, "methods"))
    return sorted((verb, one.path) for one in served for verb in one.methods if verb != "HEAD")


def parts_of(twin: Twin) -> dict[str, list[str]]:
    "Values for the fields of a path."
    orders = list(twin.account.orders)
    gtts = [str(one) for one in twin.exchange.rest.triggers.all] or ["1"]
    numbers = [*gtts[-2:], *list(twin.exchange.rest.alerts.all)[-2:], "1"]
    return {
        "variety": ["regular", "amo", "co", "iceberg", "auction", "REGULAR", "bo"],
        "order_id": [*orders[-3:], "1"],
        "number": numbers,
        "segment": ["equity", "commodity"],
        "exchange": ["NSE", "MCX"],
        "token": [str(twin.token)],
        "interval": ["minute", "day"],
        "side": ["buy", "sell"],
        "api_key": [KEY],
        "request_id": ["x"],
    }


def check(answer: Any) -> None:
    "Kite's envelope, or one of its two other forms."
    if answer.status_code in (302, 307):
        return
    kind = answer.headers["content-type"]
    if "csv" in kind:
        assert answer.status_code == 200
        return
    assert kind == "application/json", (kind, answer.content[:100])
    told = answer.json()
    if answer.status_code == 200:
        assert set(told) == {"status", "data"} and told["status"] == "success"
        SEEN["taken"] += 1
        return
    assert set(told) == {"status", "message", "error_type", "data"} and told["status"] == "error"
    assert answer.status_code in CLASSES[told["error_type"]], told
    assert told["message"]
    SEEN[told["error_type"]] += 1


def send(twin: Twin, verb: str, path: str, query: str = "", body: bytes = b"") -> Any:
    headers = {"Authorization": f"token {KEY}:{twin.account.access_token}"}
    url = ROOT + path + (f"?{query}" if query else "")
    return twin.kite.reqsession.request(
        verb, url, data=body, headers=headers, allow_redirects=False
    )


@settings(max_examples=400)
@given(data=st.data())
def test_any_field_of_any_path(twin: Twin, data: st.DataObject) -> None:
    verb, template = data.draw(st.sampled_from(routes(twin)))
    path = template
    for name, values in parts_of(twin).items():
        if f"{{{name}}}" in path:
            place, odd = data.draw(st.integers(0, 6)), data.draw(ODD)
            value = values[place % len(values)] if data.draw(st.integers(0, 2)) else odd
            path = path.replace(f"{{{name}}}", quote(value, safe="") or "-")
    form = dict(FORMS[form_for(template)])
    for _ in range(data.draw(st.integers(0, 4))):
        name = data.draw(st.sampled_from(sorted(form)))
        if data.draw(st.integers(0, 3)):
            form[name] = data.draw(ODD)
        else:
            del form[name]
        if not form:
            break
    text = urlencode(form, errors="replace")
    if verb in ("GET", "DELETE"):
        check(send(twin, verb, path, text))
        return
    as_json = path.startswith(("/margins/", "/charges/"))
    rows = data.draw(JSON)
    if as_json and data.draw(st.booleans()):
        rows = [
            {**ORDER_FORM, "average_price": 1.0, data.draw(st.sampled_from([*ORDER_FORM])): rows}
        ]
    body = json.dumps(rows).encode() if as_json else text.encode()
    check(send(twin, verb, path, body=body))


@settings(max_examples=150)
@given(condition=JSON, orders=JSON, kind=st.sampled_from(["single", "two-leg"]), data=st.data())
def test_any_json_inside_a_trigger_or_a_basket(
    twin: Twin, condition: Any, orders: Any, kind: str, data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from([*CONDITION, "last_price"]))
        condition = {**CONDITION, "last_price": 1000.0, name: condition}
    if data.draw(st.booleans()):
        orders = [{**GTT_ORDER, data.draw(st.sampled_from([*GTT_ORDER])): orders}]
    form = {"type": kind, "condition": json.dumps(condition), "orders": json.dumps(orders)}
    check(send(twin, "POST", "/gtt/triggers", body=urlencode(form).encode()))
    params = data.draw(st.one_of(JSON, st.just(SALE)))
    item = {"exchange": "NSE", "tradingsymbol": "INFY", "params": params}
    basket = data.draw(st.sampled_from([{"items": [item]}, {"items": params}, params]))
    form = {**FORMS["alert"], "type": "ato", "operator": "<", "basket": json.dumps(basket)}
    check(send(twin, "POST", "/alerts", body=urlencode(form).encode()))


@given(verb=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]), path=st.text(max_size=40))
def test_any_path(twin: Twin, verb: str, path: str) -> None:
    check(send(twin, verb, "/" + quote(path, errors="replace")))


@given(body=st.binary(max_size=300), verb=st.sampled_from(["POST", "PUT"]))
def test_any_bytes(twin: Twin, verb: str, body: bytes) -> None:
    for path in ("/orders/regular", "/margins/basket", "/gtt/triggers", "/session/token"):
        check(send(twin, verb, path, body=body))


@given(header=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60))
def test_any_credentials(twin: Twin, header: str) -> None:
    answer = twin.kite.reqsession.get(
        ROOT + "/orders", headers={"Authorization": b"token " + header.encode("latin-1")}
    )
    assert answer.status_code == 403 and answer.json()["error_type"] == "TokenException"


def test_the_twin_still_stands_and_enough_was_taken(twin: Twin) -> None:
    assert twin.kite.profile()["user_id"] and twin.kite.orders() is not None
    while twin.exchange.step():  # triggers and alerts that were taken fire on the way
        pass
    assert twin.kite.margins("equity")["enabled"] is True
    assert SEEN["taken"] > 100 and SEEN["InputException"] > 100
    assert {"TokenException", "GeneralException", "HoldingException"} & set(SEEN)
