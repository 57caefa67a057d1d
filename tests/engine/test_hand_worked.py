"""Every rule that holds money comes to the numbers that were worked out by hand for it."""

from pathlib import Path

import pandas as pd
import pytest

from nifty_research.core.settings import load_settings
from nifty_research.engine.book import BarFlag, Denial, Reason
from nifty_research.engine.hand_worked import EXAMPLES, LATE_BARS, LateBars
from nifty_research.engine.rules import bar_flags, rules_of
from nifty_research.engine.worked_example import USUAL, Example, agrees, expected, found
from nifty_research.market.calendar import bar_starts

SETTINGS = Path(__file__).resolve().parents[2] / "settings.ini"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.rule.replace(" ", "-"))
def test_the_engine_comes_to_what_was_worked_by_hand(example: Example) -> None:
    wanted = expected(example)
    assert wanted, "an example says what must come out"
    assert agrees(wanted, found(example)) == "agrees"


@pytest.mark.parametrize("late", LATE_BARS, ids=lambda one: f"{one.symbol}-{one.day}-{one.product}")
def test_the_day_is_late_when_the_table_says_so(late: LateBars) -> None:
    settings = load_settings(SETTINGS, overrides={"account.product": late.product}, environ={})
    index = pd.DatetimeIndex(bar_starts(late.day, late.minutes, False))
    flags = bar_flags(index, [late.symbol], late.minutes, settings)[:, 0]
    for flag, wanted in (
        (BarFlag.NO_ENTRY, late.no_entry),
        (BarFlag.SQUARE_OFF, late.square_off),
        (BarFlag.LAST_BAR, late.last),
    ):
        raised = index[flags & flag > 0]
        assert (f"{raised[0]:%H:%M}" if len(raised) else "") == wanted, flag.name


def test_no_denial_and_no_reason_is_without_an_example() -> None:
    "FLATTEN is a person's wish, which no market brings about."
    denied = " ".join(one.denied or "" for one in EXAMPLES)
    fills = " ".join(one.fills or "" for one in EXAMPLES)
    assert [code.name for code in Denial if f"{code.name} limit" not in denied] == []
    reasons = [one.name.lower().replace("_", " ") for one in Reason if one]
    assert [name for name in reasons if f"({name})" not in fills] == ["flatten"]


def test_rules_are_told_apart_by_their_names() -> None:
    assert len({one.rule for one in EXAMPLES}) == len(EXAMPLES)


def test_an_example_that_is_wrong_is_noticed() -> None:
    right = EXAMPLES[0]
    wrong = Example(right.rule, right.worked, right.bars, right.entry, fills="1 open +1499 at 100")
    assert agrees(expected(wrong), found(wrong)) == "1 open +1500 at 100"


def test_the_usual_numbers_are_those_of_the_conservative_profile() -> None:
    rules = rules_of(load_settings(SETTINGS, profile="conservative", environ={}))
    off = {"interval", "correlation_cut", "lock_atr", "time_stop", "slippage"}
    differ = {
        name
        for name in rules.dtype.names or ()
        if name not in off | {"bars_a_year"} and rules[name][0] != USUAL.get(name, 0)
    }
    assert differ == set()
