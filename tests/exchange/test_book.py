"""Orders in a book: price before time, queues, parts, stops; and nothing is lost or made."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from book_kit import Floor
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.exchange.account import blocked
from nifty_research.exchange.book import Book, Resting
from nifty_research.exchange.wire import KiteError

# ---- the book alone ----

RESTING = st.tuples(
    st.booleans(), st.integers(95, 105), st.integers(1, 50), st.sampled_from([0, 7])
)


@given(st.lists(RESTING, max_size=25), st.booleans(), st.integers(90, 110), st.integers(1, 400))
def test_best_price_first_then_longest_wait_and_nothing_is_lost(
    orders: list[tuple[bool, int, int, int]], is_buy: bool, limit: int, quantity: int
) -> None:
    book = Book()
    for side, price, size, shown in orders:
        book.add(Resting(side, price, size, "", shown))
    before = dict(book.total)
    reachable = book.reachable(is_buy, limit)
    fills = book.take(is_buy, limit, quantity)
    prices = [one.price for one, _ in fills]
    assert prices == sorted(prices, reverse=not is_buy)
    assert all(price <= limit if is_buy else price >= limit for price in prices)
    traded = sum(size for _, size in fills)
    assert traded == min(quantity, reachable)
    assert book.total[not is_buy] == before[not is_buy] - traded
    assert book.total[is_buy] == before[is_buy]
    for side in (True, False):
        left = list(book.orders(side))
        assert book.total[side] == sum(one.quantity for one in left)
        assert all(0 < one.shown <= one.quantity for one in left)


# ---- against the market ----


def test_a_market_order_walks_the_book_and_its_rest_waits_as_a_limit() -> None:
    floor = Floor()
    floor.play(1000.0)
    offers = floor.depth("sell")
    order = floor.buy(5000, 0, order_type="MARKET", market_protection=1)
    traded = [(one.price, one.quantity) for one in floor.venue.trades]
    assert traded == offers and order.status == "OPEN" and order.order_type == "LIMIT"
    assert order.filled_quantity == sum(quantity for _, quantity in offers) < 5000
    assert floor.depth("buy")[0] == (1010.0, order.pending)
    assert ("mktp:1.00" in order.record()["tags"]) and order.record()["pending_quantity"] > 0


def test_a_limit_waits_behind_the_queue_and_fills_in_parts() -> None:
    floor = Floor()
    floor.play(1000.0)
    ahead = floor.depth("buy")[0][1]
    order = floor.buy(100, floor.depth("buy")[0][0])
    floor.play(order.price, ahead)  # the queue in front of it trades
    assert order.filled_quantity == 0
    floor.play(order.price, 30)
    assert (order.filled_quantity, order.status) == (30, "OPEN")
    floor.play(order.price - 1.0)  # the market moves through the rest
    assert order.status == "COMPLETE" and order.average_price == order.price
    assert [status for _, status in floor.told] == ["OPEN", "COMPLETE"]
    assert len(floor.venue.trades) == 2 and floor.held() == 100


def test_a_triggered_stop_trades_and_may_set_off_another() -> None:
    floor = Floor()
    floor.play(1000.0)
    protection: dict[str, Any] = {"order_type": "SL-M", "market_protection": 2}
    first = floor.sell(800, 0, trigger_price=998.0, **protection)
    second = floor.sell(10, 0, trigger_price=996.9, who=1, **protection)
    assert first.status == second.status == "TRIGGER PENDING"
    floor.play(998.0)
    assert first.filled_quantity == 800
    assert [row["status"] for row in first.history][-2:] != ["TRIGGER PENDING", "COMPLETE"]
    floor.play(996.0)
    assert second.status == "COMPLETE"


def test_immediate_or_cancel_keeps_what_it_got() -> None:
    floor = Floor()
    floor.play(1000.0)
    price, size = floor.depth("sell")[0]
    order = floor.buy(size + 50, price, validity="IOC")
    assert (order.status, order.filled_quantity) == ("CANCELLED", size)
    assert order.record()["cancelled_quantity"] == 50


def test_time_to_live_runs_out() -> None:
    floor = Floor()
    floor.play(1000.0)
    order = floor.buy(10, 990.0, validity="TTL", validity_ttl=2)
    floor.at("09:16")
    assert order.status == "OPEN"
    floor.at("09:18")
    assert order.status == "CANCELLED" and order.status_message == "time to live over"
    with pytest.raises(KiteError, match="validity_ttl"):
        floor.buy(10, 990.0, validity="TTL")


def test_who_would_trade_with_itself_loses_what_rested() -> None:
    floor = Floor()
    floor.play(1000.0)
    offer = floor.sell(10, floor.depth("sell")[0][0])
    before = floor.depth("sell")[0][1]
    floor.buy(before, offer.price)
    assert offer.status == "CANCELLED" and offer.status_message == "self-trade prevention"
    assert {trade.order.is_buy for trade in floor.venue.trades} == {True}


def test_two_clients_trade_with_each_other_under_one_number() -> None:
    floor = Floor()
    floor.play(1000.0)
    between = floor.depth("buy")[0][0]
    bid = floor.buy(10, between + 0.0, who=0)
    floor.play(between, floor.depth("buy")[0][1] - 10)  # those in front have traded
    floor.sell(10, between, who=1)
    numbers = {one.trade_id for one in floor.venue.trades if one.order is bid}
    assert bid.status == "COMPLETE" and numbers
    assert floor.held(0) == 10 and floor.held(1) == -10


def test_a_disclosed_order_shows_a_part() -> None:
    floor = Floor()
    floor.play(1000.0)
    floor.buy(1000, 1000.0 - 0.1 + 0.0, disclosed_quantity=100)
    with pytest.raises(KiteError, match="disclosed"):
        floor.buy(1000, 990.0, disclosed_quantity=50)


def test_a_smaller_quantity_keeps_its_place_a_new_price_does_not() -> None:
    floor = Floor()
    floor.play(1000.0)
    order = floor.buy(100, 999.0)
    pit = floor.venue.matching.pit("INFY")  # type: ignore[union-attr]
    number = pit.resting[order.order_id].number
    floor.venue.modify(floor.accounts[0], order.order_id, {"quantity": "60"})
    assert pit.resting[order.order_id].number == number
    floor.venue.modify(floor.accounts[0], order.order_id, {"price": "998"})
    assert pit.resting[order.order_id].number > number
    assert pit.resting[order.order_id].quantity == 60


def test_margin_is_blocked_and_released_and_charges_are_paid() -> None:
    floor = Floor()
    floor.play(1000.0)
    mine = floor.accounts[0]
    cash = mine.cash
    order = floor.buy(100, 990.0)
    assert blocked(mine, floor.market.last_price) > 0
    floor.venue.cancel(mine, order.order_id)
    assert blocked(mine, floor.market.last_price) == 0 and mine.cash == cash
    floor.buy(100, 1010.0)
    assert mine.cash < cash and mine.paid["charges"] == cash - mine.cash


def test_prices_beyond_the_band_and_sizes_beyond_the_limit_are_refused() -> None:
    floor = Floor()
    floor.play(1000.0)
    with pytest.raises(KiteError, match="upper circuit limit of 1100"):
        floor.buy(10, 1101.0)
    with pytest.raises(KiteError, match="below the lower circuit price"):
        floor.sell(10, 0, order_type="SL-M", trigger_price=800, market_protection=1)
    with pytest.raises(KiteError, match="maximum quantity of 100000"):
        floor.buy(100_001, 990.0)


# ---- whatever happens ----

ACTION = st.one_of(
    st.tuples(st.just("play"), st.integers(-20, 20), st.integers(0, 2000)),
    st.tuples(
        st.sampled_from(["buy", "sell"]), st.integers(-15, 15), st.sampled_from([1, 40, 900])
    ),
    st.tuples(st.sampled_from(["stop buy", "stop sell"]), st.integers(1, 9), st.just(50)),
    st.tuples(st.sampled_from(["cancel", "modify"]), st.integers(0, 30), st.integers(1, 500)),
)


def act(floor: Floor, who: int, action: tuple[str, int, int], base: float) -> None:
    kind, number, size = action
    if kind == "play":
        return floor.play(round(1000.0 + number * 0.1, 1), size)
    mine = floor.accounts[who]
    if kind in ("cancel", "modify"):
        orders = list(mine.orders)
        if not orders:
            return None
        chosen = orders[number % len(orders)]
        if kind == "cancel":
            floor.venue.cancel(mine, chosen)
        else:
            floor.venue.modify(mine, chosen, {"quantity": str(size)})
    elif kind.startswith("stop"):
        trigger = round(base + (number if kind == "stop buy" else -number) * 0.1, 1)
        side = "BUY" if kind == "stop buy" else "SELL"
        fields = {"order_type": "SL-M", "market_protection": 1, "trigger_price": trigger}
        floor.place(who, transaction_type=side, quantity=size, price=0, **fields)
    else:
        price = round(1000.0 + number * 0.1, 1)
        floor.place(who, transaction_type=kind.upper(), quantity=size, price=price)
    return None


@given(st.lists(st.tuples(st.integers(0, 1), ACTION), max_size=40))
def test_nothing_is_lost_made_or_crossed(actions: list[tuple[int, tuple[str, int, int]]]) -> None:
    floor = Floor()
    floor.play(1000.0)
    for who, action in actions:
        try:
            act(floor, who, action, floor.market.last_price["INFY"])
        except KiteError as error:
            assert error.error_type in ("InputException", "MarginException", "NetworkException")
        book = floor.venue.matching.pit("INFY").book  # type: ignore[union-attr]
        bid, offer = book.best(True), book.best(False)
        assert bid is None or offer is None or bid < offer
    by_order: dict[str, int] = defaultdict(int)
    for trade in floor.venue.trades:
        assert trade.quantity > 0
        by_order[trade.order.order_id] += trade.quantity
    for who in (0, 1):
        net = 0
        for order in floor.orders(who):
            assert by_order[order.order_id] == order.filled_quantity <= order.quantity
            assert (order.status == "COMPLETE") == (order.pending == 0)
            net += order.filled_quantity * (1 if order.is_buy else -1)
        assert net == floor.held(who)
        assert blocked(floor.accounts[who], floor.market.last_price) >= 0
    for number in {one.trade_id for one in floor.venue.trades}:
        sides = [one for one in floor.venue.trades if one.trade_id == number]
        assert len(sides) in (1, 2) and len({one.quantity for one in sides}) == 1
        assert len({one.order.is_buy for one in sides}) == len(sides)
