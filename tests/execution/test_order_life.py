"""The life of orders at an exchange that loses, repeats and garbles: never twice, never a guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nifty_research.broker.client import Outcome, Sent
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import NetworkError
from nifty_research.engine.book import Purpose, Role
from nifty_research.execution.desk import Desk, House, Wish
from nifty_research.execution.messages import Events, Intent
from nifty_research.execution.order_loop import fill_event
from nifty_research.execution.orders import OrderManager
from nifty_research.execution.reconciliation import Periods, Reconciler
from nifty_research.execution.recovery import Memory, recollect
from nifty_research.execution.states import FINAL, State

SYMBOLS = ("INFY", "M&M")
NINE = datetime(2026, 9, 15, 9, 15, tzinfo=IST)
FATES = ("answered", "reply lost", "request lost", "refused", "refused but taken")


class Wire:
    "An exchange of one account, at which requests and replies get lost."

    def __init__(self) -> None:
        self.book: dict[str, dict[str, Any]] = {}
        self.executions: list[dict[str, Any]] = []
        self.fate = "answered"
        self.placed: list[str] = []  # tags, as they arrived
        self.is_down = False

    def _answer(self, order_id: str) -> Outcome:
        if self.fate == "answered":
            return Outcome(Sent.CONFIRMED, order_id)
        if self.fate == "refused but taken":
            return Outcome(Sent.REJECTED, error_type="InputException", message="Request timed out")
        return Outcome(Sent.UNKNOWN, error_type="ReadTimeout", message="silence")

    def _is_lost(self) -> Outcome | None:
        if self.fate == "request lost":
            return Outcome(Sent.UNKNOWN, error_type="ConnectionError", message="no route")
        if self.fate == "refused":
            return Outcome(Sent.REJECTED, error_type="InputException", message="Tick size for this")
        return None

    def place(self, **fields: Any) -> Outcome:
        if lost := self._is_lost():
            return lost
        order_id = str(1000 + len(self.book))
        self.placed.append(fields["tag"])
        waits = fields["order_type"] == "SL-M"
        self.book[order_id] = {
            "order_id": order_id,
            "status": "TRIGGER PENDING" if waits else "OPEN",
            "tag": fields["tag"],
            "tradingsymbol": fields["tradingsymbol"],
            "transaction_type": fields["transaction_type"],
            "quantity": fields["quantity"],
            "filled_quantity": 0,
            "average_price": 0,
            "trigger_price": fields.get("trigger_price", 0.0),
            "price": fields.get("price", 0.0),
            "order_type": fields["order_type"],
        }
        return self._answer(order_id)

    def modify(self, order_id: str, **fields: Any) -> Outcome:
        if lost := self._is_lost():
            return lost
        row = self.book[order_id]
        if row["status"] not in ("OPEN", "TRIGGER PENDING"):
            return Outcome(Sent.REJECTED, message="Order cannot be modified")
        quantity = fields.get("quantity", row["quantity"])
        if quantity <= row["filled_quantity"]:
            return Outcome(Sent.REJECTED, message="Quantity should be")
        row |= {name: value for name, value in fields.items() if name != "market_protection"}
        if fields.get("order_type") == "MARKET":
            row["status"] = "OPEN"
        return self._answer(order_id)

    def cancel(self, order_id: str) -> Outcome:
        if lost := self._is_lost():
            return lost
        row = self.book[order_id]
        if row["status"] not in ("OPEN", "TRIGGER PENDING"):
            return Outcome(Sent.REJECTED, message="Order cannot be cancelled")
        row["status"] = "CANCELLED"
        return self._answer(order_id)

    def trade(self, order_id: str, quantity: int) -> None:
        "The market takes some of an order."
        row = self.book[order_id]
        quantity = min(quantity, row["quantity"] - row["filled_quantity"])
        if quantity <= 0 or row["status"] not in ("OPEN", "TRIGGER PENDING"):
            return
        row["status"] = "OPEN"
        row["average_price"] = 100.0
        row["filled_quantity"] += quantity
        if row["filled_quantity"] == row["quantity"]:
            row["status"] = "COMPLETE"
        self.executions.append(
            {
                "order_id": order_id,
                "trade_id": f"t{len(self.executions)}",
                "tradingsymbol": row["tradingsymbol"],
                "transaction_type": row["transaction_type"],
                "quantity": quantity,
                "average_price": 100.0,
                "fill_timestamp": NINE.replace(tzinfo=None),
            }
        )

    def _ask(self) -> None:
        if self.is_down:
            raise NetworkError("down", where="test")

    def orders(self) -> list[dict[str, Any]]:
        self._ask()
        return [dict(row) for row in self.book.values()]

    def trades(self) -> list[dict[str, Any]]:
        self._ask()
        return [dict(row) for row in self.executions]

    def trades_of(self, order_id: str) -> list[dict[str, Any]]:
        return [row for row in self.trades() if row["order_id"] == order_id]

    def held(self) -> dict[str, int]:
        total = dict.fromkeys(SYMBOLS, 0)
        for row in self.executions:
            sign = 1 if row["transaction_type"] == "BUY" else -1
            total[row["tradingsymbol"]] += sign * row["quantity"]
        return total

    def positions(self) -> list[dict[str, Any]]:
        self._ask()
        return [
            {"tradingsymbol": s, "product": "MIS", "quantity": q} for s, q in self.held().items()
        ]

    def holdings(self) -> list[dict[str, Any]]:
        return []

    def margins(self) -> dict[str, Any]:
        return {"net": 1.0}


WISHES = {
    symbol: [
        Wish(f"{symbol} in", symbol, "enter", size),
        Wish(f"{symbol} nearer", symbol, "move"),
        Wish(f"{symbol} half", symbol, "part", 2),
        Wish(f"{symbol} out", symbol, "exit"),
        Wish(f"{symbol} again", symbol, "enter", -size),
    ]
    for symbol, size in (("INFY", 5), ("M&M", -4))
}


class OrderLife(RuleBasedStateMachine):
    "A desk that trades over a bad line, and dies now and then."

    @initialize()
    def begin(self) -> None:
        self.wire, self.clock = Wire(), SimulatedClock(NINE)
        self.journal: Events = []
        self.said: list[dict[str, Any]] = []  # messages on their way
        self._start()

    def _start(self) -> None:
        line: Any = self.wire
        self.manager = OrderManager(
            *("life", SYMBOLS, "MIS", 2.0, 15.0, line, self.clock),
            remakes_changes=False,
            doubts_refusals=True,
        )
        self.memory, _ = recollect(self.manager, self.journal, self.clock.now())
        self.desk = Desk(self.manager, self.memory, House(10, patience_s=1e9), WISHES)
        periods = Periods(5.0, 30.0, 300.0)
        self.reconciler = Reconciler(self.manager, self.memory, line, self._write, periods)

    def _write(self, events: Any, fills: Any, endings: Any) -> None:
        booked = [("fill", fill_event(fill, SYMBOLS)) for fill in fills]
        before = [one for one in events if one[0] != "order closed"]
        self._record(before + booked + [one for one in events if one[0] == "order closed"])
        for ending in endings:
            self.desk.refused(ending.order.tag)

    def _record(self, events: Events) -> None:
        self.journal += events
        for kind, said in events:
            self.memory.take(kind, said)

    @rule(fate=st.sampled_from(FATES), dies=st.sampled_from(("", "", "", "sent", "written")))
    def intend(self, fate: str, dies: str) -> None:
        intents, denials = self.desk.next()
        requests, events = self.manager.prepare(intents)
        self._record(events + [one.event(self.clock.now()) for one in denials])
        if dies == "written":
            self._start()
            return
        self.wire.fate = fate
        for request in requests:
            events, _ = self.manager.send([request])
            if dies == "sent":
                self.wire.fate = "answered"
                self._start()
                return
            self._record(events)
            for kind, said in events:
                if kind == "order rejected":
                    self.desk.refused(said["tag"])
        self.wire.fate = "answered"

    @rule(place=st.integers(0, 5), quantity=st.integers(1, 6))
    def trade(self, place: int, quantity: int) -> None:
        open_ones = [
            r for r in self.wire.book.values() if r["status"] in ("OPEN", "TRIGGER PENDING")
        ]
        if open_ones:
            row = open_ones[place % len(open_ones)]
            self.said.append(dict(row) | {"status": "UPDATE"})  # overtaken by what follows
            self.wire.trade(row["order_id"], quantity)
            self.said.append(dict(row))

    @rule(place=st.integers(0, 9), again=st.booleans())
    def hear(self, place: int, again: bool) -> None:
        if self.said:
            said = self.said[place % len(self.said)]
            if not again:
                self.said.remove(said)
            self._write(*self.manager.take_update(said))

    @rule(seconds=st.sampled_from((1, 5, 16, 31)))
    def wait(self, seconds: int) -> None:
        self.clock.advance(self.clock.now() + timedelta(seconds=seconds))
        self._write(*self.manager.look())

    @rule()
    def compare(self) -> None:
        self.reconciler.round()

    @rule()
    def die(self) -> None:
        self._start()

    @rule()
    def garble(self) -> None:
        for row in list(self.wire.book.values())[-2:]:
            for name, value in (("status", 7), ("filled_quantity", -1), ("average_price", "much")):
                events, fills, endings = self.manager.take_update(row | {name: value})
                assert [kind for kind, _ in events] == ["answer unreadable"]
                assert not fills and not endings

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        if hasattr(self, "wire"):
            assert len(set(self.wire.placed)) == len(self.wire.placed)
            keys = [(s["order_id"], s["trade_id"]) for k, s in self.journal if k == "fill"]
            assert len(set(keys)) == len(keys)

    @invariant()
    def no_position_is_too_large_or_turned_by_its_exits(self) -> None:
        if hasattr(self, "wire"):
            assert all(abs(quantity) <= 10 for quantity in self.wire.held().values())
            for order in self.manager.orders.values():
                assert order.filled_quantity <= abs(order.quantity)

    @invariant()
    def a_restart_would_believe_the_same(self) -> None:
        if not hasattr(self, "wire"):
            return
        line: Any = self.wire
        again = OrderManager("life", SYMBOLS, "MIS", 2.0, 15.0, line, self.clock)
        memory, _ = recollect(again, self.journal, self.clock.now())
        assert memory.held == self.memory.held and memory.served == self.memory.served
        for tag, order in self.manager.orders.items():
            told = again.orders[tag]
            if order.state in FINAL and order.state is not State.LOST:
                assert told.state is order.state or told.state in (State.LOST, State.REFUSED)
            assert (told.filled_quantity, told.role, told.changes) == (
                order.filled_quantity,
                order.role,
                order.changes,
            )

    def teardown(self) -> None:
        "Given peace and time, everything is known: both sides agree."
        if not hasattr(self, "wire"):
            return
        for _ in range(6):
            self.clock.advance(self.clock.now() + timedelta(seconds=20))
            self._write(*self.manager.look())
            self.reconciler.round()
        held = {symbol: one.quantity for symbol, one in self.memory.held.items() if one.quantity}
        assert held == {symbol: q for symbol, q in self.wire.held().items() if q}
        assert not self.manager.orders.doubtful() and not self.memory.breaks
        for symbol in SYMBOLS:
            place = SYMBOLS.index(symbol)
            exits = [self.manager.working(place, role) for role in (Role.EXIT, Role.PART)]
            leaving = sum(order.remaining for order in exits if order)
            assert leaving <= max(abs(held.get(symbol, 0)), leaving if not held else 0)


OrderLife.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOrderLife = OrderLife.TestCase

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    "order_id status tag quantity filled_quantity average_price trigger_price price order_type "
    "status_message tradingsymbol transaction_type order_timestamp".split()
)


def filled_manager() -> tuple[OrderManager, Wire, dict[str, Any]]:
    "A manager with one working order, and the order's row."
    wire: Any = Wire()
    manager = OrderManager("s", SYMBOLS, "MIS", 2.0, 15.0, wire, SimulatedClock(NINE))
    requests, _ = manager.prepare([Intent(Purpose.ENTRY, 0, 5)])
    manager.send(requests)
    return manager, wire, wire.orders()[0]


@given(name=FIELDS, value=JSON)
def test_any_answer_is_understood_or_refused(name: str, value: Any) -> None:
    manager, _, row = filled_manager()
    before = dict(manager.orders)
    events, fills, _ = manager.take_update(row | {name: value})
    assert events and not fills
    if events[0][0] in ("answer unreadable", "break"):
        assert manager.orders == before
    manager.looked_up([row | {name: value}, value], list(manager.orders.values()))
    assert all(order.state is not State.LOST for order in manager.orders.values())


@given(
    name=st.sampled_from(
        "order_id trade_id quantity average_price transaction_type fill_timestamp".split()
    ),
    value=JSON,
)
def test_any_trade_is_booked_rightly_or_not_at_all(name: str, value: Any) -> None:
    manager, wire, row = filled_manager()
    wire.trade(row["order_id"], 5)
    good = wire.trades_of(row["order_id"])
    told = [good[0] | {name: value}]
    _, fills, _ = manager.take_update(wire.orders()[0], trades=told)
    if fills:
        assert fills[0].quantity > 0 and fills[0].price > 0
    else:
        assert next(iter(manager.orders.values())).state is not State.FILLED


def test_others_orders_are_left_alone_or_claimed() -> None:
    for rule_, held in (("leave", {}), ("claim", {"INFY": 3})):
        life = OrderLife()
        life.begin()
        life.reconciler.rule = rule_  # type: ignore[assignment]
        life.wire.place(
            tag="", order_type="LIMIT", tradingsymbol="INFY", transaction_type="BUY", quantity=3
        )
        life.wire.trade("1000", 3)
        life.reconciler.round()
        life.reconciler.round()
        assert {s: one.quantity for s, one in life.memory.held.items()} == held
        assert life.memory.is_locked("INFY") is (rule_ == "leave")
        life.a_restart_would_believe_the_same()
        life.teardown() if rule_ == "claim" else None


def test_a_trade_book_that_lags_is_waited_for_and_then_stood_in_for() -> None:
    manager, wire, row = filled_manager()
    wire.trade(row["order_id"], 5)
    late, wire.executions = wire.executions, []
    _, fills, _ = manager.take_update(wire.orders()[0])
    assert not fills and manager.is_blocked(0)
    clock: Any = manager.clock
    found = []
    for _ in range(3):
        clock.advance(clock.now() + timedelta(seconds=15))
        found += manager.look()[1]
    assert [(one.trade_id, one.quantity, one.price) for one in found] == [("S-0-5", 5, 100.0)]
    assert next(iter(manager.orders.values())).state is State.FILLED
    wire.executions = late
    assert manager.take_update(wire.orders()[0])[1] == []  # it is covered


def test_an_order_that_vanished_from_the_book_is_a_break_and_not_the_end() -> None:
    manager, wire, _ = filled_manager()
    order = next(iter(manager.orders.values()))
    manager.orders[order.tag] = replace(order, doubtful_since=NINE, change_doubtful=True)
    clock: Any = manager.clock
    kept, wire.book = wire.book, {}
    events: Events = []
    for _ in range(2):
        clock.advance(clock.now() + timedelta(seconds=15))
        events += manager.look()[0]
    assert [(kind, said["what"]) for kind, said in events] == [("break", "order missing")]
    assert order.tag in {one.tag for one in manager.orders.unended()}
    wire.book = kept


def test_memory_knows_breaks_of_the_whole_account() -> None:
    memory = Memory()
    memory.take("break", {"what": "margin", "symbol": ""})
    assert memory.is_locked("INFY") and memory.is_locked("M&M")
    memory.take("break settled", {"what": "margin", "symbol": ""})
    assert not memory.is_locked("INFY")
