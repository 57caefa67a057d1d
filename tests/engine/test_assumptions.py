"""Every written assumption names a test, and that test is there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from nifty_research.engine.assumptions import ASSUMPTIONS, Assumption
from nifty_research.engine.hand_worked import EXAMPLES

TESTS = Path(__file__).resolve().parents[1]


@cache
def names_in(name: str) -> frozenset[str]:
    "Names of the tests of a file; none where the file is not there."
    found = list(TESTS.rglob(f"{name}.py"))
    if len(found) != 1:
        return frozenset()
    tree = ast.parse(found[0].read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("one", ASSUMPTIONS, ids=lambda one: one.about.replace(" ", "-"))
def test_the_test_that_an_assumption_names_exists(one: Assumption) -> None:
    kind, _, rule = one.test.partition(": ")
    if kind == "by hand":
        assert rule in {example.rule for example in EXAMPLES}
        return
    file, _, name = one.test.partition("::")
    assert name.startswith("test_") and name in names_in(file), one.test


@pytest.mark.parametrize("one", ASSUMPTIONS, ids=lambda one: one.about.replace(" ", "-"))
def test_an_assumption_says_what_and_why(one: Assumption) -> None:
    assert one.about and one.assumed and one.why


def test_a_test_that_is_not_there_is_noticed() -> None:
    assert "test_that_nobody_wrote" not in names_in("test_assumptions")
    assert not names_in("no_such_file")


def test_the_page_covers_what_a_fill_depends_on() -> None:
    about = {one.about for one in ASSUMPTIONS}
    assert {
        "order of phases", "a gap through the stop", "a gap beyond the target",
        "stop and target in one bar", "market protection", "at the band",
        "halts and missing bars", "share of the volume", "part fills", "spread", "impact",
        "finer bars", "end of the day", "square-off", "closing auction", "splits and bonuses",
        "dividends", "shares that trade no more", "charges", "margin",
    } <= about  # fmt: skip
