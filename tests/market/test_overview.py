"""What holds for a symbol: on any day, for any kind, always with a source."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market.lines import NOT_KNOWN, Line
from nifty_research.market.overview import overview
from nifty_research.market.rules import rule, subjects

SYMBOLS = (
    "RELIANCE",
    "TATAMOTORS",
    "NOSUCHNAME",
    "NIFTY",
    "SENSEX",
    "BANKNIFTY",
    "USDINR",
    "CRUDEOIL",
)
TODAY = date(2026, 11, 20)


def lines_of(lines: list[Line], subject: str) -> dict[str, str]:
    return {line.what: line.value for line in lines if line.subject == subject}


@given(st.sampled_from(SYMBOLS), st.dates(date(2005, 1, 1), date(2032, 12, 31)), st.booleans())
def test_any_day_gives_lines_and_every_line_its_source(
    symbol: str, day: date, nearest: bool
) -> None:
    found = overview(symbol, day, nearest=nearest)
    assert len(found) > 5
    for line in found:
        assert line.source and line.subject and line.what and line.value
        assert line.known or (line.value == NOT_KNOWN and not line.verified)
        by_expiry = line.subject in ("expiry", "lot")  # these rows go by the day of expiry
        assert line.since is None or line.nearest or by_expiry or line.since <= day
    assert len(found) == len(set(found))


@given(st.dates(date(2024, 4, 2), date(2026, 11, 23)), st.sampled_from(["CE", "PE", "FUT"]))
def test_a_contract_has_its_lot_and_its_expiry(day: date, kind: str) -> None:
    symbol = "NIFTY26NOV" + ("FUT" if kind == "FUT" else f"24000{kind}")
    found = overview(symbol, day)
    lot = next(line for line in found if line.subject == "lot")
    assert lot.known and lot.value.split()[0] in {"25", "50", "65", "75"}
    assert any(line.subject == "strikes" for line in found) == (kind != "FUT")


@pytest.mark.parametrize(
    ("symbol", "day", "subject", "what", "value"),
    [
        ("RELIANCE", "2026-07-31", "hours", "share with derivatives: continuous", "09:15 to 15:30"),
        ("RELIANCE", "2026-08-03", "hours", "share with derivatives: continuous", "09:15 to 15:15"),
        ("NIFTY26AUGFUT", "2026-07-31", "hours", "future: continuous", "09:15 to 15:30"),
        ("NIFTY26AUGFUT", "2026-08-03", "hours", "future: continuous", "09:15 to 15:40"),
        ("NIFTY", "2023-03-31", "charges", "options: stt_sell options", "0.05 %"),
        ("NIFTY", "2023-04-03", "charges", "options: stt_sell options", "0.0625 %"),
        ("NIFTY", "2026-04-01", "charges", "options: stt_sell options", "0.15 %"),
        ("ETERNAL", "2024-06-03", "share", "traded as", "ZOMATO"),
        (
            "NIFTY2692224000CE",
            "2026-09-15",
            "expiry",
            "expiry",
            "Tue 2026-09-22 (weekly), 7 days from then",
        ),
        ("BANKNIFTY", "2024-11-12", "expiry", "next weekly", "Wed 2024-11-13 (weekly)"),
        (
            "NIFTY",
            "2026-09-15",
            "largest order",
            "NIFTY of 2026-09-29",
            "1,755 units in whole lots",
        ),
        ("NIFTY", "2026-11-24", "day", "session", "Tuesday, closed (Guru Nanak Jayanti)"),
    ],
)
def test_what_held_is_what_the_rules_say(
    symbol: str, day: str, subject: str, what: str, value: str
) -> None:
    assert lines_of(overview(symbol, date.fromisoformat(day)), subject)[what] == value


def test_lines_carry_the_row_they_come_from() -> None:
    lot = next(line for line in overview("NIFTY26NOV24000CE", TODAY) if line.subject == "lot")
    row = rule("lots", "NIFTY monthly", date(2026, 11, 23))
    assert (lot.since, lot.source, lot.verified) == (row.since, row.source, row.verified)


def test_unknown_rules_are_shown_and_the_nearest_only_where_asked_for() -> None:
    day = date(2022, 3, 1)
    unknown = [line for line in overview("NIFTY", day) if line.subject == "largest order"]
    assert [line.value for line in unknown] == [NOT_KNOWN]
    near = [
        line for line in overview("NIFTY", day, nearest=True) if line.subject == "largest order"
    ]
    assert all(line.nearest for line in near) and near


def test_a_day_later_than_the_evidence_says_so() -> None:
    latest = max(subject.checked for subject in subjects())
    assert "evidence" in lines_of(overview("NIFTY", TODAY), "day") and latest < TODAY
    assert "evidence" not in lines_of(overview("NIFTY", latest), "day")


@pytest.mark.parametrize("symbol", ["NIFTY26SEPFUT", "NIFTY2691524000CE"])
def test_an_expired_contract_is_refused(symbol: str) -> None:
    with pytest.raises(DataError, match="expired before this day"):
        overview(symbol, TODAY)


def test_a_week_without_such_a_contract_is_refused() -> None:
    with pytest.raises(DataError, match="near it expire"):
        overview("NIFTY26N2024000CE", TODAY)
    with pytest.raises(DataError, match="a symbol is needed"):
        overview("  ", TODAY)
    with pytest.raises(UnknownRuleError, match="2024-04-24"):
        overview("NIFTYNXT5023JANFUT", date(2022, 12, 1))
