"""Opening and closing auctions, the purge of stops, square-off: the day by the clock."""

from __future__ import annotations

import pytest
from book_kit import Floor
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.exchange.auction import Wish, allocate, equilibrium
from nifty_research.exchange.wire import KiteError

WISH = st.tuples(st.booleans(), st.one_of(st.none(), st.integers(90, 110)), st.integers(1, 99))


@given(st.lists(WISH, max_size=14), st.integers(95, 105))
def test_the_price_lets_most_trade_and_nobody_beyond_his_limit(
    wanted: list[tuple[bool, int | None, int]], reference: int
) -> None:
    wishes = [Wish(*one, number) for number, one in enumerate(wanted)]
    found = equilibrium(wishes, reference)
    for price in range(88, 113):
        sides = [
            sum(
                w.quantity
                for w in wishes
                if w.is_buy == side
                and (w.price is None or (w.price >= price if side else w.price <= price))
            )
            for side in (True, False)
        ]
        assert min(sides) <= found.volume
    trades, refused = allocate(wishes, found.price)
    assert sum(size for *_, size in trades) == found.volume and not refused
    for buyer, seller, size in trades:
        assert size > 0 and buyer.is_buy and not seller.is_buy
        assert buyer.price is None or buyer.price >= found.price
        assert seller.price is None or seller.price <= found.price


def test_the_opening_auction_trades_at_one_price_and_hands_over_the_rest() -> None:
    floor = Floor(auctions=True)
    market = floor.place(order_type="MARKET", market_protection=1, quantity=50)
    low = floor.buy(10, 950.0)
    with pytest.raises(KiteError, match="not taken now"):
        floor.sell(10, 0, order_type="SL-M", trigger_price=980, market_protection=1)
    floor.at("09:06")
    with pytest.raises(KiteError, match="Market orders are not taken now"):
        floor.place(order_type="MARKET", market_protection=1)
    assert market.status == low.status == "OPEN"
    floor.at("09:10")
    assert market.status == "COMPLETE" and market.average_price == 1000.0
    with pytest.raises(KiteError, match="takes no orders now"):
        floor.buy(10, 1000.0)
    floor.at("09:15")
    floor.play(1000.0)
    assert low.status == "OPEN" and floor.buy(10, 1001.0).status == "COMPLETE"
    floor.play(949.0)
    assert low.status == "COMPLETE"


def test_stops_go_at_the_end_of_continuous_trading_and_limits_enter_the_closing_auction() -> None:
    floor = Floor(auctions=True)
    floor.at("09:15")
    floor.play(1000.0)
    delivery = {"product": "CNC"}
    stop = floor.place(
        order_type="SL-M", trigger_price=1020, market_protection=1, price=0, **delivery
    )
    near = floor.buy(20, 999.0, **delivery)
    far = floor.buy(20, 950.0, **delivery)
    floor.at("15:15")
    assert (stop.status, far.status) == ("CANCELLED", "CANCELLED")
    assert stop.status_message == "closing auction" and near.status == "OPEN"
    for call in (
        lambda: floor.buy(10, 1000.0, **delivery),
        lambda: floor.venue.cancel(floor.accounts[0], near.order_id),
    ):
        with pytest.raises(KiteError):
            call()
    floor.at("15:21")
    late = floor.place(order_type="MARKET", market_protection=1, quantity=30, **delivery)
    with pytest.raises(KiteError, match="upper circuit limit of 1030"):
        floor.buy(10, 1031.0, **delivery)
    floor.at("15:31")
    assert late.status == "COMPLETE" and late.average_price == 1000.0
    assert (near.status, near.status_message) == ("CANCELLED", "auction over")
    floor.at("15:51")
    after = floor.place(order_type="MARKET", market_protection=1, quantity=5, **delivery)
    assert after.status == "COMPLETE" and after.average_price == 1000.0


def test_a_share_without_derivatives_trades_on_to_the_end() -> None:
    floor = Floor(symbol="SMALLCAP", auctions=True)
    floor.at("15:20")
    floor.play(1000.0)
    assert floor.buy(10, 1001.0, product="CNC").status == "COMPLETE"


def test_before_the_third_of_august_there_was_no_closing_auction() -> None:
    floor = Floor(day="2026-07-31", before="2026-07-30", auctions=True)
    floor.at("15:25")
    floor.play(1000.0)
    assert floor.buy(10, 1001.0, product="CNC").status == "COMPLETE"


def test_the_broker_squares_off_intraday_positions_for_a_charge() -> None:
    floor = Floor()
    floor.play(1000.0)
    floor.buy(100, 1001.0)
    floor.buy(10, 1001.0, product="CNC")
    waiting = floor.buy(10, 990.0)
    floor.at("15:10")
    assert waiting.status == "CANCELLED" and waiting.status_message == "square-off"
    held = {one.product: one.quantity for one in floor.accounts[0].holdings.values()}
    assert held == {"MIS": 0, "CNC": 10}
    assert floor.accounts[0].paid["square-off"] == 5900
    with pytest.raises(KiteError, match="Intraday orders are not taken"):
        floor.buy(1, 1000.0)


def test_a_halted_symbol_neither_trades_nor_takes_orders() -> None:
    floor = Floor()
    floor.play(1000.0)
    order = floor.buy(10, 999.0)
    floor.venue.halted.add("INFY")
    floor.play(990.0)
    assert order.status == "OPEN" and floor.market.last_price["INFY"] == 1000.0
    with pytest.raises(KiteError, match="halted"):
        floor.buy(1, 999.0)
    floor.venue.cancel(floor.accounts[0], order.order_id)
    floor.venue.halted.clear()
    floor.play(990.0)
    assert order.status == "CANCELLED"
