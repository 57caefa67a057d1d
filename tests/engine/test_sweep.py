"""Sweeps: the same table wherever they run, interrupted or not, and whoever dies."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from sweep_market import FAST, GRID, SLOW, base_settings, market_bars

from nifty_research.core.errors import SettingsError, UsageError
from nifty_research.core.settings import Settings
from nifty_research.data.bars import Bars
from nifty_research.engine.sweep import sweep, sweep_folder
from nifty_research.engine.sweep_field import heat_table, neighbours
from nifty_research.engine.sweep_plan import Variants, plan
from nifty_research.engine.sweep_search import search


@pytest.fixture
def base() -> Settings:
    return base_settings()


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market_bars()


@pytest.fixture
def serial(bars: Bars, base: Settings, tmp_path: Path) -> pd.DataFrame:
    return sweep(bars, base, GRID, store=tmp_path / "serial", workers=1)


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def stored(bars: Bars, base: Settings, store: Path) -> list[str]:
    "Settings of the one table that is left, each as often as it stands there."
    folder = sweep_folder(store, bars, base, 0)
    left = [path.name for path in folder.iterdir() if path.name != "lock"]
    assert left == ["results.parquet"]
    return sorted(pd.read_parquet(folder / "results.parquet")["setting"])


def test_contradictions_are_left_out_and_counted(serial: pd.DataFrame) -> None:
    assert len(serial) == 20 and sum(serial.attrs["left_out"].values()) == 4
    assert (serial[FAST] < serial[SLOW]).all() and serial["trades"].sum() > 50


def test_threads_and_processes_give_the_serial_table(
    bars: Bars, base: Settings, serial: pd.DataFrame, tmp_path: Path
) -> None:
    assert_same(sweep(bars, base, GRID, store=tmp_path / "threads"), serial)
    assert_same(sweep(bars, base, GRID, store=tmp_path / "processes", workers=2), serial)
    assert stored(bars, base, tmp_path / "processes") == sorted(serial["setting"])


def test_dask_gives_the_serial_table(
    bars: Bars, base: Settings, serial: pd.DataFrame, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, protocol="tcp://", dashboard_address=":0"
    ) as cluster:
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1")
        found = sweep(
            bars, base, GRID, store=tmp_path / "dask", scheduler=cluster.scheduler_address
        )

    assert_same(found, serial)


def test_an_interrupted_sweep_goes_on(
    bars: Bars, base: Settings, serial: pd.DataFrame, tmp_path: Path
) -> None:
    ran: list[str] = []

    def stop(frame: pd.DataFrame, done: int, total: int) -> None:
        if done > 8:
            raise KeyboardInterrupt
        ran.extend(frame["setting"])

    with pytest.raises(KeyboardInterrupt):
        sweep(bars, base, GRID, store=tmp_path, workers=1, on_batch=stop)
    first = len(ran)
    found = sweep(
        bars, base, GRID, store=tmp_path, workers=1,
        on_batch=lambda frame, done, total: ran.extend(frame["setting"]),
    )  # fmt: skip

    assert 0 < first == found.attrs["known"] < len(serial)
    assert sorted(ran) == sorted(serial["setting"]) == stored(bars, base, tmp_path)
    pd.testing.assert_frame_equal(found, serial, check_exact=True)
    again = sweep(bars, base, GRID, store=tmp_path, workers=1, on_batch=stop)
    assert again.attrs["known"] == len(serial)


def test_a_killed_worker_loses_nothing(
    bars: Bars, base: Settings, serial: pd.DataFrame, tmp_path: Path
) -> None:
    counted: list[str] = []
    killed: list[int] = []

    def kill(frame: pd.DataFrame, done: int, total: int) -> None:
        counted.extend(frame["setting"])
        if not killed:
            victim = multiprocessing.active_children()[0]
            os.kill(victim.pid or 0, signal.SIGKILL)
            victim.join()
            killed.append(done)

    found = sweep(bars, base, GRID, store=tmp_path, workers=2, on_batch=kill)

    assert killed and killed[0] < len(serial)
    assert sorted(counted) == sorted(serial["setting"]) == stored(bars, base, tmp_path)
    assert_same(found, serial)


def test_a_killed_worker_of_a_cluster_loses_nothing(
    bars: Bars, base: Settings, serial: pd.DataFrame, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    counted: list[str] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, protocol="tcp://", dashboard_address=":0"
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid

        def kill(frame: pd.DataFrame, done: int, total: int) -> None:
            counted.extend(frame["setting"])
            if psutil.pid_exists(victim) and len(counted) == len(frame):
                os.kill(victim, signal.SIGKILL)

        found = sweep(
            bars, base, GRID, store=tmp_path, scheduler=cluster.scheduler_address, on_batch=kill
        )

    assert sorted(counted) == sorted(serial["setting"]) == stored(bars, base, tmp_path)
    assert_same(found, serial)


def test_a_cluster_gets_the_data_once(bars: Bars, base: Settings, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    held: list[tuple[int, int, int, int]] = []

    def look(dask_scheduler: Any) -> tuple[int, int, int, int]:
        "Bytes of the largest thing that is held, by how many; tasks, and the largest of them."
        tasks = [one for one in dask_scheduler.tasks.values() if one.run_spec is not None]
        data = max(dask_scheduler.tasks.values(), key=lambda one: one.nbytes)
        largest = max(len(pickle.dumps(one.run_spec)) for one in tasks)
        return data.nbytes, len(data.who_has), len(tasks), largest

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, protocol="tcp://", dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        sweep(
            bars, base, GRID, store=tmp_path, scheduler=cluster.scheduler_address,
            on_batch=lambda *told: held.append(client.run_on_scheduler(look)),
        )  # fmt: skip

    size, workers, tasks, largest = held[0]
    assert size > sum(getattr(bars, name).nbytes for name in ("open", "high", "low", "close"))
    assert workers == 2 and tasks > 4
    assert largest < 4_000 < size  # a batch carries words, not bars


def test_a_killed_sweep_goes_on_to_the_same_table(
    bars: Bars, base: Settings, serial: pd.DataFrame, tmp_path: Path
) -> None:
    program = [sys.executable, str(Path(__file__).with_name("sweep_market.py")), str(tmp_path)]
    folder = sweep_folder(tmp_path, bars, base, 0)
    with subprocess.Popen(program) as child:
        until = time.monotonic() + 200
        while not list(folder.glob("part-*")) and child.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        workers = psutil.Process(child.pid).children(recursive=True)
        child.kill()

    ran: list[str] = []
    found = sweep(
        bars, base, GRID, store=tmp_path, workers=1,
        on_batch=lambda frame, done, total: ran.extend(frame["setting"]),
    )  # fmt: skip
    assert 0 < found.attrs["known"] < len(serial) == found.attrs["known"] + len(ran)
    assert_same(found, serial)
    assert stored(bars, base, tmp_path) == sorted(serial["setting"])
    assert pq.read_table(found.attrs["file"]).equals(pq.read_table(serial.attrs["file"]))
    assert workers and not psutil.wait_procs(workers, timeout=30)[1]


def test_one_sweep_at_a_time_in_a_folder(bars: Bars, base: Settings, tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(frame: pd.DataFrame, done: int, total: int) -> None:
        inside.set()
        leave.wait(60)

    first = threading.Thread(
        target=lambda: sweep(bars, base, GRID, store=tmp_path, workers=1, on_batch=wait)
    )
    first.start()
    assert inside.wait(120)
    try:
        with pytest.raises(UsageError, match="another process"):
            sweep(bars, base, GRID, store=tmp_path, workers=1)
    finally:
        leave.set()
        first.join()


def test_optuna_stays_inside_the_grid_and_repeats(
    bars: Bars, base: Settings, serial: pd.DataFrame, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    found = search(bars, base, GRID, store=tmp_path / "a", tries=10, a_round=5, workers=1)
    again = search(bars, base, GRID, store=tmp_path / "b", tries=10, a_round=5, workers=1)

    known = serial.set_index("setting")["sharpe"]
    assert 0 < len(found) <= 10
    assert found["sharpe"].tolist() == known[found["setting"]].tolist()
    assert found["setting"].tolist() == again["setting"].tolist()


def test_neighbours_are_one_step_away() -> None:
    lines = [(x, y, -abs(x - 20) - abs(y - 2.0)) for x in (10, 20, 40, 80) for y in (1.0, 2.0, 3.0)]
    table = pd.DataFrame(lines, columns=["x", "y", "sharpe"])

    near = neighbours(table, ["x", "y"])

    assert tuple(near.iloc[0]) == (20, 2.0, 0.0)
    assert set(near["x"]) == {10, 20, 40} and len(near) == 9
    assert heat_table(table, "x", "y").loc[80, 1.0] == -61.0


def test_what_varies_changes_what_it_should(base: Settings) -> None:
    made = Variants(base).of({"risk.stop_atr": "1.5", SLOW: "30"})

    assert made.settings.risk.stop_atr == 1.5 and base.risk.stop_atr != 1.5
    assert made.seated[0].strategy.slow == 30  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="does not decide"):
        plan(base, {"strategy macd.fast": [3]})
    with pytest.raises(SettingsError, match="no setting of the grid"):
        plan(base, {FAST: [9], SLOW: [4, 9]})


def test_impossible_workers_and_starts_are_refused(
    bars: Bars, base: Settings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="worker"):
        sweep(bars, base, GRID, store=tmp_path, workers=0)
    with pytest.raises(UsageError, match="row of the bars"):
        sweep(bars, base, GRID, store=tmp_path, start=9_999)
    assert not any(tmp_path.iterdir())


ENDING = """
import multiprocessing

from nifty_research.engine.sweep_run import pool_of

def work() -> None:
    assert pool_of(1).submit(int, "7").result() == 7

if __name__ == "__main__":
    one = multiprocessing.get_context("fork").Process(target=work)
    one.start()
    one.join(90)
    print("ended", one.exitcode)
    one.kill()
"""


def test_a_process_that_has_swept_comes_to_its_end(tmp_path: Path) -> None:
    script = tmp_path / "ending.py"
    script.write_text(ENDING)

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=180)

    assert done.stdout == "ended 0\n", done.stderr
