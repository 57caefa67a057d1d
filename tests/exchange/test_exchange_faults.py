"""Every fault the exchange can be asked for, seen through the unmodified client."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests
from kiteconnect import KiteConnect
from kiteconnect import exceptions as kite
from live_exchange import Live, live_exchange, without_proxies

from nifty_research.broker.client import Sent, outcome_of, paper_request_token
from nifty_research.exchange.faultkinds import KINDS

PATIENCE_S = 0.4  # of the client in these tests


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_exchange(tmp_path_factory.mktemp("exchange")) as running:
        running.step(2)  # the day is open and its first prices are there
        yield running


def ask(live: Live, method: str, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    "A request to the admin port."
    connection = HTTPConnection(live.addresses.admin, timeout=10)
    connection.request(method, path, json.dumps(body) if method == "POST" else None)
    answer = connection.getresponse()
    told = answer.status, json.loads(answer.read())
    connection.close()
    return told


@dataclass
class Trader:
    "An account of its own at the exchange, and the client that trades it."

    live: Live
    key: str
    secret: str
    kite: Any

    def fault(self, kind: str, **wanted: Any) -> int:
        "Order a fault for this account."
        code, told = ask(self.live, "POST", "/fault", kind=kind, account=self.key, **wanted)
        assert code == 200, told
        return int(told["number"])

    def books(self) -> dict[str, Any]:
        "What the exchange itself knows."
        code, told = ask(self.live, "GET", f"/books?account={self.key}")
        assert code == 200
        return dict(told["accounts"][self.key])

    def place(self, **fields: Any) -> str:
        "A limit order of ten shares, far below the market."
        wanted = {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "quantity": 10,
            "product": "MIS",
            "order_type": "LIMIT",
            "price": 950.0,
        } | fields
        return str(self.kite.place_order("regular", **wanted))

    def order(self, order_id: str) -> dict[str, Any]:
        "The order as the order book shows it."
        return next(one for one in self.kite.orders() if one["order_id"] == order_id)


def trader_at(live: Live, cash_inr: float = 500_000) -> Trader:
    _, told = ask(live, "POST", "/accounts", cash_inr=cash_inr)
    client = KiteConnect(told["api_key"], root=live.addresses.rest, timeout=PATIENCE_S)
    client.reqsession.trust_env = False
    token = paper_request_token(live.addresses.rest, told["api_key"], 5)
    session = client.generate_session(token, told["api_secret"])
    client.set_access_token(session["access_token"])
    return Trader(live, told["api_key"], told["api_secret"], client)


@pytest.fixture
def trader(live: Live) -> Iterator[Trader]:
    ask(live, "DELETE", "/fault")
    one = trader_at(live)
    yield one
    ask(live, "DELETE", "/fault")
    for order in one.books()["orders"]:
        if order["status"] in ("OPEN", "TRIGGER PENDING"):
            one.kite.cancel_order("regular", order["order_id"])


def how_long(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def said(failed: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as refused:
        failed()
    return refused.value


# ---- late and lost ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["constant", "uniform", "exponential", "lognormal"])
def test_latency_holds_a_request_back(trader: Trader, form: str) -> None:
    trader.fault("latency", calls="margins", distribution=form, seconds=0.05, spread=0.2)
    assert how_long(trader.kite.margins) > (0.04 if form in ("constant", "uniform") else 0.0)
    told = ask(trader.live, "GET", "/fault")[1]
    assert [one["kind"] for one in told["struck"]][-1:] == ["latency"]


def test_slow_reply_comes_after_the_order_was_taken(trader: Trader) -> None:
    trader.fault("slow reply", seconds=0.15)
    assert how_long(trader.place) > 0.15 and len(trader.books()["orders"]) == 1


def test_time_out_before_acceptance_leaves_no_order(trader: Trader) -> None:
    trader.fault("time-out before", calls="place")
    assert isinstance(said(trader.place), requests.Timeout)
    assert trader.kite.orders() == [] == trader.books()["orders"]


def test_time_out_after_acceptance_leaves_an_order(trader: Trader) -> None:
    trader.fault("time-out after", calls="place")
    error = said(lambda: trader.place(tag="lost1"))
    assert isinstance(error, requests.Timeout)
    assert outcome_of(error, "test").sent is Sent.UNKNOWN
    assert [one["tag"] for one in trader.kite.orders()] == ["lost1"]


def test_hung_up_line_is_no_answer_either(trader: Trader) -> None:
    trader.fault("time-out after", calls="place", seconds=0.05)  # before the client gives up
    assert isinstance(said(trader.place), requests.ConnectionError)
    assert len(trader.kite.orders()) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("400", kite.InputException),
        ("503", kite.NetworkException),
        ("time-out", requests.Timeout),
        ("reset", requests.ConnectionError),
    ],
)
def test_order_appears_seconds_after_it_failed(
    trader: Trader, answer: str, error: type[Exception]
) -> None:
    trader.fault("taken late", seconds=0.6, answer=answer)
    assert isinstance(said(trader.place), error)
    assert trader.kite.orders() == []
    deadline = time.monotonic() + 5
    while not trader.books()["orders"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- refused, but was it? -----------------------------------------------------------------------


def test_refusal_of_an_order_that_was_taken(trader: Trader) -> None:
    trader.fault("refused but taken")
    error = said(lambda: trader.place(tag="ghost"))
    assert isinstance(error, kite.InputException) and error.code == 400
    assert [one["tag"] for one in trader.kite.orders()] == ["ghost"]
    trader.fault("refused but taken", error_type="NetworkException", code=503, message="Down.")
    assert isinstance(said(trader.place), kite.NetworkException)
    assert len(trader.kite.orders()) == 2


def test_real_refusal_stays_what_it_is(trader: Trader) -> None:
    trader.fault("refused but taken")
    assert "tick size" in str(said(lambda: trader.place(price=950.001))).lower()


def test_too_many_requests(trader: Trader) -> None:
    trader.fault("too many requests", calls="any", count=2)
    for call in (trader.place, trader.kite.positions):
        error = said(call)
        assert isinstance(error, kite.NetworkException) and error.code == 429
    assert trader.kite.orders() == []
    assert trader.books()["requests"]["place"] == 1  # refused, and counted all the same


@pytest.mark.parametrize("code", [500, 502, 503, 504])
@pytest.mark.parametrize("done", [0, 1])
def test_server_error_before_or_after_it_was_done(trader: Trader, code: int, done: int) -> None:
    trader.fault("server error", calls="place", code=code, done=done)
    error = said(trader.place)
    assert isinstance(error, kite.KiteException) and error.code == code
    assert outcome_of(error, "test").sent is Sent.UNKNOWN
    assert len(trader.kite.orders()) == done


def test_gateway_page_is_no_kite_answer(trader: Trader) -> None:
    trader.fault("server error", calls="place", code=502, html=1)
    error = said(trader.place)
    assert isinstance(error, kite.DataException) and "<html>" in str(error)


def test_malformed_and_truncated_answers(trader: Trader) -> None:
    trader.fault("malformed", calls="place")
    error = said(trader.place)
    assert isinstance(error, kite.DataException)
    trader.fault("truncated", calls="place")
    error = said(trader.place)
    assert isinstance(error, requests.RequestException)
    assert outcome_of(error, "test").sent is Sent.UNKNOWN
    assert len(trader.kite.orders()) == 2
    trader.fault("malformed", calls="place", done=0)
    said(trader.place)
    assert len(trader.kite.orders()) == 2


def test_a_refusal_is_told_where_the_order_could_not_be_done(trader: Trader) -> None:
    trader.fault("server error", calls="place", done=1)
    refused = said(lambda: trader.place(quantity=0))
    assert isinstance(refused, kite.InputException) and trader.kite.orders() == []


@pytest.mark.parametrize("done", [0, 1])
def test_connection_reset(trader: Trader, done: int) -> None:
    trader.kite.profile()  # a kept connection
    trader.fault("reset", calls="place", done=done)
    error = said(trader.place)
    assert isinstance(error, requests.ConnectionError) and "reset" in str(error).lower()
    assert len(trader.kite.orders()) == done


# ---- what the exchange itself does ---------------------------------------------------------------


def test_freeze_quantity_is_refused_without_an_id(trader: Trader) -> None:
    trader.fault("freeze refused", most=100)
    trader.place(quantity=100)
    error = said(lambda: trader.place(quantity=101))
    assert isinstance(error, kite.InputException) and "maximum quantity of 100" in str(error)
    assert len(trader.kite.orders()) == 1


def test_freeze_reject_has_an_id(trader: Trader) -> None:
    trader.fault("rejected")
    order = trader.order(trader.place())
    assert order["status"] == "REJECTED" and "freeze quantity" in order["status_message"]
    assert trader.order(trader.place())["status"] == "OPEN"


@pytest.mark.parametrize("answer", ["taken", "refused"])
def test_cancellation_loses_to_a_fill(trader: Trader, answer: str) -> None:
    order_id = trader.place()
    trader.fault("cancel loses", answer=answer)
    if answer == "taken":
        assert trader.kite.cancel_order("regular", order_id) == order_id
    else:
        error = said(lambda: trader.kite.cancel_order("regular", order_id))
        assert isinstance(error, kite.InputException) and "being processed" in str(error)
    order = trader.order(order_id)
    assert (order["status"], order["filled_quantity"]) == ("COMPLETE", 10)
    assert [one["quantity"] for one in trader.kite.order_trades(order_id)] == [10]
    assert trader.kite.positions()["net"][0]["quantity"] == 10


def test_part_fills_as_the_cancellation_arrives(trader: Trader) -> None:
    order_id = trader.place()
    trader.fault("cancel loses", share=0.4)
    trader.kite.cancel_order("regular", order_id)
    order = trader.order(order_id)
    assert (order["status"], order["filled_quantity"]) == ("CANCELLED", 4)
    assert order["cancelled_quantity"] == 6
    assert trader.kite.positions()["net"][0]["quantity"] == 4


def market_order(trader: Trader, **fields: Any) -> str:
    return trader.place(order_type="MARKET", price=None, market_protection=2, **fields)


def test_part_fills_and_the_exchange_cancels_the_rest(live: Live, trader: Trader) -> None:
    trader.fault("part then cancelled", share=0.3)
    order_id = market_order(trader)
    until_open(live)
    order = trader.order(order_id)
    assert (order["status"], order["filled_quantity"]) == ("CANCELLED", 3)
    assert sum(one["quantity"] for one in trader.books()["trades"]) == 3


def until_open(live: Live) -> None:
    "Play on until a bar has opened: its opening has the moment of the close before."
    before = ask(live, "GET", "/status")[1]["now"]
    for _ in range(12):
        live.step()
        now = ask(live, "GET", "/status")[1]["now"]
        if now == before:
            return
        before = now
    raise AssertionError("no bar opens any more")


def test_fill_comes_late(live: Live, trader: Trader) -> None:
    trader.fault("fill late", seconds=90)
    order_id = market_order(trader)
    until_open(live)
    assert trader.order(order_id)["status"] == "OPEN"
    for _ in range(2):
        until_open(live)
    assert trader.order(order_id)["status"] == "COMPLETE"
    assert [one["quantity"] for one in trader.books()["trades"]] == [10]


def test_market_order_shows_as_limit(trader: Trader) -> None:
    trader.fault("market as limit")
    order_id = market_order(trader)
    assert trader.order(order_id)["order_type"] == "LIMIT"
    assert {one["order_type"] for one in trader.kite.order_history(order_id)} == {"LIMIT"}


def test_slices_of_an_order_fail(live: Live) -> None:
    trader = trader_at(live, cash_inr=1e10)
    trader.fault("slices fail", first=1)
    wanted = {"exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY"}
    told = trader.kite.place_autoslice_order(
        "regular", **wanted, quantity=250_000, product="MIS", order_type="LIMIT", price=950.0
    )
    failed = [one for one in told["children"] if "error" in one]
    assert len(failed) == 1 and failed[0]["error"]["error_type"] == "MarginException"
    placed = [one["order_id"] for one in told["children"] if "order_id" in one]
    assert len(placed) == len(told["children"]) - 1 > 0
    assert sorted(placed) == sorted(one["order_id"] for one in trader.books()["orders"])
    for order_id in placed:
        trader.kite.cancel_order("regular", order_id)


def test_exchange_stops_an_algo(trader: Trader) -> None:
    before, other = trader.place(algo_id="A77"), trader.place(algo_id="B1")
    number = trader.fault("exchange kill", algo_id="A77")
    assert trader.order(before)["status"] == "CANCELLED"
    after = trader.order(trader.place(algo_id="A77"))
    assert after["status"] == "REJECTED" and "A77" in after["status_message"]
    assert trader.order(other)["status"] == "OPEN"
    ask(trader.live, "DELETE", f"/fault?number={number}")
    assert trader.order(trader.place(algo_id="A77"))["status"] == "OPEN"


def test_token_dies_for_one_account(live: Live, trader: Trader) -> None:
    other = trader_at(live)
    trader.fault("token death")
    error = said(trader.kite.profile)
    assert isinstance(error, kite.TokenException) and error.code == 403
    assert other.kite.profile()["user_id"].startswith("TWIN")
    token = paper_request_token(live.addresses.rest, trader.key, 5)
    trader.kite.set_access_token(trader.kite.generate_session(token, trader.secret)["access_token"])


def test_clock_runs_ahead_in_every_stamp(trader: Trader) -> None:
    order_id = trader.place()
    before = trader.order(order_id)["order_timestamp"]
    number = trader.fault("clock skew", seconds=90)
    assert (trader.order(order_id)["order_timestamp"] - before).total_seconds() == 90
    ask(trader.live, "DELETE", f"/fault?number={number}")
    assert trader.order(order_id)["order_timestamp"] == before


# ---- the stream ----------------------------------------------------------------------------------


class Listener:
    "`KiteTicker` in a subprocess; what it hears comes out of a queue: nobody waits for ever."

    def __init__(self, live: Live, key: str, token: str) -> None:
        script = str(Path(__file__).with_name("listen.py"))
        self.process = subprocess.Popen(
            [sys.executable, script, live.addresses.stream, key, token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=without_proxies(),
        )
        self._heard: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._heard.put(json.loads(line))

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def hear(self, *kinds: str, timeout_s: float = 8.0) -> dict[str, Any]:
        "The next thing heard of one of the kinds."
        while True:
            try:
                heard = self._heard.get(timeout=timeout_s)
            except queue.Empty:
                raise AssertionError(f"nothing heard of {kinds}") from None
            if heard["kind"] in kinds:
                return heard

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=20)


@pytest.fixture
def listener(live: Live, trader: Trader) -> Iterator[Listener]:
    one = Listener(live, trader.key, trader.kite.access_token)
    one.hear("connect", timeout_s=20)
    one.tell(a="mode", v=["full", list(live.tokens.values())])
    one.hear("ticks")
    yield one
    one.close()


def changed(trader: Trader, order_id: str, price: float) -> None:
    trader.kite.modify_order("regular", order_id, price=price)


def test_update_comes_before_the_reply(trader: Trader, listener: Listener) -> None:
    order_id = trader.place()
    trader.fault("update first", calls="modify", seconds=5)
    changed(trader, order_id, 951.0)
    heard = listener.hear("order")  # sent before the reply, so it is there at once
    assert heard["order"]["order_id"] == order_id and heard["order"]["status"] == "UPDATE"


def test_updates_twice_lost_late_and_in_the_wrong_order(trader: Trader, listener: Listener) -> None:
    order_id = trader.place()

    def prices(count: int) -> list[float]:
        return [listener.hear("order")["order"]["price"] for _ in range(count)]

    trader.fault("updates twice")
    changed(trader, order_id, 951.0)
    assert prices(2) == [951.0, 951.0]
    trader.fault("updates lost")
    changed(trader, order_id, 952.0)
    changed(trader, order_id, 953.0)
    assert prices(1) == [953.0]
    trader.fault("updates reordered")
    changed(trader, order_id, 954.0)
    changed(trader, order_id, 955.0)
    assert prices(2) == [955.0, 954.0]
    trader.fault("updates late", seconds=0.2)
    changed(trader, order_id, 956.0)
    changed(trader, order_id, 957.0)
    assert prices(2) == [957.0, 956.0]


def next_ticks(live: Live, listener: Listener) -> list[dict[str, Any]]:
    "Ticks of the next bar's opening."
    until_open(live)
    found: list[dict[str, Any]] = []
    while True:
        heard = listener.hear("ticks", "barrier")
        if heard["kind"] == "ticks":
            found = heard["ticks"]
        elif heard["phase"] == "OPEN":
            return found


def test_wrong_token_and_bad_price(live: Live, trader: Trader, listener: Listener) -> None:
    trader.fault("bad price", factor=100, count=50)
    lies = next_ticks(live, listener)
    truth = trader.kite.ltp(["NSE:INFY"])["NSE:INFY"]["last_price"]
    infy = next(one for one in lies if one["instrument_token"] == live.tokens["INFY"])
    assert infy["last_price"] > 50 * truth
    ask(live, "DELETE", "/fault")
    trader.fault("wrong token", shift=256, count=50)
    strangers = {one["instrument_token"] for one in next_ticks(live, listener)}
    assert live.tokens["INFY"] + 256 in strangers


def test_feed_gap_loses_ticks_but_no_barrier(
    live: Live, trader: Trader, listener: Listener
) -> None:
    trader.fault("feed gap", count=50)
    assert next_ticks(live, listener) == []
    ask(live, "DELETE", "/fault")
    assert next_ticks(live, listener)


def test_feed_stalls_on_a_live_socket(live: Live, trader: Trader, listener: Listener) -> None:
    trader.fault("feed stall", seconds=2.5)
    assert next_ticks(live, listener) == []  # barriers still come: the socket lives
    order_id = trader.place()
    changed(trader, order_id, 951.0)
    listener.hear("order")
    began = time.monotonic()
    listener.hear("heartbeat")
    assert time.monotonic() - began > 0.5


def test_feed_is_cut(live: Live, trader: Trader, listener: Listener) -> None:
    trader.fault("feed lost")
    assert listener.hear("close")["kind"] == "close"


# ---- the list ------------------------------------------------------------------------------------


def test_faults_are_ordered_counted_and_aimed(trader: Trader) -> None:
    trader.fault("too many requests", calls="place", tag="n7", skip=1, count=2)
    codes = []
    for tag in ("n7", "n8", "n7", "n7", "n7"):
        try:
            trader.place(tag=tag)
            codes.append(200)
        except kite.NetworkException as error:
            codes.append(error.code)
    assert codes == [200, 200, 429, 429, 200]
    waiting = ask(trader.live, "GET", "/fault")[1]["waiting"]
    assert [(one["struck"], one["spent"]) for one in waiting] == [(2, True)]


def test_same_seed_brings_the_same_faults(live: Live, trader: Trader) -> None:
    def run() -> list[str]:
        before = len(ask(live, "GET", "/fault")[1]["struck"])
        code, _ = ask(
            live,
            "POST",
            "/faults/seed",
            seed=7,
            rate=0.5,
            kinds=["too many requests", "server error", "malformed"],
        )
        assert code == 200
        for _ in range(12):
            try:
                trader.kite.positions()
            except (kite.KiteException, requests.RequestException):
                continue
        struck = ask(live, "GET", "/fault")[1]["struck"][before:]
        ask(live, "DELETE", "/fault")
        return [one["kind"] for one in struck]

    first = run()
    assert first == run() and 2 < len(first) < 12


def test_wrong_wishes_are_refused(live: Live) -> None:
    code, told = ask(live, "POST", "/fault", kind="gremlin")
    assert code == 400 and "known" in told
    assert ask(live, "POST", "/fault", kind="latency", seconds="long")[0] == 400
    assert ask(live, "POST", "/fault", kind="latency", skip=-1)[0] == 400
    assert ask(live, "POST", "/faults/seed", seed=1, rate=2)[0] == 400
    assert ask(live, "POST", "/accounts", cash_inr=-1)[0] == 400
    assert ask(live, "GET", "/status")[0] == 200


def test_every_kind_is_struck_in_this_file() -> None:
    source = open(__file__, encoding="utf-8").read()
    assert [kind for kind in KINDS if f'"{kind}"' not in source] == []
