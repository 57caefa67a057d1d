"""The program as people and scripts meet it: what it prints where, and how it ends."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from nifty_research.cli.main import app, run
from nifty_research.core.clock import WallClock
from nifty_research.core.errors import ExitCode
from nifty_research.ledger.journal import Journal

ROOT = Path(__file__).resolve().parents[2]
NIFTY = str(Path(sys.executable).with_name("nifty"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A folder with the project's settings and nothing else."
    text = (ROOT / "settings.ini").read_text()
    (tmp_path / "settings.ini").write_text(text)
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    return tmp_path


@pytest.fixture
def ledger(project: Path) -> Path:
    "A journal of one finished run."
    path = project / "runs" / "ledger.sqlite"
    with Journal.open(path, "PAPER01", clock=WallClock()) as journal:
        journal.acquire("20260915-100000-aaaa", lease_s=60)
        said = {"capital_paise": 1_00_000_00, "days": ["2026-09-15"], "mode": "paper"}
        journal.append("session started", said, session="20260915-100000-aaaa")
        ended = {"verdict": "completed", "reason": ""}
        journal.append("session ended", ended, session="20260915-100000-aaaa")
        journal.release()
    return path


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    "Exit code, standard output and standard error of a command."
    code = run(arguments)
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err


def commands() -> Iterator[list[str]]:
    "Every command by its words."
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        if below := getattr(command, "commands", None):
            yield from ([name, word] for word in below)
        else:
            yield [name]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_explains_itself_with_an_example(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = typed(capsys, *words, "--help")
    assert code == 0 and not err
    assert "Example: nifty " + " ".join(words) in " ".join(out.split())


def test_help_answers_at_once_because_it_imports_nothing_heavy() -> None:
    heavy = ("pandas", "numpy", "numba", "plotly", "sqlalchemy", "pydantic.main")
    script = (
        "import sys; from nifty_research.cli.main import run; code = run(['--help']);"
        f"found = [name for name in {heavy} if name in sys.modules];"
        "sys.exit(code or bool(found) and str(found))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["papr"], ExitCode.USAGE, "papr"),
        (["paper", "--interval", "one"], ExitCode.USAGE, "--interval"),
        (["why", "x"], ExitCode.USAGE, "nifty why --help"),
        (["backtest", "--set", "daily_loss"], ExitCode.USAGE, "section.key=value"),
        (["backtest", "--strategy", "moving_averag"], ExitCode.USAGE, "moving_average"),
        (["backtest", "--day", "15.09.2026"], ExitCode.USAGE, "year-month-day"),
        (["new", "strategy", "9x"], ExitCode.USAGE, "lower-case"),
        (["backtest", "--set", "risk.daily_loss=2"], ExitCode.SETTINGS, "risk.daily_loss"),
        (["backtest", "--profile", "agressive"], ExitCode.SETTINGS, "aggressive"),
        (["settings", "show", "--set", "risc.x=1"], ExitCode.SETTINGS, "risc"),
        (["backtest", "--interval", "7"], ExitCode.SETTINGS, "interval_minutes"),
        (["backtest", "--set", "risk.open_positions=0"], ExitCode.SETTINGS, "could be traded"),
        (["backtest", "--day", "2026-09-13"], ExitCode.DATA, "2026-09-11"),
        (["backtest", "--bars", "no/such/file"], ExitCode.DATA, "no/such/file"),
        (["live"], ExitCode.RISK_HALT, "kill switch"),
        (["runs", "--jason"], ExitCode.USAGE, "--jason"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_error_is_one_block_that_says_what_to_do(
    words: list[str],
    code: ExitCode,
    said: str,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, out, err = typed(capsys, *words)
    assert ended == code and not out
    assert err.startswith("error: ") and said in err
    assert "Traceback" not in err and "\n  do " in err


def test_an_unforeseen_error_is_a_block_and_a_trace_only_when_asked_for(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("nifty_research.core.settings.load_settings", break_down)
    code, out, err = typed(capsys, "settings", "show")
    assert code == ExitCode.UNEXPECTED and not out
    assert "ZeroDivisionError" in err and "NIFTY_DEBUG=1" in err and "Traceback" not in err

    monkeypatch.setenv("NIFTY_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["settings", "show"])


def test_an_interrupt_has_its_own_exit_code(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nifty_research.core.settings.load_settings", interrupt)
    code, out, err = typed(capsys, "settings", "show")
    assert code == ExitCode.INTERRUPTED and not out and err == "interrupted\n"


def test_settings_name_their_origin(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "settings", "show", "--set", "risk.daily_loss=0.01", "--json")
    assert code == 0
    rows = {f"{row['section']}.{row['key']}": row for row in json.loads(out)}
    assert rows["risk.daily_loss"]["value"] == "0.01"
    assert rows["risk.daily_loss"]["origin"] == "argument"
    assert rows["paths.runs"]["origin"] == "settings.ini"


def test_strategies_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "strategies", "--json")
    assert code == 0 and "moving_average" in [row["name"] for row in json.loads(out)]
    assert "moving_average" in typed(capsys, "strategies")[1]


def test_no_run_yet_is_an_answer(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(capsys, "runs") == (0, "no run yet\n", "")
    code, out, _ = typed(capsys, "runs", "--json")
    assert code == 0 and json.loads(out) == []


def test_runs_have_a_verdict(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "runs", "--json")
    assert code == 0
    assert [(row["run"], row["verdict"]) for row in json.loads(out)] == [
        ("20260915-100000-aaaa", "completed")
    ]


def test_an_unknown_run_is_refused_with_those_that_exist(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = typed(capsys, "parity", "20260916")
    assert code == ExitCode.USAGE and "20260915-100000-aaaa" in err


def test_an_intact_ledger_verifies(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "ledger", "verify")
    assert code == 0 and "chain intact" in out


def test_an_edited_ledger_is_named_with_its_event(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    with sqlite3.connect(ledger) as raw:
        raw.execute("DROP TRIGGER events_no_update")
        raw.execute("UPDATE events SET payload = '{}' WHERE sequence = 2")
    raw.close()
    code, out, _ = typed(capsys, "ledger", "verify", "--json")
    assert code == ExitCode.LEDGER
    assert [finding["sequence"] for finding in json.loads(out)[0]["findings"]] == [2]
    assert typed(capsys, "doctor")[0] == ExitCode.LEDGER


def test_a_new_strategy_is_a_notebook(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "new", "strategy", "opening_range_of_a_test")
    assert code == 0 and "after make export: make paper STRATEGY=opening_range_of_a_test" in out
    assert (project / "nbs" / "strategies" / "opening_range_of_a_test.ipynb").is_file()


def test_the_doctor_names_what_is_missing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = typed(capsys, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert code == ExitCode.SETTINGS  # this project has no notebooks
    assert checks["notebook"]["state"] == "fault" and checks["settings"]["state"] == "ok"
    assert checks["token"]["text"] == "paper needs none; live is refused"


def test_a_backtest_prints_the_same_figures_for_people_and_programs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backtest", "--day", "2026-09-15", "--interval", "15", "--seed", "7"]
    code, out, _ = typed(capsys, *words, "--json")
    told = json.loads(out)
    assert code == 0 and told["summary"]["days"] == ["2026-09-15"]
    assert told["summary"]["net_paise"] == (
        told["summary"]["gross_paise"] - told["summary"]["charges_paise"]
    )
    code, text, _ = typed(capsys, *words)
    assert code == 0 and "maximum drawdown" in text and f"{told['summary']['trades']} (" in text
    assert json.loads(typed(capsys, *words, "--json")[1]) == told


def test_a_reader_who_has_seen_enough_is_no_error(project: Path) -> None:
    environment = os.environ | {"NIFTY_SETTINGS": str(project / "settings.ini")}
    program = subprocess.Popen(
        [NIFTY, "settings", "show"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert program.stdout is not None and program.stderr is not None
    program.stdout.close()
    assert program.stderr.read() == b"" and program.wait(timeout=60) == 0
    program.stderr.close()


def test_the_program_without_a_word_explains_itself() -> None:
    began = time.monotonic()
    done = subprocess.run([NIFTY], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "paper" in done.stdout and not done.stderr
    print(f"answered in {time.monotonic() - began:.2f} s")
