"""Orders worked in pieces: never more than was wanted, whatever the market and a crash do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.broker.client import Outcome, Sent
from nifty_research.cli.crashcheck import Sides, problems_of
from nifty_research.cli.crashtest import SPEED, Twin
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import DataError, UsageError
from nifty_research.core.settings import load_settings
from nifty_research.engine.book import Purpose, Role
from nifty_research.execution.algorithms import (
    ALGORITHMS,
    Plan,
    Progress,
    next_step,
    parent_tag,
    plan_in,
    plan_of,
    spread,
    volume_curve,
)
from nifty_research.execution.desk import Desk, House, Wish
from nifty_research.execution.messages import Intent
from nifty_research.execution.orders import OrderManager
from nifty_research.execution.recovery import Memory, recollect, remembered
from nifty_research.execution.states import State
from nifty_research.ledger.journal import Journal

TEN = datetime(2026, 9, 15, 10, 0, tzinfo=IST)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    lot = draw(st.sampled_from([1, 1, 5, 65]))
    size = draw(st.integers(2, 60)) * lot
    algo = draw(st.sampled_from(ALGORITHMS))
    how: dict[str, Any] = {"algo": algo, "minutes": draw(st.integers(1, 30)), "lot": lot}
    if algo == "twap":
        how["pieces"] = draw(st.integers(1, 20))
    if algo == "vwap":
        how["curve"] = draw(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=12))
    if algo == "iceberg":
        how["legs"] = draw(st.integers(2, min(50, size // lot)))
    how["remainder"] = draw(st.sampled_from(["leave", "market"]))
    how["participation"] = draw(st.sampled_from([0.0, 0.05, 0.5]))
    side = draw(st.sampled_from([1, -1]))
    largest = draw(st.integers(1, 40)) * lot
    return plan_of(side * size, draw(st.sampled_from([0.0, 1500.0])), how, TEN, largest)


@given(plans(), st.data())
def test_parent_is_never_over_filled(plan: Plan, data: st.DataObject) -> None:
    filled = working = placed = refused = 0
    volume, now = 0, TEN
    for _ in range(60):
        asked = data.draw(st.sampled_from(["", "", "", "", "pause", "cancel"]))
        step = next_step(plan, Progress(filled, working, refused, volume, asked), now)  # type: ignore[arg-type]
        if step.do == "place":
            assert working == 0 and 0 < step.quantity <= plan.most
            assert step.quantity % plan.lot == 0 and asked == ""
            is_late = now >= plan.end
            assert is_late or filled + step.quantity <= plan.due(now)
            if plan.participation and not is_late:
                assert filled + step.quantity <= plan.participation * volume
            if data.draw(st.integers(0, 9)):
                working, placed = step.quantity, placed + 1
            else:
                refused += 1
        elif step.do == "withdraw":
            working -= (late := data.draw(st.integers(0, working)))  # the cancel may lose
            filled, working = filled + late, 0
        elif step.do == "end":
            assert working == 0
            return
        done = data.draw(st.integers(0, working))
        filled, working = filled + done, working - done
        assert filled + working <= plan.size
        now += timedelta(seconds=data.draw(st.integers(0, 120)))
        volume += data.draw(st.integers(0, 5000))


@given(plans())
def test_plan_reads_back_and_ends_with_everything_due(plan: Plan) -> None:
    assert plan_in(json.loads(json.dumps(plan.record()))) == plan
    assert plan.due(plan.end) == plan.size and plan.due(TEN - timedelta(seconds=1)) == 0
    shares = [due for _, due in plan.slots]
    assert shares == sorted(shares)


@given(st.integers(1, 500), st.lists(st.floats(0, 10), min_size=1, max_size=20), st.integers(1, 75))
def test_spread_stays_by_the_ideal(lots: int, weights: list[float], lot: int) -> None:
    if not sum(weights) > 0:
        with pytest.raises(DataError):
            spread(lots * lot, weights, lot)
        return
    sums = spread(lots * lot, weights, lot)
    total, done = sum(weights), 0.0
    for weight, shares in zip(weights, sums, strict=True):
        done += weight
        assert abs(shares - lots * lot * done / total) <= lot / 2 + 1e-6
    assert sums[-1] == lots * lot


@pytest.mark.parametrize(
    "how",
    [
        {"algo": "guess"},
        {"algo": "twap", "minutes": 10},
        {"algo": "vwap", "minutes": 10},
        {"algo": "twap", "minutes": 0, "pieces": 3},
        {"algo": "slices", "participation": 1.5},
        {"algo": "slices", "remainder": "hope"},
        {"algo": "slices", "speed": 3},
    ],
)
def test_what_is_no_plan_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        plan_of(100, 0.0, how, TEN)


def test_curve_counts_each_day_alike() -> None:
    assert volume_curve([[1, 3], [3000, 1000]]) == (0.5, 0.5)
    with pytest.raises(DataError):
        volume_curve([[0, 0]])
    with pytest.raises(DataError):
        volume_curve([[1, 2], [1, 2, 3]])


# ---- at the order manager -----------------------------------------------------------------------


class Wire:
    "A broker that takes everything; trades are told by the test."

    def __init__(self) -> None:
        self.placed: list[dict[str, Any]] = []
        self.cancelled: list[str] = []

    def place(self, **fields: Any) -> Outcome:
        self.placed.append(fields)
        return Outcome(Sent.CONFIRMED, str(1000 + len(self.placed)))

    def cancel(self, order_id: str) -> Outcome:
        self.cancelled.append(order_id)
        return Outcome(Sent.CONFIRMED, order_id)

    def modify(self, order_id: str, **fields: Any) -> Outcome:
        return Outcome(Sent.CONFIRMED, order_id)


class Run:
    "One desk with one wish, whose events are kept."

    def __init__(self, how: dict[str, Any], quantity: int = 100, price: float = 0.0) -> None:
        self.wire, self.events = Wire(), []  # type: ignore[var-annotated]
        self.wish = Wish("w", "INFY", "work", quantity, price, how)
        self.clock = SimulatedClock(TEN)
        self._open(self._manager(), Memory())

    def _manager(self) -> OrderManager:
        args = ("run", ("INFY",), "MIS", 2.0, 15.0, self.wire, self.clock)
        return OrderManager(*args)  # type: ignore[arg-type]

    def _open(self, manager: OrderManager, memory: Memory) -> None:
        self.manager, self.memory = manager, memory
        self.desk = Desk(manager, memory, House(1000), {"INFY": [self.wish]})

    def record(self, events: list[Any]) -> None:
        self.events += events
        remembered(self.memory, events)

    def turn(self) -> list[Intent]:
        intents, said = self.desk.next()
        self.record([one.event(self.clock.now()) for one in said])
        requests, events = self.manager.prepare(intents)
        self.record(events)
        told, _ = self.manager.send(requests)
        self.record(told)
        return intents

    def settle(self, traded: int, status: str) -> None:
        "The broker tells of the working child: so much traded, and its state."
        child = self.manager.working(0, Role.ENTRY)
        assert child is not None
        rows = [
            {
                "order_id": child.order_id,
                "trade_id": f"T{child.order_id}-{traded}",
                "transaction_type": "BUY",
                "quantity": traded,
                "average_price": 1500.0,
                "fill_timestamp": self.clock.now().replace(tzinfo=None),
            }
        ]
        row = {"order_id": child.order_id, "tag": child.tag, "status": status, "quantity": 0}
        row |= {"quantity": abs(child.quantity), "filled_quantity": traded, "average_price": 1500.0}
        events, fills, _ = self.manager.take_update(row, trades=rows if traded else [])
        from nifty_research.execution.order_loop import fill_event

        booked = [("fill", fill_event(one, ("INFY",))) for one in fills]
        after = [one for one in events if one[0] == "order closed"]
        self.record([one for one in events if one[0] != "order closed"] + booked + after)

    def settle_stop(self, size: int) -> None:
        "The broker shows the stop as it was asked for."
        stop = self.manager.working(0, Role.EXIT)
        assert stop is not None
        row = {"order_id": stop.order_id, "tag": stop.tag, "status": "TRIGGER PENDING"}
        events, _, _ = self.manager.take_update(row | {"quantity": size, "filled_quantity": 0})
        self.record(events)

    def restart(self) -> None:
        "The same run from its events alone."
        manager = self._manager()
        memory, _ = recollect(manager, self.events, self.clock.now())
        self._open(manager, memory)

    def children(self) -> list[dict[str, Any]]:
        return [said for kind, said in self.events if kind == "intent" and said.get("parent")]

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(self.clock.now() + timedelta(seconds=seconds))


def test_children_carry_the_parents_tag_and_their_own() -> None:
    run = Run({"algo": "slices", "most": 40})
    run.turn()  # written down first, nothing is sent
    assert run.events[-1][1]["did"] == "started" and not run.wire.placed
    for size in (40, 40, 20):
        [intent] = run.turn()
        assert intent.purpose is Purpose.ENTRY and intent.quantity == size
        run.settle(size, "COMPLETE")
        while not (guards := run.turn()):
            pass  # the end of the parent is written down
        [guard] = guards  # what is held is protected before more is bought
        assert guard.purpose in (Purpose.STOP, Purpose.RESIZE)
        run.settle_stop(-guard.quantity)
        run.restart()
    tags = [said["tag"] for said in run.children()]
    assert len(set(tags)) == 3
    assert {said["parent"] for said in run.children()} == {parent_tag("run", "w")}
    while run.turn():
        pass
    assert run.memory.served["w"] == "ended: filled" and run.memory.held["INFY"].quantity == 100


def test_pause_resume_and_cancel_survive_a_restart() -> None:
    run = Run({"algo": "twap", "minutes": 10, "pieces": 5}, price=1500.0)
    run.turn()
    run.turn()
    assert run.wire.placed[0]["order_type"] == "LIMIT" and run.wire.placed[0]["quantity"] == 20
    run.record([run.desk.ask("w", "paused").event(TEN)])
    run.turn()
    assert run.wire.cancelled == ["1001"]  # what rests is withdrawn
    run.settle(0, "CANCELLED")
    run.restart()
    run.pass_time(300)
    assert run.turn() == []
    run.record([run.desk.ask("w", "resumed").event(TEN)])
    assert [one.quantity for one in run.turn()] == [60]  # what is due by now
    run.record([run.desk.ask("w", "cancelled").event(TEN)])
    run.turn()
    run.settle(10, "CANCELLED")
    run.restart()
    run.turn()
    assert run.memory.served["w"] == "ended: cancelled"
    with pytest.raises(UsageError):
        run.desk.ask("w", "resumed")


def test_three_denied_children_end_it() -> None:
    run = Run({"algo": "slices", "most": 40})
    run.turn()
    denial = {"symbol": "INFY", "code": "margin", "limit": 1, "value": 2, "work": "w", "time": ""}
    run.record([("denial", denial)] * 3)
    assert run.turn() == [] and run.memory.served["w"] == "ended: refused"


def test_remainder_goes_to_the_market_where_that_is_wanted() -> None:
    how = {"algo": "iceberg", "legs": 4, "minutes": 5, "remainder": "market"}
    run = Run(how, price=1490.0)
    run.turn()
    assert [one.quantity for one in run.turn()] == [25]
    run.pass_time(301)
    run.turn()
    run.settle(5, "CANCELLED")
    run.turn()
    run.pass_time(1)
    run.turn()
    assert run.wire.placed[-1]["order_type"] == "MARKET"
    assert run.wire.placed[-1]["market_protection"] == 2.0
    child = run.manager.working(0, Role.ENTRY)
    assert child is not None and child.quantity == 25 and child.state is State.ACCEPTED


# ---- the real process ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    settings = load_settings(overrides={"account.product": "MIS"})
    running = Twin(tmp_path_factory.mktemp("worked"), settings)
    yield running
    running.close()


def life(twin: Twin, folder: Path, keys: dict[str, str], crash: str) -> int:
    "One life of the order process; its exit code."
    command = [sys.executable, "-m", "nifty_research.cli.crashpoints", "--run", "worked"]
    command += ["--ledger", str(folder / "ledger.sqlite"), "--account", "CRASH"]
    command += ["--wishes", str(folder / "wishes.json"), "--clock", twin.clock.isoformat()]
    command += ["--wall", str(twin.wall_s), "--speed", str(SPEED), "--longest", "40"]
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | keys
    environment |= {
        "NIFTY_KITE__ROOT": twin.addresses.rest,
        "NIFTY_KITE__STREAM": twin.addresses.stream,
    }
    done = subprocess.run(
        [*command, "--crash", crash], env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.returncode


@pytest.mark.parametrize("boundary", ["request sent", "answer written", "after intent"])
def test_plan_goes_on_after_each_death(twin: Twin, tmp_path: Path, boundary: str) -> None:
    how = {"algo": "twap", "minutes": 1.5, "pieces": 4}
    wish = {"name": "w", "symbol": "INFY", "do": "work", "quantity": 40, "how": how}
    wishes = {"symbols": ["INFY"], "most_shares": 40, "tick": 0.5, "wishes": [wish]}
    how["remainder"] = "market"
    (tmp_path / "wishes.json").write_text(json.dumps(wishes))
    account = twin.ask("POST", "/accounts", json={"cash_inr": 1_000_000})
    key = account["api_key"]
    keys = {"NIFTY_PAPER_KEY": key, "NIFTY_PAPER_SECRET": account["api_secret"]}
    codes = [life(twin, tmp_path, keys, crash) for crash in (f"{boundary}:2", ":0")]
    assert codes == [-signal.SIGKILL, 0]
    twin.stand_still()
    books = twin.ask("GET", f"/books?account={key}")["accounts"][key]
    twin.move_on()
    with Journal.read_only(tmp_path / "ledger.sqlite", "CRASH") as journal:
        events = [(one.kind, one.payload) for one in journal.events(session="worked")]
    told = [said["did"] for kind, said in events if kind == "algorithm"]
    assert told == ["started", "ended"]  # one plan for both lives
    parent = parent_tag("worked", "w")
    intents = [said for kind, said in events if kind == "intent"]
    ours = {said["tag"] for said in intents if said.get("parent") == parent}
    theirs = [row for row in books["orders"] if row["tag"] in ours]
    assert sum(row["filled_quantity"] for row in theirs) == 40 and len(theirs) >= 2
    sides = Sides(events, books["orders"], books["trades"], books["positions"])
    assert problems_of(sides, 40, 24) == []
