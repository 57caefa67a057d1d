"""The journal: durable, chained, fenced, and evidently so when somebody edits it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from nifty_research.core.clock import IST, SimulatedClock, WallClock
from nifty_research.core.errors import (
    AccountBusyError,
    CorruptStateError,
    JournalError,
    StoreUnavailableError,
    UsageError,
)
from nifty_research.ledger import journal as module
from nifty_research.ledger import store
from nifty_research.ledger.chain import FIRST_HASH, Finding, chain_hash
from nifty_research.ledger.journal import Journal
from nifty_research.ledger.lease import AccountRow

ACCOUNT = "PAPER01"
NIGHT = datetime(2026, 11, 20, 18, 0, tzinfo=IST)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def wall() -> SimulatedClock:
    return SimulatedClock(NIGHT)


@pytest.fixture
def make(path: Path, wall: SimulatedClock) -> Iterator[Callable[..., Journal]]:
    opened: list[Journal] = []

    def open_journal(account: str = ACCOUNT) -> Journal:
        opened.append(Journal.open(path, account, clock=WallClock(), wall=wall))
        return opened[-1]

    yield open_journal
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(make: Callable[..., Journal]) -> Journal:
    "Held, with six events."
    held = make()
    held.acquire("first", lease_s=60)
    held.append_many([("bar", {"number": n}) for n in range(1, 7)], session="s")
    return held


def tamper(path: Path, *statements: str) -> None:
    "Edit the file as somebody determined would: without the triggers."
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DROP TRIGGER IF EXISTS events_no_update")
        connection.execute("DROP TRIGGER IF EXISTS events_no_delete")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def problems(findings: list[Finding]) -> list[tuple[int, str]]:
    return [(finding.sequence, finding.problem) for finding in findings]


# -- appending and reading


def test_events_come_back_as_they_were_returned(journal: Journal) -> None:
    written = journal.append(
        "fill", {"price": 0.1 + 0.2, "tags": ("a", "b"), "name": "₹"}, session="s"
    )

    assert list(journal.events(after=6)) == [written]
    assert written.payload == {"price": 0.1 + 0.2, "tags": ["a", "b"], "name": "₹"}


def test_later_edits_of_the_callers_payload_do_not_reach_the_event(journal: Journal) -> None:
    payload: dict[str, Any] = {"close": [1.0]}
    written = journal.append("bar", payload, session="s")

    payload["close"].append(2.0)

    assert written.payload == {"close": [1.0]}


def test_events_are_chosen_by_session_kind_and_sequence(journal: Journal) -> None:
    journal.append_many([("bar", {}), ("fill", {})], session="t")

    assert [e.sequence for e in journal.events(session="t")] == [7, 8]
    assert [e.sequence for e in journal.events(kinds=["fill"])] == [8]
    assert [e.sequence for e in journal.events(session="s", after=4)] == [5, 6]
    assert list(journal.events(kinds=[])) == []
    assert journal.sessions() == ["s", "t"]
    assert journal.last_sequence() == 8


def test_reading_pages_through_more_than_one_page(journal: Journal) -> None:
    journal.append_many([("bar", {})] * 2500, session="s")

    assert [e.sequence for e in journal.events()] == list(range(1, 2507))
    assert journal.verify() == []


def test_each_account_has_its_own_chain(journal: Journal, make: Callable[..., Journal]) -> None:
    other = make("PAPER02")
    other.acquire("other", lease_s=60)

    first = other.append("bar", {}, session="s")

    assert (first.sequence, first.previous_hash) == (1, FIRST_HASH)
    assert journal.last_sequence() == 6
    assert other.verify() == journal.verify() == []


def test_what_is_written_without_an_answer_stands_in_the_same_chain(journal: Journal) -> None:
    journal.write_many([("bar", {"close": [1.5, None]}), ("decision", {})], session="s")

    written = list(journal.events(after=6))
    assert [(e.kind, e.payload) for e in written] == [
        ("bar", {"close": [1.5, None]}),
        ("decision", {}),
    ]
    assert journal.append("fill", {}, session="s").previous_hash == written[-1].hash
    assert journal.verify() == []


def test_an_empty_batch_writes_nothing(journal: Journal) -> None:
    assert journal.append_many([], session="s") == []
    journal.write_many([], session="s")
    assert journal.last_sequence() == 6


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), object(), datetime(2026, 9, 15, tzinfo=IST)]
)
def test_a_payload_that_json_cannot_carry_is_refused_with_its_batch(
    journal: Journal, bad: Any
) -> None:
    with pytest.raises(JournalError, match=r"fill: payload\['deep'\]\[0\]\['price'\]"):
        journal.append_many([("bar", {}), ("fill", {"deep": [{"price": bad}]})], session="s")

    assert journal.last_sequence() == 6


@pytest.mark.parametrize("name", ["", "  ", "a\nb", None])
def test_nameless_kinds_and_sessions_are_refused(journal: Journal, name: Any) -> None:
    with pytest.raises(UsageError):
        journal.append(name, {}, session="s")
    with pytest.raises(UsageError):
        journal.append("bar", {}, session=name)


def test_threads_share_one_journal(journal: Journal) -> None:
    def write() -> None:
        for _ in range(50):
            journal.append("bar", {}, session="s")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert journal.last_sequence() == 206
    assert journal.verify() == []


def test_commits_are_synchronous(journal: Journal) -> None:
    connection = journal._writing()

    assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL
    assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    connection.rollback()


# -- lease


def test_appending_without_a_lease_is_refused(make: Callable[..., Journal]) -> None:
    with pytest.raises(JournalError, match="acquire"):
        make().append("bar", {}, session="s")


def test_a_second_holder_is_refused_and_told_who_holds(
    journal: Journal, make: Callable[..., Journal], wall: SimulatedClock
) -> None:
    wall.advance(NIGHT + timedelta(seconds=19))

    with pytest.raises(AccountBusyError, match=rf"first \(pid {os.getpid()} .* another 41 s"):
        make().acquire("second", lease_s=60)


def test_an_expired_lease_passes_on_and_the_stale_holder_is_fenced(
    journal: Journal, make: Callable[..., Journal], wall: SimulatedClock
) -> None:
    wall.advance(NIGHT + timedelta(seconds=60))
    second = make()

    assert second.acquire("second", lease_s=60) == 2
    for attempt in (
        lambda: journal.append("bar", {}, session="s"),
        journal.renew,
        journal.lease_left_s,
        lambda: make().adopt(1),
    ):
        with pytest.raises(JournalError, match=r"passed on.*second"):
            attempt()
    assert second.append("bar", {}, session="t").sequence == 7


def test_a_stale_holder_cannot_release_its_successor(
    journal: Journal, make: Callable[..., Journal], wall: SimulatedClock
) -> None:
    wall.advance(NIGHT + timedelta(seconds=61))
    second = make()
    second.acquire("second", lease_s=60)

    journal.release()

    lease = second.lease()
    assert lease is not None and (lease.holder, lease.epoch) == ("second", 2)


def test_an_append_renews_the_lease(
    journal: Journal, make: Callable[..., Journal], wall: SimulatedClock
) -> None:
    wall.advance(NIGHT + timedelta(seconds=50))
    journal.append("bar", {}, session="s")
    wall.advance(NIGHT + timedelta(seconds=100))

    assert journal.lease_left_s() == pytest.approx(10)
    with pytest.raises(AccountBusyError):
        make().acquire("second", lease_s=60)


def test_a_holder_that_overslept_goes_on_when_nobody_took_over(
    journal: Journal, wall: SimulatedClock
) -> None:
    wall.advance(NIGHT + timedelta(seconds=500))

    assert journal.append("bar", {}, session="s").epoch == 1
    assert journal.lease_left_s() == pytest.approx(60)


def test_a_released_account_is_free_at_once_and_its_adopters_are_out(
    journal: Journal, make: Callable[..., Journal]
) -> None:
    kernel = make()
    kernel.adopt(1)

    journal.release()

    with pytest.raises(JournalError, match="held by nobody"):
        kernel.append("bar", {}, session="s")
    assert journal.lease() is None
    assert make().acquire("second", lease_s=60) == 2


def test_the_error_says_when_the_holders_process_is_gone(
    journal: Journal, make: Callable[..., Journal], path: Path
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    tamper(path, f"UPDATE accounts SET pid = {child.pid}")

    with pytest.raises(AccountBusyError, match="process is gone"):
        make().acquire("second", lease_s=60)


def test_a_lease_without_a_length_is_refused(make: Callable[..., Journal]) -> None:
    for length in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            make().acquire("first", lease_s=length)


# -- tampering


def test_the_database_refuses_updates_and_deletions(journal: Journal, path: Path) -> None:
    connection = sqlite3.connect(path)
    for statement in ("UPDATE events SET kind = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "column", ["payload", "kind", "clock_time", "wall_time", "session", "epoch", "hash"]
)
def test_an_edited_column_is_found(journal: Journal, path: Path, column: str) -> None:
    tamper(path, f"UPDATE events SET {column} = {column} || '0' WHERE sequence = 3")

    assert (3, "edited") in problems(journal.verify())


def test_an_edited_link_is_found(journal: Journal, path: Path) -> None:
    tamper(path, f"UPDATE events SET previous_hash = '{FIRST_HASH}' WHERE sequence = 3")

    assert problems(journal.verify()) == [(3, "edited")]


def test_a_deleted_row_is_found(journal: Journal, path: Path) -> None:
    tamper(path, "DELETE FROM events WHERE sequence IN (1, 3, 4)")

    findings = journal.verify()

    assert problems(findings) == [(1, "missing"), (3, "missing")]
    assert findings[1].detail == "event 3 to 4 is gone"


def test_a_cut_tail_is_found(journal: Journal, path: Path) -> None:
    tamper(path, "DELETE FROM events WHERE sequence > 4")

    assert problems(journal.verify()) == [(5, "cut short")]


def test_swapped_rows_are_told_from_edited_ones(journal: Journal, path: Path) -> None:
    tamper(
        path,
        "UPDATE events SET sequence = 99 WHERE sequence = 3",
        "UPDATE events SET sequence = 3 WHERE sequence = 5",
        "UPDATE events SET sequence = 5 WHERE sequence = 99",
    )

    findings = journal.verify()

    assert problems(findings) == [(3, "reordered"), (5, "reordered")]
    assert "was written as number 5" in findings[0].detail


def rewritten(path: Path, sequence: int) -> tuple[str, str]:
    "A row's new payload and a hash that fits it."
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT * FROM events WHERE sequence = ?", (sequence,)).fetchone()
    names = ("sequence", "clock_time", "wall_time", "account", "session", "epoch", "kind")
    columns = [*(row[name] for name in names), '{"number":0}']
    connection.close()
    return columns[-1], chain_hash(row["previous_hash"], columns)


@pytest.mark.parametrize(("sequence", "found_at"), [(3, 4), (6, 6)])
def test_a_row_rewritten_with_its_hash_breaks_the_next_link(
    journal: Journal, path: Path, sequence: int, found_at: int
) -> None:
    payload, digest = rewritten(path, sequence)
    tamper(
        path, f"UPDATE events SET payload='{payload}', hash='{digest}' WHERE sequence={sequence}"
    )

    assert problems(journal.verify()) == [(found_at, "broken link")]


def test_an_anchor_finds_a_rewritten_end(journal: Journal, path: Path) -> None:
    anchor = journal.head()
    payload, digest = rewritten(path, 6)
    tamper(
        path,
        f"UPDATE events SET payload = '{payload}', hash = '{digest}' WHERE sequence = 6",
        f"UPDATE accounts SET head_hash = '{digest}'",
    )

    assert journal.verify() == []
    assert problems(journal.verify(anchor)) == [(6, "broken link")]


def test_a_head_set_back_is_found_and_stops_the_writer(journal: Journal, path: Path) -> None:
    tamper(path, "UPDATE accounts SET head_sequence = 5")

    assert (6, "broken link") in problems(journal.verify())
    with pytest.raises(CorruptStateError):
        journal.append("bar", {}, session="s")


def test_a_payload_that_is_no_json_names_its_event(journal: Journal, path: Path) -> None:
    tamper(path, "UPDATE events SET payload = '{' WHERE sequence = 2")

    with pytest.raises(CorruptStateError, match="event 2"):
        list(journal.events())


# -- processes and crashes

WRITER = """
import sys
from pathlib import Path
from nifty_research.core.clock import WallClock
from nifty_research.ledger.journal import Journal
path, epoch, session, count = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
journal = Journal.open(path, "PAPER01", clock=WallClock())
journal.adopt(epoch)
print("ready", flush=True)
for number in range(count):
    journal.append_many([("bar", {"number": number}), ("decision", {})], session=session)
journal.close()
"""


def start_writer(path: Path, epoch: int, session: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(epoch), session, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_append_to_one_chain(path: Path) -> None:
    with Journal.open(path, ACCOUNT, clock=WallClock()) as parent:
        epoch = parent.acquire("parent", lease_s=60)
        children = [start_writer(path, epoch, f"child{n}", 100) for n in range(2)]
        for _ in range(50):
            parent.append("bar", {}, session="parent")
        assert [child.wait(60) for child in children] == [0, 0]
        for child in children:
            assert child.stdout is not None
            child.stdout.close()

        assert parent.verify() == []
        assert parent.last_sequence() == 450
        for session in ("child0", "child1"):
            numbers = [e.payload["number"] for e in parent.events(session=session, kinds=["bar"])]
            assert numbers == list(range(100))


def test_a_killed_writer_leaves_whole_batches_and_a_valid_chain(path: Path) -> None:
    with Journal.open(path, ACCOUNT, clock=WallClock()) as parent:
        epoch = parent.acquire("parent", lease_s=60)
        for _ in range(3):
            child = start_writer(path, epoch, "child", 1_000_000)
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            sleep(0.1)
            child.send_signal(signal.SIGKILL)
            child.wait(10)
            child.stdout.close()

            assert parent.verify() == []
            assert parent.last_sequence() % 2 == 0
        assert parent.append("bar", {}, session="parent").sequence == parent.last_sequence()


OPENER = """
import sys
from pathlib import Path
from nifty_research.core.clock import WallClock
from nifty_research.ledger.journal import Journal
sys.stdin.read()
Journal.open(Path(sys.argv[1]), sys.argv[2], clock=WallClock()).acquire("x", 60)
"""


def test_a_new_file_may_be_opened_by_several_at_once(path: Path) -> None:
    openers = [
        subprocess.Popen([sys.executable, "-c", OPENER, str(path), name], stdin=subprocess.PIPE)
        for name in ("A", "B", "C")
    ]
    sleep(1.5)  # until all have imported and wait at the start line
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.close()

    assert [opener.wait(30) for opener in openers] == [0, 0, 0]
    with Journal.read_only(path, "A") as reader:
        assert reader.accounts() == ["A", "B", "C"]


CRASH = """
import os, sys
from pathlib import Path
from nifty_research.core.clock import WallClock
from nifty_research.ledger import journal as module
journal = module.Journal.open(Path(sys.argv[1]), "PAPER01", clock=WallClock())
journal.adopt(1)
from sqlalchemy import event
@event.listens_for(journal._writer, "before_cursor_execute")
def before(connection, cursor, statement, *rest):
    if statement.startswith("UPDATE accounts"):
        os.kill(os.getpid(), 9)
journal.append_many([("bar", {"lost": True})] * 3, session="s")
"""


def test_a_crash_in_mid_transaction_leaves_the_chain_valid(path: Path) -> None:
    with Journal.open(path, ACCOUNT, clock=WallClock()) as parent:
        parent.acquire("parent", lease_s=60)
        parent.append("bar", {}, session="s")

        crashed = subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False)

        assert crashed.returncode == -signal.SIGKILL
        assert parent.verify() == []
        assert parent.append("bar", {}, session="s").sequence == 2
        assert not any("lost" in e.payload for e in parent.events())


def test_an_error_in_mid_transaction_writes_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccountRow, "_until_us", lambda self, row: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        journal.append("bar", {}, session="s")

    assert journal.last_sequence() == 6
    monkeypatch.undo()
    assert journal.append("bar", {}, session="s").sequence == 7


def test_a_forked_child_may_not_use_it(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "getpid", lambda: -1)

    with pytest.raises(JournalError, match="fork"):
        journal.append("bar", {}, session="s")
    with pytest.raises(JournalError, match="fork"):
        journal.last_sequence()
    monkeypatch.undo()


def test_a_locked_store_is_reported_after_the_time_out(path: Path) -> None:
    with Journal.open(path, ACCOUNT, clock=WallClock(), busy_timeout_s=0.1) as waiting:
        waiting.acquire("first", lease_s=60)
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailableError, match="locked"):
            waiting.append("bar", {}, session="s")

        blocker.execute("ROLLBACK")
        blocker.close()
        assert waiting.append("bar", {}, session="s").sequence == 1


# -- opening


def test_a_reader_follows_a_writer_and_cannot_write(journal: Journal, path: Path) -> None:
    with Journal.read_only(path) as reader:
        journal.append("bar", {}, session="s")

        assert reader.account == ACCOUNT
        assert reader.last_sequence() == 7
        with pytest.raises(UsageError, match="reading"):
            reader.acquire("reader", lease_s=60)
        with reader._reading() as connection, pytest.raises(Exception, match="readonly"):
            connection.exec_driver_sql("DELETE FROM accounts")


def test_a_reader_asks_which_account_when_there_are_several(
    journal: Journal, make: Callable[..., Journal], path: Path
) -> None:
    make("PAPER02").acquire("other", lease_s=60)

    with pytest.raises(UsageError, match=r"PAPER01.*PAPER02"):
        Journal.read_only(path)
    with Journal.read_only(path, "PAPER02") as reader:
        assert reader.last_sequence() == 0


def test_a_reader_of_nothing_is_told_so(path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="no journal"):
        Journal.read_only(path)


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.write_text("symbol,timestamp,open\n" * 100)

    with pytest.raises(CorruptStateError):
        Journal.open(path, ACCOUNT, clock=WallClock())


def test_a_journal_of_another_version_is_refused(journal: Journal, path: Path) -> None:
    journal.close()
    tamper(path, "PRAGMA user_version = 7")

    with pytest.raises(CorruptStateError, match="version 7"):
        Journal.open(path, ACCOUNT, clock=WallClock())


def test_a_network_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "file_system_of", lambda folder: "nfs4")

    with pytest.raises(StoreUnavailableError, match="nfs4"):
        Journal.open(path, ACCOUNT, clock=WallClock())


def test_a_closed_journal_says_so(journal: Journal) -> None:
    journal.close()

    with pytest.raises(JournalError, match="closed"):
        journal.append("bar", {}, session="s")


def test_importing_it_stays_light() -> None:
    code = (
        "import sys, nifty_research.ledger.journal, nifty_research.ledger.summary;"
        "print([m for m in ('numba', 'pandas', 'plotly') if m in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "[]"


def test_events_of_many_threads_are_committed_together_and_in_one_chain(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "ledger.sqlite", "PAPER01", clock=WallClock()) as journal:
        journal.acquire("threads", 60.0)

        def write(thread: int) -> None:
            for number in range(25):
                entries = [("intent", {"thread": thread, "number": number})] * 2
                assert [e.kind for e in journal.append_many(entries, session="s")] == ["intent"] * 2

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.verify() == [] and journal.last_sequence() == 400
        told = [said for _, said in journal.told("s")]
        for thread in range(8):  # each thread's events in its own order
            own = [said["number"] for said in told if said["thread"] == thread]
            assert own == sorted(own) and len(own) == 50
        assert list(journal.told("s", ["fill"])) == [] and list(journal.told("other")) == []


def test_all_who_wait_hear_that_the_lease_has_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Journal.open(path, "PAPER01", clock=WallClock()) as journal:
        with pytest.raises(JournalError, match="needs the account's lease"):
            journal.append("intent", {}, session="s")
        journal.acquire("first", 60.0)
        journal.append("intent", {}, session="s")  # an error does not stay


def test_a_dead_holder_on_this_host_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from nifty_research.core.clock import WallClock\n"
        "from nifty_research.ledger.journal import Journal\n"
        "Journal.open(Path(sys.argv[1]), 'PAPER01', clock=WallClock()).acquire('dying', 600.0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    with Journal.open(path, "PAPER01", clock=WallClock()) as journal:
        with pytest.raises(AccountBusyError):
            journal.acquire("impatient", 60.0)
        assert journal.acquire("successor", 60.0, from_dead=True) == 2
        with (
            Journal.open(path, "PAPER01", clock=WallClock()) as other,
            pytest.raises(AccountBusyError),
        ):
            other.acquire("second", 60.0, from_dead=True)  # we are alive
