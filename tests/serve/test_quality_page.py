"""The page about prices says what was found, needs no network, and runs as a notebook."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import papermill
import pytest
from nbformat import read

from nifty_research.data.findings import KINDS
from nifty_research.data.inspection import Inspection, inspect_file
from nifty_research.market.calendar import sessions
from nifty_research.serve.quality import (
    MOST_POINTS,
    MOST_SHOWN,
    completeness_figure,
    findings_table,
    kinds_figure,
    price_figure,
    quality_figures,
    quality_html,
    quality_page,
    show_quality,
    symbols_figure,
)

ROOT = Path(__file__).resolve().parents[2]
DAYS = sessions(date(2024, 1, 1), date(2025, 12, 31))


def vendor_file(folder: Path, shares: int = 4) -> Path:
    "Daily closes with a hole in each share and one mistyped price."
    chance = np.random.default_rng(2)
    rows = []
    for share in range(shares):
        close = np.round(900 * np.exp(np.cumsum(chance.normal(0, 0.005, len(DAYS)))) * 2) / 2
        if share == 1:
            close[200] *= 10
        rows += [
            (f"<S{share}>", day, *[price] * 4, 1000 + n)
            for n, (day, price) in enumerate(zip(DAYS, close, strict=True))
            if n != 50 + share
        ]
    columns = ["symbol", "date", "open", "high", "low", "close", "volume"]
    path = folder / "vendor.csv"
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    return inspect_file(vendor_file(tmp_path_factory.mktemp("q")), interval_minutes=1440)


def test_pictures_add_up_to_the_findings(seen: Inspection) -> None:
    open_, explained = kinds_figure(seen).data
    assert sum(open_.x) == len(seen.findings.unexplained) == 5
    assert sum(explained.x) == len(seen.findings.table) - 5
    counts = seen.findings.by_symbol()
    cells = [text for row in symbols_figure(seen).data[0].text for text in row if text]
    assert sum(map(int, cells)) == int(counts.to_numpy().sum())
    assert len(findings_table(seen).rows) == 5
    missing = completeness_figure(seen).data[0]
    assert sum(value > 0 for row in missing.z for value in row if value is not None) == 4


def test_marks_lie_where_the_findings_are(seen: Inspection) -> None:
    marks = {trace.name: trace for trace in price_figure(seen, "<S1>").data[1:]}
    assert marks["spike (1)"].x == (f"{DAYS[200]} 00:00",)
    assert marks["gap (1)"].text[0].startswith(f"{DAYS[51]}")
    colours = {trace.marker.color for trace in marks.values()}
    assert len(colours) == 2 and len(KINDS) >= 10


def test_a_long_series_is_thinned_but_keeps_its_findings(seen: Inspection) -> None:
    index = pd.date_range("2024-01-01", periods=50_000, freq="min", tz="Asia/Kolkata")
    moment = index[777]
    close = pd.Series(np.full(50_000, 100.0), index=index)
    close[moment] = 1000.0
    table = seen.findings.table.head(1).assign(symbol="LONG", time=moment, kind="spike")
    findings = type(seen.findings)(table, 50_000, 1, index[0], index[-1])
    long = Inspection(findings, seen.completeness, 1, "x", {"LONG": close})
    figure = price_figure(long, "LONG")
    assert len(figure.data[0].x) <= MOST_POINTS * 1.1 and 1000.0 in figure.data[0].y
    assert figure.data[1].y == (1000.0,)


def test_many_shares_are_cut_to_the_worst(tmp_path: Path) -> None:
    many = inspect_file(vendor_file(tmp_path, MOST_SHOWN + 5), interval_minutes=1440)
    assert len(completeness_figure(many).data[0].y) == MOST_SHOWN
    assert len(symbols_figure(many).data[0].y) == MOST_SHOWN


def test_the_page_stands_alone_and_escapes(seen: Inspection) -> None:
    page = quality_page(seen)
    assert page.startswith("<!DOCTYPE html>") and "<S1>" not in page and "&lt;S1&gt;" in page
    own = page[: page.index("<script>(()")]
    assert not re.search(r"(src|href)=\"http", own), "nothing is fetched"
    places = re.findall(r'id="figure-([\w-]+)"', own)
    assert places == list(quality_figures(seen)) and places[0] == "kinds"
    texts = re.findall(r'<script type="application/json">(.*?)</script>', own, re.S)
    assert all(json.loads(text)["data"] for text in texts)
    assert 'id="findings" data-rows="5"' in own
    assert quality_html(seen) in page


def test_nothing_found_is_a_page_too(tmp_path: Path) -> None:
    rows = [("A", day, *[500.0 + n] * 4, 1000 + n) for n, day in enumerate(DAYS)]
    path = tmp_path / "sound.csv"
    columns = ["symbol", "date", "open", "high", "low", "close", "volume"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    sound = inspect_file(path, interval_minutes=1440)
    assert sound.findings.table.empty
    page = quality_page(sound)
    assert "nothing to look at" in page and "0 findings to look at" in page


def test_a_missing_file_is_said_on_the_page(tmp_path: Path) -> None:
    shown = show_quality(str(tmp_path / "<none>.csv"))._repr_html_()
    assert "no such file" in shown and "<none>" not in shown


def test_the_dashboard_runs_by_papermill(tmp_path: Path) -> None:
    path = vendor_file(tmp_path)
    done = tmp_path / "done.ipynb"
    papermill.execute_notebook(
        ROOT / "dashboards" / "quality.ipynb",
        done,
        parameters={"source": str(path), "symbols": "<S1>"},
        cwd=ROOT,
        progress_bar=False,
    )
    outputs = [out for cell in read(done, 4).cells for out in cell.get("outputs", [])]
    html = "".join(out.data["text/html"] for out in outputs if "text/html" in out.get("data", {}))
    assert 'id="figure-price-3"' in html and 'data-rows="2"' in html
    assert sum(len(out.data.get("text/plain", "")) for out in outputs if "data" in out) < 200
