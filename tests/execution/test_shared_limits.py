"""Several processes of an account keep its limits together; what got no turn was not sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nifty_research.broker.quotas import CallKind, order_limits
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import RateLimitError
from nifty_research.core.settings import load_settings
from nifty_research.engine.book import Purpose
from nifty_research.execution.messages import Intent, Request
from nifty_research.execution.order_wiring import Given, shared_throttle
from nifty_research.execution.orders import OrderManager
from nifty_research.execution.recovery import Memory, recollect
from nifty_research.execution.states import State

NOW = datetime(2026, 9, 15, 10, 0, tzinfo=IST)
NOBODY: Any = None  # the broker, who must not be asked


def given(folder: Path, run: str) -> Given:
    return Given(run, folder / "ledger.sqlite", "A", ("INFY",), (), 10, SimulatedClock(NOW))


def test_two_processes_of_an_account_share_its_limits(tmp_path: Path) -> None:
    settings = load_settings()
    limits, kept = order_limits(settings.quotas), settings.quotas.exits_share
    first, second = (
        shared_throttle(given(tmp_path, run), settings, limits, kept) for run in ("a", "b")
    )
    other = replace(given(tmp_path, "c"), account="B")
    third = shared_throttle(other, settings, limits, kept)
    free = int(settings.quotas.orders_per_s * (1 - kept) + 1e-9)
    assert [first.take(CallKind.ORDERS) for _ in range(free)] == [0.0] * free
    assert second.take(CallKind.ORDERS) > 0.0
    for _ in range(settings.quotas.orders_per_s - free):
        assert second.take(CallKind.ORDERS, is_exit=True) == 0.0
    assert first.take(CallKind.ORDERS, is_exit=True) > 0.0
    assert third.take(CallKind.ORDERS) == 0.0
    for one in (first, second, third):
        one.close()


def manager_without_turns() -> OrderManager:
    def no_turn(request: Request) -> None:
        raise RateLimitError("no turn", where="throttle", remedy="Wait.")

    clock = SimulatedClock(NOW)
    return OrderManager("s", ("INFY",), "MIS", 2.0, 15.0, NOBODY, clock, before_send=no_turn)


def test_what_got_no_turn_was_not_sent_and_is_wanted_still() -> None:
    manager, memory = manager_without_turns(), Memory()
    requests, intended = manager.prepare([Intent(Purpose.ENTRY, 0, 5, wish="in")])
    answers, _ = manager.send(requests)
    assert [(kind, said["error_type"]) for kind, said in answers] == [("order rejected", "NoTurn")]
    tag = requests[0].order.tag
    assert manager.orders[tag].state is State.REFUSED and not manager.orders.doubtful()
    for kind, said in [*intended, *answers]:
        memory.take(kind, said)
    assert "in" not in memory.served
    again = manager_without_turns()
    recalled, doubtful = recollect(again, [*intended, *answers], NOW)
    assert again.orders[tag].state is State.REFUSED and not doubtful
    assert recalled.served == memory.served


def test_a_part_without_a_turn_keeps_the_room_that_was_made_for_it() -> None:
    memory = Memory()
    for purpose, tag in (("resize", "a1"), ("part exit", "a2")):
        memory.take("intent", {"tag": tag, "purpose": purpose, "wish": "part"})
    memory.take("order rejected", {"tag": "a2", "error_type": "NoTurn"})
    assert memory.served == {"part": "resize"}
