"""Corners of cli.output and cli.figures: widths, progress without a terminal, drawdown."""

from contextlib import redirect_stderr
from datetime import date
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.cli.figures import backtest_summary, first_known, last_known
from nifty_research.cli.options import assignments, choice_of, days_of_text
from nifty_research.cli.output import Meter, error_block, text_table
from nifty_research.core.errors import DataError, UsageError
from nifty_research.core.settings import load_settings
from nifty_research.serve.sample import backtest_entries, write_session
from nifty_research.serve.view import read_session
from nifty_research.session.decide import backtest_of
from nifty_research.session.market import prepare_bars


@given(st.lists(st.tuples(st.text("abc ", max_size=8), st.integers(-999, 9999)), max_size=5))
def test_columns_of_a_table_stand_below_each_other(rows: list[tuple[str, int]]) -> None:
    lines = text_table(("name", "value"), rows, right=(1,)).splitlines()
    width = max(len(line) for line in lines)
    assert len(lines) == len(rows) + 2
    assert all(len(line) == width for line in lines[1:])


def test_a_long_value_is_cut_in_an_error() -> None:
    block = error_block(DataError("bad", value="x" * 1000))
    assert len(block) < 400 and block.endswith("…")


def test_progress_without_a_terminal_is_a_line_now_and_then() -> None:
    with redirect_stderr(StringIO()) as said, Meter("bars", 10, every_s=3600) as meter:
        for done in range(10):
            meter.show(done)
    assert said.getvalue() == ""


def test_progress_on_a_terminal_leaves_nothing_on_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Meter("bars", 10, terminal=True) as meter:
        meter.show(5, note="10:32")
    assert capsys.readouterr().out == ""


@given(
    st.integers(1, 6).flatmap(
        lambda rows: st.lists(
            st.lists(st.one_of(st.just(np.nan), st.floats(1, 9)), min_size=rows, max_size=rows),
            min_size=1,
            max_size=4,
        )
    )
)
def test_first_and_last_prices_are_those_of_a_plain_search(columns: list[list[float]]) -> None:
    prices = np.array(columns).T
    for found, order in ((first_known(prices), 1), (last_known(prices), -1)):
        plain = [
            next((p for p in column[::order] if not np.isnan(p)), np.nan) for column in columns
        ]
        assert np.array_equal(found, plain, equal_nan=True)


@pytest.mark.parametrize("text", ["2026-09-15..2026-09-01", "2026-9", "", "2026-09-15.."])
def test_a_span_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        days_of_text(text)


def test_a_span_without_a_session_is_refused() -> None:
    with pytest.raises(DataError, match="no trading session"):
        days_of_text("2026-09-12..2026-09-13")


def test_a_value_may_hold_an_equals_sign() -> None:
    assert assignments(["kite.root=https://x/?a=b"]) == {"kite.root": "https://x/?a=b"}


def test_an_option_wins_over_a_setting_given_by_name() -> None:
    choice = choice_of(interval="15m", assigned=["market.interval_minutes=5"])
    assert choice.settings.market.interval_minutes == 15


def test_figures_of_a_backtest_are_those_that_its_events_fold_to(tmp_path: object) -> None:
    settings = load_settings(overrides={"market.interval_minutes": "5"})
    market = prepare_bars(settings, (date(2026, 9, 15),))
    result = backtest_of(market.bars, market.start, settings)
    ours = backtest_summary(market.bars, market.start, result, settings, "synthetic")

    said = {"capital_paise": settings.account.capital_paise, "symbols": list(market.bars.symbols)}
    entries = list(backtest_entries(market.bars, result, market.start, said))
    ledger = write_session(tmp_path / "ledger.sqlite", "folded", entries)  # type: ignore[operator]
    folded = read_session(ledger, "folded").summary()

    for name in (
        *("trades", "winners", "fills", "orders", "bars", "cash_paise", "equity_paise"),
        *("gross_paise", "net_paise", "charges", "turnover_paise", "denied", "days"),
        *("max_drawdown_paise", "max_drawdown_fraction"),
    ):
        assert getattr(ours, name) == getattr(folded, name), name
