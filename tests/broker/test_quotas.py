"""No window holds more calls than allowed: in one process, in several, after a crash."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.broker.quotas import CallKind, Limit, Throttle, read_limits, record_of
from nifty_research.core.clock import IST, Clock, SimulatedClock, WallClock
from nifty_research.core.errors import RateLimitError, SettingsError, StoreUnavailableError
from nifty_research.core.metrics import Metrics
from nifty_research.core.settings import load_settings

OPEN = datetime(2026, 9, 15, 9, 15, tzinfo=IST)
HISTORY, ORDERS, QUOTES = CallKind.HISTORY, CallKind.ORDERS, CallKind.QUOTES


def microseconds(moment: datetime) -> int:
    return (moment - OPEN) // timedelta(microseconds=1)


def most_in_a_window(moments: Sequence[int], window: int) -> int:
    "The fullest closed window of this length, over every place where one could begin."
    return max(sum(begin <= one <= begin + window for one in moments) for begin in moments)


@contextmanager
def throttle(
    limits: dict[CallKind, tuple[Limit, ...]], clock: Clock, **more: object
) -> Iterator[Throttle]:
    made = Throttle(limits, clock, metrics=Metrics(), **more)  # type: ignore[arg-type]
    yield made
    made.close()


LIMITS = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from([0.25, 1.0, 3.0, 60.0])),
    min_size=1,
    max_size=3,
    unique_by=lambda pair: pair[1],
).map(lambda pairs: sorted(pairs, key=lambda pair: pair[1]))


def well_formed(pairs: list[tuple[int, float]]) -> tuple[Limit, ...]:
    "Longer windows allow more calls in all, at a lower pace; anything else would be no limit."
    calls, found = 0, []
    for add, window in pairs:
        calls += add
        if found and calls / window >= found[-1].calls / found[-1].window_s:
            continue
        found.append(Limit(calls, window))
    return tuple(found)


@given(
    limits=LIMITS.map(well_formed),
    pauses=st.lists(st.integers(0, 1_500_000), min_size=1, max_size=40),
    stored=st.booleans(),
)
def test_no_window_is_overfull_and_nobody_waits_longer_than_needed(
    tmp_path_factory: pytest.TempPathFactory,
    limits: tuple[Limit, ...],
    pauses: list[int],
    stored: bool,
) -> None:
    clock = SimulatedClock(OPEN)
    record = tmp_path_factory.mktemp("calls") / "calls.sqlite" if stored else None
    sent: list[int] = []
    with throttle({HISTORY: limits}, clock, record=record) as gate:
        for pause in pauses:
            clock.advance(clock.now() + timedelta(microseconds=pause))
            earliest = microseconds(clock.now())
            for limit in limits:
                if len(sent) >= limit.calls:
                    earliest = max(earliest, sent[-limit.calls] + round(limit.window_s * 1e6) + 1)
            gate.wait(HISTORY)
            sent.append(microseconds(clock.now()))
            assert sent[-1] == earliest

        for limit, used in gate.used(HISTORY):
            window = round(limit.window_s * 1e6)
            assert most_in_a_window(sent, window) <= limit.calls
            assert used == sum(one >= sent[-1] - window for one in sent)


@given(
    steps=st.lists(st.tuples(st.integers(0, 400_000), st.booleans()), min_size=1, max_size=60),
    stored=st.booleans(),
)
def test_entries_never_use_what_is_kept_for_exits(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]], stored: bool
) -> None:
    clock = SimulatedClock(OPEN)
    record = tmp_path_factory.mktemp("calls") / "calls.sqlite" if stored else None
    every: list[int] = []
    entries: list[int] = []
    limits = {ORDERS: (Limit(10, 1.0), Limit(20, 60.0))}
    with throttle(limits, clock, record=record, kept_for_exits=0.20) as gate:
        for pause, is_exit in steps:
            clock.advance(clock.now() + timedelta(microseconds=pause))
            now = microseconds(clock.now())
            lately = sum(one >= now - 1_000_000 for one in every)
            minute = sum(one >= now - 60_000_000 for one in every)
            room = (10, 20) if is_exit else (8, 16)
            went = gate.take(ORDERS, is_exit=is_exit) == 0.0
            assert went == (lately < room[0] and minute < room[1])
            if went:
                every.append(now)
                entries += [] if is_exit else [now]
    if every:
        assert most_in_a_window(every, 1_000_000) <= 10
    if entries:
        assert most_in_a_window(entries, 1_000_000) <= 8


CHILD = """
import json, sys
from datetime import timedelta
from nifty_research.broker.quotas import CallKind, Limit, Throttle
from nifty_research.core.clock import WallClock
from pathlib import Path

stamps = []

class Noted(WallClock):
    "The wall, with what it said last."

    def now(self):
        stamps.append(super().now())
        return stamps[-1]

limits = {CallKind.HISTORY: (Limit(4, 0.2), Limit(12, 1.0))}
gate = Throttle(limits, Noted(0.0), record=Path(sys.argv[1]))
taken = []
print("ready", flush=True)
sys.stdin.readline()
while len(taken) < 12:
    wait = gate.take(CallKind.HISTORY)
    if wait:
        gate._clock.wait_until(stamps[-1] + timedelta(seconds=wait))
    else:
        taken.append(stamps[-1].isoformat())
print(json.dumps(taken))
"""


def test_processes_share_one_allowance(tmp_path: Path) -> None:
    record = tmp_path / "calls.sqlite"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(record)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [json.loads(child.communicate(timeout=60)[0]) for child in children]

    taken = sorted(microseconds(datetime.fromisoformat(one)) for some in told for one in some)
    assert len(taken) == 24 and [child.returncode for child in children] == [0, 0]
    assert most_in_a_window(taken, 200_000) <= 4 and most_in_a_window(taken, 1_000_000) <= 12


def test_what_a_killed_process_sent_stays_counted(tmp_path: Path) -> None:
    record = tmp_path / "calls.sqlite"
    limits = "{CallKind.HISTORY: (Limit(5, 3600.0),)}"
    code = f"""
import os, signal
from pathlib import Path
from nifty_research.broker.quotas import CallKind, Limit, Throttle
from nifty_research.core.clock import WallClock
gate = Throttle({limits}, WallClock(0.0), record=Path({str(record)!r}))
assert [gate.take(CallKind.HISTORY) for _ in range(5)] == [0.0] * 5
book = gate._books[CallKind.HISTORY, False]
with book._locked():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9

    gate = Throttle({HISTORY: (Limit(5, 3600.0),)}, WallClock(0.0), record=record)
    assert 3500 < gate.take(HISTORY) <= 3600.000001
    gate.close()


def test_threads_share_one_allowance() -> None:
    gate = Throttle({QUOTES: (Limit(50, 3600.0),)}, WallClock(0.0), metrics=Metrics())
    went: list[float] = []

    def ask() -> None:
        went.extend(gate.take(QUOTES) for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert went.count(0.0) == 50 and len(went) == 160


def test_forgotten_calls_do_not_pile_up(tmp_path: Path) -> None:
    clock = SimulatedClock(OPEN)
    for record in (None, tmp_path / "calls.sqlite"):
        with throttle({HISTORY: (Limit(3, 1.0),)}, clock, record=record) as gate:
            for _ in range(400):
                gate.wait(HISTORY)
            assert gate._books[HISTORY, True].bucket.count() <= 3 + 64


def test_a_clock_set_back_a_little_waits_and_far_back_is_an_error(tmp_path: Path) -> None:
    for record in (None, tmp_path / "calls.sqlite"):
        clock = SimulatedClock(OPEN)
        with throttle({HISTORY: (Limit(2, 1.0),)}, clock, record=record) as gate:
            assert gate.take(HISTORY) == 0.0
            gate._clock = SimulatedClock(OPEN - timedelta(seconds=0.5))
            assert gate.take(HISTORY) == 0.0 and gate.take(HISTORY) > 0.0
            gate.wait(HISTORY)
            assert gate._clock.now() > OPEN + timedelta(seconds=1)
            gate._clock = SimulatedClock(OPEN - timedelta(seconds=9))
            with pytest.raises(StoreUnavailableError, match="ahead of the clock"):
                gate.take(HISTORY)


def test_patience_ends_before_the_wait_begins() -> None:
    clock = SimulatedClock(OPEN)
    with throttle({QUOTES: (Limit(1, 1.0),)}, clock) as gate:
        gate.wait(QUOTES, patience_s=0.0)
        with pytest.raises(RateLimitError, match=r"within 0\.9 s"):
            gate.wait(QUOTES, patience_s=0.9)
        assert clock.now() == OPEN
        assert gate.wait(QUOTES, patience_s=2.0) == 1.000001
        assert gate.wait(CallKind.OTHER) == 0.0 and gate.used(CallKind.OTHER) == []


def test_a_record_that_cannot_be_kept_stops_the_calls(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailableError, match="cannot be read or written"):
        Throttle({QUOTES: (Limit(1, 1.0),)}, WallClock(0.0), record=tmp_path / "file" / "calls")
    (tmp_path / "calls.sqlite").write_text("this is no database, and long enough to be seen as one")
    with pytest.raises(StoreUnavailableError, match="no call is made uncounted"):
        Throttle({QUOTES: (Limit(1, 1.0),)}, WallClock(0.0), record=tmp_path / "calls.sqlite")


def test_the_settings_name_the_limits_and_the_record_its_account(tmp_path: Path) -> None:
    limits = read_limits(load_settings(overrides={"quotas.history_per_s": "2"}).quotas)
    assert limits[HISTORY] == (Limit(2, 1.0),) and ORDERS not in limits
    record = record_of(tmp_path / "ledger.sqlite", "AB1234", "127.0.0.1:8000")
    assert record == tmp_path / "calls-AB1234-127.0.0.1-8000.sqlite"
    with pytest.raises(SettingsError, match="kept for exits"):
        Throttle({}, WallClock(0.0), kept_for_exits=1.0)


# ---- a server instead of a file ----------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    "Address of a Redis server of our own; the test is skipped where none can be started."
    redis = pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--dir", str(tmp_path), "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            client = redis.Redis(port=port)
            for _ in range(100):
                try:
                    if client.ping():
                        break
                except redis.ConnectionError:
                    time.sleep(0.05)
            client.close()
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


REDIS_CALLER = """
import sys
from nifty_research.broker.quotas import CallKind, Limit, Throttle
from nifty_research.core.clock import WallClock
limits = {CallKind.ORDERS: (Limit(5, 0.25), Limit(40, 60.0))}
throttle = Throttle(limits, WallClock(0.0), record=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(10):
    throttle.wait(CallKind.ORDERS)
"""


def test_processes_share_one_allowance_at_a_server(server: str) -> None:
    limits = {ORDERS: (Limit(5, 0.25), Limit(40, 60.0))}
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", REDIS_CALLER, server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for one in callers:
        assert one.stdout and one.stdout.readline() == "ready\n"
    for one in callers:
        one.communicate("go\n", timeout=60)
    assert [one.returncode for one in callers] == [0] * 4
    redis = pytest.importorskip("redis")
    with redis.Redis.from_url(server) as client:
        kept = client.zrange("nifty:calls:orders", 0, -1, withscores=True)
    moments = sorted(int(score) for _, score in kept)
    assert len(moments) == 40 and most_in_a_window(moments, 250_000) == 5
    with throttle(limits, WallClock(0.0), record=server) as shared:
        assert shared.used(ORDERS)[-1] == (limits[ORDERS][-1], 40)
        with pytest.raises(RateLimitError):
            shared.wait(ORDERS, patience_s=0.5)


def test_a_server_that_is_gone_stops_the_calls() -> None:
    pytest.importorskip("redis")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with pytest.raises(StoreUnavailableError, match="record of calls"):
        with throttle(
            {ORDERS: (Limit(5, 1.0),)}, WallClock(0.0), record=f"redis://127.0.0.1:{port}/0"
        ) as t:
            t.take(ORDERS)
