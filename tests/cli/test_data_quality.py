"""Quality and corporate actions from the command line, for people and for programs."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from nifty_research.cli import data_quality
from nifty_research.cli.groups import data_app
from nifty_research.core.errors import DataError, MissingDataError, UsageError
from nifty_research.data.store import BarStore
from nifty_research.market.calendar import sessions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BarStore:
    "Two shares over the autumn of 2018: INFY's bonus, and a day without SBIN."
    (tmp_path / "settings.ini").write_text((ROOT / "settings.ini").read_text())
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    store = BarStore(tmp_path / "runs" / "store")
    rows = [
        {"date": day, "symbol": name, "series": "EQ", "source": "test", "volume": 1000 + n}
        | dict.fromkeys(
            ("open", "high", "low", "close"),
            price * (0.5 if name == "INFY" and day >= date(2018, 9, 4) else 1) + n,
        )
        for name, price in (("INFY", 1440.0), ("SBIN", 280.0))
        for n, day in enumerate(sessions(date(2018, 8, 20), date(2018, 10, 31)))
        if (name, day) != ("SBIN", date(2018, 9, 12))
    ]
    store.append_daily(pa.Table.from_pylist(rows))
    return store


def typed(*arguments: str) -> str:
    "Standard output of a command; its error is raised."
    result = CliRunner().invoke(data_app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


LISTING = """SYMBOL,SERIES,PURPOSE,FACE VALUE,EX-DATE
INFY,EQ,Bonus 1:1,5,04-Sep-2018
INFY,EQ,Interim Dividend - Rs 7 Per Share,5,25-Oct-2018
SBIN,EQ,FV SPLT FRM RS 10 TO RE 1,1,20-Sep-2018
SBIN,EQ,Scheme Of Arrangement,1,21-Sep-2018
"""


def test_from_a_finding_to_its_explanation(store: BarStore, tmp_path: Path) -> None:
    before = json.loads(typed("quality", "--json"))
    assert before["unexplained"] == 2 and before["bars"] == 2 * 48 - 1
    assert {(f["kind"], f["symbol"]) for f in before["findings"]} == {
        ("split", "INFY"),
        ("gap", "SBIN"),
    }
    path = tmp_path / "listing.csv"
    path.write_text(LISTING)
    said = typed("actions", "import", str(path))
    assert "3 actions stored" in said and "1 refused" in said and "1 confirmed" in said
    assert "not in the prices" in said and "SBIN" in said and "Scheme" in said
    after = json.loads(typed("quality", "--json"))
    assert after["unexplained"] == 1 and after["summary"]["split"]["explained"] == 1
    again = json.loads(typed("actions", "import", str(path), "--json"))
    assert (again["stored"], again["identical"], len(again["refused"])) == (0, 3, 1)
    assert "bonus" in typed("actions", "show", "INFY")
    shown = json.loads(typed("actions", "show", "INFY", "--json"))
    assert [row["kind"] for row in shown] == ["bonus", "dividend"]
    assert shown[0]["price_factor"] is None and shown[1]["amount_inr"] == 7.0
    assert "no corporate action of TCS" in typed("actions", "show", "TCS")


def test_for_people_and_as_a_page(store: BarStore, tmp_path: Path) -> None:
    page = tmp_path / "q.html"
    said = typed("quality", "--symbols", "SBIN", "--from", "2018-09-01", "--html", str(page))
    assert "gap" in said and "2018-09-12" in said and f"page: {page}" in said
    assert "INFY" not in said and page.read_text().startswith("<!DOCTYPE html>")
    assert "0 unexplained" in typed("quality", "--symbols", "SBIN", "--to", "2018-09-11")


def test_a_file_with_its_own_actions(store: BarStore, tmp_path: Path) -> None:
    rows = store.query("select date, symbol, open, high, low, close, volume from daily")
    path, actions = tmp_path / "file.parquet", tmp_path / "actions.csv"
    pd.DataFrame(rows.to_pydict()).to_parquet(path)
    actions.write_text(LISTING)
    plain = json.loads(typed("quality", str(path), "--json"))
    assert plain["summary"]["split"] == {"findings": 1, "explained": 0, "symbols": 1}
    told = json.loads(typed("quality", str(path), "--actions", str(actions), "--json"))
    assert told["summary"]["split"]["explained"] == 1
    sold = typed("quality", str(path), "--actions", str(actions), "--adjusted")
    assert "not adjusted" in sold


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["quality", "none.csv"], MissingDataError, "no such file"),
        (["quality", "--from", "yesterday"], UsageError, "year-month-day"),
        (["quality", "--interval", "century"], UsageError, "length of a bar"),
        (["quality", "--from", "2030-01-01", "--to", "2030-02-01"], MissingDataError, "no bars"),
        (["quality", "--html", "none/q.html"], UsageError, "folder that exists"),
        (["actions", "import", "none.csv"], MissingDataError, "no such file"),
        (["actions", "import", "settings.ini"], DataError, "not a file of corporate actions"),
    ],
)
def test_what_is_refused(
    store: BarStore,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: type[Exception],
    said: str,
) -> None:
    monkeypatch.chdir(store.root.parent.parent)
    with pytest.raises(error, match=said):
        typed(*arguments)


def test_commands_have_an_example() -> None:
    assert data_quality.quality.__doc__
    for words in (["quality"], ["actions", "import"], ["actions", "show"]):
        assert "Example: nifty data " + " ".join(words) in typed(*words, "--help")
