"""The commands that look into the store as they are typed: what they print, and how they fail."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from nifty_research.cli import data_store
from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.data.store import BarStore
from nifty_research.market.calendar import sessions

assert data_store.data_bars  # its import makes the commands


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    "A store with a month of days and a morning of minutes."
    store = BarStore(tmp_path / "store")
    days = sessions(dt.date(2025, 7, 1), dt.date(2025, 7, 31))
    price = [100.0 + at for at in range(len(days))]
    prices = {name: price for name in ("open", "high", "low", "close")}
    about = {"symbol": ["M&M"] * len(days), "series": ["EQ"] * len(days), "date": days}
    store.append_daily(
        pa.table(about | prices | {"volume": [10] * len(days), "source": ["t"] * len(days)})
    )
    stamps = pd.date_range("2025-07-31 09:15", periods=30, freq="min", tz="Asia/Kolkata")
    prices = {name: [50.0] * 30 for name in prices}
    minutes = {"timestamp": pa.array(stamps), "symbol": ["M&M"] * 30, "volume": [2] * 30}
    store.append_minutes(pa.table(minutes | prices))
    return store.root


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(("data", *arguments))
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err


def test_bars_shows_the_last_days_of_a_share(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = typed(capsys, "bars", "M&M", "--store", str(folder), "--limit", "3")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("17 bars before these")
    assert out.splitlines()[-1].split() == ["2025-07-31", "M&M", *["122.00"] * 4, "10"]


def test_bars_of_minutes_are_joined_and_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("bars", "M&M", "--interval", "15m", "--store", str(folder))
    code, out, _ = typed(capsys, *asked, "--json")
    records: list[dict[str, Any]] = json.loads(out)
    assert code == 0 and [record["volume"] for record in records] == [30.0, 30.0]
    file = tmp_path / "new" / "bars.csv"
    code, out, _ = typed(capsys, *asked, "--csv", str(file))
    assert code == 0 and "2 lines" in out
    assert pd.read_csv(file)["timestamp"].tolist()[0] == "2025-07-31 09:15:00+05:30"


def test_status_counts_tables_and_years(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "status", "--store", str(folder), "--json", "--verify")
    told = json.loads(out)
    assert code == 0 and told["damaged"] == {}
    assert [(row["table"], row["rows"]) for row in told["tables"]] == [
        ("daily", 23),
        ("minute", 30),
    ]
    code, out, _ = typed(capsys, "status", "--store", str(folder))
    assert code == 0 and "2025-07-31" in out


def test_status_names_a_damaged_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = BarStore(folder).places.minute("M&M", 2025)
    body = bytearray(path.read_bytes())
    body[len(body) // 8] ^= 1
    path.write_bytes(bytes(body))
    code, out, err = typed(capsys, "status", "--store", str(folder), "--verify")
    assert code == ExitCode.DATA and "M%26M" in out and "import its days again" in err


def test_query_answers_and_refuses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select count(*) as days, max(close) as highest from daily"
    code, out, _ = typed(capsys, "query", sql, "--store", str(folder), "--json")
    assert code == 0 and json.loads(out) == [{"days": 23, "highest": 122.0}]
    code, out, _ = typed(capsys, "query", sql, "--store", str(folder))
    assert code == 0 and out.splitlines()[-1].split() == ["23", "122.0"]
    code, _, err = typed(capsys, "query", "drop table daily", "--store", str(folder))
    assert code == ExitCode.USAGE and "changes nothing" in err


def test_fingerprint_of_bars_and_of_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("fingerprint", "M&M", "--store", str(folder), "--from", "2025-07-01")
    code, first, _ = typed(capsys, *asked, "--to", "2025-07-31", "--json")
    assert code == 0 and len(json.loads(first)["sha256"]) == 64
    _, second, _ = typed(capsys, *asked, "--to", "2025-07-30", "--json")
    assert json.loads(first)["sha256"] != json.loads(second)["sha256"]
    code, out, _ = typed(capsys, "fingerprint", "--store", str(folder))
    assert code == 0 and [line.split("  ")[1] for line in out.splitlines()] == [
        "daily/2025.parquet",
        "minute/M%26M/2025.parquet",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("bars", "MNM"), ExitCode.DATA, "no rows of this symbol"),
        (("bars", "M&M", "--from", "1.7.2025"), ExitCode.USAGE, "year-month-day"),
        (("bars", "M&M", "--from", "2025-07-31", "--to", "2025-07-01"), ExitCode.USAGE, "before"),
        (("bars", "M&M", "--interval", "weekly"), ExitCode.USAGE, "length of a bar"),
        (("bars", "M&M", "--adjusted", "yes"), ExitCode.USAGE, "no, splits or total"),
        (("fingerprint", "M&M", "--from", "2020-01-01", "--to", "2020-02-01"), 4, "between"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_block(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    found, out, err = typed(capsys, *arguments, "--store", str(folder))
    assert (found, out) == (code, "") and message in err and "Traceback" not in err


def test_a_store_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = typed(capsys, "status", "--store", str(tmp_path / "nowhere"))
    assert code == ExitCode.DATA and "nowhere" in err and "nifty data import" in err
