"""The unmodified client of Kite over real sockets: every call that a session makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection

import pytest
from kiteconnect import KiteConnect
from kiteconnect import exceptions as kite
from live_exchange import SYMBOLS, WARM_UP, Live, live_exchange

from nifty_research.broker.client import paper_request_token

UNPROTECTED = "Market orders without market protection are not allowed via API"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_exchange(tmp_path_factory.mktemp("exchange")) as running:
        running.step(5)  # the day is open and its first bar has closed
        yield running


@pytest.fixture(autouse=True)
def nothing_left(live: Live) -> Iterator[None]:
    yield
    for order in live.kite.orders():
        if order["status"] in ("OPEN", "TRIGGER PENDING"):
            live.kite.cancel_order("regular", order["order_id"])


def raw(live: Live, method: str, path: str, body: str = "") -> tuple[int, str, bytes]:
    host, port = live.addresses.rest.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=10)
    headers = {"Authorization": f"token {live.key}:{live.kite.access_token}"}
    if body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    told = answer.status, answer.getheader("content-type", ""), answer.read()
    connection.close()
    return told


# ---- session -----------------------------------------------------------------------------------


def test_log_in_gives_what_the_client_indexes(live: Live) -> None:
    client = KiteConnect(live.key, root=live.addresses.rest)
    token = paper_request_token(live.addresses.rest, live.key, 5)
    session = client.generate_session(token, live.secret)
    assert isinstance(session["login_time"], datetime)
    assert session["access_token"].isalnum() and len(session["access_token"]) == 32
    assert session["refresh_token"] == "" and session["user_id"] == "PAPER01"
    with pytest.raises(kite.TokenException):  # the token before died with the new log-in
        live.kite.profile()
    with pytest.raises(kite.TokenException):  # a request token works once
        client.generate_session(token, live.secret)
    live.broker = live.client()


def test_wrong_checksum_and_wrong_token_are_refused(live: Live) -> None:
    token = paper_request_token(live.addresses.rest, live.key, 5)
    stranger = KiteConnect(live.key, root=live.addresses.rest)
    with pytest.raises(kite.TokenException) as refused:
        stranger.generate_session(token, "wrong secret")
    assert refused.value.code == 403 and "invalid or has expired" in str(refused.value)
    odd = raw(
        live, "POST", "/session/token", f"api_key={live.key}&request_token={token}&checksum=%C3%A9"
    )
    assert odd[0] == 403 and json.loads(odd[2])["error_type"] == "TokenException"
    stranger.set_access_token("0" * 32)
    for call in (stranger.profile, stranger.orders, stranger.positions, stranger.margins):
        with pytest.raises(kite.TokenException) as refused:
            call()
        assert refused.value.code == 403
        assert str(refused.value) == "Incorrect `api_key` or `access_token`."


def test_profile_and_margins(live: Live) -> None:
    profile = live.kite.profile()
    assert profile["user_id"] == "PAPER01" and profile["exchanges"] == ["NSE"]
    assert {"MARKET", "LIMIT", "SL", "SL-M"} == set(profile["order_types"])
    both = live.kite.margins()
    assert set(both) == {"equity", "commodity"} and live.kite.margins("equity") == both["equity"]
    for segment in both.values():
        available, used = segment["available"], segment["utilised"]
        assert segment["net"] == available["live_balance"]
        parts = ("cash", "intraday_payin", "collateral", "adhoc_margin")
        assert segment["net"] == pytest.approx(sum(available[n] for n in parts) - used["debits"])
    with pytest.raises(kite.InputException):
        live.kite.margins("jewels")


# ---- market ------------------------------------------------------------------------------------


def test_instruments_parse(live: Live) -> None:
    rows = {row["tradingsymbol"]: row for row in live.kite.instruments("NSE")}
    assert set(rows) == set(SYMBOLS) and live.kite.instruments("BSE") == []
    for row in rows.values():
        assert row["instrument_token"] == int(row["exchange_token"]) * 256 + 1
        assert row["tick_size"] > 0 and row["lot_size"] == 1 and row["segment"] == "NSE"
    assert len(live.kite.instruments()) == len(SYMBOLS)


def test_quotes_are_keyed_by_what_was_asked(live: Live) -> None:
    token = live.tokens["M&M"]
    asked = ["NSE:INFY", "NSE:M&M", str(token), "NSE:NOSUCH", "BSE:INFY", "²", "9" * 5000, ""]
    for call in (live.kite.ltp, live.kite.ohlc, live.kite.quote):
        told = call(asked)
        assert set(told) == {"NSE:INFY", "NSE:M&M", str(token)}
        assert told["NSE:M&M"] == told[str(token)]
        assert call(["NSE:NOSUCH"]) == {}
    row, close = WARM_UP, live.bars.close[WARM_UP - 1, 0]
    full = live.kite.quote(["NSE:INFY"])["NSE:INFY"]
    assert full["last_price"] == live.bars.close[row, 0]
    assert full["ohlc"] == {
        "open": live.bars.open[row, 0],
        "high": live.bars.high[row, 0],
        "low": live.bars.low[row, 0],
        "close": close,
    }
    assert isinstance(full["timestamp"], datetime) and isinstance(full["last_trade_time"], datetime)
    assert full["volume"] == 500 and len(full["depth"]["buy"]) == len(full["depth"]["sell"]) == 5


def test_twenty_kilobytes_of_keys_and_too_many_keys(live: Live) -> None:
    keys = ["NSE:INFY"] + [f"NSE:LONGSYMBOL{n:06d}" for n in range(999)]
    assert len("&i=".join(keys)) > 20_000
    assert set(live.kite.ltp(keys)) == {"NSE:INFY"}
    with pytest.raises(kite.InputException, match="Max permitted is 500"):
        live.kite.quote(keys[:501])
    with pytest.raises(kite.InputException, match="Max permitted is 1000"):
        live.kite.ohlc([*keys, "NSE:ONEMORE"])


def test_candles_end_with_the_last_closed_bar(live: Live) -> None:
    begin = live.bars.index[0].to_pydatetime().replace(tzinfo=None)
    rows = live.kite.historical_data(
        live.tokens["INFY"], begin, begin + timedelta(days=3), "minute"
    )
    now = datetime.fromisoformat(live.admin.status()["now"])
    assert len(rows) == WARM_UP + 1
    for place, row in enumerate(rows):
        assert row["date"] == live.bars.index[place]
        assert row["date"].utcoffset() == timedelta(hours=5, minutes=30)
        assert row["date"] + timedelta(minutes=1) <= now
        assert row["close"] == live.bars.close[place, 0] and row["volume"] == 500
    assert (
        live.kite.historical_data(live.tokens["INFY"], "2026-09-16", "2026-09-17", "minute") == []
    )
    exact = live.kite.historical_data(live.tokens["INFY"], begin, begin, "minute")
    assert [row["date"] for row in exact] == [live.bars.index[0]]  # both ends belong to it


def test_longer_candles_are_gathered_and_the_last_one_may_be_forming(live: Live) -> None:
    token, bars = live.tokens["INFY"], live.bars
    rows = live.kite.historical_data(token, "2026-09-14", "2026-09-16", "5minute", oi=True)
    starts = [row["date"].strftime("%d %H:%M") for row in rows]
    assert starts == ["14 09:15", "14 09:20", "14 09:25", "15 09:15"]
    assert rows[0]["open"] == bars.open[0, 0] and rows[0]["close"] == bars.close[4, 0]
    assert rows[0]["high"] == bars.high[:5, 0].max() and rows[0]["low"] == bars.low[:5, 0].min()
    assert [row["volume"] for row in rows] == [2500, 2500, 1000, 500]  # the last: one minute so far
    assert all(row["oi"] == 0 for row in rows)
    days = live.kite.historical_data(token, "2026-09-14 09:15:00", "2026-09-15", "day")
    assert [row["date"].isoformat() for row in days] == [
        "2026-09-14T00:00:00+05:30",
        "2026-09-15T00:00:00+05:30",
    ]
    assert days[0]["close"] == bars.close[WARM_UP - 1, 0] and days[1]["volume"] == 500


def test_a_span_of_exactly_the_longest_is_answered(live: Live) -> None:
    token = live.tokens["INFY"]
    assert live.kite.historical_data(token, "2026-07-17 10:00:00", "2026-09-15 10:00:00", "minute")
    with pytest.raises(kite.InputException, match="maximum of 60 days"):
        live.kite.historical_data(token, "2026-07-17 09:59:59", "2026-09-15 10:00:00", "minute")


@pytest.mark.parametrize(
    ("token", "interval", "begin"),
    [
        (None, "fortnight", "2026-09-14"),
        (None, "5 minute", "2026-09-14"),
        (None, "minute", "2026-09-16"),  # after the end
        (1, "minute", "2026-09-14"),
        ("x", "minute", "2026-09-14"),
        ("9" * 40, "minute", "2026-09-14"),
        (None, "minute", "yesterday"),
        (None, "minute", "0001-01-01"),
        (None, "minute", "2026-01-01"),  # longer than 60 days
    ],
)
def test_candles_that_cannot_be(live: Live, token: object, interval: str, begin: str) -> None:
    with pytest.raises(kite.InputException) as refused:
        live.kite.historical_data(token or live.tokens["INFY"], begin, "2026-09-15", interval)
    assert refused.value.code == 400


# ---- orders ------------------------------------------------------------------------------------


def states(live: Live, order_id: str) -> list[str]:
    return [row["status"] for row in live.kite.order_history(order_id)]


PLACED = ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING"]
CHANGED = ["MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED"]


def test_limit_order_placed_changed_and_cancelled(live: Live) -> None:
    order_id = live.place(order_type="LIMIT", price=900.0, tag="a1b2c3")
    assert order_id.isdigit() and len(order_id) == 19 and order_id.startswith("260915")
    assert live.kite.modify_order("regular", order_id, price=901.0, quantity=2) == order_id
    assert live.kite.cancel_order("regular", order_id) == order_id
    assert states(live, order_id) == [
        *PLACED,
        "OPEN",
        *CHANGED,
        "OPEN",
        "CANCEL PENDING",
        "CANCELLED",
    ]
    rows = live.kite.order_history(order_id)
    assert {row["order_id"] for row in rows} == {order_id}
    assert [row["exchange_order_id"] is None for row in rows] == [True] * 3 + [False] * 7
    assert all(isinstance(row["order_timestamp"], datetime) for row in rows)
    last = next(row for row in live.kite.orders() if row["order_id"] == order_id)
    assert last == rows[-1]
    assert (last["price"], last["quantity"], last["cancelled_quantity"]) == (901.0, 2, 2)
    assert last["tag"] == "a1b2c3" and last["tags"] == ["a1b2c3"] and last["modified"] is False
    assert live.kite.order_trades(order_id) == []
    with pytest.raises(kite.InputException, match="cannot be modified as it is being processed"):
        live.kite.modify_order("regular", order_id, price=902.0)
    with pytest.raises(kite.InputException, match="cannot be cancelled as it is being processed"):
        live.kite.cancel_order("regular", order_id)


def test_stop_order_waits_for_its_trigger_and_protection_shows(live: Live) -> None:
    order_id = live.place(order_type="SL-M", trigger_price=1500.0, market_protection=2)
    assert states(live, order_id) == [*PLACED, "TRIGGER PENDING"]
    row = live.kite.order_history(order_id)[-1]
    assert row["tags"] == ["mktp", "mktp:2.00"] and row["trigger_price"] == 1500.0
    live.kite.modify_order("regular", order_id, order_type="LIMIT", price=950.0)
    assert states(live, order_id)[-4:] == [*CHANGED, "OPEN"]


def test_refused_change_leaves_the_order_as_it_was(live: Live) -> None:
    order_id = live.place(order_type="SL-M", trigger_price=1500.0)
    before = live.kite.order_history(order_id)
    for wrong in (
        {"order_type": "LIMIT", "price": "abc"},
        {"order_type": "LIMIT", "price": 900.03},
        {"order_type": "LIMIT"},
        {"trigger_price": 10.0},
        {"quantity": 0},
        {"quantity": 10**9},
        {"order_type": "HUGE"},
    ):
        with pytest.raises((kite.InputException, kite.GeneralException)):
            live.kite.modify_order("regular", order_id, **wrong)
    assert live.kite.order_history(order_id) == before


def test_twenty_sixth_change_is_refused(live: Live) -> None:
    order_id = live.place(order_type="LIMIT", price=900.0)
    for change in range(25):
        live.kite.modify_order("regular", order_id, price=900.0 + change % 2)
    with pytest.raises(kite.NetworkException, match="Maximum allowed order modifications"):
        live.kite.modify_order("regular", order_id, price=910.0)
    assert live.kite.order_history(order_id)[-1]["price"] == 900.0
    refused = live.broker.modify(order_id, price=910.0)
    assert refused.sent.value == "rejected"


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"market_protection": None}, kite.InputException, UNPROTECTED),
        ({"market_protection": 0}, kite.InputException, UNPROTECTED),
        ({"market_protection": 101}, kite.InputException, UNPROTECTED),
        (
            {"order_type": "SL-M", "trigger_price": 1500.0, "market_protection": None},
            kite.InputException,
            UNPROTECTED,
        ),
        (
            {"quantity": 65.0},
            kite.InputException,
            r"failed to decode `quantity`, got: `65.0` \(expected int\)",
        ),
        ({"quantity": None}, kite.InputException, "quantity"),
        ({"quantity": 0}, kite.InputException, "multiple"),
        ({"quantity": -5}, kite.InputException, "multiple"),
        ({"order_type": "LIMIT", "price": 900.03}, kite.InputException, "Tick size"),
        ({"order_type": "LIMIT"}, kite.InputException, "Tick size"),
        ({"order_type": "LIMIT", "price": "1e400"}, kite.InputException, "price"),
        ({"order_type": "SL-M", "trigger_price": 900.0}, kite.InputException, "stoploss buy"),
        (
            {"order_type": "SL-M", "trigger_price": 1500.0, "transaction_type": "SELL"},
            kite.InputException,
            "stoploss sell",
        ),
        ({"order_type": "SL", "trigger_price": 1500.0}, kite.InputException, "price"),
        ({"tradingsymbol": "NOSUCH"}, kite.InputException, "does not exist"),
        ({"exchange": "MCX"}, kite.InputException, "does not exist"),
        ({"exchange": "NYSE"}, kite.InputException, "exchange"),
        ({"product": "NRML"}, kite.InputException, "product"),
        ({"validity": "GTC"}, kite.InputException, "validity"),
        ({"tag": "x" * 21}, kite.InputException, "tag"),
        ({"quantity": 100_000}, kite.GeneralException, "Insufficient funds. Required margin is"),
        (
            {"transaction_type": "SELL", "product": "CNC"},
            kite.GeneralException,
            "Insufficient stock holding",
        ),
    ],
)
def test_refusals_in_kites_words(
    live: Live, fields: dict[str, object], error: type[Exception], text: str
) -> None:
    before = len(live.kite.orders())
    with pytest.raises(error, match=text) as refused:
        live.place(**fields)
    assert type(refused.value) is error and refused.value.code == 400
    assert len(live.kite.orders()) == before  # refused at the door: not in the book


def test_margin_exception_is_named_on_the_wire(live: Live) -> None:
    body = (
        "exchange=NSE&tradingsymbol=INFY&transaction_type=BUY&quantity=100000&product=MIS"
        "&order_type=LIMIT&price=1000"
    )
    status, kind, told = raw(live, "POST", "/orders/regular", body)
    assert (status, json.loads(told)["error_type"]) == (400, "MarginException")
    assert "json" in kind


def test_what_is_not_there_is_answered_in_json(live: Live) -> None:
    for method, path, code in (
        ("GET", "/no/such/route", 404),
        ("PATCH", "/orders", 405),
        ("GET", "/orders/1", 404),
        ("GET", "/orders/1/trades", 404),
        ("DELETE", "/orders/regular/%00", 404),
    ):
        status, kind, told = raw(live, method, path)
        envelope = json.loads(told)
        assert status == code and "json" in kind, path
        assert envelope["status"] == "error" and envelope["error_type"] and envelope["message"]
    assert live.kite.get_gtts() == []
    with pytest.raises(kite.InputException):
        live.kite.place_order("amo", "NSE", "INFY", "BUY", 1, "MIS", "LIMIT", price=900.0)


def test_trades_and_positions_add_up(live: Live) -> None:
    bought = live.place(quantity=10)
    assert live.kite.order_history(bought)[-1]["order_type"] == "LIMIT"  # a protected market order
    live.place(quantity=4, transaction_type="SELL", tradingsymbol="M&M")
    live.step()  # the next open
    live.place(quantity=3, transaction_type="SELL")
    live.step(4)
    assert states(live, bought) == [*PLACED, "OPEN", "COMPLETE"]
    trade = live.kite.order_trades(bought)[0]
    assert trade in live.kite.trades() and len(live.kite.trades()) == 3
    assert trade["quantity"] == 10 and isinstance(trade["fill_timestamp"], datetime)
    assert len(trade["order_timestamp"]) == 8  # time only
    order = live.kite.order_history(bought)[-1]
    assert order["average_price"] == trade["average_price"] and order["filled_quantity"] == 10
    both = live.kite.positions()
    net = {row["tradingsymbol"]: row for row in both["net"]}
    assert {name: row["quantity"] for name, row in net.items()} == {"INFY": 7, "M&M": -4}
    assert both["day"] == both["net"]  # nothing was carried
    for row in both["net"]:
        worth = row["quantity"] * row["last_price"] * row["multiplier"]
        assert row["value"] == pytest.approx(row["sell_value"] - row["buy_value"])
        assert row["pnl"] == pytest.approx(row["value"] + worth)
        assert row["m2m"] == pytest.approx(row["sell_m2m"] - row["buy_m2m"] + worth)
        assert row["buy_m2m"] == pytest.approx(row["day_buy_value"])
        assert row["unrealised"] == row["pnl"] and row["realised"] == 0
        assert row["quantity"] == row["buy_quantity"] - row["sell_quantity"]
    low, high = live.bars.low[:, 0].min(), live.bars.high[:, 0].max()
    assert all(low <= row["average_price"] <= 3 * high for row in live.kite.trades())
    assert net["INFY"]["average_price"] == pytest.approx(trade["average_price"])
    assert live.kite.margins("equity")["utilised"]["debits"] > 0
    assert live.kite.holdings() == []


def test_token_that_dies_is_noticed(live: Live) -> None:
    live.admin.fault(kind="token death")
    with pytest.raises(kite.TokenException) as refused:
        live.place(order_type="LIMIT", price=900.0)
    assert refused.value.code == 403
    live.broker = live.client()
    assert live.kite.profile()["user_id"] == "PAPER01"
