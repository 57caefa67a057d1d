"""Every documented error class is met; tokens die when Kite's die; one call too many is refused."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inprocess import KEY, ROOT, SECRET
from kiteconnect import exceptions as kite
from test_every_method import SALE, Twin

from nifty_research.core.clock import IST
from nifty_research.exchange.credentials import Credentials, signature, token_death
from nifty_research.exchange.rates import LIMITS, ORDERS_A_DAY, Rates
from nifty_research.exchange.wire import KiteError


@pytest.fixture
def twin() -> Twin:
    made = Twin()
    made.step(2)
    return made


def refused(call: Any, error: type[Exception], code: int, text: str | None = None) -> str:
    "The client raises the class, with the code and the text."
    with pytest.raises(error, match=text) as told:
        call()
    assert type(told.value) is error and told.value.code == code  # type: ignore[attr-defined]
    return str(told.value)


# ---- classes -----------------------------------------------------------------------------------


def test_token_exception(twin: Twin) -> None:
    twin.kite.set_access_token("0" * 32)
    refused(twin.kite.profile, kite.TokenException, 403, "Incorrect `api_key` or `access_token`")
    refused(
        lambda: twin.kite.generate_session("stale", SECRET),
        kite.TokenException,
        403,
        "Token is invalid or has expired",
    )
    for header in ("", "token", "token :", f"token {KEY}", f"bearer {KEY}:x", "token é:é"):
        answer = twin.kite.reqsession.get(
            ROOT + "/user/profile", headers={"Authorization": header.encode()}
        )
        assert answer.status_code == 403 and answer.json()["error_type"] == "TokenException"


@pytest.mark.parametrize(
    ("error_type", "code", "error"),
    [
        ("UserException", 403, kite.GeneralException),
        ("TwoFAException", 403, kite.GeneralException),
        ("OrderException", 500, kite.OrderException),
        ("NetworkException", 503, kite.NetworkException),
        ("DataException", 502, kite.DataException),
        ("GeneralException", 500, kite.GeneralException),
    ],
)
def test_a_problem_of_the_account_is_told_to_every_call(
    twin: Twin, error_type: str, code: int, error: type[Exception]
) -> None:
    twin.account.problem = KiteError(error_type, "The account is on hold.", code)
    for call in (twin.kite.profile, twin.kite.orders, twin.place, twin.kite.holdings):
        refused(call, error, code, "on hold")


def test_permission_exception(twin: Twin) -> None:
    twin.account.lacks = {"history", "gtt"}
    begin = "2026-09-14 09:15:00"
    call = twin.kite.historical_data
    refused(lambda: call(twin.token, begin, begin, "minute"), kite.PermissionException, 403)
    refused(twin.kite.get_gtts, kite.PermissionException, 403, "Insufficient permission")
    assert twin.kite.orders() == []


def test_input_margin_holding_and_order_exceptions(twin: Twin) -> None:
    refused(lambda: twin.place(quantity="65.0"), kite.InputException, 400, "expected int")
    text = refused(lambda: twin.place(quantity=10**6), kite.GeneralException, 400)
    assert text.startswith("Insufficient funds. Required margin is")
    sale = {"transaction_type": "SELL", "product": "CNC"}
    refused(lambda: twin.place(**sale), kite.GeneralException, 400, "Insufficient stock holding")


def test_network_exception_after_twenty_five_changes(twin: Twin) -> None:
    order_id = twin.place()
    for change in range(25):
        twin.kite.modify_order("regular", order_id, price=950.0 + change % 2)
    refused(
        lambda: twin.kite.modify_order("regular", order_id, price=940.0),
        kite.NetworkException,
        400,
        "Maximum allowed order modifications exceeded",
    )


def test_what_is_not_there(twin: Twin) -> None:
    for call in (
        lambda: twin.kite.order_history("1"),
        lambda: twin.kite.order_trades("1"),
        lambda: twin.kite.get_gtt("7"),
        lambda: twin.kite.mf_orders("7"),
        lambda: twin.kite.mf_sips("7"),
    ):
        refused(call, kite.GeneralException, 404)
    for method, path, code in (
        ("GET", "/nowhere", 404),
        ("PATCH", "/orders/regular", 405),
        ("DELETE", "/user/profile", 405),
        ("POST", "/quote", 405),
    ):
        told = twin.ask(method, path)
        assert told[0] == code and told[1]["error_type"] == "GeneralException"
    code, told = twin.ask("POST", "/margins/orders", data=b"[" + b" " * (1 << 20) + b"]")
    assert code == 413 and told["error_type"] == "InputException"


# ---- tokens ------------------------------------------------------------------------------------


def test_request_token_lives_five_minutes_and_works_once(twin: Twin) -> None:
    token = twin.request_token()
    late = twin.request_token()
    twin.kite.generate_session(token, SECRET)
    refused(lambda: twin.kite.generate_session(token, SECRET), kite.TokenException, 403)
    twin.market.now += timedelta(minutes=5, seconds=1)
    refused(lambda: twin.kite.generate_session(late, SECRET), kite.TokenException, 403)


def test_log_in_elsewhere_kills(twin: Twin) -> None:
    other = twin.exchange.broker().kite
    refused(twin.kite.profile, kite.TokenException, 403)
    assert other.profile()


def test_token_dies_at_six(twin: Twin) -> None:
    made = Twin(exchange__daily_log_in="true")
    made.step()
    made.kite.generate_session(made.request_token(), SECRET)
    made.market.now = made.market.now.replace(hour=23, minute=59)
    assert made.kite.profile()
    made.market.now += timedelta(hours=6, minutes=2)
    refused(made.kite.profile, kite.TokenException, 403)
    made.kite.generate_session(made.request_token(), SECRET)
    assert made.kite.profile()


def test_paper_sessions_keep_their_token_over_night(twin: Twin) -> None:
    twin.market.now += timedelta(days=3)
    assert twin.kite.profile()


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=IST)
)


@given(moment=MOMENTS)
def test_a_token_dies_at_the_next_six_o_clock(moment: datetime) -> None:
    death = token_death(moment)
    assert timedelta(0) < death - moment <= timedelta(days=1)
    assert (death.hour, death.minute, death.second) == (6, 0, 0)


@given(token=st.text(max_size=40), checksum=st.text(max_size=70), refresh=st.text(max_size=40))
def test_no_token_is_guessed(token: str, checksum: str, refresh: str) -> None:
    client, now = Credentials("AB1234", "key", "secret"), datetime(2026, 9, 15, tzinfo=IST)
    good = client.new_request_token(now)
    for act in (
        lambda: client.log_in(token, checksum, now),
        lambda: client.log_in(good, checksum, now),
        lambda: client.log_in(token, signature("key", token, "secret"), now),
        lambda: client.renew(refresh, checksum, now),
        lambda: client.log_out(access_token=token, refresh_token=refresh),
    ):
        with pytest.raises(KiteError, match="invalid or has expired"):
            act()
    assert not client.holds(token, now) and not client.holds("", now)


# ---- rates -------------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Twin:
    made = Twin(exchange__rate_limits="true")
    made.step(2)
    return made


def test_one_call_too_many(strict: Twin) -> None:
    kite_ = strict.kite
    strict.market.now += timedelta(minutes=1)
    many = {
        "quotes": lambda: kite_.ltp("NSE:INFY"),
        "history": lambda: kite_.historical_data(strict.token, "2026-09-14", "2026-09-14", "day"),
        "orders": strict.place,
        "other": kite_.positions,
    }
    for kind, call in many.items():
        for _ in range(LIMITS[kind][0][1]):
            call()
        refused(call, kite.NetworkException, 429, "Too many requests")
    strict.market.now += timedelta(seconds=1)
    for call in many.values():
        call()


def test_orders_that_are_refused_count_as_well(strict: Twin) -> None:
    strict.market.now += timedelta(minutes=1)
    for _ in range(10):
        refused(lambda: strict.place(quantity=-1), kite.InputException, 400)
    refused(lambda: strict.place(quantity=-1), kite.NetworkException, 429)
    assert strict.exchange.rest.rates.refused == 1


def test_papers_in_lock_step_are_not_limited(twin: Twin) -> None:
    assert all("NSE:INFY" in twin.kite.ltp("NSE:INFY") for _ in range(30))
    assert twin.exchange.rest.rates.refused == 0


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.01, 0.09, 0.11, 0.5, 1.0, 7.0]), max_size=900),
    kind=st.sampled_from(["quotes", "history", "orders", "other"]),
)
def test_no_window_lets_more_pass(gaps: list[float], kind: str) -> None:
    paths = {"quotes": "/quote/ltp", "history": "/instruments/historical/1/day"}
    method, path = ("POST", "/orders/regular") if kind == "orders" else ("GET", "/trades")
    path = paths.get(kind, path)
    now = [datetime(2026, 9, 15, 10, tzinfo=IST)]
    rates, passed = Rates(lambda: now[0]), []
    for gap in gaps:
        now[0] += timedelta(seconds=gap)
        try:
            rates.check("key", method, path)
        except KiteError as error:
            assert error.code == 429
        else:
            passed.append(now[0].timestamp())
    assert rates.refused + len(passed) == len(gaps)
    for length, most in LIMITS[kind]:
        for first, last in zip(passed, passed[most:], strict=False):
            assert last - first >= length - 1e-6


def test_the_day_is_counted(twin: Twin) -> None:
    rates = Rates(lambda: twin.market.now)
    rates.add_orders("key", ORDERS_A_DAY - 1)
    rates.check("key", "POST", "/orders/regular")
    with pytest.raises(KiteError, match="Maximum allowed order requests"):
        rates.check("key", "POST", "/orders/regular")
    rates.check("key", "DELETE", "/orders/regular/1")


# ---- postbacks ---------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    heard: queue.Queue[dict[str, Any]] = queue.Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            "Say nothing."

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/postback", heard
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_postback_is_signed_and_has_the_fields_of_the_update(
    twin: Twin, listener: tuple[str, queue.Queue[dict[str, Any]]]
) -> None:
    address, heard = listener
    twin.account.postback_url = address
    rest = twin.exchange.rest
    before = twin.exchange.venue.publish

    def publish(order: Any) -> None:
        before(order)
        rest.post_back(twin.account, order.update(SECRET)["data"])

    twin.exchange.venue.publish = publish
    order_id = twin.place()
    twin.kite.modify_order("regular", order_id, price=951.0)
    twin.kite.cancel_order("regular", order_id)
    told = [heard.get(timeout=10) for _ in range(2)]  # nothing for the placement
    assert [one["status"] for one in told] == ["UPDATE", "CANCELLED"]
    for one in told:
        signed = signature(one["order_id"], one["order_timestamp"], SECRET)
        assert one["checksum"] == signed and one["user_id"] == twin.account.user_id
        assert {"app_id", "unfilled_quantity"} <= set(one)
    rest.postbacks.finish()
    assert (rest.postbacks.posted, rest.postbacks.lost) == (2, 0)


def test_a_trigger_of_another_client_is_not_seen(twin: Twin) -> None:
    last = twin.market.last_price["INFY"]
    number = twin.kite.place_gtt("single", "INFY", "NSE", [990.0], last, [SALE])["trigger_id"]
    trigger = twin.exchange.rest.triggers.all[number]
    trigger.account = type(twin.account)("OTHER", "other", "secret")
    refused(lambda: twin.kite.get_gtt(number), kite.GeneralException, 404)
    assert twin.kite.get_gtts() == []
