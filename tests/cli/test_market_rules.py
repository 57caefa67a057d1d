"""The commands on dated rules as they are typed: what they print, and how they fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nifty_research.cli import bench_rules, market_rules
from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.market.rules import subjects

assert market_rules.show  # its import makes the commands


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(("market", *arguments))
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, out, err = typed(capsys, *arguments, "--json")
    assert code == 0, err
    records: list[dict[str, Any]] = json.loads(out)
    return records


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("RELIANCE", "share with derivatives: continuous 09:15 to 15:15"),
        ("NIFTY", "freeze quantity"),
        ("NIFTY26NOV24000CE", "65 units"),
        ("usdinr", "currency: continuous"),
    ],
)
def test_show_prints_a_table_for_each_kind_of_symbol(
    symbol: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = typed(capsys, "show", "2026-11-20", symbol)
    assert (code, err) == (0, "")
    assert expected in " ".join(out.split())
    assert "with a primary source" in out.splitlines()[-1]
    assert max(map(len, out.splitlines())) < 180


def test_show_as_json_holds_what_the_table_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    records = answered(capsys, "show", "2026-11-20", "RELIANCE")
    assert {"subject", "what", "value", "since", "source", "verified", "known"} <= set(records[0])
    stamped = next(one for one in records if one["what"].startswith("equity: stamp_buy intraday"))
    assert stamped["value"] == "0.003 %" and stamped["since"] == "2020-07-01"
    assert all(one["source"] for one in records)


def test_show_marks_what_is_unknown_and_what_is_only_near(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = typed(capsys, "show", "2022-03-01", "NIFTY")
    assert "-  largest order" in out and "not known" in out
    _, out, _ = typed(capsys, "show", "2022-03-01", "NIFTY", "--nearest")
    assert "~  largest order" in out


def test_coverage_has_a_line_for_every_subject(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = typed(capsys, "coverage")
    names = [line.split()[0] for line in out.splitlines()[2:]]
    assert names == [subject.name for subject in subjects()]
    for record in answered(capsys, "coverage"):
        assert record["rows"] > 0
        shares = record["primary"] + record["other"] + record["unknown"]
        assert shares == pytest.approx(1)


def test_expiries_say_what_was_moved_and_why_it_is_uncertain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = typed(capsys, "expiries", "nifty", "--from", "2026-11-01", "--to", "2026-11-30")
    assert "Mon  2026-11-23  monthly   moved from Tue 2026-11-24" in out
    days = [
        record["day"]
        for record in answered(
            capsys,
            "expiries",
            "NIFTY",
            "--from",
            "2025-09-01",
            "--to",
            "2025-09-30",
            "--monthly",
            "--listed-on",
            "2025-08-28",
        )
    ]
    assert days == ["2025-09-25"]
    _, out, _ = typed(
        capsys,
        "expiries",
        "NIFTY",
        "--from",
        "2029-12-01",
        "--to",
        "2029-12-31",
        "--monthly",
        "--nearest",
    )
    assert "2029-12-24" in out and "not published" in out


def test_the_calendar_shows_sessions_closures_and_expiries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = typed(capsys, "calendar", "2026-11")
    assert "closed: Guru Nanak Jayanti" in out and "20 sessions" in out
    assert "Sun  2026-11-08  not published" in out
    records = answered(capsys, "calendar", "2021")
    assert len([one for one in records if one["session"]]) == 248
    outage = next(one for one in records if one["day"] == "2021-02-24")
    assert any("outage" in note for note in outage["notes"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "20.11.2026", "NIFTY"), ExitCode.USAGE, "year-month-day"),
        (("show", "2026-11-20", "NIFTY26SEPFUT"), ExitCode.DATA, "expired before this day"),
        (("show", "2026-11-20", "NIFTY26N2024000CE"), ExitCode.DATA, "near it expire"),
        (("calendar", "2027-01"), ExitCode.DATA, "does not cover"),
        (("calendar", "November"), ExitCode.USAGE, "a day, a month or a year"),
        (("expiries", "NIFTY", "--from", "2027-01-01"), ExitCode.DATA, "holidays of that year"),
        (("expiries", "USDINR"), ExitCode.DATA, "instrument list"),
        (
            ("expiries", "NIFTY", "--from", "2026-11-01", "--to", "2026-10-01"),
            ExitCode.DATA,
            "ends before",
        ),
    ],
)
def test_what_cannot_be_answered_says_why_and_what_to_do(
    arguments: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = typed(capsys, *arguments)
    assert (found, out) == (code, "")
    assert message in err and "Traceback" not in err


def test_rules_are_measured_with_their_targets() -> None:
    said: list[str] = []
    found = bench_rules.figures(Path(), said.append)
    assert [figure.target for figure in found] == ["< 2 µs", "< 50 ms"]
    assert said and all(isinstance(figure.value, float) for figure in found)


def test_the_rules_need_no_heavy_library() -> None:
    code = (
        "import sys, nifty_research.market.overview, nifty_research.market.symbols;"
        "heavy = {'pandas', 'pyarrow', 'duckdb', 'numba'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
