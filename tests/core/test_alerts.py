"""Everyone who subscribed hears every alert once, whatever the others do."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nifty_research.core.alerts import Alert, AlertBus, Severity, log_alerts
from nifty_research.core.clock import IST
from nifty_research.core.errors import DataError
from nifty_research.core.log import configure

NOON = datetime(2026, 9, 15, 12, 0, tzinfo=IST)


def alert(kind: str = "feed.silent", severity: Severity = Severity.WARNING) -> Alert:
    return Alert(kind, severity, "nothing ticks", NOON, "feed", {"silent_s": 121})


def test_all_hear_in_order_and_leave_when_they_like() -> None:
    bus, heard = AlertBus(), []
    leave = [bus.subscribe(lambda _, name=name: heard.append(name)) for name in "abc"]
    bus.raise_alert(alert())
    leave[1]()
    bus.raise_alert(alert())
    leave[1]()
    assert heard == [*"abc", *"ac"]


def test_a_listener_that_subscribes_or_leaves_while_it_listens() -> None:
    bus, heard = AlertBus(), []

    def once(one: Alert) -> None:
        heard.append(one.kind)
        leave()
        bus.subscribe(lambda _: heard.append("late"))

    leave = bus.subscribe(once)
    bus.raise_alert(alert())
    assert heard == ["feed.silent"]
    bus.raise_alert(alert())
    assert heard == ["feed.silent", "late"]


def test_a_broken_listener_is_logged_and_passed_over(tmp_path: Path) -> None:
    configure(tmp_path / "log.jsonl")
    bus, heard = AlertBus(), []

    def broken(_: Alert) -> None:
        raise ConnectionError("no mail server, password=hunter2")

    bus.subscribe(broken)
    bus.subscribe(heard.append)
    bus.raise_alert(alert())
    assert heard == [alert()]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["alert_listener_failed"]
    assert "ConnectionError" in lines[0]["exception"] and "hunter2" not in json.dumps(lines)


def test_the_log_keeps_severity_and_values(tmp_path: Path) -> None:
    configure(tmp_path / "log.jsonl")
    bus = AlertBus()
    bus.subscribe(log_alerts())
    for severity in Severity:
        bus.raise_alert(alert(severity=severity))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[2]["kind"] == "feed.silent" and lines[2]["values"] == {"silent_s": 121}
    assert lines[2]["time"] == "2026-09-15T12:00:00+05:30" and lines[2]["where"] == "feed"


def test_alerts_from_many_threads_all_arrive() -> None:
    bus, heard = AlertBus(), []
    bus.subscribe(heard.append)

    def shout() -> None:
        for _ in range(200):
            bus.raise_alert(alert())

    threads = [threading.Thread(target=shout) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 800


def test_an_alert_is_frozen_and_in_indias_time() -> None:
    values = {"silent_s": 121}
    one = Alert("a.b", Severity.INFO, "x", datetime(2026, 9, 15, 6, 30, tzinfo=UTC), "", values)
    values["silent_s"] = 0
    assert one.values["silent_s"] == 121 and one.time == NOON and one.time.tzinfo is IST
    assert str(one) == "12:00:00 INFO x"
    with pytest.raises(TypeError):
        one.values["silent_s"] = 1  # type: ignore[index]


@pytest.mark.parametrize(("kind", "what"), [("", "x"), ("a.", "x"), (".a", "x"), ("a", "")])
def test_an_alert_says_something(kind: str, what: str) -> None:
    with pytest.raises(DataError, match="needs a kind"):
        Alert(kind, Severity.INFO, what, NOON)
