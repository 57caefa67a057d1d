"""The gate: each rule alone, what an exit is spared, and how fast it is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.clock import IST
from nifty_research.execution.gate import Gate
from nifty_research.execution.gate_rules import CHECKS, Known, Limits, Proposal, Tradable, codes
from nifty_research.ledger.events import encode_payload

TEN = datetime(2026, 9, 15, 10, 0, tzinfo=IST)
SHARE = Tradable("INFY", tick=0.1, lot=1, freeze=5000, margin=0.2)
LIMITS = Limits(1000, 2e6, 2.0, 3.0, 5.0, 30.0, 24)
KNOWN = Known(
    TEN,
    equity_inr=500_000.0,
    available_inr=400_000.0,
    last_price=1500.0,
    price_at=TEN,
    lowest=1350.0,
    highest=1650.0,
    calls_left=100,
)
ENTRY = Proposal(SHARE, 100, limit=1500.0, stop=1470.0)
STOP = Proposal(SHARE, -100, trigger=1470.0, is_exit=True)


def failed(asked: Proposal, known: Known = KNOWN, limits: Limits = LIMITS) -> list[str]:
    return [one.code for one in Gate(limits).check(asked, known).failed]


def test_good_orders_pass_and_every_check_is_in_the_verdict() -> None:
    gate = Gate(LIMITS)
    verdict = gate.check(ENTRY, KNOWN)
    assert verdict.passed and tuple(one.code for one in verdict.checks) == codes("entry")
    verdict = gate.check(STOP, replace(KNOWN, held=100))
    assert verdict.passed and tuple(one.code for one in verdict.checks) == codes("exit")
    assert len(CHECKS.strip().splitlines()) == len(set(codes("entry")) | set(codes("exit")))


@pytest.mark.parametrize(
    ("asked", "known", "code"),
    [
        ({}, {"halted": "kill switch"}, "halted"),
        ({}, {"locked": "books differ"}, "locked"),
        ({}, {"now": TEN.replace(hour=16), "price_at": TEN.replace(hour=16)}, "hours"),
        ({}, {"now": TEN + timedelta(days=5), "price_at": TEN + timedelta(days=5)}, "hours"),
        ({"quantity": 0, "stop": 1530.0}, {}, "quantity"),
        ({"instrument": replace(SHARE, lot=65)}, {}, "lot"),
        ({"instrument": replace(SHARE, freeze=99)}, {}, "freeze"),
        ({"limit": 1500.05}, {}, "tick"),
        ({"limit": 1300.0, "stop": 1200.0}, {}, "band"),
        ({"is_change": True, "changes": 24}, {}, "changes"),
        ({}, {"held": 600, "buying": 301, "equity_inr": 5e6}, "shares"),
        ({"instrument": replace(SHARE, margin=0.0)}, {"equity_inr": 7e4}, "position"),
        ({}, {"exposure_inr": 1_400_000.0}, "exposure"),
        ({}, {"available_inr": 29_999.0}, "margin"),
        ({"instrument": replace(SHARE, is_banned=True)}, {}, "ban"),
        ({}, {"alike_at": TEN - timedelta(seconds=4)}, "duplicate"),
        ({}, {"calls_left": 0}, "rate"),
        ({}, {"price_at": TEN - timedelta(seconds=31)}, "stale"),
        ({}, {"price_at": None}, "stale"),
        ({"stop": None}, {}, "stop"),
        ({"stop": 1510.0}, {}, "stop"),
        ({"quantity": -100}, {}, "stop"),
    ],
)
def test_each_rule_denies_by_its_code(
    asked: dict[str, Any], known: dict[str, Any], code: str
) -> None:
    assert failed(replace(ENTRY, **asked), replace(KNOWN, **known)) == [code]


def test_large_order_is_denied_by_its_value() -> None:
    assert failed(ENTRY, limits=replace(LIMITS, order_inr=149_999.0)) == ["order"]


@pytest.mark.parametrize(
    "known",
    [
        {"halted": "kill switch"},
        {"locked": "books differ"},
        {"available_inr": -1.0},
        {"calls_left": 0},
        {"price_at": None},
        {"exposure_inr": 1e12},
    ],
)
def test_exits_are_spared_what_would_keep_a_danger_open(known: dict[str, Any]) -> None:
    assert failed(STOP, replace(KNOWN, held=100, **known)) == []


@pytest.mark.parametrize("held", [0, 99, -100])
def test_exit_closes_no_more_than_is_held(held: int) -> None:
    assert failed(STOP, replace(KNOWN, held=held)) == ["closes"]


@given(
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
)
def test_any_numbers_give_a_verdict_that_can_be_written(
    quantity: int, limit: float, trigger: float, is_exit: bool
) -> None:
    asked = Proposal(SHARE, quantity, limit, trigger, is_exit, stop=limit)
    verdict = Gate(LIMITS).check(asked, KNOWN)
    finite = abs(limit) < 1e9 and abs(trigger) < 1e9
    assert finite or not verdict.passed
    if not verdict.passed:
        kind, said = verdict.event(TEN)
        assert json.loads(encode_payload(said, kind=kind))["code"] == verdict.failed[0].code


def test_gate_and_algorithms_load_nothing_heavy() -> None:
    heavy = "{'numba', 'pandas', 'plotly', 'scipy', 'duckdb', 'pyarrow', 'matplotlib'}"
    names = "gate, algorithms, slicing, market_view, disaster_stops"
    code = f"import sys\nfrom nifty_research.execution import {names}\n"
    code += f"print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
