"""nifty data synthetic, stylised and calibrate: files and stores that others read, and refusals."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from nifty_research.cli import data_stylised, data_synthetic
from nifty_research.cli.groups import data_app
from nifty_research.core.errors import TradingSystemError
from nifty_research.data.files import read_bars
from nifty_research.data.nature import Nature
from nifty_research.data.quality import check
from nifty_research.data.store import BarStore

COMMANDS = (data_synthetic, data_stylised)  # They join the group when imported


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(data_app, list(arguments))


def refused(*arguments: str) -> TradingSystemError:
    error = typed(*arguments).exception
    assert isinstance(error, TradingSystemError), error
    return error


def test_a_file_of_minutes_is_one_that_sessions_play(tmp_path: Path) -> None:
    file = tmp_path / "made.parquet"
    said = typed(
        "synthetic", "--days", "2026-09-14..2026-09-16", "--symbols", "TCS,SBIN", "--seed", "3",
        "--out", str(file), "--json",
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["written"][str(file)] > 1400
    bars, _ = read_bars(file, interval_minutes=1)  # Refuses a file with a single unfit row
    assert bars.symbols == ("SBIN", "TCS") and bars.days()[0] == date(2026, 9, 15)
    assert int(bars.present.sum()) == len(pd.read_parquet(file))


def test_the_same_seed_writes_the_same_file_and_another_another(tmp_path: Path) -> None:
    frames = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        file = tmp_path / f"{name}.csv"
        typed(
            "synthetic",
            "--days",
            "2026-09-15",
            "--symbols",
            "TCS",
            "--seed",
            seed,
            "--out",
            str(file),
        )
        frames.append(file.read_bytes())
    assert frames[0] == frames[1] != frames[2]


def test_faults_are_written_beside_and_found(tmp_path: Path) -> None:
    file = tmp_path / "bad.parquet"
    typed(
        "synthetic", "--days", "2026-07-06..2026-07-10", "--symbols", "TCS,SBIN,INFY",
        "--seed", "3", "--out", str(file), "--inject-faults", "2",
    )  # fmt: skip
    injected = pd.read_parquet(tmp_path / "bad.faults.parquet")
    assert len(injected) == 14
    found = check(pd.read_parquet(file), interval_minutes=1).unexplained
    assert set(injected["kind"]) <= set(found["kind"])


def test_a_store_of_days_with_index_and_contracts(tmp_path: Path) -> None:
    said = typed(
        "synthetic", "--days", "2026-08-03..2026-09-15", "--interval", "day", "--seed", "3",
        "--options", "--store", str(tmp_path / "store"), "--json",
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    written = json.loads(said.stdout)["written"]
    store = BarStore(tmp_path / "store")
    days = store.days("NIFTY 50", "day")
    assert written["daily"] == 52 * len(days)
    futures = store.query("select count(*) as n from contracts where kind = 'FUT'").to_pylist()
    assert futures[0]["n"] >= 2 * len(days)
    vix = store.bars(["INDIA VIX"], days[0], days[-1], "day")
    assert 8 < np.median(vix.close) < 60


def test_a_store_of_minutes_takes_options_with_their_interest(tmp_path: Path) -> None:
    typed(
        "synthetic", "--days", "2026-09-15", "--symbols", "TCS,SBIN,INFY,RELIANCE", "--seed", "3",
        "--options", "--store", str(tmp_path / "store"),
    )  # fmt: skip
    store = BarStore(tmp_path / "store")
    held = store.query(
        "select count(*) as n from minutes where symbol like 'NIFTY26SEPFUT' and open_interest > 0"
    )
    assert held.to_pylist()[0]["n"] > 300
    assert store.bars(["NIFTY26SEPFUT"], date(2026, 9, 15), date(2026, 9, 15), 15).shape[0] >= 23


def test_facts_side_by_side_and_a_page(tmp_path: Path) -> None:
    for name, seed in (("one", "1"), ("two", "2")):
        typed(
            "synthetic", "--days", "2026-01-01..2026-06-30", "--symbols", "TCS,INFY,SBIN,HDFCBANK",
            "--interval", "15m", "--seed", seed, "--out", str(tmp_path / f"{name}.parquet"),
        )  # fmt: skip
    page = tmp_path / "facts.html"
    said = typed(
        "stylised", "--bars", str(tmp_path / "one.parquet"),
        "--against", str(tmp_path / "two.parquet"), "--html", str(page), "--json",
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    compared = json.loads(said.stdout)["compared"]
    assert compared["opening against noon"]["alike"] is True
    text = page.read_text(encoding="utf-8")
    assert "figure-tails" in text and "opening volume against noon" in text
    assert "http://" not in text.split("<script>")[0]
    alone = typed("stylised", "--bars", str(tmp_path / "one.parquet"))
    assert "excess kurtosis, 15 min" in alone.stdout


def test_fitted_numbers_make_a_market(tmp_path: Path) -> None:
    typed(
        "synthetic", "--days", "2022-01-01..2025-12-31", "--symbols", "TCS,INFY,SBIN,HDFCBANK,ITC",
        "--interval", "day", "--seed", "1", "--out", str(tmp_path / "years.parquet"),
    )  # fmt: skip
    said = typed(
        "calibrate", "--bars", str(tmp_path / "years.parquet"), "--out", str(tmp_path / "n.json")
    )
    assert said.exit_code == 0 and "market, cluster" in said.stdout
    Nature.from_dict(json.loads((tmp_path / "n.json").read_text()))
    again = typed(
        "synthetic", "--days", "2026-09-15", "--symbols", "TCS",
        "--nature", str(tmp_path / "n.json"), "--out", str(tmp_path / "x.csv"),
    )  # fmt: skip
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "2026-09-15"], "where the market goes"),
        (["--days", "2026-09-14", "--out", "x.csv"], "closed"),
        (["--days", "2026-09-15..2026-09-01", "--out", "x.csv"], "ends before"),
        (["--days", "2026-09-15", "--out", "x.xlsx"], "form of the file"),
        (["--days", "2026-09-15", "--interval", "9h", "--out", "x.csv"], "length of a bar"),
        (["--days", "2026-09-15", "--interval", "15m", "--store", "s"], "minutes and days"),
        (["--days", "2026-09-15", "--store", "s", "--inject-faults", "1"], "files only"),
        (["--days", "2026-09-15", "--nature", "none.json", "--out", "x.csv"], "no such file"),
    ],
)
def test_odd_wishes_are_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIFTY_SETTINGS", str(Path(__file__).resolve().parents[2] / "settings.ini"))
    assert message in str(refused("synthetic", *arguments))


def test_files_that_cannot_be_measured_are_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("symbol,date,open,high,low,close\nTCS,2026-09-15,1,1,1,1\n")
    assert "days" in str(refused("stylised", "--bars", str(short)))
    short.write_text("symbol,timestamp,open,high,low,close\nTCS,2026-09-15 09:15,1,1,1,1\n")
    assert "zone" in str(refused("stylised", "--bars", str(short)))
