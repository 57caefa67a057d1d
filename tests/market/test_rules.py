"""Dated rules: what a table may hold, what a question answers, and whether our tables are sound."""

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market import rules
from nifty_research.market.rulefiles import Rule, Subject, read_subjects, read_table
from nifty_research.market.rules import (
    about_subject,
    coverage,
    history,
    keys,
    rows_on,
    rule,
    rule_if_any,
    subjects,
)

FIRST, CHECKED = date(2015, 1, 1), date(2026, 10, 9)
RATES = Subject("rates", "Rates", FIRST, None, CHECKED, "unknown")
HEADER = "key,from,to,rate:float,note:text?,verified,source"
SUBJECTS = "subject,title,covers_from,covers_to,checked,absence"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "rates.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    "A folder with one small table in the place of the project's."
    listed = [SUBJECTS, "rates,Rates,2015-01-01,,2026-10-09,unknown"]
    listed.append("days,Days,2015-01-01,2026-12-31,2026-10-09,nothing")
    (tmp_path / "subjects.csv").write_text("\n".join(listed))
    write(
        tmp_path,
        "A,2015-01-01,2016-12-31,1.0,,no,press",
        "A,2017-01-01,2017-12-31,2.0,,yes,law",
        "A,2019-01-01,,3.0,,yes,law",
        "B,2020-01-01,,4.0,odd,no,press",
    )
    (tmp_path / "days.csv").write_text(
        "key,from,to,name:text,verified,source\nX,2026-01-26,2026-01-26,Republic Day,yes,list\n"
    )
    monkeypatch.setattr(rules, "TABLES", tmp_path)
    monkeypatch.setattr(rules, "_TABLES", {})
    rules._subjects.cache_clear()
    yield tmp_path
    rules._subjects.cache_clear()


# What a file may hold


def test_every_type_is_read(tmp_path: Path) -> None:
    header = "key,from,to,a:text,b:int,c:float,d:decimal,e:time,f:date,g:int?,verified,source"
    path = write(
        tmp_path, 'K,2020-01-01,,"x, y",75,0.05,14.5,15:30,2026-09-15,,yes,s', header=header
    )
    (row,) = read_table(path, RATES)["K"]
    assert dict(row.values) == {
        "a": "x, y",
        "b": 75,
        "c": 0.05,
        "d": Decimal("14.5"),
        "e": time(15, 30),
        "f": date(2026, 9, 15),
        "g": None,
    }
    assert row.verified and row.until is None and not row.nearest
    assert len({row, row}) == 1  # A rule can be put into a set


@pytest.mark.parametrize(
    ("row", "line", "said"),
    [
        ("A,2020-01-01,,x,,yes,law", 2, "needs a value of type float"),
        ("A,2020-01-01,,nan,,yes,law", 2, "needs a value of type float"),
        ("A,2020-01-01,,,,yes,law", 2, "declare rate:float?"),
        ("A,01-01-2020,,1,,yes,law", 2, "a day written as 2026-08-31"),
        ("A,2020-01-01,2019-12-31,1,,yes,law", 2, "ends before it begins"),
        ("A,2020-01-01,,1,,maybe,law", 2, "verified is yes or no"),
        ("A,2020-01-01,,1,,yes,", 2, "needs a source"),
        (",2020-01-01,,1,,yes,law", 2, "needs a key"),
        ("A,2020-01-01,,1,yes,law", 2, "has 7 cells"),
        ("A,2014-12-31,,1,,yes,law", 2, "reaches beyond what the subject 'rates' covers"),
        ('A,2020-01-01,,1,"open,yes,law', 2, "the line is no CSV"),
    ],
)
def test_a_faulty_row_names_file_line_and_remedy(
    tmp_path: Path, row: str, line: int, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path, row), RATES)
    assert said in str(caught.value)
    assert caught.value.where == f"rates.csv, line {line}"
    assert caught.value.remedy


@pytest.mark.parametrize(
    "header",
    [
        "",
        "key,from,to",
        "key,to,from,rate:float,verified,source",
        "key,from,to,rate:float,source,verified",
        "key,from,to,rate:percent,verified,source",
        "key,from,to,rate,verified,source",
        "key,from,to,rate:float,rate:int,verified,source",
    ],
)
def test_a_faulty_header_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(DataError, match=r"rates\.csv, line 1"):
        read_table(write(tmp_path, header=header), RATES)


@pytest.mark.parametrize(
    "rows",
    [
        ("A,2020-01-01,2020-06-30,1,,yes,law", "A,2020-06-30,,2,,yes,law"),  # One day twice
        ("A,2020-01-01,,1,,yes,law", "A,2021-01-01,,2,,yes,law"),  # The first is open
        ("A,2021-01-01,,1,,yes,law", "A,2020-01-01,2020-12-31,2,,yes,law"),  # Out of order
    ],
)
def test_rows_of_one_key_neither_overlap_nor_go_back(tmp_path: Path, rows: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=r"line 3.*'A' overlap or are not in the order"):
        read_table(write(tmp_path, *rows), RATES)


def test_rows_of_different_keys_may_overlap(tmp_path: Path) -> None:
    found = read_table(write(tmp_path, "A,2020-01-01,,1,,no,s", "B,2019-01-01,,2,,no,s"), RATES)
    assert list(found) == ["A", "B"]


def test_an_open_row_needs_an_open_subject(tmp_path: Path) -> None:
    closed = Subject("rates", "Rates", FIRST, date(2026, 12, 31), CHECKED, "unknown")
    path = write(tmp_path, "A,2020-01-01,,1,,yes,law")
    with pytest.raises(DataError, match="2020-01-01 to open"):
        read_table(path, closed)
    assert read_table(path, RATES)


def test_a_file_that_is_missing_or_no_text_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "rates.csv", RATES)
    (tmp_path / "rates.csv").write_bytes(b"key,from\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "rates.csv", RATES)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,A,2015-01-01,,2026-10-09,sometimes", "absence is nothing or unknown"),
        ("a,A,2015-01-01,2026-10-09,unknown", "has 6 cells"),
        ("a,A,first of May,,2026-10-09,unknown", "covers_from"),
    ],
)
def test_a_faulty_list_of_subjects_is_refused(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "subjects.csv"
    path.write_text(f"{SUBJECTS}\n{line}\n")
    with pytest.raises(DataError, match=r"subjects\.csv, line 2") as caught:
        read_subjects(path)
    assert said in str(caught.value)


def test_a_subject_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "subjects.csv"
    path.write_text(f"{SUBJECTS}\n" + "a,A,2015-01-01,,2026-10-09,unknown\n" * 2)
    with pytest.raises(DataError, match=r"line 3.*twice"):
        read_subjects(path)


# What a question answers


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (date(2015, 1, 1), 1.0),
        (date(2016, 12, 31), 1.0),
        (date(2017, 1, 1), 2.0),
        (date(2017, 12, 31), 2.0),
        (date(2019, 1, 1), 3.0),
        (date(2040, 1, 1), 3.0),
    ],
)
def test_first_and_last_day_belong_to_a_rule(small: Path, day: date, rate: float) -> None:
    assert rule("rates", "A", day)["rate"] == rate
    assert rule_if_any("rates", "A", day) is rule("rates", "A", day)


def test_a_gap_is_an_error_that_says_what_is_known(small: Path) -> None:
    with pytest.raises(UnknownRuleError) as caught:
        rule("rates", "A", date(2018, 6, 1))
    for part in ("rates", "'A'", "2018-06-01", "2017-01-01 to 2017-12-31", "2019-01-01 to open"):
        assert part in str(caught.value)
    assert rule_if_any("rates", "A", date(2018, 6, 1)) is None


@pytest.mark.parametrize(
    ("key", "day", "since"),
    [
        ("A", date(2018, 1, 1), date(2017, 1, 1)),
        ("A", date(2018, 12, 31), date(2019, 1, 1)),
        ("A", date(2010, 1, 1), date(2015, 1, 1)),
        ("B", date(2015, 1, 1), date(2020, 1, 1)),
    ],
)
def test_the_nearest_rule_is_given_and_marked(
    small: Path, key: str, day: date, since: date
) -> None:
    near = rule("rates", key, day, nearest=True)
    assert near.nearest and near.since == since and not near.holds_on(day)
    assert not rule("rates", key, since, nearest=True).nearest


def test_a_day_outside_of_the_subject_is_never_no_rule(small: Path) -> None:
    assert rule_if_any("days", "X", date(2026, 1, 27)) is None
    assert rule_if_any("days", "another", date(2026, 1, 27)) is None
    for day in (date(2014, 12, 31), date(2027, 1, 1)):
        with pytest.raises(UnknownRuleError, match="2015-01-01 to 2026-12-31"):
            rule_if_any("days", "X", day)
        with pytest.raises(UnknownRuleError, match=str(day)):
            rows_on("days", day)


def test_names_that_do_not_exist_are_refused_with_those_alike(small: Path) -> None:
    with pytest.raises(UnknownRuleError, match=r"no such subject.*'rate'.*rates"):
        rule("rate", "A", FIRST)
    for question in (lambda: rule("rates", "C", FIRST), lambda: history("rates", "C")):
        with pytest.raises(UnknownRuleError, match=r"no rule for this key.*A, B"):
            question()
    with pytest.raises(UnknownRuleError, match="key"):
        rule("rates", "C", FIRST, nearest=True)


def test_a_moment_is_no_day(small: Path) -> None:
    moment = datetime(2026, 9, 15, tzinfo=UTC)
    with pytest.raises(DataError, match="calendar day"):
        rule("rates", "A", moment)
    with pytest.raises(DataError, match="calendar day"):
        rule_if_any("days", "no such key", moment)
    with pytest.raises(DataError, match="calendar day"):
        rows_on("rates", moment)


def test_a_rule_cannot_be_changed(small: Path) -> None:
    row = rule("rates", "A", FIRST)
    with pytest.raises(AttributeError):
        row.source = "me"  # type: ignore[misc]
    with pytest.raises(TypeError):
        row.values["rate"] = 9.0  # type: ignore[index]


def test_all_rules_of_a_day(small: Path) -> None:
    assert [row.key for row in rows_on("rates", date(2019, 6, 1))] == ["A"]
    assert [row.key for row in rows_on("rates", date(2020, 6, 1))] == ["A", "B"]
    assert rows_on("rates", date(2018, 6, 1)) == ()
    assert keys("rates") == ("A", "B") and len(history("rates", "A")) == 3


def test_coverage_counts_days_up_to_the_latest_evidence(small: Path) -> None:
    rates, days = coverage()
    span = 2 * ((CHECKED - FIRST).days + 1)
    law = 365 + (CHECKED - date(2019, 1, 1)).days + 1
    press = 731 + (CHECKED - date(2020, 1, 1)).days + 1
    assert rates.primary == pytest.approx(law / span)
    assert rates.other == pytest.approx(press / span)
    assert rates.unknown == pytest.approx(1 - (law + press) / span)
    assert (days.primary, days.other, days.unknown) == (1.0, 0.0, 0.0)
    assert not about_subject("rates").is_checked(CHECKED + timedelta(days=1))


def test_many_threads_may_ask_first(small: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: rule("rates", "A", FIRST), range(64)))
    assert {row.since for row in found} == {FIRST}


Spans = list[tuple[date, date]]


@st.composite
def spans(draw: st.DrawFn) -> Spans:
    "Days that neither overlap nor go back, with gaps and neighbours."
    steps = draw(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 90)), max_size=8))
    found, day = [], FIRST
    for gap, length in steps:
        start = day + timedelta(days=gap)
        day = start + timedelta(days=length)
        found.append((start, day))
    return found


@given(spans(), st.integers(0, 900))
def test_a_look_up_agrees_with_reading_the_rows_one_by_one(found: Spans, offset: int) -> None:
    day = FIRST + timedelta(days=offset)
    of_key = [Rule("rates", "A", a, b, {}, True, "law") for a, b in found]
    table = {"A": ([row.since for row in of_key], of_key)} if of_key else {}
    holding = [row for row in of_key if row.since <= day <= (row.until or day)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "_TABLES", {"rates": table or {"B": ([], [])}})
        patch.setattr(rules, "_subjects", lambda: {"rates": RATES})
        assert rule_if_any("rates", "A", day) == (holding[0] if holding else None)
        if of_key and not holding:
            near = rule("rates", "A", day, nearest=True)
            distances = [
                min(abs((row.since - day).days), abs(((row.until or day) - day).days))
                for row in of_key
            ]
            chosen = [row.since for row in of_key].index(near.since)
            assert near.nearest and distances[chosen] == min(distances)


# The project's own tables


def test_each_table_is_a_subject_and_each_subject_a_table() -> None:
    files = {path.stem for path in rules.TABLES.glob("*.csv")} - {"subjects"}
    assert files == {about.name for about in subjects()}


@pytest.mark.parametrize("about", subjects(), ids=lambda about: about.name)
def test_a_table_is_sound(about: Subject) -> None:
    assert about.covers_from <= about.known_to and about.title
    assert keys(about.name)
    for key in keys(about.name):
        for row in history(about.name, key):
            assert row.source and row.subject == about.name
            assert rule(about.name, key, row.since) is row
            assert rule(about.name, key, row.until or max(row.since, about.known_to)) is row


def test_tables_are_written_as_a_spreadsheet_reads_them() -> None:
    for path in rules.TABLES.glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        assert text.endswith("\n") and "\r" not in text, path.name
        widths = {len(cells) for cells in csv.reader(text.splitlines())}
        assert len(widths) == 1, path.name


def test_shares_of_coverage_add_up() -> None:
    for row in coverage():
        assert row.rows and row.sources
        assert min(row.primary, row.other, row.unknown) >= -1e-12
        assert row.primary + row.other + row.unknown == pytest.approx(1.0)
