"""The closing report: true for any verdict, the same when written again, without a network."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import nbformat
import pytest

from nifty_research.core.errors import CorruptStateError, UsageError
from nifty_research.serve.report import write_report
from nifty_research.serve.sample import Entry, write_session
from nifty_research.serve.view import SessionView

RECORD = {
    "cells": [
        {
            "cell_type": "code",
            "id": "a1",
            "metadata": {"tags": ["parameters"]},
            "execution_count": 1,
            "source": ["mode = 'paper'\n", "run = 'day'"],
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["a line of the session\n"]}
            ],
        }
    ],
    "metadata": {"papermill": {"parameters": {"run": "day"}}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "2026-09-15" / "paper-conservative-day.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps(RECORD))
    return path


def test_report_is_added_and_replaces_itself(notebook: Path, ledger: Path) -> None:
    files = write_report(ledger, "day", notebook, "trades identical: 43/43, difference 0 paise")
    once = notebook.read_text()
    write_report(ledger, "day", notebook, "trades identical: 43/43, difference 0 paise")
    assert notebook.read_text() == once
    found = json.loads(once)
    nbformat.validate(found)
    assert found["cells"][0] == RECORD["cells"][0] and found["metadata"] == RECORD["metadata"]
    assert all(cell["metadata"]["tags"] == ["report"] for cell in found["cells"][1:])
    assert "difference 0 paise" in once and "plotly.js v" not in once
    assert [path.name for path in sorted(notebook.parent.iterdir())] == sorted(
        path.name for path in vars(files).values()
    )


def test_report_cells_run_again_where_they_are(
    notebook: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(ledger, "day", notebook)
    monkeypatch.chdir(notebook.parent)
    names: dict[str, object] = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert len(names["figures"]) == 6  # type: ignore[arg-type]


def test_page_holds_plotly_once_and_refers_to_nothing(notebook: Path, ledger: Path) -> None:
    page = write_report(ledger, "day", notebook).html.read_text()
    assert page.count("plotly.js v") == 1
    without_plotly = re.sub(r"<script>/\*\*.*?</script>", "", page, flags=re.DOTALL)
    assert len(without_plotly) < len(page) - 4_000_000
    assert re.findall(r"""(?:src|href)=["']?(?!data:|#)[^"'>\s]+""", without_plotly) == []
    assert "url(" not in without_plotly and "@import" not in without_plotly
    assert "a line of the session" in page
    assert len(re.findall(r'<script type="application/json">', page)) == 6


def test_trade_book_adds_up(notebook: Path, ledger: Path, view: SessionView) -> None:
    files = write_report(ledger, "day", notebook)
    summary = view.summary()
    trades = list(csv.DictReader(files.csv.open()))
    fills = list(csv.DictReader(files.fills_csv.open()))
    assert (len(trades), len(fills)) == (summary.trades, summary.fills)
    assert _paise(trades, "net_inr") == summary.net_paise
    assert _paise(trades, "gross_inr") == summary.gross_paise
    for head, amount in summary.charges.items():
        assert _paise(fills, f"{head}_inr") == amount


def _paise(rows: list[dict[str, str]], column: str) -> int:
    return sum(round(float(row[column]) * 100) for row in rows)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        (1, None),
        (400, {"verdict": "failed", "reason": "the kernel died | <b>badly</b>"}),
        (600, {"verdict": "stopped", "reason": "asked for"}),
    ],
)
def test_report_of_a_session_that_did_not_complete(
    tmp_path: Path, entries: list[Entry], until: int, end: dict[str, str] | None
) -> None:
    told = [*entries[:until], *([("session ended", end)] if end else [])]
    ledger = write_session(tmp_path / "ledger.sqlite", "cut", told)
    files = write_report(ledger, "cut", tmp_path / "cut.ipynb")
    verdict = end["verdict"] if end else "unfinished"
    assert f"| verdict | {verdict}" in files.notebook.read_text()
    assert "No notebook was left" in files.html.read_text()
    assert "<b>badly" not in files.html.read_text()


def test_unknown_run_and_broken_notebook_are_refused(tmp_path: Path, ledger: Path) -> None:
    with pytest.raises(UsageError, match="no such session"):
        write_report(ledger, "night", tmp_path / "night.ipynb")
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{")
    with pytest.raises(CorruptStateError, match="not JSON"):
        write_report(ledger, "day", broken)
    assert broken.read_text() == "{"
