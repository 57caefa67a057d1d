"""Triggers of carried positions at a real exchange, through the real client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live_exchange import Live, live_exchange

from nifty_research.execution.disaster_stops import (
    DisasterStop,
    DisasterStops,
    compared,
    standing_in,
    wanted_stop,
)
from nifty_research.execution.recovery import Held


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_exchange(tmp_path_factory.mktemp("triggers"), account__product="CNC") as running:
        running.step(5)
        yield running


class Told(list[dict[str, Any]]):
    "A journal in memory."

    def write(self, kind: str, said: dict[str, Any]) -> None:
        assert kind == "disaster stop"
        self.append(said)


def stops_at(live: Live, told: Told) -> DisasterStops:
    "What a process that starts now knows."
    stops = DisasterStops(live.kite, told.write, lambda symbol: 1012.0)
    for said in list(told):
        stops.recall(said)
    return stops


def active(live: Live) -> list[DisasterStop]:
    return [one.stop for one in standing_in(live.kite.get_gtts())]


def test_trigger_is_placed_once_found_again_and_gone_on_exit(live: Live) -> None:
    told = Told()
    stop = wanted_stop("INFY", Held(7, 1012.0), 0.5)
    assert stop is not None
    assert stops_at(live, told).secured({"INFY": stop}) and active(live) == [stop]
    assert stops_at(live, told).secured({"INFY": stop}) and active(live) == [stop]  # restarted
    grown = wanted_stop("INFY", Held(9, 1012.0), 0.5)
    assert grown is not None
    assert stops_at(live, told).secured({"INFY": grown}) and active(live) == [grown]
    assert stops_at(live, told).secured({}) and active(live) == []
    assert [said["did"] for said in told] == ["intended", "deleting", "intended", "deleting"]


def test_crash_between_wire_and_answer_places_nothing_twice(live: Live) -> None:
    told = Told()
    stop = wanted_stop("M&M", Held(-3, 2024.0), 0.5)
    assert stop is not None
    dying = stops_at(live, told)
    real = dying.book.place_gtt

    class Dies:
        get_gtts, delete_gtt = live.kite.get_gtts, live.kite.delete_gtt

        def place_gtt(self, *args: Any, **fields: Any) -> Any:
            real(*args, **fields)
            raise KeyboardInterrupt  # nothing after the wire is reached

    dying.book, dying.last_price = Dies(), lambda symbol: 2024.0
    with pytest.raises(KeyboardInterrupt):
        dying.settle({"M&M": stop})
    assert told[-1]["did"] == "intended"
    assert stops_at(live, told).secured({"M&M": stop}) and active(live) == [stop]
    assert stops_at(live, told).secured({}) and active(live) == []


def test_triggers_of_others_are_left_alone(live: Live) -> None:
    theirs = wanted_stop("RELIANCE", Held(5, 1518.0), 0.5)
    assert theirs is not None
    somebody = DisasterStops(live.kite, Told().write, lambda symbol: 1518.0)
    assert somebody.secured({"RELIANCE": theirs})
    assert stops_at(live, Told()).secured({}) and active(live) == [theirs]
    [standing] = standing_in(live.kite.get_gtts())
    assert compared({}, [standing], {("RELIANCE", -5, theirs.trigger)}).delete == (standing,)
