"""A crash, a kill, a full disk or a second writer leaves whole files: the old ones or the new."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nifty_research.core.errors import DataError
from nifty_research.data.store import BarStore
from nifty_research.data.writing import sweep, writer

# A writer in a process of its own: adds January of two years, and dies or is stopped on the way.
WRITER = """
import datetime as dt, os, resource, signal, sys
from pathlib import Path
import pyarrow as pa
from nifty_research.data.store import BarStore

root, close, how, at = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def rows(close):
    days = [dt.date(year, 1, day) for year in (2024, 2025) for day in range(1, 29)]
    names = [f"S{n:03d}" for n in range(60)]
    count = len(days) * len(names)
    price = [close] * count
    return pa.table({
        "date": [day for day in days for _ in names], "symbol": names * len(days),
        "series": ["EQ"] * count, "open": price, "high": price, "low": price, "close": price,
        "volume": [1] * count, "source": ["test"] * count,
    })

left = at

def counted(call):
    def wrapped(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return wrapped

if how in ("fsync", "replace"):
    setattr(os, how, counted(getattr(os, how)))
if how == "size":
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, at))
BarStore(root, wait_s=0.2).append_daily(rows(close), replace=True)
"""


def write(
    root: Path, close: float, how: str = "whole", at: int = 0
) -> subprocess.CompletedProcess[str]:
    "Run the writer to its end, whatever that is."
    command = [sys.executable, "-c", WRITER, str(root), str(close), how, str(at)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def closes(root: Path) -> dict[str, set[float]]:
    "The closes in each file; every file is read to its last byte."
    files = sorted((root / "daily").glob("*.parquet"))
    return {f.name: set(pq.read_table(f, columns=["close"])["close"].to_pylist()) for f in files}


def row(day: dt.date, close: float = 1.0) -> pa.Table:
    names = ("open", "high", "low", "close")
    about = {"date": [day], "symbol": ["TCS"], "series": ["EQ"], "source": ["test"], "volume": [1]}
    return pa.table(about | {name: [close] for name in names})


@pytest.mark.parametrize(
    ("how", "at", "after"),
    [
        ("fsync", 1, {1.0}),  # The first draft is written, not on the disk
        ("fsync", 2, {1.0}),  # The second
        ("replace", 1, {1.0}),  # Both are on the disk, nothing moved
        ("replace", 2, {1.0, 2.0}),  # One of two moved
        ("fsync", 3, {2.0}),  # Both moved, the folder not yet on the disk
    ],
)
def test_a_kill_leaves_whole_files_and_the_same_import_again_completes_it(
    tmp_path: Path, how: str, at: int, after: set[float]
) -> None:
    root = tmp_path / "store"
    assert write(root, 1.0).returncode == 0
    killed = write(root, 2.0, how, at)
    assert killed.returncode == -signal.SIGKILL
    found = closes(root)
    assert set(found) == {"2024.parquet", "2025.parquet"}
    assert all(len(values) == 1 for values in found.values())  # No file is a mixture
    assert set.union(*found.values()) == after
    bars = BarStore(root).bars(["S000"], dt.date(2024, 1, 1), dt.date(2025, 12, 31), "day")
    assert bars.shape == (56, 1)
    assert write(root, 2.0).returncode == 0
    assert set.union(*closes(root).values()) == {2.0}
    assert not list(root.rglob(".*.draft"))


def test_kills_at_any_moment_leave_whole_files(tmp_path: Path) -> None:
    root = tmp_path / "store"
    assert write(root, 1.0).returncode == 0
    command = [sys.executable, "-c", WRITER, str(root), "2.0", "whole", "0"]
    began = time.monotonic()
    subprocess.run(command, check=True)
    usual = time.monotonic() - began
    for attempt in range(6):
        process = subprocess.Popen(command)
        time.sleep(usual * (0.5 + 0.1 * attempt))
        process.kill()
        process.wait()
        assert all(values in ({1.0}, {2.0}) for values in closes(root).values())
    with writer(root):
        assert not list(root.rglob(".*.draft"))  # Swept by whoever writes next


@pytest.mark.parametrize("limit", [0, 100, 5_000])
def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path, limit: int) -> None:
    root = tmp_path / "store"
    assert write(root, 1.0).returncode == 0
    before = BarStore(root).manifest()
    refused = write(root, 2.0, "size", limit)
    assert refused.returncode == 1
    assert "DataError" in refused.stderr and "no room" in refused.stderr
    assert BarStore(root).manifest() == before
    assert not list(root.rglob(".*.draft"))


def test_a_second_writer_hears_who_the_first_is(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with writer(root):
        refused = write(root, 2.0)
        told = json.loads((root / ".writer").read_text())
    assert refused.returncode == 1 and f"process {os.getpid()}" in refused.stderr
    assert told["pid"] == os.getpid() and not (root / ".writer").exists()
    assert write(root, 2.0).returncode == 0


def test_two_writers_at_once_both_get_their_rows_in(tmp_path: Path) -> None:
    program = (
        WRITER.replace("wait_s=0.2", "wait_s=60")
        .replace("replace=True", "")
        .replace('f"S{n:03d}"', 'f"{sys.argv[5]}{n:03d}"')
    )
    root = tmp_path / "store"
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(root), "1.0", "whole", "0", name])
        for name in ("A", "B", "C")
    ]
    assert [process.wait(timeout=300) for process in writers] == [0, 0, 0]
    assert len(BarStore(root).symbols()) == 180
    assert sum(held.rows for held in BarStore(root).coverage()) == 3 * 60 * 56


def test_a_reader_in_the_middle_of_a_change_sees_the_old_file(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    january = (dt.date(2025, 1, 1), dt.date(2025, 1, 31))
    store.append_daily(row(dt.date(2025, 1, 2)))
    opened = pq.ParquetFile(store.places.daily(2025))
    store.append_daily(row(dt.date(2025, 1, 3)))
    assert opened.read().num_rows == 1
    assert store.bars(["TCS"], *january, "day").shape == (2, 1)


def test_readers_never_see_a_mixture_of_two_states(tmp_path: Path) -> None:
    store, january = BarStore(tmp_path), (dt.date(2025, 1, 1), dt.date(2025, 1, 31))
    days = [dt.date(2025, 1, day) for day in range(1, 29)]
    stamps = pd.date_range("2025-01-02 09:15", periods=300, freq="min", tz="Asia/Kolkata")

    def write_state(state: int) -> None:
        "Everything at one price, and a new symbol before it, so that all rows move."
        price = [float(state)] * len(days)
        rows = {name: price for name in ("open", "high", "low", "close")}
        about = {"date": days, "series": ["EQ"] * len(days), "source": ["test"] * len(days)}
        for symbol in (f"A{state:03d}", "TCS"):
            part = about | rows | {"symbol": [symbol] * len(days), "volume": [1] * len(days)}
            store.append_daily(pa.table(part), replace=True)
        count = 100 + state
        minutes = {name: [float(state)] * count for name in rows}
        about = {"timestamp": pa.array(stamps[:count]), "symbol": ["TCS"] * count}
        store.append_minutes(pa.table(about | minutes | {"volume": [1] * count}), replace=True)

    def write_states() -> None:
        for state in range(2, 42):
            write_state(state)

    write_state(1)
    thread = threading.Thread(target=write_states)
    thread.start()
    seen: dict[int | str, set[float]] = {"day": set(), 1: set()}
    while thread.is_alive():
        for interval, states in seen.items():
            closes = set(np.unique(store.bars(["TCS"], *january, interval).close).tolist())
            assert len(closes) == 1
            states |= closes
    thread.join()
    assert all(len(states) > 1 for states in seen.values())


def test_drafts_of_a_dead_writer_are_swept_and_nothing_else(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.append_daily(row(dt.date(2025, 1, 2)))
    draft = tmp_path / "daily" / ".2025.parquet.draft"
    draft.write_bytes(b"half a file")
    assert store.coverage()[0].rows == 1  # No reader looks at it
    store.append_daily(row(dt.date(2025, 1, 3)))
    assert not draft.exists() and sweep(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "emptied", "text"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    store = BarStore(tmp_path)
    store.append_daily(row(dt.date(2025, 1, 2), close=1404.3))
    path = store.places.daily(2025)
    body = path.read_bytes()
    body = {"cut": body[: len(body) // 2], "emptied": b"", "text": b"SYMBOL,SERIES\n" * 9}[damage]
    path.write_bytes(body)
    for use in (
        lambda: store.bars(["TCS"], dt.date(2025, 1, 1), dt.date(2025, 1, 31), "day"),
        lambda: store.append_daily(row(dt.date(2025, 1, 3))),
    ):
        with pytest.raises(
            DataError, match=r"2025\.parquet.*cannot be read.*import its days again"
        ):
            use()
    assert path.read_bytes() == body


def flipped(path: Path, column: str) -> None:
    "Change one bit of the last value of a column."
    body = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(0)
    chunks = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    chunk = chunks[column]
    body[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(bytes(body))


def test_a_flipped_bit_is_found_and_not_written_on(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.append_daily(row(dt.date(2025, 1, 2), close=1404.3))
    assert store.damaged() == {}
    path = store.places.daily(2025)
    flipped(path, "close")
    assert list(store.damaged()) == [path]
    with pytest.raises(DataError, match="cannot be read"):
        store.append_daily(row(dt.date(2025, 1, 3)))


def test_a_file_that_another_program_wrote_back_is_read_in_the_ordinary_way(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    days = [dt.date(2025, 1, day) for day in range(1, 29)]
    store.append_daily(pa.concat_tables([row(day, 100.0 + day.day) for day in days]))
    asked = (["TCS"], days[3], days[20], "day")
    before = store.bars(*asked)
    path = store.places.daily(2025)
    for manner in (
        {"compression": "snappy"},
        {"row_group_size": 5},
        {
            "use_dictionary": False,
            "compression": "none",
            "max_rows_per_page": 7,
            "write_batch_size": 7,
        },
        {"use_dictionary": False, "compression": "none", "data_page_version": "2.0"},
        {"use_dictionary": False, "compression": "none", "use_byte_stream_split": ["close"]},
    ):
        pq.write_table(pq.read_table(path), path, **manner)
        assert store.bars(*asked).equals(before), manner


def test_a_file_that_another_program_shortened_is_refused(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.append_daily(pa.concat_tables([row(dt.date(2025, 1, day)) for day in (1, 2, 3)]))
    path = store.places.daily(2025)
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(DataError, match="2 rows, 3 were written"):
        store.bars(["TCS"], dt.date(2025, 1, 1), dt.date(2025, 1, 31), "day")
