"""Every method of the unmodified client is called, and what comes back has Kite's own fields.

The list of methods comes from the client itself: one that nobody has written a call for fails here.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from inprocess import KEY, ROOT, SECRET, Exchange, StraightIn
from kiteconnect import KiteConnect
from live_exchange import WARM_UP, small_market

from nifty_research.core.settings import load_settings
from nifty_research.exchange.account import carry_positions
from nifty_research.exchange.credentials import signature
from nifty_research.exchange.shares import Shares
from nifty_research.market.instruments import instrument_token_of

# ---- fields of the vendor's sample answers ------------------------------------------------------

PROFILE = (
    "user_id user_type email user_name user_shortname broker exchanges products order_types "
    "avatar_url meta"
)
SESSION = PROFILE + " api_key access_token public_token enctoken refresh_token silo login_time"
SEGMENT = "enabled net available utilised"
AVAILABLE = "adhoc_margin cash opening_balance live_balance collateral intraday_payin"
UTILISED = (
    "debits exposure m2m_realised m2m_unrealised option_premium payout span holding_sales turnover "
    "liquid_collateral stock_collateral delivery"
)
INSTRUMENT = (
    "instrument_token exchange_token tradingsymbol name last_price expiry strike tick_size "
    "lot_size instrument_type segment exchange"
)
LTP = "instrument_token last_price"
OHLC = LTP + " ohlc"
QUOTE = OHLC + (
    " timestamp last_trade_time last_quantity buy_quantity sell_quantity volume average_price oi "
    "oi_day_high oi_day_low net_change lower_circuit_limit upper_circuit_limit depth"
)
ORDER = (
    "placed_by order_id exchange_order_id parent_order_id status status_message status_message_raw "
    "order_timestamp exchange_update_timestamp exchange_timestamp variety modified exchange "
    "tradingsymbol instrument_token order_type transaction_type validity product quantity "
    "disclosed_quantity price trigger_price average_price filled_quantity pending_quantity "
    "cancelled_quantity market_protection meta tag guid"
)
SOMETIMES = frozenset({"account_id", "validity_ttl", "tags", "auction_number", "terminal_id"})
TRADE = (
    "trade_id order_id exchange tradingsymbol instrument_token product average_price quantity "
    "exchange_order_id transaction_type fill_timestamp order_timestamp exchange_timestamp"
)
POSITION = (
    "tradingsymbol exchange instrument_token product quantity overnight_quantity multiplier "
    "average_price close_price last_price value pnl m2m unrealised realised buy_quantity buy_price "
    "buy_value buy_m2m sell_quantity sell_price sell_value sell_m2m day_buy_quantity day_buy_price "
    "day_buy_value day_sell_quantity day_sell_price day_sell_value"
)
HOLDING = (
    "tradingsymbol exchange instrument_token isin product price quantity used_quantity t1_quantity "
    "realised_quantity authorised_quantity authorised_date authorisation opening_quantity "
    "short_quantity collateral_quantity collateral_type discrepancy average_price last_price "
    "close_price pnl day_change day_change_percentage mtf"
)
GTT = "id user_id parent_trigger type created_at updated_at expires_at status condition orders meta"
CONDITION = "exchange tradingsymbol trigger_values last_price instrument_token"
RESULT = (
    "account_id exchange tradingsymbol validity product order_type transaction_type quantity price "
    "meta timestamp triggered_at order_result"
)
MARGIN = (
    "type tradingsymbol exchange span exposure option_premium additional bo cash var pnl leverage "
    "charges total"
)
CHARGES = (
    "transaction_tax transaction_tax_type exchange_turnover_charge sebi_turnover_charge brokerage "
    "stamp_duty gst total"
)
NOTE = "transaction_type tradingsymbol exchange variety product order_type quantity price charges"
ALERT = (
    "type user_id uuid name status disabled_reason lhs_attribute lhs_exchange lhs_tradingsymbol "
    "operator rhs_type rhs_attribute rhs_exchange rhs_tradingsymbol rhs_constant alert_count "
    "created_at updated_at"
)
FUND_ORDER = (
    "status purchase_type folio order_timestamp average_price exchange_order_id last_price "
    "tradingsymbol settlement_id transaction_type order_id amount tag placed_by exchange_timestamp "
    "variety last_price_date status_message fund quantity"
)
PLAN = (
    "sip_id tradingsymbol fund dividend_type transaction_type status sip_type created frequency "
    "instalment_amount instalments last_instalment pending_instalments instalment_day "
    "completed_instalments next_instalment trigger_price step_up tag"
)


def same(row: dict[str, Any], fields: str, optional: frozenset[str] = frozenset()) -> None:
    "A row has all of the fields and no other."
    assert set(row) - optional == set(fields.split()), set(row) ^ set(fields.split())


# ---- the exchange ------------------------------------------------------------------------------


class Twin:
    "An exchange in this process and the real client, logged in."

    def __init__(self, **overrides: str) -> None:
        told = {name.replace("__", "."): value for name, value in overrides.items()}
        self.exchange = Exchange(small_market(), WARM_UP, load_settings(overrides=told))
        self.account = self.exchange.account
        self.kite: Any = self.exchange.broker().kite
        self.token = instrument_token_of("INFY")

    @property
    def market(self) -> Any:
        return self.exchange.venue.market

    def step(self, phases: int = 1) -> None:
        for _ in range(phases):
            assert self.exchange.step()

    def place(self, **fields: Any) -> str:
        wanted = {"exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY"}
        wanted |= {"quantity": 1, "product": "MIS", "order_type": "LIMIT", "price": 950.0}
        return str(self.kite.place_order("regular", **(wanted | fields)))

    def buy(self, **fields: Any) -> str:
        "An order that trades at the next bar."
        return self.place(order_type="MARKET", price=None, market_protection=2, **fields)

    def request_token(self) -> str:
        return str(self.account.new_request_token(self.market.now))

    def ask(self, method: str, path: str, **sent: Any) -> tuple[int, dict[str, Any]]:
        "A call that the Python client does not know."
        session = self.kite.reqsession
        headers = {"Authorization": f"token {KEY}:{self.kite.access_token}"}
        answer = session.request(method, ROOT + path, headers=headers, **sent)
        assert "json" in answer.headers["content-type"], answer.content[:200]
        return answer.status_code, answer.json()

    def data(self, method: str, path: str, **sent: Any) -> Any:
        code, told = self.ask(method, path, **sent)
        assert code == 200 and told["status"] == "success", told
        return told["data"]


@pytest.fixture
def twin() -> Iterator[Twin]:
    made = Twin()
    made.step(2)  # the day is open and its first bar has begun
    yield made


ORDER_FORM = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "variety": "regular",
    "product": "MIS",
    "order_type": "LIMIT",
    "quantity": 10,
    "price": 1000.0,
    "trigger_price": 0,
}
SALE = {
    "transaction_type": "SELL",
    "quantity": 1,
    "order_type": "LIMIT",
    "product": "CNC",
    "price": 990.0,
}


# ---- one check a method ------------------------------------------------------------------------

Check = Callable[[Twin], None]
CALLS: dict[str, Check] = {}


def covers(*names: str) -> Callable[[Check], Check]:
    "Say which methods of the client a check calls."

    def note(check: Check) -> Check:
        for name in names:
            CALLS[name] = check
        return check

    return note


@covers("login_url", "generate_session", "set_access_token")
def log_in(twin: Twin) -> None:
    client = KiteConnect(KEY, root=ROOT)
    client.reqsession.mount(ROOT, StraightIn(twin.exchange.app))
    assert f"api_key={KEY}" in client.login_url()
    session = client.generate_session(twin.request_token(), SECRET)
    same(session, SESSION)
    assert isinstance(session["login_time"], datetime) and client.access_token
    assert session["refresh_token"] == ""
    client.set_access_token(session["access_token"])
    assert client.profile()["user_id"] == session["user_id"]


@covers("renew_access_token", "invalidate_refresh_token")
def renewal(twin: Twin) -> None:
    twin.account.is_refreshed = True
    session = twin.kite.generate_session(twin.request_token(), SECRET)
    told = twin.kite.renew_access_token(session["refresh_token"], SECRET)
    same(told, "user_id access_token refresh_token")
    assert told["refresh_token"] != session["refresh_token"]
    assert twin.kite.profile()
    assert twin.kite.invalidate_refresh_token(told["refresh_token"]) is True
    assert twin.account.refresh_token == ""


@covers("invalidate_access_token", "set_session_expiry_hook")
def log_out(twin: Twin) -> None:
    called: list[bool] = []
    twin.kite.set_session_expiry_hook(lambda: called.append(True))
    assert twin.kite.invalidate_access_token() is True
    with pytest.raises(Exception, match="Incorrect `api_key`"):
        twin.kite.profile()
    assert called == [True]


@covers("profile")
def profile(twin: Twin) -> None:
    same(twin.kite.profile(), PROFILE)
    assert set(twin.data("GET", "/user/profile/full")) > set(PROFILE.split())


@covers("margins")
def margins(twin: Twin) -> None:
    both = twin.kite.margins()
    assert set(both) == {"equity", "commodity"}
    for name, segment in both.items():
        same(segment, SEGMENT)
        same(segment["available"], AVAILABLE)
        same(segment["utilised"], UTILISED)
        assert twin.kite.margins(name) == segment


@covers("instruments")
def instruments(twin: Twin) -> None:
    rows = twin.kite.instruments("NSE")
    assert len(rows) == len(twin.kite.instruments()) == 3
    for row in rows:
        same(row, INSTRUMENT)
        assert row["instrument_token"] % 256 == 1 and isinstance(row["exchange_token"], str)
    assert twin.kite.instruments("MCX") == []


@covers("ltp", "ohlc", "quote")
def quotes(twin: Twin) -> None:
    asked = ["NSE:INFY", str(twin.token), "NSE:NOSUCH"]
    for call, fields in ((twin.kite.ltp, LTP), (twin.kite.ohlc, OHLC), (twin.kite.quote, QUOTE)):
        told = call(asked)
        assert set(told) == set(asked[:2])
        same(told["NSE:INFY"], fields)
        assert call(*asked) == told  # both ways of asking
    depth = told["NSE:INFY"]["depth"]
    assert set(depth) == {"buy", "sell"}
    for level in (*depth["buy"], *depth["sell"]):
        same(level, "price quantity orders")


@covers("historical_data")
def candles(twin: Twin) -> None:
    begin = datetime.fromisoformat("2026-09-14 09:15:00")
    rows = twin.kite.historical_data(twin.token, begin, begin + timedelta(hours=2), "minute")
    same(rows[0], "date open high low close volume")
    rows = twin.kite.historical_data(twin.token, begin, begin, "day", continuous=True, oi=True)
    same(rows[0], "date open high low close volume oi")
    assert rows[0]["date"].utcoffset() == timedelta(hours=5, minutes=30)


@covers("trigger_range")
def trigger_range(twin: Twin) -> None:
    for side, below in (("BUY", True), ("SELL", False)):
        told = twin.kite.trigger_range(side, ["NSE:INFY", "NSE:NOSUCH"])
        assert set(told) == {"NSE:INFY"}
        same(told["NSE:INFY"], "instrument_token lower upper")
        last = twin.market.last_price["INFY"]
        edge = told["NSE:INFY"]["upper" if below else "lower"]
        assert told["NSE:INFY"]["lower"] < told["NSE:INFY"]["upper"]
        assert edge == pytest.approx(last, abs=0.1)
    assert twin.data("GET", "/margins/equity")[0]["tradingsymbol"] == "INFY"


@covers("place_order", "modify_order", "cancel_order", "orders", "order_history")
def life_of_an_order(twin: Twin) -> None:
    order_id = twin.place(tag="one")
    assert twin.kite.modify_order("regular", order_id, price=951.0) == order_id
    assert twin.kite.cancel_order("regular", order_id) == order_id
    row = twin.kite.orders()[-1]
    same(row, ORDER, SOMETIMES)
    assert isinstance(row["order_id"], str) and isinstance(row["order_timestamp"], datetime)
    assert twin.kite.order_history(order_id)[-1] == row


@covers("exit_order")
def exit_order(twin: Twin) -> None:
    order_id = twin.place()
    assert twin.kite.exit_order("regular", order_id) == order_id
    assert twin.kite.orders()[-1]["status"] == "CANCELLED"


@covers("place_autoslice_order")
def autoslice(twin: Twin) -> None:
    wanted = {**ORDER_FORM, "quantity": 1}
    for name in ("variety", "trigger_price"):
        del wanted[name]
    with pytest.raises(Exception, match="uantity"):  # at or below the freeze quantity: refused
        twin.kite.place_autoslice_order("regular", **wanted)


@covers("trades", "order_trades", "positions")
def a_trade(twin: Twin) -> None:
    order_id = twin.buy(quantity=2)
    assert twin.kite.order_trades(order_id) == []
    twin.step(6)
    trade = twin.kite.trades()[-1]
    same(trade, TRADE)
    assert isinstance(trade["fill_timestamp"], datetime) and len(trade["order_timestamp"]) == 8
    assert twin.kite.order_trades(order_id) == [trade]
    both = twin.kite.positions()
    same(both["net"][0], POSITION)
    same(both["day"][0], POSITION)


@covers("convert_position")
def conversion(twin: Twin) -> None:
    twin.buy(quantity=2)
    twin.step(6)
    assert twin.kite.convert_position("NSE", "INFY", "BUY", "day", 2, "MIS", "CNC") is True
    held = {row["product"]: row["quantity"] for row in twin.kite.positions()["net"]}
    assert held == {"MIS": 0, "CNC": 2}


@covers("holdings", "get_auction_instruments")
def holdings(twin: Twin) -> None:
    shares = Shares("INFY", twin.token, quantity=50, value=50 * 900_00, close=1000.0)
    twin.account.demat["INFY"] = shares
    twin.account.auction_numbers["17"] = ("INFY", 50)
    row = twin.kite.holdings()[0]
    same(row, HOLDING)
    profit = (row["last_price"] - row["average_price"]) * (row["quantity"] + row["t1_quantity"])
    assert row["pnl"] == pytest.approx(profit)
    same(twin.kite.get_auction_instruments()[0], HOLDING + " auction_number")
    brief = twin.data("GET", "/portfolio/holdings/compact")[0]
    same(brief, "exchange tradingsymbol instrument_token t1_quantity quantity")
    whole = twin.data("GET", "/portfolio/holdings/summary")
    same(
        whole,
        "total_pnl total_pnl_percent today_pnl today_pnl_percent invested_amount current_value",
    )
    assert whole["invested_amount"] == 45_000.0


GTT_SINGLE = ("single", "INFY", "NSE", [990.0])


@covers("place_gtt", "get_gtt", "get_gtts", "modify_gtt", "delete_gtt")
def triggers(twin: Twin) -> None:
    last = twin.market.last_price["INFY"]
    number = twin.kite.place_gtt(*GTT_SINGLE, last, [SALE])["trigger_id"]
    assert isinstance(number, int)
    row = twin.kite.get_gtt(number)
    same(row, GTT)
    same(row["condition"], CONDITION)
    assert row["status"] == "active" and row["orders"][0]["result"] is None
    two = ("two-leg", "INFY", "NSE", [900.0, 1100.0])
    assert twin.kite.modify_gtt(number, *two, last, [SALE, SALE]) == {"trigger_id": number}
    assert twin.kite.get_gtts()[0]["type"] == "two-leg"
    assert twin.kite.delete_gtt(number) == {"trigger_id": number}
    assert twin.kite.get_gtt(number)["status"] == "deleted"


@covers("order_margins", "basket_order_margins", "get_virtual_contract_note")
def calculators(twin: Twin) -> None:
    one = twin.kite.order_margins([ORDER_FORM])[0]
    same(one, MARGIN)
    same(one["charges"], CHARGES)
    assert one["total"] == one["var"] == 10 * 1000.0 * twin.account.rate("MIS")
    basket = twin.kite.basket_order_margins([ORDER_FORM, {**ORDER_FORM, "price": 0}])
    same(basket, "initial final orders charges")
    same(basket["final"], MARGIN)
    brief = twin.kite.basket_order_margins([ORDER_FORM], consider_positions=False, mode="compact")
    assert brief["final"]["total"] == one["total"] and "var" not in brief["final"]
    done = {**ORDER_FORM, "order_id": "1", "average_price": 1000.0}
    note = twin.kite.get_virtual_contract_note([done])[0]
    same(note, NOTE)
    same(note["charges"], CHARGES)
    assert note["charges"]["total"] == pytest.approx(one["charges"]["total"])


FUND = "INF000P01011"


@covers("mf_orders", "place_mf_order", "cancel_mf_order", "mf_holdings", "mf_instruments")
def funds(twin: Twin) -> None:
    assert any(row["tradingsymbol"] == FUND for row in twin.kite.mf_instruments())
    assert twin.kite.mf_orders() == [] == twin.kite.mf_holdings()
    number = twin.kite.place_mf_order(FUND, "BUY", amount=1000)["order_id"]
    row = twin.kite.mf_orders(number)
    same(row, FUND_ORDER)
    assert twin.kite.mf_orders() == [row] and isinstance(row["order_timestamp"], datetime)
    assert twin.kite.cancel_mf_order(number) == {"order_id": number}
    assert twin.kite.mf_orders(number)["status"] == "CANCELLED"


@covers("mf_sips", "place_mf_sip", "modify_mf_sip", "cancel_mf_sip")
def savings_plans(twin: Twin) -> None:
    number = twin.kite.place_mf_sip(FUND, 1000, 12, "monthly", instalment_day=5)["sip_id"]
    same(twin.kite.mf_sips(number), PLAN)
    assert twin.kite.modify_mf_sip(number, status="paused") == {"sip_id": number}
    assert [row["status"] for row in twin.kite.mf_sips()] == ["PAUSED"]
    assert twin.kite.cancel_mf_sip(number) == {"sip_id": number}


METHODS = sorted(
    name
    for name, _ in inspect.getmembers(KiteConnect, inspect.isfunction)
    if not name.startswith("_")
)


@pytest.mark.parametrize("name", METHODS)
def test_method_of_the_client(name: str, twin: Twin) -> None:
    assert name in CALLS, f"nobody calls KiteConnect.{name} here"
    CALLS[name](twin)


def test_nothing_is_listed_that_the_client_has_not() -> None:
    assert sorted(CALLS) == METHODS


def test_every_path_of_the_client_is_served(twin: Twin) -> None:
    "Also those that no method uses."

    def form(path: str) -> str:
        return re.sub(r"{[^}]*}", "{}", path)

    served = {form(getattr(route, "path", "")) for route in twin.exchange.rest.routes()}
    assert {form(path) for path in KiteConnect._routes.values()} <= served


def test_paths_that_only_other_clients_know(twin: Twin) -> None:
    form = {"name": "falls", "type": "simple", "operator": "<="}
    form |= {"lhs_exchange": "NSE", "lhs_tradingsymbol": "INFY", "lhs_attribute": "LastTradedPrice"}
    form |= {"rhs_type": "constant", "rhs_constant": "5000"}
    alert = twin.data("POST", "/alerts", data=form)
    same(alert, ALERT)
    number = alert["uuid"]
    assert twin.data("GET", "/alerts") == [alert] and twin.data("GET", f"/alerts/{number}") == alert
    twin.step(2)
    assert twin.data("GET", f"/alerts/{number}")["status"] == "disabled"
    told = twin.data("GET", f"/alerts/{number}/history")[0]
    same(told, "uuid type meta condition created_at order_meta")
    again = twin.data("PUT", f"/alerts/{number}", data={**form, "rhs_constant": "1"})
    assert (again["status"], again["rhs_constant"]) == ("enabled", 1.0)
    assert twin.data("DELETE", f"/alerts?uuid={number}") is None
    assert twin.ask("GET", f"/alerts/{number}")[0] == 404


def test_an_authorised_sale(twin: Twin) -> None:
    twin.account.demat_consent = ""
    shares = Shares("INFY", twin.token, quantity=50, value=50 * 900_00, close=1000.0)
    twin.account.demat["INFY"] = shares
    sale = {"transaction_type": "SELL", "product": "CNC", "quantity": 20, "price": 1400.0}
    with pytest.raises(Exception, match="Insufficient stock holding"):
        twin.place(**sale)
    form = {"isin": shares.isin, "quantity": "20"}
    request_id = twin.data("POST", "/portfolio/holdings/authorise", data=form)["request_id"]
    page = f"/connect/portfolio/authorise/holdings/{KEY}/{request_id}"
    assert twin.data("GET", page)["status"] == "success"
    assert twin.kite.holdings()[0]["authorised_quantity"] == 20
    assert twin.place(**sale)


def test_delivery_is_a_position_today_and_a_holding_tomorrow() -> None:
    twin = Twin(exchange__settle_delivery="true")
    twin.step(2)
    twin.buy(quantity=3, product="CNC")
    twin.step(6)
    assert twin.kite.positions()["net"][0]["quantity"] == 3 and twin.kite.holdings() == []
    last = dict(twin.market.last_price)
    before = twin.kite.margins("equity")["net"]
    carry_positions(twin.account, last, settle=True)
    row = twin.kite.holdings()[0]
    assert (row["t1_quantity"], row["quantity"]) == (3, 0) and twin.kite.positions()["net"] == []
    assert twin.kite.margins("equity")["net"] == pytest.approx(before, abs=100)
    twin.place(transaction_type="SELL", product="CNC", quantity=3, price=1400.0)


def test_a_trigger_fires_once_and_places_its_order(twin: Twin) -> None:
    twin.account.demat["INFY"] = Shares("INFY", twin.token, quantity=50, value=50 * 900_00)
    last = twin.market.last_price["INFY"]
    sale = {**SALE, "price": 1400.0}
    two = ("two-leg", "INFY", "NSE", [500.0, last + 3.0])
    number = twin.kite.place_gtt(*two, last, [sale, sale])["trigger_id"]
    for _ in range(30):
        twin.step()
        if twin.kite.get_gtt(number)["status"] == "triggered":
            break
    legs = twin.kite.get_gtt(number)["orders"]
    assert legs[0]["result"] is None
    same(legs[1]["result"], RESULT)
    placed = legs[1]["result"]["order_result"]
    assert placed["status"] == "success" and placed["rejection_reason"] == ""
    rows = [row for row in twin.kite.orders() if row["order_id"] == placed["order_id"]]
    assert rows[0]["price"] == 1400.0 and rows[0]["tag"] is None and rows[0]["status"] == "OPEN"
    twin.step(5)
    assert len(twin.kite.orders()) == 1


def test_a_trigger_whose_order_is_refused_is_used_up(twin: Twin) -> None:
    last = twin.market.last_price["INFY"]
    number = twin.kite.place_gtt("single", "INFY", "NSE", [last + 1.0], last, [SALE])["trigger_id"]
    twin.step(12)
    row = twin.kite.get_gtt(number)
    assert row["status"] == "triggered" and twin.kite.orders() == []
    told = row["orders"][0]["result"]["order_result"]
    assert told["status"] == "failed" and "Insufficient stock holding" in told["rejection_reason"]


def test_an_alert_may_place_a_basket(twin: Twin) -> None:
    params = {"transaction_type": "BUY", "product": "MIS", "order_type": "LIMIT", "quantity": 1}
    item = {"exchange": "NSE", "tradingsymbol": "INFY", "params": params | {"price": 960.0}}
    form = {"name": "goes", "type": "ato", "operator": ">", "rhs_type": "instrument"}
    for side, symbol in (("lhs", "M&M"), ("rhs", "INFY")):
        form |= {f"{side}_exchange": "NSE", f"{side}_tradingsymbol": symbol}
        form[f"{side}_attribute"] = "LastTradedPrice"
    form["basket"] = json.dumps({"name": "b", "type": "alert", "tags": [], "items": [item]})
    number = twin.data("POST", "/alerts", data=form)["uuid"]
    twin.step(2)
    assert twin.data("GET", f"/alerts/{number}")["alert_count"] == 1
    assert [row["price"] for row in twin.kite.orders()] == [960.0]


def test_a_large_instrument_list_is_packed(twin: Twin) -> None:
    market = twin.market
    market.listed = list(market.listed) * 200
    session = twin.kite.reqsession
    answer = session.get(ROOT + "/instruments", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(answer.content) / 5
    assert len(twin.kite.instruments()) == 600
    plain = session.get(ROOT + "/instruments", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.content == answer.content


def test_a_variety_in_capitals_is_sent_on(twin: Twin) -> None:
    form = {**ORDER_FORM, "price": 950.0}
    answer = twin.kite.reqsession.request(
        "POST",
        ROOT + "/orders/REGULAR",
        data=form,
        headers={"Authorization": f"token {KEY}:{twin.kite.access_token}"},
        allow_redirects=False,
    )
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/orders/regular")


def test_signature_is_kites() -> None:
    assert signature("a", "b", "c") == hashlib.sha256(b"abc").hexdigest()
