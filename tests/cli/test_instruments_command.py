"""`nifty data instruments import` and `search` as they are typed."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from nifty_research.cli import data_instruments
from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.market.instruments import COLUMNS

assert data_instruments.instruments_app  # its import makes the commands

LISTED = (
    ",".join(COLUMNS)
    + """
738561,2885,RELIANCE,RELIANCE INDUSTRIES,0.0,,0.0,0.1,1,EQ,NSE,NSE
17512706,68409,NIFTY26SEPFUT,NIFTY,0.0,2026-09-29,0.0,0.1,65,FUT,NFO-FUT,NFO
10478082,40930,NIFTY2692224000CE,NIFTY,0.0,2026-09-22,24000.0,0.05,65,CE,NFO-OPT,NFO
"""
)


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A saved list beside settings whose store is empty."
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "settings.ini").write_text((root / "settings.ini").read_text())
    monkeypatch.setenv("NIFTY_SETTINGS", str(tmp_path / "settings.ini"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "instruments.csv"
    path.write_text(LISTED)
    return path


def typed(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(("data", "instruments", *map(str, arguments)))
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err


def filed(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    code, out, err = typed(capsys, "import", *arguments, "--json")
    assert code == 0, err
    record: dict[str, Any] = json.loads(out)
    return record


def found(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    code, out, err = typed(capsys, "search", *arguments, "--json")
    assert code == 0, err
    return [row["tradingsymbol"] for row in json.loads(out)]


def test_a_list_is_filed_and_searched(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert filed(capsys, listed, "--day", "2026-09-15")["added"] == 3
    assert filed(capsys, listed, "--day", "2026-09-15")["identical"] == 3
    assert found(capsys, "nifty26") == ["NIFTY2692224000CE", "NIFTY26SEPFUT"]
    assert found(capsys, "reliance ind") == found(capsys, "738561") == ["RELIANCE"]
    assert found(capsys, "--underlying", "nifty", "--kind", "CE", "--strike", "24000") == [
        "NIFTY2692224000CE"
    ]
    assert found(capsys, "--expiry", "2026-09-29") == ["NIFTY26SEPFUT"]
    assert found(capsys, "GOLD") == []


def test_people_see_a_table_and_how_much_more_there_is(
    listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filed(capsys, listed, "--day", "2026-09-15")
    code, out, _ = typed(capsys, "search", "NIFTY", "--limit", "1")
    assert code == 0 and "2026-09-22" in out and "1 more" in out
    code, out, _ = typed(capsys, "search", "GOLD")
    assert code == 0 and out.strip() == "nothing fits"


def test_a_gzipped_list_is_taken_whatever_its_name(
    listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.write_bytes(gzip.compress(LISTED.encode()))
    assert filed(capsys, listed, "--day", "2026-09-15")["added"] == 3


def test_faulty_rows_refuse_the_list_unless_good_ones_are_kept(
    listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.write_text(LISTED.replace(",65,FUT", ",many,FUT"))
    code, _, err = typed(capsys, "import", listed, "--day", "2026-09-15")
    assert code == ExitCode.DATA and "line 3" in err and "--keep-good" in err
    done = filed(capsys, listed, "--day", "2026-09-15", "--keep-good")
    assert done["added"] == 2 and done["left_out"][0]["line"] == 3


def test_days_written_first_are_taken_when_announced(
    listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.write_text(
        LISTED.replace("2026-09-29", "29-09-2026").replace("2026-09-22", "22/09/2026")
    )
    code, _, err = typed(capsys, "import", listed, "--day", "2026-09-15")
    assert code == ExitCode.DATA and "--day-first" in err
    filed(capsys, listed, "--day", "2026-09-15", "--day-first")
    assert found(capsys, "--expiry", "2026-09-29") == ["NIFTY26SEPFUT"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p.write_bytes(gzip.compress(LISTED.encode())[:60]), "damaged"),
        (lambda p: p.write_bytes(b"\x1f\x8b\x08garbage" * 9), "damaged"),
        (lambda p: p.write_bytes(b"\xff\xfe\x00binary"), "damaged"),
        (lambda p: p.write_text(LISTED.replace(",", ";")), "lacks columns"),
        (lambda p: p.write_text(LISTED.replace("lot_size", "lots")), "lot_size"),
        (lambda p: p.write_text(""), "lacks columns"),
        (lambda p: p.write_text(LISTED.splitlines()[0] + "\n"), "empty"),
        (lambda p: p.unlink(), "cannot be read"),
    ],
    ids=["cut", "garbage", "binary", "semicolons", "renamed", "nothing", "no rows", "absent"],
)
def test_a_bad_file_is_refused_with_its_reason(
    make: Any, says: str, listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(listed)
    code, out, err = typed(capsys, "import", listed, "--day", "2026-09-15")
    assert code == ExitCode.DATA and not out
    assert says in err


def test_a_search_needs_a_filed_list_and_something_to_look_for(
    listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = typed(capsys, "search", "NIFTY")
    assert code == ExitCode.DATA and "nifty data instruments import" in err
    filed(capsys, listed, "--day", "2026-09-15")
    code, _, err = typed(capsys, "search")
    assert code == ExitCode.USAGE and "nothing is searched for" in err
    code, _, err = typed(capsys, "search", "NIFTY", "--day", "2026-09-16")
    assert code == ExitCode.DATA and "2026-09-15" in err
    assert found(capsys, "NIFTY26SEP", "--day", "2026-09-16", "--nearest") == ["NIFTY26SEPFUT"]
    code, _, err = typed(capsys, "search", "--expiry", "soon")
    assert code == ExitCode.USAGE and "--expiry" in err
    code, _, err = typed(capsys, "search", "INE002A01018")
    assert code == ExitCode.DATA and "bhavcopies" in err
