"""`nifty market charges` as it is typed."""

import json
from typing import Any

import pytest

from nifty_research.cli import market_charges
from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.market.charges import HEADS

assert market_charges.market_charges  # its import makes the command


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(("market", "charges", *arguments))
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = typed(capsys, *arguments, "--json")
    assert code == 0, err
    record: dict[str, Any] = json.loads(out)
    return record


WORKED = {
    "delivery": (("--product", "CNC", "--buy", "100@1000", "--sell", "100@1100"), 23286),
    "intraday": (("--buy", "400@1000", "--sell", "400@1100"), 20062),
    "option": (("--segment", "options", "--buy", "65@100", "--sell", "65@110"), 6388),
    "future": (("--segment", "futures", "--buy", "65@24000", "--sell", "65@24100"), 93286),
}


@pytest.mark.parametrize("trade", WORKED)
def test_the_worked_examples_of_april_2026(trade: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, paise = WORKED[trade]
    record = answered(capsys, "--day", "2026-04-01", *arguments)
    assert record["total_paise"] == paise == sum(record["charges_paise"].values())
    assert list(record["charges_paise"]) == list(HEADS)
    assert record["net_paise"] == record["gross_paise"] - paise
    assert record.get("depository_paise") == (1534 if trade == "delivery" else None)


def test_people_see_the_sum_and_what_is_not_sure(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = typed(capsys, "--day", "2024-05-02", "--buy", "1,000@500.05", "--sources")
    assert code == 0 and not err
    assert "BUY 1000 @ 500.05" in out and "₹5,00,050.00" in out
    assert "without a primary source: exchange" in out
    assert "broker notices" in out and "result" not in out


def test_a_day_before_the_table_is_refused_or_answered_by_the_nearest_rates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    order = ("--day", "2014-06-02", "--product", "CNC", "--sell", "10@500")
    code, _, err = typed(capsys, *order)
    assert code == ExitCode.DATA and "2014-06-02" in err
    code, out, _ = typed(capsys, *order, "--nearest")
    assert code == 0 and "NOT IN FORCE that day" in out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), ExitCode.USAGE, "no order is given"),
        (("--buy", "400"), ExitCode.USAGE, "quantity@price"),
        (("--buy", "0@10"), ExitCode.USAGE, "0@10"),
        (("--buy", "4@10", "--day", "15-09-2026"), ExitCode.USAGE, "year-month-day"),
        (("--buy", "4000000@10000"), ExitCode.USAGE, "100 crore"),
        (("--buy", "4@10", "--product", "NRML"), ExitCode.DATA, "MIS, CNC"),
        (("--buy", "4@10", "--segment", "bonds"), ExitCode.DATA, "commodity-options"),
        (("--buy", "4@10", "--exchange", "MCX"), ExitCode.DATA, "exchange"),
    ],
)
def test_what_cannot_be_charged_says_why(
    arguments: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = typed(capsys, *arguments)
    assert found == code and not out
    assert says in err
