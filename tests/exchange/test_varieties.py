"""Icebergs, cover orders, slices, orders after hours, and what contracts add."""

from __future__ import annotations

import pytest
from book_kit import FORM, Floor, account

from nifty_research.exchange.orders import Order
from nifty_research.exchange.varieties import Sliced
from nifty_research.exchange.wire import KiteError


@pytest.fixture
def floor() -> Floor:
    made = Floor()
    made.play(1000.0)
    return made


def test_an_iceberg_sends_leg_after_leg(floor: Floor) -> None:
    first = floor.place(
        variety="iceberg", quantity=31, price=998.0, iceberg_legs=2, iceberg_quantity=16
    )
    assert isinstance(first, Order) and first.quantity == 16 and first.parent_order_id is None
    assert len(floor.accounts[0].orders) == 1
    floor.play(997.0)
    legs = list(floor.orders())
    assert [one.quantity for one in legs] == [16, 15] and legs[1].parent_order_id == first.order_id
    assert [one.meta["iceberg"]["remaining_quantity"] for one in legs] == [15, 0]
    assert legs[0].status == "COMPLETE" and legs[1].order_type == "LIMIT"
    floor.play(999.0)
    floor.play(997.0)
    assert legs[1].status == "COMPLETE" and floor.held() == 31 and len(legs) == 2


@pytest.mark.parametrize(
    ("legs", "quantity"), [(1, 100), (51, 2), (5, 30), (5, 0)], ids=["one", "many", "other", "none"]
)
def test_wrong_legs_are_refused(floor: Floor, legs: int, quantity: int) -> None:
    with pytest.raises(KiteError, match="Invalid `iceberg_"):
        floor.place(variety="iceberg", quantity=100, iceberg_legs=legs, iceberg_quantity=quantity)
    assert not floor.accounts[0].orders


def test_a_cover_order_gets_a_stop_for_what_it_traded(floor: Floor) -> None:
    first = floor.place(variety="co", quantity=100, price=998.0, trigger_price=990.0)
    floor.play(999.0)
    ahead = 0
    assert len(list(floor.orders())) == 1
    floor.play(997.0)
    entry, stop = floor.orders()
    assert entry is first and entry.status == "COMPLETE" and ahead == 0
    assert stop.parent_order_id == first.order_id and stop.status == "TRIGGER PENDING"
    assert (stop.quantity, stop.trigger_price, stop.is_buy) == (100, 990.0, False)
    mine = floor.accounts[0]
    floor.venue.modify(mine, stop.order_id, {"trigger_price": "993"})
    with pytest.raises(KiteError, match="Only the trigger price"):
        floor.venue.modify(mine, stop.order_id, {"quantity": "50"})
    floor.play(992.0)
    assert stop.status == "COMPLETE" and floor.held() == 0


def test_leaving_a_cover_order_needs_its_first_leg(floor: Floor) -> None:
    first = floor.place(variety="co", quantity=10, price=1002.0, trigger_price=990.0)
    stop = list(floor.orders())[1]
    with pytest.raises(KiteError, match="parent_order_id"):
        floor.venue.cancel(floor.accounts[0], stop.order_id, "co")
    floor.venue.cancel(floor.accounts[0], stop.order_id, "co", first.order_id)
    assert stop.status == "COMPLETE" and floor.held() == 0


def test_a_cover_order_needs_a_stop_on_its_losing_side(floor: Floor) -> None:
    with pytest.raises(KiteError, match="losing side"):
        floor.place(variety="co", quantity=10, price=998.0, trigger_price=1005.0)
    with pytest.raises(KiteError, match="order_type"):
        floor.place(variety="co", order_type="SL-M", trigger_price=990.0, market_protection=1)


def test_a_large_order_is_sliced_and_single_slices_may_fail() -> None:
    floor = Floor(account("RICH", 50_000_000))
    floor.play(1000.0)
    found = floor.place(quantity=250_000, price=990.0, autoslice="true")
    assert isinstance(found, Sliced)
    told = found.answer()
    assert [one.quantity for one in floor.orders()] == [100_000, 100_000, 50_000]
    assert told["children"] == [{"order_id": one.order_id} for one in floor.orders()]
    tags = next(floor.orders()).record()["tags"]
    assert tags == ["autoslice", f"autoslice:{told['order_id']}"]
    again = floor.place(quantity=250_000, price=990.0, autoslice="true").answer()
    errors = [one["error"]["error_type"] for one in again["children"] if "error" in one]
    assert errors and set(errors) == {"MarginException"}
    with pytest.raises(KiteError, match="greater than or equal to 100001"):
        floor.place(quantity=100_000, autoslice="true")
    with pytest.raises(KiteError, match="At most 10"):
        floor.place(quantity=1_000_001, autoslice="true")


def test_after_hours_orders_wait_for_the_next_morning() -> None:
    floor = Floor()
    with pytest.raises(KiteError, match="when the market is closed"):
        floor.place(variety="amo")
    floor.at("18:00")
    with pytest.raises(KiteError, match="not in continuous trading"):
        floor.place()
    order = floor.place(variety="amo", price=999.0)
    assert order.status == "AMO REQ RECEIVED" and order.record()["exchange_order_id"] is None
    assert floor.told == []  # no update of these
    mine = floor.accounts[0]
    floor.venue.modify(mine, order.order_id, {"price": "998"}, "amo")
    with pytest.raises(KiteError, match="Invalid `variety`"):
        floor.venue.cancel(mine, order.order_id, "regular")
    floor.venue.expire()
    morning = floor.now.replace(day=16, hour=9, minute=15)
    floor.venue.begin_day(morning)
    floor.venue.pass_time(morning)
    assert mine.orders[order.order_id].status == "OPEN" and order.price == 998.0
    floor.venue.cancel(mine, order.order_id, "regular")
    assert order.record()["variety"] == "amo" and order.status == "CANCELLED"


def test_a_shortage_auction_sells_what_the_list_names(floor: Floor) -> None:
    with pytest.raises(KiteError, match="auction_number"):
        floor.sell(10, 1005.0, variety="auction", product="CNC", auction_number="22")
    mine = floor.accounts[0]
    floor.buy(60, 1001.0, product="CNC")
    mine.auction_numbers["22"] = ("INFY", 60)
    order = floor.sell(60, 1005.0, variety="auction", product="CNC", auction_number="22")
    assert order.record()["auction_number"] == "22" and order.status == "OPEN"
    floor.play(1010.0)
    assert order.status == "OPEN"
    floor.at("14:45")
    assert order.status == "COMPLETE" and order.average_price == 1005.0


def test_an_algo_can_be_stopped_by_the_exchange(floor: Floor) -> None:
    order = floor.buy(10, 990.0, algo_id="A1")
    other = floor.buy(10, 990.0)
    assert floor.venue.kill_algo("A1") == 1
    assert (order.status, other.status) == ("CANCELLED", "OPEN")
    with pytest.raises(KiteError, match="has been disabled"):
        floor.buy(10, 990.0, algo_id="A1")


# ---- contracts ----

OPTION = "NIFTY2680424500CE"


@pytest.fixture
def option() -> Floor:
    made = Floor(symbol=OPTION, price=100.0, day="2026-07-31", before="2026-07-30")
    made.play(100.0)
    return made


def test_a_contract_has_lots_a_freeze_quantity_and_price_protection(option: Floor) -> None:
    fields = {"exchange": "NFO", "product": "NRML"}
    with pytest.raises(KiteError, match="multiple of 65"):
        option.buy(10, 100.0, **fields)
    with pytest.raises(KiteError, match=r"maximum quantity of 1755 \(27 lots\)"):
        option.buy(1820, 100.0, **fields)
    with pytest.raises(KiteError, match="not allowed in options"):
        option.place(order_type="SL-M", quantity=65, trigger_price=110, **fields)
    with pytest.raises(KiteError, match="Invalid `product`"):
        option.buy(65, 100.0, exchange="NFO", product="CNC")
    far = option.buy(65, 141.0, **fields)
    assert far.status == "REJECTED" and "LPP" in str(far.status_message)
    assert option.buy(65, 139.0, **fields).status == "COMPLETE"
    sliced = option.place(quantity=3900, price=99.0, autoslice="true", **fields)
    assert [one.quantity for one in sliced.children] == [1755, 1755, 390]


def test_a_symbol_is_asked_for_at_its_own_exchange(option: Floor) -> None:
    with pytest.raises(KiteError, match="does not exist"):
        option.venue.place(option.accounts[0], "regular", FORM | {"tradingsymbol": OPTION})
