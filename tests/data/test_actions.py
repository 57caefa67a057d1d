"""Announcements are read or refused, lists are joined without doubling, and prices confirm them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError
from nifty_research.data.action_import import import_actions
from nifty_research.data.action_lists import read_actions
from nifty_research.data.actions import action_table, ex_dates, merged
from nifty_research.data.bars import ZONE, Bars
from nifty_research.data.purposes import Term, terms_of
from nifty_research.data.splits import (
    RATIOS,
    explained_splits,
    held_against,
    nearest_ratio,
    suspected_splits,
)
from nifty_research.data.store import BarStore


def split(old: float, new: float) -> list[Term]:
    return [Term("split" if new < old else "consolidation", old, new)]


def paid(amount: float) -> list[Term]:
    return [Term("dividend", amount_inr=amount)]


# Wordings of NSE's announcements and bc files, 2011 to 2026.
@pytest.mark.parametrize(
    ("purpose", "terms"),
    [
        ("FV SPLT FRM RS 10 TO RS 2", split(10, 2)),
        ("FVSPLT FRM RS 10 TO RE 1", split(10, 1)),
        ("FV SPLIT FRM RS 5 TO RE 1", split(5, 1)),
        ("Face Value Split From Rs.10/- To Re.1/-", split(10, 1)),
        ("Face Value Split (Sub-Division) - From Rs 2.50/- Per Share To Re 1/-", split(2.5, 1)),
        ("FV CONSOLIDATION FRM RS 1 TO RS 10", split(1, 10)),
        (" Bonus 1:1", [Term("bonus", 1, 1)]),
        ("BONUS- 1:2", [Term("bonus", 1, 2)]),
        ("Bonus Issue 4:5", [Term("bonus", 4, 5)]),
        ("Bonus Shares In The Ratio Of 12:34", [Term("bonus", 12, 34)]),
        (
            "Bonus - 1:1 And Face Value Split From Rs. 10 To Rs. 2",
            [*split(10, 2), Term("bonus", 1, 1)],
        ),
        ("AGM/DIV-RS 2.50 PER SH", paid(2.5)),
        ("DIV-RE 0.50 PER SH", paid(0.5)),
        ("INTDIV - RS 240 PER SH", paid(240)),
        ("Interim Dividend - Re 0.40  Per Sh", paid(0.4)),
        ("SPLDIV - RS 3 PER SH", paid(3)),
        ("Dividend-Rs.9/- Per Sh.", paid(9)),
        ("Annual General Meeting/Dividend Rs 19 Per Share", paid(19)),
        ("FINAL DIVIDEND RS 5.50 PER SHARE + SPL DIV - RS 2 PR SH", paid(7.5)),
        ("DIVIDEND 50%", paid(5)),
        (
            "Distribution - Rs 3.60 Per Unit Consisting Of Interest Rs 2.72/Dividend Re 0.54",
            paid(3.6),
        ),
        ("RGHTS 11:64@PRM RS 473/-", [Term("rights", 11, 64, 483.0)]),
        ("Rights 2:5 @ Premium Rs.140/- Per Share", [Term("rights", 2, 5, 150.0)]),
        ("Rights 1:15 @ Price Rs 1257", [Term("rights", 1, 15, 1257.0)]),
        ("DEMERGER", [Term("demerger")]),
        ("De-Merger (Scheme Of Arrangement)", [Term("demerger")]),
        ("AMALGAMATION", [Term("merger")]),
        ("MERGER", [Term("merger")]),
        ("BUY BACK", []),
        ("INT PYMNT/PART RDMPTION", []),
        ("INTEREST PAYMENT/REDEMPTI", []),
        ("PARTREDEMP-RS 12.5 TO 10", []),
        ("EOGM", []),
        ("AGM", []),
    ],
)
def test_what_the_exchange_writes(purpose: str, terms: list[Term]) -> None:
    assert terms_of(purpose, 10.0) == terms


@pytest.mark.parametrize(
    "purpose",
    [
        *("", "  ", "SOMETHING ELSE", "BONUS", "DIV RS", "INTERIM DIVIDEND", "DIV/STP"),
        *("BONUS 0:1", "FVSPLT FRM RS 0 TO RS 2", "FVSPLT FRM RS 2 TO RS 2"),
        *("Scheme Of Arrangement", "CAPITAL REDUCTION", "RIGHTS 2:5"),
        "Bonus 4:5 (Pursuant To Scheme Of Amalgamation)",
        "BONUS 1:1/DIV",
        "ANNUAL GENERAL MEETING AND SPLIT",
    ],
)
def test_what_only_a_person_can_read(purpose: str) -> None:
    with pytest.raises(DataError, match="not understood"):
        terms_of(purpose, 10.0)


def test_a_premium_needs_the_face_value() -> None:
    for purpose in ("RIGHTS 1:1 @ PRM RS 3/-", "DIVIDEND 50%"):
        with pytest.raises(DataError, match="unknown face value"):
            terms_of(purpose)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        terms = terms_of(text, 10.0)
    except DataError:
        return
    assert all(term.kind for term in terms)


@given(st.integers(1, 99), st.integers(1, 99), st.integers(1, 999))
def test_numbers_survive_the_wording(new: int, held: int, rupees: int) -> None:
    assert terms_of(f"BONUS {new}:{held}") == [Term("bonus", new, held)]
    assert terms_of(f"RGHTS {new}:{held} @ RS {rupees}/-") == [Term("rights", new, held, rupees)]
    assert terms_of(f"INTDIV - RS {rupees}.25 PER SH") == paid(rupees + 0.25)


LISTING = "SYMBOL,SERIES,PURPOSE,FACE VALUE,EX-DATE\n"


def written(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        LISTING + "ABC,EQ,BONUS 1:1,10,28-Oct-2024\n",
        LISTING + "ABC,EQ,BONUS 1:1,10,28-10-2024\n",
        LISTING.replace(",", "\t") + "ABC\tEQ\tBONUS 1:1\t10\t28/10/2024\t\n",
        '\ufeff"SYMBOL","SERIES","PURPOSE","FACE VALUE","EX-DATE"\r\n'
        '"ABC","EQ","BONUS 1:1","10","28-Oct-2024"\r\n',
        "SERIES,SYMBOL,SECURITY,RECORD_DT,BC_STRT_DT,BC_END_DT,EX_DT,ND_STRT_DT,ND_END_DT,PURPOSE\n"
        "EQ,ABC,Abc Ltd,2024-10-28, , ,2024-10-28, , ,BONUS 1:1   \n",
        "symbol,ex_date,kind,numerator,denominator,amount_inr,price_factor,source,verified\n"
        "ABC,2024-10-28,bonus,1,1,,,mine,yes\n",
    ],
)
def test_every_form_says_the_same(tmp_path: Path, text: str) -> None:
    read = read_actions(written(tmp_path, text))
    assert read.refused.empty and read.lines == 1
    row = read.actions.iloc[0]
    assert (row["symbol"], row["ex_date"], row["kind"]) == ("ABC", date(2024, 10, 28), "bonus")
    assert (row["numerator"], row["denominator"], row["verified"]) == (1, 1, True)


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    lines = [
        "ABC,EQ,BONUS 1:1,10,28-Oct-2024",
        "ABC,BE,BONUS 1:1,10,28-Oct-2024",  # the same in another series
        "ABC,EQ,AGM,10,-",  # moves no price and has no date
        "714GS,GS,Interest Payment,100,07-Nov-2025",
        "ABC,EQ,BONUS 1:1,10,-",  # no date
        "ABC,EQ,DIV - RS 2 PER SH,10,30-Oct-2024",
        "ABC,EQ,SPL DIV - RS 3 PER SH,10,30-Oct-2024",  # paid together
        "ABC,EQ,GIFT,10,30-Oct-2024",
        "ABC",  # a line cut short
    ]
    read = read_actions(written(tmp_path, LISTING + "\n".join(lines) + "\n"))
    assert (read.lines, read.idle, read.repeats) == (9, 2, 1)
    assert read.refused["line"].tolist() == [6, 9, 10]
    assert read.actions["kind"].tolist() == ["bonus", "dividend"]
    assert read.actions["amount_inr"].tolist()[1] == 5.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"SYMBOL,SERIES,OPEN\nABC,EQ,1\n", "its header needs"),
        (b"", "its header needs"),
        (b"\x1f\x8b\x08\x00\xff\xfe", "not a text file"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_actions(path)
    with pytest.raises(MissingDataError):
        read_actions(tmp_path / "none.csv")


def test_dividends_are_as_paid(tmp_path: Path) -> None:
    text = "symbol,ex_date,value,kind\n"
    text += (
        "TCS,2015-06-01,5.0,dividend\nTCS,2018-06-01,5.0,dividend\nINFY,2015-06-01,1.5,dividend\n"
    )
    text += "TCS,2016-01-01,2.0,split_or_bonus_listed\nTCS,2017-01-01,5.0,split_or_bonus_listed\n"
    read = read_actions(written(tmp_path, text)).actions
    dividends = read[read["kind"] == "dividend"].set_index(["symbol", "ex_date"])["amount_inr"]
    assert dividends.to_dict() == {
        ("INFY", date(2015, 6, 1)): 1.5,
        ("TCS", date(2015, 6, 1)): 50.0,
        ("TCS", date(2018, 6, 1)): 5.0,
    }


events = st.lists(
    st.tuples(
        st.sampled_from(["INFY", "TCS"]), st.integers(0, 300), st.sampled_from([2.0, 5.0, 10.0])
    ),
    max_size=6,
    unique_by=lambda event: (event[0], event[1] // 30),
)


@given(events, st.integers(-3, 3))
def test_joining_is_idempotent(found: list[tuple[str, int, float]], late: int) -> None:
    start = pd.Timestamp("2020-06-01")

    def table(shift: int, source: str) -> pd.DataFrame:
        return action_table(
            [
                {"symbol": symbol, "ex_date": (start + pd.Timedelta(days=day + shift)).date()}
                | {"kind": "split", "numerator": ratio, "denominator": 1.0, "source": source}
                for symbol, day, ratio in found
            ]
        )

    once = merged(table(0, "first"))
    assert len(once) == len(found)
    again = merged(once, table(late, "late"), table(0, "first"))
    pd.testing.assert_frame_equal(again, once)
    total = ex_dates(once)["factor"].prod()
    assert total == pytest.approx(np.prod([1 / ratio for _, _, ratio in found]))


def market(ratio: float, row: int, seed: int, days: int = 60) -> Bars:
    "One share that splits before row `row`, and one that does not."
    chance = np.random.default_rng(seed)
    close = 1000 * np.exp(np.cumsum(chance.normal(0, 0.008, (days, 2)), axis=0))
    close[row:, 0] /= ratio
    index = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=days, tz=ZONE))
    volume = np.full_like(close, 1e6)
    return Bars(
        index, ("SPLIT", "OTHER"), close, close, close, close, volume, interval_minutes=1440
    )


@given(st.sampled_from(RATIOS), st.integers(3, 55), st.integers(0, 50))
def test_a_split_is_found_where_it_is(ratio: float, row: int, seed: int) -> None:
    bars = market(ratio, row, seed)
    found = suspected_splits(bars)
    assert found["symbol"].tolist() == ["SPLIT"]
    assert found["day"].iloc[0] == bars.index[row].tz_localize(None)
    assert abs(np.log(found["ratio"].iloc[0] / ratio)) < 0.12
    event = {"symbol": "SPLIT", "ex_date": bars.index[row].date(), "kind": "other"}
    listed = action_table([event | {"price_factor": 1 / ratio}])
    assert explained_splits(bars, listed)["explained"].tolist()[0].startswith("other of")
    assert held_against(listed, bars)["verdict"].tolist() == ["confirmed"]
    assert held_against(listed, market(1.0, row, seed))["verdict"].tolist() == ["not in the prices"]


@given(st.floats(0.005, 200))
def test_a_ratio_is_near_or_none(step: float) -> None:
    ratio = float(nearest_ratio(np.array([step]))[0])
    assert np.isnan(ratio) or abs(np.log(step * ratio)) <= 0.06 + 1e-9


def test_verdicts() -> None:
    bars = market(2.0, 20, 1)
    day = bars.index[20].date()

    def verdict(**fields: object) -> str:
        table = action_table([{"symbol": "SPLIT", "ex_date": day, "kind": "bonus"} | fields])
        return str(held_against(table, bars)["verdict"].iloc[0])

    assert verdict(numerator=1, denominator=1) == "confirmed"
    assert verdict(numerator=4, denominator=1) == "not in the prices"
    assert verdict(numerator=1, denominator=20) == "too small to tell"
    assert verdict(numerator=1, denominator=1, symbol="NONE") == "no bars"
    assert verdict(numerator=1, denominator=1, ex_date=date(2030, 1, 1)) == "no bars"
    late = bars.index[23].date()
    assert verdict(numerator=1, denominator=1, ex_date=late) == "on another day"
    assert verdict(kind="rights", numerator=1, denominator=1, amount_inr=5.0) == "confirmed"


def test_minutes_are_compared_over_night() -> None:
    daily = market(5.0, 6, 2, days=10)
    close = np.repeat(daily.close, 3, axis=0)
    index = pd.DatetimeIndex(
        [day + pd.Timedelta(hours=9, minutes=15 + n) for day in daily.index for n in range(3)]
    )
    bars = Bars(index, daily.symbols, close, close, close, close, close, interval_minutes=1)
    found = suspected_splits(bars)
    assert found[["symbol", "ratio"]].to_numpy().tolist() == [["SPLIT", 5.0]]


def test_real_actions_agree_with_real_prices(nifty_data: Path) -> None:
    frame = pd.read_parquet(nifty_data / "daily/nifty50_daily_raw.parquet")
    stamps = pd.to_datetime(frame["date"]).dt.tz_localize(ZONE)
    frame = frame.assign(timestamp=stamps, volume=frame["volume"].astype(float))
    bars = Bars.from_frame(frame, interval_minutes=1440)
    read = read_actions(nifty_data / "ref/corporate_actions.csv")
    assert (read.lines, len(read.refused), read.lines - read.repeats) == (
        3447,
        0,
        len(read.actions),
    )
    verdicts = held_against(read.actions, bars)
    counts = verdicts["verdict"].value_counts()
    print(counts.to_dict())
    assert counts["confirmed"] >= 86 and counts["not in the prices"] <= 2
    wrong = verdicts[verdicts["verdict"] == "on another day"]["share"].tolist()
    assert wrong == ["CIPLA", "DRREDDY"], "the false days that the data's README names"
    splits = explained_splits(bars, read.actions)
    unlisted = splits[splits["explained"] == ""]
    print(f"{len(splits)} splits by ratio, {len(unlisted)} of them in no list")
    assert len(splits) >= 85 and len(unlisted) <= 8


def test_import_into_a_store(tmp_path: Path, nifty_data: Path) -> None:
    store = BarStore(tmp_path / "store")
    report = import_actions([nifty_data / "ref/corporate_actions.csv"], store)
    assert report.stored == len(store.actions()) > 3300 and report.refused.empty
    again = import_actions([nifty_data / "ref/corporate_actions.csv"], store)
    assert (again.stored, again.identical) == (0, report.stored)


def test_refused_lines_lie_in_the_quarantine(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "store")
    path = written(tmp_path, LISTING + "ABC,EQ,GIFT,10,28-Oct-2024\n")
    report = import_actions([path], store)
    assert (report.stored, len(report.refused)) == (0, 1)
    kept = store.query("select file, line, reason, raw from quarantined").to_pylist()
    assert (
        kept[0]["line"] == 2 and "GIFT" in kept[0]["raw"] and "not understood" in kept[0]["reason"]
    )
