"""The trial ledger: what counts as one try, and that several writers lose and double nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import (
    CorruptStateError,
    DataError,
    StoreUnavailableError,
)
from nifty_research.ledger.journal import Journal
from nifty_research.ledger.trial_ledger import TrialLedger, trials_file
from nifty_research.ledger.trials import DayReturns, Trial
from nifty_research.statistics.sharpe import Seen, deflated_sharpe

WRITER = """
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from nifty_research.ledger.trial_ledger import TrialLedger
from nifty_research.ledger.trials import Trial
from nifty_research.statistics.sharpe import Seen

path, first, last, pause = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, last):
    with TrialLedger.open(path) as ledger:
        trial = Trial("macd", {"fast": number}, "bars", result=Seen(number / 1e4, 500))
        ledger.record([trial], by=f"process {first}")
        print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return trials_file(tmp_path / "ledger.sqlite")


def tried(number: int, *, sharpe: float | None = None, data: str = "bars") -> Trial:
    "One setting of one strategy."
    result = None if sharpe is None else Seen(sharpe, 500)
    return Trial("macd", {"fast": number}, data, result=result)


def writer(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    "A process that opens the ledger anew for each trial."
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(last), ""]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


# ---- what one trial is


parameters = st.dictionaries(
    st.text("abcdef", min_size=1),
    st.one_of(st.integers(-1000, 1000), st.booleans(), st.text(max_size=5)),
    max_size=4,
)


@given(parameters)
def test_a_trial_is_the_same_in_any_order_and_as_numpy_numbers(values: dict[str, object]) -> None:
    told = Trial("macd", values, "bars")

    turned = dict(reversed(values.items()))
    as_numpy = {
        name: np.float64(one) if isinstance(one, int) and not isinstance(one, bool) else one
        for name, one in turned.items()
    }

    assert Trial("macd", turned, "bars").key == told.key == Trial("macd", as_numpy, "bars").key


@given(parameters, parameters)
def test_other_parameters_are_another_trial(
    one: dict[str, object], other: dict[str, object]
) -> None:
    same = {name: (type(v), v) for name, v in one.items()} == {
        name: (type(v), v) for name, v in other.items()
    }

    assert (Trial("macd", one, "bars").key == Trial("macd", other, "bars").key) == same


def test_data_settings_and_code_make_another_trial_and_source_does_not() -> None:
    plain = Trial("macd", {"fast": 5}, "bars")
    others = [
        Trial("rsi", {"fast": 5}, "bars"),
        Trial("macd", {"fast": 5}, "other bars"),
        Trial("macd", {"fast": 5}, "bars", settings="2b"),
        Trial("macd", {"fast": 5}, "bars", code="2b"),
    ]

    assert len({plain.key, *(other.key for other in others)}) == 5
    assert Trial("macd", {"fast": 5}, "bars", source="sweep").key == plain.key
    assert others[1].variant == plain.variant


@pytest.mark.parametrize("odd", [float("inf"), float("nan"), object(), {1, 2}])
def test_a_parameter_that_is_no_value_is_refused(odd: object) -> None:
    with pytest.raises(DataError):
        _ = Trial("macd", {"fast": odd}, "bars").key


# ---- counting


def test_the_same_trial_counts_once_on_any_day_by_anyone(path: Path) -> None:
    with TrialLedger.open(path) as ledger:
        ledger.record([tried(n, sharpe=0.01) for n in range(1_000)], by="asha")
    with TrialLedger.open(path) as ledger:
        again = ledger.record([tried(n, sharpe=0.01) for n in range(900, 1_100)], by="ravi")
        family = ledger.family("macd")

    assert (again.new, again.known, again.differing) == (100, 100, ())
    assert (family.trials, family.variants, family.people) == (1_100, 1_100, 2)


def test_a_variant_on_other_data_is_a_trial_and_no_new_variant(path: Path) -> None:
    with TrialLedger.open(path) as ledger:
        ledger.record([tried(1), tried(1, data="other"), tried(1), tried(2)])
        family = ledger.family("macd")

    assert (family.trials, family.variants, family.data_sets, family.known) == (3, 2, 2, 0)
    assert family.best is None and family.deflated is None


def test_a_trial_written_before_its_run_is_completed_by_its_result(path: Path) -> None:
    with TrialLedger.open(path) as ledger:
        ledger.record([tried(1), tried(2)])
        ledger.record([tried(1, sharpe=0.05)])
        first, second = ledger.entries("macd")

    assert first.result == Seen(0.05, 500) and first.times == 1
    assert second.result is None and second.times == 0


def test_the_best_is_deflated_by_all_trials_of_the_family(path: Path) -> None:
    ratios = np.random.default_rng(0).normal(0.0, 0.04, 50)
    with TrialLedger.open(path) as ledger:
        ledger.record(tried(n, sharpe=float(ratio)) for n, ratio in enumerate(ratios))
        ledger.record([Trial("rsi", {}, "bars", result=Seen(0.5, 500))])
        macd, rsi = ledger.families()

    expected = deflated_sharpe(Seen(float(ratios.max()), 500), 50, float(np.std(ratios, ddof=1)))
    assert macd.deflated == pytest.approx(expected, abs=1e-12)
    assert rsi.trials == 1 and rsi.deflated == pytest.approx(1.0)
    assert macd.record()["trials"] == 50


# ---- several writers, and one that dies


def test_four_writers_lose_and_double_nothing(path: Path) -> None:
    spans = ((0, 20), (10, 30), (20, 40), (0, 40))
    processes = [writer(path, *span) for span in spans]
    for process in processes:
        go(process)
    codes = [process.wait(120) for process in processes]

    with TrialLedger.read_only(path) as ledger:
        entries = ledger.entries("macd")

    assert codes == [0, 0, 0, 0]
    assert sorted(entry.parameters["fast"] for entry in entries) == list(range(40))
    assert sum(entry.times for entry in entries) == 20 + 20 + 20 + 40


def test_a_killed_writer_leaves_what_it_said_it_wrote(path: Path) -> None:
    process = writer(path, 0, 100_000)
    go(process)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait(30)

    with TrialLedger.open(path) as ledger:
        found = {entry.parameters["fast"] for entry in ledger.entries("macd")}
        ledger.record([tried(-1)])

    assert found - set(told) <= {max(told) + 1} and set(told) <= found


def test_a_reader_waits_for_nobody(path: Path) -> None:
    with TrialLedger.open(path) as held:
        held.record([tried(1)])
        with held._transaction(), TrialLedger.read_only(path, busy_timeout_s=0.1) as reader:
            count = reader.family("macd").trials

    assert count == 1


# ---- files that are none


def test_a_journal_is_no_trial_ledger_and_stays_as_it_is(tmp_path: Path) -> None:
    from nifty_research.core.clock import WallClock

    journal = tmp_path / "ledger.sqlite"
    with Journal.open(journal, "PAPER01", clock=WallClock()):
        pass

    with pytest.raises(CorruptStateError, match="no trial ledger"):
        TrialLedger.open(journal)
    with Journal.read_only(journal) as opened:
        assert opened.accounts() == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "trials.sqlite").mkdir()

    with pytest.raises(StoreUnavailableError, match="the trial ledger cannot be used now"):
        TrialLedger.open(tmp_path / "trials.sqlite")


def test_a_ledger_of_the_first_version_goes_on_and_keeps_returns_from_then_on(path: Path) -> None:
    old = tried(1, sharpe=0.1)
    with TrialLedger.open(path) as ledger:
        ledger.record([old])
        with ledger._transaction() as connection:
            connection.exec_driver_sql("DROP TABLE returns")
            connection.exec_driver_sql("DROP TABLE days")
            connection.exec_driver_sql("PRAGMA user_version=1")
    days = [date(2026, 11, 2) + timedelta(n) for n in range(3)]
    with TrialLedger.read_only(path) as ledger:
        assert ledger.family("macd").trials == 1
        assert ledger.returns("macd", days)[0] == []

    daily = DayReturns.of(days, [0.0, 0.01, -0.01])
    with TrialLedger.open(path) as ledger:
        ledger.record([replace(tried(2, sharpe=0.2), daily=daily)])
        keys, table = ledger.returns("macd", days)

    assert keys == [tried(2).key]
    np.testing.assert_allclose(table[:, 0], [0.0, 0.01, -0.01], rtol=1e-6)


def test_of_many_variants_an_even_part_is_given(path: Path) -> None:
    days = [date(2026, 11, 2) + timedelta(n) for n in range(3)]
    daily = DayReturns.of(days, [0.0, 0.01, -0.01])
    with TrialLedger.open(path) as ledger:
        ledger.record([replace(tried(n, sharpe=0.1), daily=daily) for n in range(1, 95)])
        keys, table = ledger.returns("macd", days, most=10)

    assert len(keys) == 10
    assert table.shape == (3, 10)


def test_days_that_are_not_all_there_are_not_laid_beside_others(path: Path) -> None:
    days = [date(2026, 11, 2) + timedelta(n) for n in range(3)]
    with TrialLedger.open(path) as ledger:
        daily = DayReturns.of(days[:2], [0.0, 0.01])
        ledger.record([replace(tried(1, sharpe=0.1), daily=daily)])
        assert ledger.returns("macd", days)[0] == []
        assert ledger.returns("macd", days[:2])[0] == [tried(1).key]
        assert ledger.returns("rsi", days[:2])[0] == []


def test_a_record_with_another_number_of_days_is_refused() -> None:
    with pytest.raises(DataError, match="one finite return a day"):
        DayReturns.of([date(2026, 11, 2)], [0.0, 0.01])


def test_settings_by_name_are_one_variant_where_their_hash_is_the_same() -> None:
    named = Trial("macd", {"fast": 5, "risk.stop_atr": 2.0}, "bars", settings="a1")
    assert named.key == Trial("macd", {"fast": 5}, "bars", settings="a1").key
    assert named.key != Trial("macd", {"fast": 5}, "bars", settings="b2").key
