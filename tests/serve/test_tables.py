"""Tables, summary lines and figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.serve.figures import (
    SHOWN_EACH_WAY,
    axis_text,
    profit_by_symbol_figure,
    rupee_axis,
    session_figures,
)
from nifty_research.serve.page import figure_html, headline
from nifty_research.serve.sample import write_session
from nifty_research.serve.tables import percentile, session_tables, summary_rows
from nifty_research.serve.view import SessionView, read_session


def test_tables_have_a_row_for_everything_in_the_journal(view: SessionView) -> None:
    summary, tables = view.summary(), {t.name: t for t in session_tables(view.state)}
    assert len(tables["trades"].rows) == summary.trades
    assert len(tables["orders"].rows) == summary.orders
    assert len(tables["fills"].rows) == summary.fills
    assert len(tables["denials"].rows) == sum(summary.denied.values())
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.frame().shape == (len(table.rows), len(table.columns))


def test_summary_names_what_ought_not_to_be_there(view: SessionView) -> None:
    labels = [label for label, _ in summary_rows(view.summary(), None)]
    assert "buy and hold" not in labels and "rejected orders" not in labels
    assert labels[:3] == ["verdict", "session", "days"]
    lines = dict(summary_rows(view.summary(), -5_00, [1000] * 99 + [9000]))
    assert lines["buy and hold"] == "-₹5.00 (-0.00%)"
    assert lines["decision latency"] == "1.0 ms median, 1.0 ms 99th"


@given(st.lists(st.integers(0, 10**6), min_size=1), st.floats(0, 1))
def test_percentile_is_a_value_that_enough_others_do_not_exceed(
    values: list[int], fraction: float
) -> None:
    found = percentile(values, fraction)
    assert found in values
    assert sum(value <= found for value in values) >= fraction * len(values)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20))
def test_axis_holds_all_amounts_and_tells_its_marks_apart(amounts: list[int]) -> None:
    axis = rupee_axis(amounts)
    low, high = axis["range"]
    assert low * 100 <= min(amounts) and high * 100 >= max(amounts)
    assert 1 <= len(axis["tickvals"]) <= 12
    assert len(set(axis["ticktext"])) == len(axis["ticktext"])


@pytest.mark.parametrize(
    ("amount", "step", "text"),
    [
        (10_00_000_00, 5_000_00, "₹10.00 lakh"),
        (9_95_000_00, 5_000_00, "₹9.95 lakh"),
        (-2_000_00, 1_000_00, "-₹2,000"),
        (50, 50, "₹0.50"),
        (3_00_00_000_00, 1_00_00_000_00, "₹3 crore"),
    ],
)
def test_marks_are_in_lakh_and_crore(amount: int, step: int, text: str) -> None:
    assert axis_text(amount, step) == text


def test_bars_of_many_symbols_add_up(tmp_path: Path) -> None:
    symbols = [f"S{number:02d}" for number in range(30)]
    told = [("session started", {"capital_paise": 10**9, "symbols": symbols})]
    for number, symbol in enumerate(symbols):
        for side, value in (("BUY", 1000_00), ("SELL", 1000_00 + (number - 12) * 100)):
            said = {"tag": f"{symbol}{side}", "order_id": f"{symbol}{side}", "trade_id": "1"}
            said |= {"symbol": symbol, "side": side, "quantity": 1, "price": value / 100}
            said |= {"value_paise": value, "time": "2026-09-15T10:00:00+05:30", "charges": {}}
            told.append(("fill", {**said, "purpose": "entry" if side == "BUY" else "exit"}))
    view = read_session(write_session(tmp_path / "ledger.sqlite", "many", told))
    bars = profit_by_symbol_figure(view).data[0]
    assert len(bars.x) == 2 * SHOWN_EACH_WAY + 1 and "10 others" in bars.y
    assert round(sum(bars.x) * 100) == sum(trade.net_paise for trade in view.state.trades)


def test_figures_of_any_stage_of_a_session_can_be_drawn(tmp_path: Path, entries: list) -> None:
    ledger = tmp_path / "ledger.sqlite"
    write_session(ledger, "stages", entries[:1])
    with SessionView(ledger, "stages") as view:
        at = 1
        for until in (2, 3, 4, 30, 300):
            view.update()
            assert len(session_figures(view)) == 6
            assert "running" in headline(view)
            write_session(ledger, "stages", entries[at:until])
            at = until


def test_text_from_outside_cannot_become_a_script(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    told = [
        ("session started", {"capital_paise": 100, "symbols": [evil], "strategy": evil}),
        ("session ended", {"verdict": "failed", "reason": evil}),
    ]
    view = read_session(write_session(tmp_path / "ledger.sqlite", "evil", told))
    figures = session_figures(view).items()
    pages = [headline(view), *(figure_html(n, json.loads(f.to_json())) for n, f in figures)]
    for page in pages:
        scripts = re.findall(r"<script([^>]*)>", page)
        assert all("application/json" in attributes for attributes in scripts)
        assert page.count("</script>") == len(scripts)
