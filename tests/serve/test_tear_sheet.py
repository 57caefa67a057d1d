"""A tear sheet as a page in a real browser, as PDF and spreadsheet, and what it must refuse."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nifty_research.core.errors import MissingDataError, UsageError
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.engine.tear_sheet import TearSheet, headline, tear_sheet_of
from nifty_research.market.calendar import sessions
from nifty_research.serve.tear_sheet_files import find_chromium, sheets, write_tear_sheet
from nifty_research.serve.tear_sheet_page import (
    in_notebook,
    tear_sheet_page,
    tear_sheet_record,
    tear_sheet_text,
)
from nifty_research.session.decide import backtest_of
from nifty_research.strategies.registry import load_strategy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NAMES = ("INFY", "TCS", "LT")


def sheet_over(bars: Bars, start: int = 0) -> TearSheet:
    settings = load_settings()
    result = backtest_of(bars, start, settings, (load_strategy("moving_average", {}),))
    words = {"name": "moving_average", "start": start, "draws": 200}
    return tear_sheet_of(result, bars, settings, **words)


@pytest.fixture(scope="module")
def bars() -> Bars:
    days = sessions(date(2026, 7, 1), date(2026, 8, 31))
    return synthetic_bars(NAMES, days, interval_minutes=15, seed=3)


@pytest.fixture(scope="module")
def sheet(bars: Bars) -> TearSheet:
    return sheet_over(bars)


def test_page_text_and_record_say_the_same(sheet: TearSheet) -> None:
    page, text, record = tear_sheet_page(sheet), tear_sheet_text(sheet), tear_sheet_record(sheet)
    told = headline(sheet)
    assert record["verdict"] in text and html.escape(record["verdict"]) in page
    assert record["figures"]["sharpe"] == told["sharpe"]
    shown = re.search(r'id="net_inr" data-value="([^"]+)"', page)
    assert shown is not None and float(shown[1]) == sheet.net / 100
    json.dumps(record, allow_nan=False)
    for warning in record["warnings"]:
        assert warning["what"] in text and html.escape(warning["what"]) in page
    assert "https://" not in page.split("<script>")[0]  # nothing is fetched from elsewhere


def test_warm_up_is_no_part_of_the_record(bars: Bars) -> None:
    start = 100
    later = sheet_over(bars, start)
    assert later.days[0] == bars.index[start].date()
    assert len(later.index) == len(later.days) == len(later.daily.returns)
    assert later.net == int(later.result.equity[-1] - later.result.equity[start - 1])


def test_nothing_traded_is_a_page_too(bars: Bars) -> None:
    settings = load_settings(overrides={"risk.minimum_confidence": "1.0"})
    quiet = bars.rows(0, 10)
    result = backtest_of(quiet, 0, settings, (load_strategy("moving_average", {}),))
    sheet = tear_sheet_of(result, quiet, settings, name="moving_average", draws=200)
    assert len(sheet.trades) == 0 and "neither made nor lost" in tear_sheet_text(sheet)
    assert 'class="figure' in tear_sheet_page(sheet)
    json.dumps(tear_sheet_record(sheet), allow_nan=False)
    assert sheets(sheet)["trades"].empty


@pytest.mark.filterwarnings("ignore:Consider using IPython.display.IFrame")
def test_notebook_frames_the_page(sheet: TearSheet) -> None:
    framed = in_notebook(sheet).data
    assert framed.startswith("<iframe") and "id=&quot;verdict&quot;" in framed


def test_spreadsheet_has_every_day_and_every_trade(sheet: TearSheet, tmp_path: Path) -> None:
    path = write_tear_sheet(sheet, tmp_path / "sheet.xlsx")
    with zipfile.ZipFile(path) as archive:
        names = re.findall(r'<sheet name="([^"]+)"', archive.read("xl/workbook.xml").decode())
        place = names.index("trades") + 1
        rows = archive.read(f"xl/worksheets/sheet{place}.xml").decode().count("<row ")
    assert rows == len(sheet.trades) + 1 and {"headline", "days", "costs"} <= set(names)
    days = sheets(sheet)["days"]
    assert np.allclose(days["equity"].iloc[-1] * 100, sheet.daily.equity[-1])
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_file_leaves_nothing(sheet: TearSheet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"html, \.pdf or \.xlsx"):
        write_tear_sheet(sheet, tmp_path / "sheet.png")
    with pytest.raises(UsageError, match="folder that exists"):
        write_tear_sheet(sheet, tmp_path / "nowhere" / "sheet.html")
    assert not list(tmp_path.iterdir())


def test_pdf_without_a_browser_says_what_to_install(
    sheet: TearSheet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDataError, match="apt-get install chromium"):
        write_tear_sheet(sheet, tmp_path / "sheet.pdf")
    with pytest.raises(MissingDataError):
        find_chromium()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_pdf_is_printed(sheet: TearSheet, tmp_path: Path) -> None:
    path = write_tear_sheet(sheet, tmp_path / "sheet.pdf")
    body = path.read_bytes()
    assert body.startswith(b"%PDF") and body.count(b"/Type /Page\n") + body.count(b"/Page ") > 1


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_every_picture_is_drawn_in_a_browser(sheet: TearSheet, tmp_path: Path) -> None:
    path = write_tear_sheet(sheet, tmp_path / "sheet.html")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000", path.as_uri(),
    ]  # fmt: skip
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    places = re.findall(r'<div class="figure[^>]*id="figure-(\w+)"', drawn)
    assert len(places) == 16
    assert drawn.count('class="main-svg"') >= len(places)
