"""What the order manager makes of answers, updates and silence; the broker is a script."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.broker.client import Outcome, Sent
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import AuthenticationError, ExecutionError
from nifty_research.engine.book import INTENT, Closed, Purpose
from nifty_research.execution.orders import OrderManager
from nifty_research.execution.sending import MOST_REFUSALS
from nifty_research.execution.states import (
    ALL_STEPS,
    FINAL,
    OPEN_STATES,
    TRANSITIONS,
    State,
    WorkingOrder,
)
from nifty_research.execution.tags import tag_of

NINE = datetime(2026, 9, 15, 9, 15, tzinfo=IST)
UNKNOWN = Outcome(Sent.UNKNOWN, error_type="ReadTimeout", message="silence")
REFUSED = Outcome(Sent.REJECTED, error_type="InputException", message="no")


class Scripted:
    "A broker that writes down what it is told, and answers as it was told to."

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[Outcome] = []  # taken first; otherwise it confirms
        self.book: list[dict[str, Any]] = []
        self.fills: dict[str, list[dict[str, Any]]] = {}

    def _answer(self, order_id: str) -> Outcome:
        return self.answers.pop(0) if self.answers else Outcome(Sent.CONFIRMED, order_id)

    def place(self, **fields: Any) -> Outcome:
        self.calls.append(("place", fields))
        return self._answer(str(len(self.calls)))

    def modify(self, order_id: str, **fields: Any) -> Outcome:
        self.calls.append(("modify", {"order_id": order_id} | fields))
        return self._answer(order_id)

    def cancel(self, order_id: str) -> Outcome:
        self.calls.append(("cancel", {"order_id": order_id}))
        return self._answer(order_id)

    def orders(self) -> list[dict[str, Any]]:
        return self.book

    def trades_of(self, order_id: str) -> list[dict[str, Any]]:
        return self.fills.get(order_id, [])


class Desk:
    "An order manager over a scripted broker."

    def __init__(self) -> None:
        self.broker, self.clock = Scripted(), SimulatedClock(NINE)
        broker: Any = self.broker
        self.manager = OrderManager("s", ("INFY", "M&M"), "MIS", 2.0, 15.0, broker, self.clock)

    def intend(
        self, purpose: Purpose, quantity: int = 5, price: float = 0.0, symbol: int = 0
    ) -> Any:
        "Prepare and send one intent; events and endings."
        intents = np.zeros(1, INTENT)
        for name, value in (
            ("purpose", purpose),
            ("quantity", quantity),
            ("price", price),
            ("symbol", symbol),
        ):
            intents[0][name] = value
        requests, _ = self.manager.prepare(intents)
        return self.manager.send(requests)

    @property
    def last(self) -> WorkingOrder:
        return list(self.manager.orders.values())[-1]

    def update(self, status: str, **fields: Any) -> dict[str, Any]:
        "A message about the last order."
        return {
            "order_id": self.last.order_id or "1",
            "tag": self.last.tag,
            "status": status,
        } | fields

    def filled(self, order_id: str, quantity: int = 5) -> None:
        self.broker.fills[order_id] = [
            {
                "trade_id": "t" + order_id,
                "transaction_type": "BUY",
                "quantity": quantity,
                "average_price": 1000.0,
                "fill_timestamp": NINE.replace(tzinfo=None),
            }
        ]

    def wait(self, seconds: float) -> None:
        self.clock.advance(self.clock.now() + timedelta(seconds=seconds))


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_only_the_written_transitions_are_made(before: State, after: State) -> None:
    order = WorkingOrder("t", 0, True, 1, "entry", before)
    if after in TRANSITIONS[before] or after is before:
        assert order.moved(after).state is after
    else:
        with pytest.raises(ExecutionError, match=f"from {before.value} to {after.value}"):
            order.moved(after)


def test_the_table_knows_every_state_and_final_ones_stay() -> None:
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.CANCELLED] == TRANSITIONS[State.EXPIRED] == {State.FILLED}
    for state in (State.FILLED, State.REJECTED, State.DENIED):
        assert not TRANSITIONS[state] and state in FINAL
    assert FINAL.isdisjoint(OPEN_STATES) and len(set(ALL_STEPS)) == len(ALL_STEPS)
    for state in (State.LOST, State.REFUSED):  # a no of which nobody can be sure
        assert State.ACCEPTED in TRANSITIONS[state] and state in FINAL


def test_every_state_can_be_reached() -> None:
    reached = {State.INTENDED}
    for _ in State:
        reached |= {after for before in reached for after in TRANSITIONS[before]}
    assert reached == set(State)


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(1, 10**6)), unique=True, max_size=50))
def test_tags_are_twenty_letters_and_digits_and_never_shared(asked: list[tuple[str, int]]) -> None:
    tags = [tag_of(*one) for one in asked]
    assert len(set(tags)) == len(tags) and tags == [tag_of(*one) for one in asked]
    assert all(len(tag) == 20 and tag.isascii() and tag.isalnum() for tag in tags)


def test_update_before_the_reply() -> None:
    desk = Desk()
    intents = np.zeros(1, INTENT)
    intents[0]["purpose"], intents[0]["quantity"] = Purpose.ENTRY, 5
    requests, _ = desk.manager.prepare(intents)
    desk.filled("1")
    _, fills, _ = desk.manager.take_update(desk.update("COMPLETE", order_id="1"))
    assert len(fills) == 1 and desk.last.state is State.FILLED
    events, endings = desk.manager.send(requests)  # its reply comes late
    assert desk.last.state is State.FILLED and not endings
    assert [kind for kind, _ in events] == ["order acknowledged"]


def test_duplicate_complete_books_once() -> None:
    desk = Desk()
    desk.intend(Purpose.ENTRY)
    desk.filled("1")
    told = desk.update("COMPLETE")
    first, second = desk.manager.take_update(told), desk.manager.take_update(told)
    assert len(first[1]) == 1 and second[1] == []
    assert [kind for kind, _ in first[0]] == ["order update", "order closed"]
    assert [kind for kind, _ in second[0]] == ["order update"]
    late = desk.manager.take_update(desk.update("UPDATE"))  # a partial fill, overtaken
    assert desk.last.state is State.FILLED and late[1:] == ([], [])


def test_cancelled_then_filled() -> None:
    desk = Desk()
    desk.intend(Purpose.ENTRY)
    _, _, endings = desk.manager.take_update(desk.update("CANCELLED"))
    assert [one.closed for one in endings] == [Closed.CANCELLED]
    again = desk.manager.take_update(desk.update("CANCELLED"))  # reported twice
    assert again[2] == []
    desk.filled("1")
    _, fills, endings = desk.manager.take_update(desk.update("COMPLETE"))
    assert len(fills) == 1 and endings == [] and desk.last.state is State.FILLED


@pytest.mark.parametrize(
    ("message", "closed"),
    [
        ("closing auction", Closed.PURGED),
        ("day ended", Closed.EXPIRED),
        (None, Closed.CANCELLED),
    ],
)
def test_how_an_order_ended(message: str | None, closed: Closed) -> None:
    desk = Desk()
    desk.intend(Purpose.ENTRY)
    told = desk.update("CANCELLED", status_message=message)
    assert [one.closed for one in desk.manager.take_update(told)[2]] == [closed]


def test_order_of_another_program_is_noted_and_left_alone() -> None:
    desk = Desk()
    desk.intend(Purpose.ENTRY)
    before = dict(desk.manager.orders)
    for tag in (None, "somebody else"):
        told = {"order_id": "777", "tag": tag, "status": "COMPLETE"}
        events, fills, endings = desk.manager.take_update(told)
        assert [kind for kind, _ in events] == ["order update"] and not fills and not endings
    assert desk.manager.orders == before


def test_unknown_is_found_by_its_tag_and_never_sent_again() -> None:
    desk = Desk()
    desk.broker.answers = [UNKNOWN]
    events, endings = desk.intend(Purpose.ENTRY)
    assert [kind for kind, _ in events] == ["order unknown"] and not endings
    assert desk.manager.is_blocked(0) and not desk.manager.is_blocked(1)
    desk.wait(14)
    assert desk.manager.look() == ([], [], [])
    desk.wait(1)
    desk.broker.book = [desk.update("COMPLETE", order_id="42")]
    desk.filled("42")
    events, fills, _ = desk.manager.look()
    assert [kind for kind, _ in events] == ["order found", "order update", "order closed"]
    assert len(fills) == 1 and desk.last.order_id == "42" and not desk.manager.is_blocked(0)
    assert len(desk.broker.calls) == 1


def test_never_arrived_is_asked_twice_and_then_rejected() -> None:
    desk = Desk()
    desk.broker.answers = [UNKNOWN]
    desk.intend(Purpose.ENTRY)
    desk.wait(15)
    assert desk.manager.look() == ([], [], []) and desk.manager.is_blocked(0)
    desk.wait(15)
    events, _, endings = desk.manager.look()
    assert [kind for kind, _ in events] == ["order rejected"]
    assert [one.closed for one in endings] == [Closed.REJECTED]
    assert not desk.manager.is_blocked(0) and len(desk.broker.calls) == 1
    assert desk.manager.look() == ([], [], [])


def test_held_back_intents_wait_for_their_symbol_alone() -> None:
    desk = Desk()
    desk.intend(Purpose.STOP, -5, 990.0)
    desk.broker.answers = [UNKNOWN]
    desk.intend(Purpose.MOVE_STOP, -5, 995.0)
    stop = desk.last
    desk.intend(Purpose.EXIT, -5)
    assert len(desk.broker.calls) == 2 and desk.manager.released() == []
    desk.intend(Purpose.ENTRY, symbol=1)
    assert desk.broker.calls[-1][0] == "place"  # the other symbol goes on
    desk.wait(15)
    desk.broker.book = [
        {
            "order_id": stop.order_id,
            "tag": stop.tag,
            "status": "TRIGGER PENDING",
            "trigger_price": 995,
        }
    ]
    desk.manager.look()
    desk.manager.send(desk.manager.released())
    assert desk.broker.calls[-1][0] == "modify"
    assert desk.broker.calls[-1][1]["order_type"] == "MARKET"
    assert [name for name, _ in desk.broker.calls].count("modify") == 2


def test_change_that_never_arrived_is_made_again_once() -> None:
    desk = Desk()
    desk.intend(Purpose.STOP, -5, 990.0)
    desk.broker.answers = [UNKNOWN]
    desk.intend(Purpose.MOVE_STOP, -5, 995.0)
    stale = desk.update("UPDATE", trigger_price=990.0)
    desk.manager.take_update(stale)  # an older message proves nothing
    assert desk.manager.is_blocked(0)
    desk.wait(15)
    desk.broker.book = [desk.update("TRIGGER PENDING", trigger_price=990.0)]
    desk.manager.look()
    again = desk.manager.released()
    assert [one.price for one in again] == [995.0]
    desk.manager.send(again)
    assert [call for call in desk.broker.calls if call[0] == "modify"] == [
        ("modify", {"order_id": "1", "trigger_price": 995.0})
    ] * 2
    desk.wait(60)
    desk.broker.book = [desk.update("TRIGGER PENDING", trigger_price=995.0)]
    assert desk.last.state is State.MODIFY_PENDING  # taken is not done
    assert [kind for kind, _ in desk.manager.look()[0]] == ["order update"]
    assert desk.last.state is State.ACCEPTED and desk.manager.released() == []


def test_entry_that_was_held_back_is_withdrawn_unsent() -> None:
    desk = Desk()
    desk.intend(Purpose.STOP, -5, 990.0)
    desk.broker.answers = [UNKNOWN]
    desk.intend(Purpose.MOVE_STOP, -5, 995.0)
    desk.intend(Purpose.ENTRY)
    assert desk.last.state is State.INTENDED
    events, endings = desk.intend(Purpose.CANCEL_ENTRY)
    assert [kind for kind, _ in events] == ["order closed"]
    assert [one.closed for one in endings] == [Closed.CANCELLED]
    assert desk.manager.held_back == [] and len(desk.broker.calls) == 2


def test_dead_token_stops_everything() -> None:
    desk = Desk()
    desk.broker.answers = [Outcome(Sent.REJECTED, error_type="TokenException", message="dead")]
    with pytest.raises(AuthenticationError, match="dead"):
        desk.intend(Purpose.ENTRY)
    assert len(desk.broker.calls) == 1


def test_exit_refused_time_and_again_calls_a_person() -> None:
    desk = Desk()
    desk.broker.answers = [REFUSED] * 20
    for _ in range(MOST_REFUSALS):
        _, endings = desk.intend(Purpose.EXIT, -5)
        assert [one.closed for one in endings] == [Closed.REJECTED]
    with pytest.raises(ExecutionError, match="cannot be closed"):
        desk.intend(Purpose.EXIT, -5)
    desk.wait(60)
    desk.intend(Purpose.EXIT, -5)  # a minute later is another moment


def test_refused_entries_may_be_many() -> None:
    desk = Desk()
    desk.broker.answers = [REFUSED] * 20
    for _ in range(10):
        _, endings = desk.intend(Purpose.ENTRY)
        assert [one.closed for one in endings] == [Closed.REJECTED]
    assert len(desk.broker.calls) == 10 and not desk.manager.is_blocked(0)


def test_order_path_is_light() -> None:
    code = (
        "import sys, nifty_research.execution.orders\n"
        "heavy = {'numba', 'pandas', 'plotly', 'scipy', 'sklearn', 'duckdb', 'starlette'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
