"""The commands of portfolio risk, for people and for programs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nifty_research.cli import risk_allocate, risk_stress
from nifty_research.cli.risk import risk_app
from nifty_research.core.errors import DataError, MissingDataError, UsageError

assert risk_stress.risk_app is risk_allocate.risk_app is risk_app  # they add their commands to it


@pytest.fixture
def holdings(tmp_path: Path) -> Path:
    path = tmp_path / "holdings.csv"
    path.write_text("symbol,quantity\nRELIANCE,100\nHDFCBANK,200\nITC,-300\n")
    return path


def typed(*words: str) -> str:
    "Standard output of a command; its error is raised."
    result = CliRunner().invoke(risk_app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_var_for_people_programs_and_as_a_page(holdings: Path, tmp_path: Path) -> None:
    page, options = (
        tmp_path / "risk.html",
        ("--bars", "synthetic", "--set", "portfolio_risk.paths=2000"),
    )
    text = typed("var", str(holdings), *options, "--html", str(page))
    assert "a made-up market" in text.splitlines()[0] and "Cornish-Fisher" in text
    assert page.read_text(encoding="utf-8").count('class="figure"') == 5
    record = json.loads(typed("var", str(holdings), *options, "--json"))
    kinds = {(m["measure"], m["horizon"], m["confidence"]) for m in record["measures"]}
    assert len(kinds) == 7 * 2 * 2 and {t["measure"] for t in record["tests"]} >= {"filtered"}
    assert sum(abs(part["value_inr"]) for part in record["components"]) == pytest.approx(
        record["gross_inr"]
    )


def test_stress_takes_names_texts_and_files(holdings: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.csv"
    own.write_text("symbol,move\nothers,-20%\nITC,+5%\n")
    shocks = ("covid_2020", "others=-10%", str(own))
    words = [word for shock in shocks for word in ("--shock", shock)]
    record = json.loads(typed("stress", str(holdings), "--bars", "synthetic", *words, "--json"))
    assert [one["shock"] for one in record["shocks"]] == ["covid_2020", "own", "mine"]
    assert record["shocks"][0]["stated"] == 1.0
    by_symbol = {row["symbol"]: row for row in record["shocks"][2]["holdings"]}
    assert all(by_symbol[symbol]["profit"] < 0 for symbol in ("ITC", "RELIANCE"))
    everything = typed("stress", str(holdings), "--bars", "synthetic")
    assert all(one["name"] in everything for one in json.loads(typed("shocks", "--json")))


def test_allocate_gives_orders_that_fit_the_capital(holdings: Path) -> None:
    options = ("--bars", "synthetic", "--method", "risk_parity", "--capital", "500000")
    record = json.loads(typed("allocate", str(holdings), *options, "--json"))
    told = record["methods"]["risk_parity"]
    spent = sum(row["wanted"] * row["price"] for row in told["holdings"])
    assert spent + told["left_over_inr"] == pytest.approx(500_000)
    assert all(row["change"] == row["wanted"] - row["held"] for row in told["holdings"])
    assert "left over" in typed("allocate", str(holdings), *options)


def test_errors_say_what_to_do(holdings: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="--bars synthetic"):
        typed("var", str(holdings), "--bars", str(tmp_path / "none"))
    with pytest.raises(MissingDataError, match="no such file"):
        typed("var", str(tmp_path / "none.csv"), "--bars", "synthetic")
    with pytest.raises(UsageError, match="the page cannot be written"):
        typed("stress", str(holdings), "--bars", "synthetic", "--html", str(tmp_path / "a" / "b"))
    with pytest.raises(DataError, match="leave room for"):
        typed(
            *("allocate", str(holdings), "--bars", "synthetic"),
            *("--method", "minimum_variance", "--largest", "0.1"),
        )
