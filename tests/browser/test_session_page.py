"""The session page and the report in a real browser, against the journal they tell of."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nifty_research.core.settings import load_settings
from nifty_research.ledger.journal import Journal
from nifty_research.ledger.summary import SessionSummary, session_summary
from nifty_research.serve.dashboard import voila_command
from nifty_research.serve.report import write_report
from nifty_research.serve.sample import Entry, sample_entries, write_session
from nifty_research.serve.view import read_session

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
START_MS, CHANGE_MS = 90_000, 20_000  # cold start on a small machine; a page asks every second
SPLIT = 800  # events that are there before the page is opened

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return sample_entries()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]) -> Path:
    "Two finished sessions, one of the ensemble, and one that stands in the middle of its day."
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    write_session(path, "finished", entries)
    together = load_settings(overrides={"strategy.name": "ensemble"})
    write_session(path, "together", sample_entries(interval_minutes=5, settings=together))
    return write_session(path, "running", entries[:SPLIT])


@pytest.fixture(scope="module")
def address(ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    "A Voilà process that serves the page from this ledger."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("voila") / "log.txt"
    environ = {**os.environ, "NIFTY_PATHS__LEDGER": str(ledger), "NIFTY_ACCOUNT__ID": "PAPER01"}
    environ.pop("NIFTY_RUN", None)
    with log.open("w") as out:
        server = subprocess.Popen(
            voila_command(ROOT / "dashboards" / "session.ipynb", port),
            cwd=ROOT,
            env=environ,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(port, server, log)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    "Return when the server listens."
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/none", timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"Voilà did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    "Opens a page that fails the test when a script on it does, or when it fetches from elsewhere."
    contexts, problems = [], []

    def check(response: Any) -> None:
        if not response.url.startswith(("http://127.0.0.1", "data:", "blob:", "file:")):
            problems.append(f"fetched {response.url}")

    def open_at(url: str, viewport: dict[str, int]) -> Any:
        contexts.append(browser.new_context(viewport=viewport))
        page = contexts[-1].new_page()
        page.on("response", check)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url, timeout=START_MS)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not problems


def summary_of_run(ledger: Path, run: str) -> SessionSummary:
    with Journal.read_only(ledger, "PAPER01") as journal:
        return session_summary(journal.events(session=run))


def last_sequence(ledger: Path, run: str) -> int:
    with Journal.read_only(ledger, "PAPER01") as journal:
        return max(event.sequence for event in journal.events(session=run))


def wait_until_shown(page: Any, sequence: int, timeout_ms: int) -> None:
    "Headline and figures tell of this event, and every figure is drawn."
    page.wait_for_function(
        """sequence => {
            const at = selector => Number(document.querySelector(selector)?.dataset.sequence ?? 0);
            return at('#headline') >= sequence && at('.figures') >= sequence
                && document.querySelectorAll('.figure .main-svg').length >= 6;
        }""",
        arg=sequence,
        timeout=timeout_ms,
    )


def shown(page: Any, name: str) -> str:
    return str(page.locator(f"#{name}").get_attribute("data-value"))


def assert_shows(page: Any, summary: SessionSummary) -> None:
    expected = {
        "equity-paise": summary.equity_paise,
        "net-paise": summary.net_paise,
        "gross-paise": summary.gross_paise,
        "charges-paise": summary.charges_paise,
        "drawdown-paise": summary.max_drawdown_paise,
        "trades-count": summary.trades,
        "positions-count": len(summary.open_positions),
        "denials-count": sum(summary.denied.values()),
    }
    assert {name: int(shown(page, name)) for name in expected} == expected
    rows = {
        "trades": summary.trades,
        "orders": summary.orders,
        "fills": summary.fills,
        "positions": len(summary.open_positions),
        "denials": sum(summary.denied.values()),
    }
    found = {name: page.locator(f"#{name}").get_attribute("data-rows") for name in rows}
    assert {name: int(count) for name, count in found.items()} == rows


def too_wide(page: Any) -> list[str]:
    "Elements that stick out to the right, but for what scrolls in a box of its own."
    found = page.evaluate(
        """() => [...document.querySelectorAll('body *')]
            .filter(e => !e.closest('.scroll') && e.getClientRects().length)
            .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
            .map(e => `${e.tagName} ${e.id} ${e.getAttribute('class')}`)"""
    )
    return list(found)


def test_page_shows_what_the_journal_says(
    open_page: Callable[..., Any], address: str, ledger: Path
) -> None:
    page = open_page(f"{address}?run=finished", DESK)
    wait_until_shown(page, last_sequence(ledger, "finished"), START_MS)
    assert_shows(page, summary_of_run(ledger, "finished"))
    assert shown(page, "run") == "finished" and shown(page, "verdict") == "completed"
    assert shown(page, "mode") == "backtest"


def choose(page: Any, label: str, option: str) -> None:
    "Choose in the list of that name."
    box = page.locator(".widget-dropdown", has=page.get_by_text(label, exact=True))
    box.locator("select").select_option(label=option)


def test_votes_of_a_chosen_share_and_bar(
    open_page: Callable[..., Any], address: str, ledger: Path
) -> None:
    tape = read_session(ledger, "together").tape
    symbol, votes = max(tape.votes.items(), key=lambda row: len(row[1]))
    page = open_page(f"{address}?run=together", PHONE)
    wait_until_shown(page, last_sequence(ledger, "together"), START_MS)
    choose(page, "symbol", symbol)
    page.locator("h2", has_text=f"Votes on {symbol}").wait_for(timeout=CHANGE_MS)
    for place in (len(votes) - 1, 0):
        choose(page, "votes at", votes[place].label(one_day=True))
        why = page.locator(f"#votes-why[data-bar='{votes[place].bar}']")
        why.wait_for(timeout=CHANGE_MS)
        assert votes[place].said["why"] in why.inner_text()
        assert page.locator("#votes").get_attribute("data-rows") == str(len(tape.seats))
    assert too_wide(page) == []


def test_page_on_a_phone_changes_while_the_session_goes_on(
    open_page: Callable[..., Any], address: str, ledger: Path, entries: list[Entry]
) -> None:
    page = open_page(f"{address}?run=running", PHONE)
    wait_until_shown(page, last_sequence(ledger, "running"), START_MS)
    early = summary_of_run(ledger, "running")
    assert_shows(page, early)
    assert shown(page, "verdict") == "running"
    assert too_wide(page) == []

    write_session(ledger, "running", entries[SPLIT:])

    wait_until_shown(page, last_sequence(ledger, "running"), CHANGE_MS)
    late = summary_of_run(ledger, "running")
    assert late.trades > early.trades and late.equity_paise != early.equity_paise
    assert_shows(page, late)
    assert shown(page, "verdict") == "completed"
    assert too_wide(page) == []


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_report_opens_from_disk_without_a_network(
    open_page: Callable[..., Any],
    ledger: Path,
    tmp_path: Path,
    viewport: dict[str, int],
) -> None:
    files = write_report(ledger, "finished", tmp_path / "finished.ipynb", "trades identical: 1/1")
    page = open_page(files.html.as_uri(), viewport)
    page.wait_for_function("document.querySelectorAll('.figure .main-svg').length >= 6")
    assert_shows(page, summary_of_run(ledger, "finished"))
    assert too_wide(page) == []
