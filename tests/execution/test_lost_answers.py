"""Answers that are lost on real sockets: found by tag, never sent twice, nothing doubled."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from live_exchange import Live, live_exchange

from nifty_research.core.clock import SimulatedClock
from nifty_research.core.errors import AuthenticationError, NetworkError
from nifty_research.engine.book import INTENT, Closed, Purpose
from nifty_research.execution.orders import OrderManager
from nifty_research.execution.states import State, WorkingOrder

SLOW = 0.6  # seconds that the exchange takes
PATIENCE = 0.25  # seconds that the client waits


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_exchange(tmp_path_factory.mktemp("lost")) as running:
        running.step(5)
        yield running


class Desk:
    "An order manager at the exchange, with a client that can be impatient."

    def __init__(self, live: Live, name: str) -> None:
        self.live, self.patience = live, 7.0
        live.broker = self.broker = live.client()
        self.clock = SimulatedClock(live.bars.index[0].to_pydatetime())
        self.manager = OrderManager(
            name, live.bars.symbols, "MIS", 2.0, 15.0, self.broker, self.clock
        )

    def intend(self, purpose: Purpose, quantity: int, price: float = 0.0) -> list[str]:
        "Kinds of the events that sending one intent gives."
        intents = np.zeros(1, INTENT)
        for name, value in (("purpose", purpose), ("quantity", quantity), ("price", price)):
            intents[0][name] = value
        requests, _ = self.manager.prepare(intents)
        patient, self.broker.kite.timeout = self.broker.kite.timeout, self.patience
        events, _ = self.manager.send(requests)
        self.broker.kite.timeout = patient
        return [kind for kind, _ in events]

    def lose_the_answer(self) -> None:
        self.patience = PATIENCE
        self.live.admin.fault(kind="slow reply", seconds=SLOW)

    def settle(self) -> None:
        "Let the slow answer pass, and the dwell."
        self.patience = 7.0
        time.sleep(SLOW)
        self.clock.advance(self.clock.now() + timedelta(seconds=15))

    @property
    def last(self) -> WorkingOrder:
        return list(self.manager.orders.values())[-1]

    def at_exchange(self) -> list[dict[str, object]]:
        "Orders with the last tag in the exchange's book."
        return [row for row in self.broker.orders() if row["tag"] == self.last.tag]


def test_reply_lost_after_acceptance(live: Live) -> None:
    desk = Desk(live, "reply-lost")
    desk.lose_the_answer()
    assert desk.intend(Purpose.ENTRY, 2) == ["order unknown"]
    assert desk.last.state is State.UNKNOWN and desk.manager.is_blocked(0)
    assert len(desk.at_exchange()) == 1  # it had arrived
    desk.settle()
    events, fills, endings = desk.manager.look()
    assert [kind for kind, _ in events] == ["order found", "order update"]
    assert not fills and not endings and not desk.manager.is_blocked(0)
    assert desk.last.state is State.ACCEPTED
    assert [row["order_id"] for row in desk.at_exchange()] == [desk.last.order_id]


def test_reply_lost_and_filled_meanwhile(live: Live) -> None:
    desk = Desk(live, "filled-meanwhile")
    desk.lose_the_answer()
    assert desk.intend(Purpose.ENTRY, 3) == ["order unknown"]
    live.step()
    desk.settle()
    events, fills, _ = desk.manager.look()
    assert [kind for kind, _ in events] == ["order found", "order update", "order closed"]
    assert [fill.quantity for fill in fills] == [3] and desk.last.state is State.FILLED
    told = desk.manager.take_update(desk.at_exchange()[0])  # the stream says it as well
    assert told[1] == [] and len(desk.at_exchange()) == 1


def test_request_lost_before_acceptance(live: Live) -> None:
    desk = Desk(live, "never-arrived")
    with socket.socket() as closed:  # bound, not listening: refuses
        closed.bind(("127.0.0.1", 0))
        root, desk.broker.kite.root = (
            desk.broker.kite.root,
            f"http://127.0.0.1:{closed.getsockname()[1]}",
        )
        assert desk.intend(Purpose.ENTRY, 2) == ["order unknown"]
        desk.settle()
        with pytest.raises(NetworkError):  # nobody there to ask: it stays unknown
            desk.manager.look()
        assert desk.last.state is State.UNKNOWN
        desk.broker.kite.root = root
    assert desk.manager.look() == ([], [], []) and desk.manager.is_blocked(0)
    desk.settle()
    events, _, endings = desk.manager.look()
    assert [kind for kind, _ in events] == ["order rejected"]
    assert [one.closed for one in endings] == [Closed.REJECTED]
    assert desk.at_exchange() == [] and not desk.manager.is_blocked(0)


def test_change_whose_reply_was_lost_is_not_made_twice(live: Live) -> None:
    desk = Desk(live, "change-lost")
    desk.intend(Purpose.STOP, -2, 900.0)
    desk.lose_the_answer()
    assert desk.intend(Purpose.MOVE_STOP, -2, 905.0) == ["order unknown"]
    desk.settle()
    desk.manager.look()
    assert desk.manager.released() == [] and not desk.manager.is_blocked(0)
    assert desk.at_exchange()[0]["trigger_price"] == 905.0
    history = live.kite.order_history(desk.last.order_id)
    assert [row["status"] for row in history].count("MODIFIED") == 1


def test_cancel_whose_reply_was_lost(live: Live) -> None:
    desk = Desk(live, "cancel-lost")
    desk.intend(Purpose.ENTRY, 2)
    desk.lose_the_answer()
    assert desk.intend(Purpose.CANCEL_ENTRY, 2) == ["order unknown"]
    desk.settle()
    _, _, endings = desk.manager.look()
    assert [one.closed for one in endings] == [Closed.CANCELLED]
    assert desk.last.state is State.CANCELLED and desk.manager.released() == []


def test_dead_token_sends_nothing_more(live: Live) -> None:
    desk = Desk(live, "dead-token")
    live.admin.fault(kind="token death")
    with pytest.raises(AuthenticationError):
        desk.intend(Purpose.ENTRY, 2)
    live.broker = desk.broker = live.client()
    assert desk.at_exchange() == []
