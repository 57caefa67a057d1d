"""A silence is told once, its end once, none outside of trading; nothing that decides reads it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_exchange import live_exchange, without_proxies

import nifty_research
from nifty_research.broker.staleness import Staleness
from nifty_research.core.alerts import Alert
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import SettingsError
from nifty_research.market.phases import Phase

OPEN = datetime(2026, 9, 15, 9, 15, tzinfo=IST)
NAMES = {1: "INFY", 2: "SBIN", 3: "TCS"}


def watch(silent_after_s: float = 120, **options: object) -> Staleness:
    return Staleness(SimulatedClock(OPEN), silent_after_s, names=NAMES, **options)  # type: ignore[arg-type]


def at(seconds: float) -> datetime:
    return OPEN + timedelta(seconds=seconds)


def kinds(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.kind, alert.where) for alert in alerts]


def test_one_instrument() -> None:
    stale = watch()
    for second in range(0, 600, 10):
        stale.seen([2, 3] if second >= 60 else [1, 2, 3], at(second))
        alerts = stale.check(at(second))
        # Seen last at 50 s: more than 120 s are over at 180 s.
        assert kinds(alerts) == ([("instrument.silent", "INFY")] if second == 180 else [])
    stale.seen([1, 2, 3], at(600))
    back = stale.check(at(600))
    assert kinds(back) == [("instrument.back", "INFY")] and back[0].values["silent_s"] == 550
    stale.seen([1, 2, 3], at(650))
    assert stale.check(at(650)) == []


def test_the_whole_feed() -> None:
    stale = watch()
    stale.seen([1, 2, 3], at(0))
    assert stale.check(at(0)) == stale.check(at(120)) == []
    assert kinds(stale.check(at(121))) == [("feed.silent", "feed")]
    assert stale.check(at(300)) == stale.check(at(900)) == []
    stale.seen([2], at(910))
    assert kinds(stale.check(at(911))) == [("feed.back", "feed")]
    # The others get their time anew, and are told one by one if they do not use it.
    stale.seen([2], at(1030))
    assert stale.check(at(1031)) == []
    assert kinds(stale.check(at(1032))) == [
        ("instrument.silent", "INFY"),
        ("instrument.silent", "TCS"),
    ]


def test_an_instrument_that_never_ticks() -> None:
    stale = watch()
    for second in range(0, 130, 10):
        stale.seen([2, 3], at(second))
        assert stale.check(at(second)) == []
    assert kinds(stale.check(at(130))) == [("instrument.silent", "INFY")]
    assert stale.age(1, at(130)) is None and stale.age(2, at(130)) == timedelta(seconds=10)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.CONTINUOUS])
def test_nothing_has_to_tick_outside_of_trading(phase: Phase) -> None:
    stale = watch()
    assert stale.check(at(-3000), phase) == stale.check(at(0), phase) == []
    assert stale.check(at(1)) == stale.check(at(121)) == []
    assert kinds(stale.check(at(122))) == [("feed.silent", "feed")]
    assert stale.check(at(200), phase) == []
    assert stale.check(at(5000)) == stale.check(at(5120)) == []
    assert kinds(stale.check(at(5121))) == [("feed.silent", "feed")]


def test_a_source_of_bars_has_more_time() -> None:
    stale = watch(ticks_every_s=900)
    stale.seen([1, 2, 3], at(0))
    assert stale.check(at(0)) == stale.check(at(1020)) == []
    assert kinds(stale.check(at(1021))) == [("feed.silent", "feed")]


def test_late_and_repeated_news_do_not_turn_time_back() -> None:
    stale = watch()
    stale.seen([1, 2, 3], at(100))
    stale.seen([1], at(20))
    assert stale.age(1, at(100)) == timedelta(0)


def test_settings_are_checked() -> None:
    for wrong in (0, -1, float("nan")):
        with pytest.raises(SettingsError, match="positive number of seconds"):
            watch(wrong)


@given(st.lists(st.tuples(st.integers(1, 90), st.sets(st.sampled_from([1, 2, 3]))), max_size=60))
def test_each_silence_has_one_beginning_and_one_end(steps: list[tuple[int, set[int]]]) -> None:
    stale, second, told = watch(), 0, []
    for wait, tokens in steps:
        second += wait
        stale.seen(tokens, at(second))
        told += stale.check(at(second))
    for where in ("feed", *NAMES.values()):
        own = [alert.kind.split(".")[1] for alert in told if alert.where == where]
        assert own == ["silent", "back"] * (len(own) // 2) + ["silent"] * (len(own) % 2)
    assert all(alert.values["silent_s"] >= 0 for alert in told)


def test_with_a_feed_at_the_local_exchange(tmp_path: Path) -> None:
    "Ticks over a socket keep two instruments fresh; the third was never asked for."
    with live_exchange(tmp_path) as live:
        names = {token: name for name, token in live.tokens.items()}
        asked = [live.tokens[name] for name in ("INFY", "M&M")]
        arguments = [live.addresses.stream, live.key, str(live.kite.access_token)]
        arguments += [json.dumps(names), json.dumps(asked)]
        command = [sys.executable, str(Path(__file__).with_name("watch_feed.py")), *arguments]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=without_proxies(),
        ) as child:
            assert child.stdin and child.stdout
            assert child.stdout.readline() == "connected\n"
            lines = []
            for answer in [*["go on\n"] * 4, "stop\n"]:
                live.step()
                lines.append(json.loads(child.stdout.readline()))
                child.stdin.write(answer)
                child.stdin.flush()
            last = json.loads(child.stdout.readline())
    told = [tuple(alert) for line in lines for alert in line["told"]]
    assert told == [("instrument.silent", "RELIANCE")], "after more than 120 s"
    assert lines[-1]["ticked"] >= 4 * 2
    assert last["told"] == [["feed.silent", "feed"]]


ROOMS = ("strategies", "engine", "risk", "execution", "indicators")
DECIDING = ("session/decide.py",)


def test_nothing_that_decides_reads_it() -> None:
    root = Path(nifty_research.__file__).parent
    files = [path for room in ROOMS for path in (root / room).rglob("*.py")]
    files += [root / name for name in DECIDING]
    assert len(files) > 15
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            assert not any("staleness" in name or "alerts" in name for name in names), path
